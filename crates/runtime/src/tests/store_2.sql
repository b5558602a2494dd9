-- A store as the second version left it: its schema, and some of everything.
-- The store of one service. Everything that a batch changes is changed in one transaction.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A lane is partition p of every topic. Its version counts its owners and their batches: who finds
-- another version than its own has lost the lane. Its sequence counts what was said there.
CREATE TABLE lane (
    partition INTEGER NOT NULL PRIMARY KEY,
    version   INTEGER NOT NULL,
    sequence  INTEGER NOT NULL
) STRICT;

-- How far each topic has been read, and what the last record read there looked like.
CREATE TABLE position (
    topic       TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    last_offset INTEGER, -- of that record; both are NULL where no record has been read yet
    fingerprint INTEGER,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- What a participant knows of an instance.
CREATE TABLE instance (
    participant TEXT    NOT NULL,
    instance    TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    -- What everything that is said of the instance has in common.
    correlation TEXT,
    changed_ms  INTEGER NOT NULL,
    ended       INTEGER NOT NULL,
    PRIMARY KEY (participant, instance)
) STRICT, WITHOUT ROWID;
CREATE INDEX instance_ended ON instance (changed_ms) WHERE ended = 1;

-- Rows that instances compete for.
CREATE TABLE shared_row (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was said and is not known to be in Kafka yet.
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    topic     TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    key       BLOB,
    headers   TEXT    NOT NULL,
    value     BLOB
) STRICT;

CREATE TABLE timer (
    participant    TEXT    NOT NULL,
    instance       TEXT    NOT NULL,
    partition      INTEGER NOT NULL,
    due_ms         INTEGER NOT NULL,
    cause_id       TEXT    NOT NULL,
    traceparent    TEXT    NOT NULL,
    PRIMARY KEY (participant, instance)
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due_ms, partition);

-- Records that could not be used.
CREATE TABLE dead_letter (
    id           TEXT    NOT NULL PRIMARY KEY,
    topic        TEXT    NOT NULL,
    partition    INTEGER NOT NULL,
    offset       INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL, -- Kafka's
    kind         TEXT,             -- the type that it names
    is_whole     INTEGER NOT NULL, -- 0 where it was too large, and only where it stands is kept
    reason       TEXT    NOT NULL,
    at_ms        INTEGER NOT NULL,
    -- What may be large stands last: the rest is read without it.
    key          BLOB,
    headers      TEXT    NOT NULL,
    value        BLOB
) STRICT;
CREATE INDEX dead_letter_at ON dead_letter (at_ms);

-- For people with the sqlite3 shell.
CREATE VIEW instances AS
SELECT participant, instance, state, datetime(changed_ms / 1000, 'unixepoch') AS changed, ended FROM instance;
CREATE VIEW dead_letters AS
SELECT id, reason, CAST(value AS TEXT) AS value, datetime(at_ms / 1000, 'unixepoch') AS at FROM dead_letter;

INSERT INTO meta (name, value) VALUES ('cluster', 'kafka-1'), ('ran_ms', '1800000000000'), ('', 'a' || char(0) || 'b');
INSERT INTO lane (partition, version, sequence) VALUES (0, 5, 12), (1, 9, 40), (2, 5, 0), (3, 6, 3);
INSERT INTO position (topic, partition, next_offset, last_offset, fingerprint) VALUES
    ('users', 0, 3, NULL, NULL), ('users', 1, 8, 7, 4294967295), ('users', 2, 0, NULL, NULL),
    ('users', 3, 12, 9, 2), -- the marker of a transaction was behind it
    ('accounts', 1, 9223372036854775807, 5, 0);
INSERT INTO instance (participant, instance, state, correlation, changed_ms, ended) VALUES
    ('billing', 'ada', '{"is":"billing''s"}', 'order-1', 50, 0),
    ('identity', 'ada', '"waiting"', 'order-1', 40, 0),
    ('identity', 'bob', '"over"', NULL, 20, 1),
    ('identity', 'cyd', '"over, and waits"', 'order-3', 10, 1),
    ('identity', '', '"of no name"', '', 60, 0),
    ('identity', 'ü€😀''"\' || char(0) || '%_', '"odd" ' || char(0), NULL, 30, 0);
INSERT INTO shared_row (key, value) VALUES ('funds', '5'), ('', 'a row of no name');
INSERT INTO timer (participant, instance, partition, due_ms, cause_id, traceparent) VALUES
    ('identity', 'ada', 1, 100, 'cause 1', 'trace 1'),
    ('billing', 'ada', 1, 50, 'cause 2', 'trace 2'),
    ('identity', 'cyd', 3, 70, 'cause 3', ''),
    ('identity', 'zoe', 2, 60, 'of what nothing is known of', '');
-- What stood at 1 to 4, and 7, is in Kafka.
INSERT INTO outbox (id, topic, partition, key, headers, value) VALUES
    (5, 'users', 1, x'616461', '[["ce_type","IdentityCreated"],["none",null],["bytes",[255,0]],["",""],["ce_type","twice"]]', x'7b7d'),
    (6, 'users', 3, NULL, '[]', NULL),
    (8, 'users', 1, x'', '[]', x''),
    -- A forwarded command, to the partition of its key.
    (9, 'accounts', 2, x'626f62', '[["ce_id","1"]]', x'ff00'),
    (10, 'dead-letters', 1, x'ff', '[["dlq-reason","a\u0000b"]]', NULL),
    (11, 'users', 3, x'637964', '[]', x'5b5d');
INSERT INTO dead_letter (id, topic, partition, offset, timestamp_ms, kind, is_whole, reason, at_ms, key, headers, value) VALUES
    ('billing-users-2-7', 'users', 2, 7, 3, 'IdentityCreated', 1, 'a' || char(0) || 'b', 1, x'ff00', '[["name",[255]],["none",null]]', NULL),
    ('billing-users-2-8', 'users', 2, 8, 4, NULL, 0, 'too large', 2, NULL, '[]', NULL);
PRAGMA user_version = 2;
