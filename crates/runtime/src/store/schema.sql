-- The store of one service. Everything that a batch changes is changed in one transaction.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A lane is partition p of every topic. Its version counts its owners and their batches: who finds
-- another version than its own has lost the lane. Its sequence counts what was said there, its places
-- what it has put into its outbox.
CREATE TABLE lane (
    lane       INTEGER NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    next_place INTEGER NOT NULL
) STRICT;

-- How far each topic has been read, and what the last record read there looked like.
CREATE TABLE position (
    topic       TEXT    NOT NULL,
    partition   INTEGER NOT NULL, -- and lane
    next_offset INTEGER NOT NULL,
    last_offset INTEGER, -- of that record; both are NULL where no record has been read yet
    fingerprint INTEGER,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- What a participant knows of an instance, and the timer that the instance has. Those that are new stand
-- at the end, so that a batch writes few pages, whatever their ids are.
CREATE TABLE instance (
    row         INTEGER NOT NULL PRIMARY KEY,
    participant TEXT    NOT NULL,
    instance    TEXT    NOT NULL,
    lane        INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    -- What everything that is said of the instance has in common.
    correlation TEXT,
    changed_ms  INTEGER NOT NULL,
    ended       INTEGER NOT NULL,
    -- The timer: when it is due, and what started it.
    due_ms      INTEGER,
    cause_id    TEXT,
    traceparent TEXT,
    UNIQUE (instance, participant)
) STRICT;
CREATE INDEX instance_ended ON instance (changed_ms) WHERE ended = 1;
CREATE INDEX instance_due ON instance (due_ms, lane) WHERE due_ms IS NOT NULL;

-- Rows that instances compete for.
CREATE TABLE shared_row (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was said and is not known to be in Kafka yet: what a lane said in one batch, together.
CREATE TABLE outbox (
    lane        INTEGER NOT NULL,
    last_place  INTEGER NOT NULL,
    first_place INTEGER NOT NULL,
    records     BLOB    NOT NULL, -- one after another: sqlite/outbox.rs
    PRIMARY KEY (lane, last_place)
) STRICT, WITHOUT ROWID;

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
