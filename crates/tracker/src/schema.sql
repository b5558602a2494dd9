-- The tracker's store. What a batch adds and how far it has read change in one transaction.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each topic has been read, and what the last record read there looked like.
CREATE TABLE position (
    topic       TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    last_offset INTEGER, -- of that record; both are NULL where no record has been read yet
    fingerprint INTEGER,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- The number of the last record that the writer of a topic counted.
CREATE TABLE sequence (
    topic     TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- What is known of each order. The number stands for the order's id among the events, and grows
-- with time.
CREATE TABLE known_order (
    number      INTEGER NOT NULL PRIMARY KEY,
    order_id    TEXT    NOT NULL UNIQUE,
    status      INTEGER NOT NULL, -- 0 unknown ... 6 completed: status.rs
    ended       INTEGER NOT NULL,
    customer_id TEXT,
    total       INTEGER,
    currency    TEXT,
    reason      TEXT,
    placed_ms   INTEGER NOT NULL,
    placed_from INTEGER NOT NULL, -- 0 any event, 1 PlaceOrder, 2 OrderPlaced: order.rs
    updated_ms  INTEGER NOT NULL,
    events      INTEGER NOT NULL -- how many are kept
) STRICT;
-- What is to be forgotten next.
CREATE INDEX untouched ON known_order (updated_ms);

-- The events of an order stand beside each other, and those of new orders at the end.
CREATE TABLE event (
    order_number INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    service      TEXT    NOT NULL,
    cause        TEXT,
    time_ms      INTEGER NOT NULL,
    data         TEXT    NOT NULL,
    -- Ids are unique only for one writer.
    PRIMARY KEY (order_number, id, kind)
) STRICT, WITHOUT ROWID;

-- For people with the sqlite3 shell.
CREATE VIEW orders AS
SELECT order_id,
       CASE status WHEN 0 THEN 'unknown' WHEN 1 THEN 'accepted' WHEN 2 THEN 'placed' WHEN 3 THEN 'cancelling'
                   WHEN 4 THEN 'confirmed' WHEN 5 THEN 'cancelled' WHEN 6 THEN 'completed' END AS status,
       customer_id, total, currency, reason, datetime(placed_ms / 1000, 'unixepoch') AS placed,
       datetime(updated_ms / 1000, 'unixepoch') AS updated FROM known_order;
CREATE VIEW events AS
SELECT order_id, datetime(time_ms / 1000, 'unixepoch') AS time, service, kind, id, cause, data
FROM event JOIN known_order ON number = order_number;
