-- The orders and what was said of them.

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
    events      INTEGER NOT NULL, -- how many are kept
    queued_ms   INTEGER NOT NULL  -- what updated_ms was when the order was put into the queue below
) STRICT;
-- In which order it is looked whether they are to be forgotten: forgetting.rs.
CREATE INDEX untouched ON known_order (queued_ms);

-- The events of all orders, each behind all that were read before it.
CREATE TABLE event (
    number       INTEGER NOT NULL PRIMARY KEY,
    order_number INTEGER NOT NULL,
    mark         INTEGER NOT NULL, -- of id and kind: mark.rs
    id           TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    service      TEXT    NOT NULL,
    cause        TEXT,
    time_ms      INTEGER NOT NULL,
    data         TEXT    NOT NULL
) STRICT;
-- The way to the events of one order; and what finds a repeat, with 8 bytes of hash instead of the id.
CREATE UNIQUE INDEX event_of_order ON event (order_number, mark);

-- For people with the sqlite3 shell.
CREATE VIEW orders AS
SELECT order_id,
       CASE status WHEN 0 THEN 'unknown' WHEN 1 THEN 'accepted' WHEN 2 THEN 'placed' WHEN 3 THEN 'cancelling'
                   WHEN 4 THEN 'confirmed' WHEN 5 THEN 'cancelled' WHEN 6 THEN 'completed' END AS status,
       customer_id, total, currency, reason, datetime(placed_ms / 1000, 'unixepoch') AS placed,
       datetime(updated_ms / 1000, 'unixepoch') AS updated FROM known_order;
CREATE VIEW events AS
SELECT order_id, datetime(time_ms / 1000, 'unixepoch') AS time, service, kind, id, cause, data
FROM event JOIN known_order ON known_order.number = order_number;
