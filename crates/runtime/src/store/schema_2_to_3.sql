-- Instances stand in the order in which they came and have their timers with them; the outbox is by lane,
-- and what is in it is moved by the program.
DROP VIEW instances;
ALTER TABLE instance RENAME TO instance_2;
DROP INDEX instance_ended;
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
-- The lane of an instance without a timer was not kept; nobody asks for it before it is changed. A timer
-- of what nothing is known of is heard by nobody.
INSERT INTO instance (participant, instance, lane, state, correlation, changed_ms, ended, due_ms, cause_id, traceparent)
SELECT i.participant, i.instance, coalesce(t.partition, 0), i.state, i.correlation, i.changed_ms, i.ended,
       t.due_ms, t.cause_id, t.traceparent
FROM instance_2 i LEFT JOIN timer t USING (participant, instance) ORDER BY i.changed_ms;
DROP TABLE instance_2;
DROP TABLE timer;
CREATE INDEX instance_ended ON instance (changed_ms) WHERE ended = 1;
CREATE INDEX instance_due ON instance (due_ms, lane) WHERE due_ms IS NOT NULL;
CREATE VIEW instances AS
SELECT participant, instance, state, datetime(changed_ms / 1000, 'unixepoch') AS changed, ended FROM instance;
ALTER TABLE lane RENAME TO lane_2;
CREATE TABLE lane (
    lane       INTEGER NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    next_place INTEGER NOT NULL
) STRICT;
INSERT INTO lane (lane, version, sequence, next_place) SELECT partition, version, sequence, 1 FROM lane_2;
DROP TABLE lane_2;
ALTER TABLE outbox RENAME TO outbox_2;
CREATE TABLE outbox (
    lane        INTEGER NOT NULL,
    last_place  INTEGER NOT NULL,
    first_place INTEGER NOT NULL,
    records     BLOB    NOT NULL, -- one after another: sqlite/outbox.rs
    PRIMARY KEY (lane, last_place)
) STRICT, WITHOUT ROWID;
