-- A tracker's store as version 2 of its schema left it: with an order that has ended, and one that has not.

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
CREATE INDEX listed ON known_order (placed_ms) WHERE status > 0;
CREATE INDEX listed_ended ON known_order (status, placed_ms) WHERE ended = 1;
CREATE INDEX listed_open ON known_order (placed_ms) WHERE ended = 0 AND status > 0;
CREATE INDEX listed_customer ON known_order (customer_id, placed_ms) WHERE status > 0;
CREATE INDEX listed_reason ON known_order (reason, placed_ms) WHERE reason IS NOT NULL;

INSERT INTO meta VALUES ('cluster', 'a');
INSERT INTO position VALUES ('orders', 0, 7, 6, 4294967295);
INSERT INTO sequence VALUES ('orders', 0, 7);
INSERT INTO known_order VALUES (1, 'o', 6, 1, 'ada', 4998, 'EUR', NULL, 1795255201000, 2, 1795255210000, 11);
INSERT INTO event VALUES (1, 'o/NotificationSent', 'NotificationSent', 'notification', 'o/OrderCompleted', 1795255210000,
    '{"order_id":"o"}');
INSERT INTO event VALUES (1, 'o/OrderCompleted', 'OrderCompleted', 'order', 'o/ShipmentDispatched', 1795255209000,
    '{"order_id":"o"}');
INSERT INTO event VALUES (1, 'o/OrderConfirmed', 'OrderConfirmed', 'order', 'o/ShipmentScheduled', 1795255205000,
    '{"order_id":"o"}');
INSERT INTO event VALUES (1, 'o/OrderPlaced', 'OrderPlaced', 'order', 'o/PlaceOrder', 1795255201000,
    '{"currency":"EUR","customer_id":"ada","destination":{"country":"DE"},"items":[{"quantity":2,"sku":"tea","unit_price":2499}],"order_id":"o","total":4998}');
INSERT INTO event VALUES (1, 'o/PaymentAuthorized', 'PaymentAuthorized', 'payment', 'o/OrderPlaced', 1795255202000,
    '{"amount":4998,"currency":"EUR","order_id":"o","payment_id":"bb6fe47d-66be-53f9-aed9-67d0096078b2"}');
INSERT INTO event VALUES (1, 'o/PaymentCaptured', 'PaymentCaptured', 'payment', 'o/OrderConfirmed', 1795255206000,
    '{"amount":4998,"currency":"EUR","order_id":"o","payment_id":"bb6fe47d-66be-53f9-aed9-67d0096078b2"}');
INSERT INTO event VALUES (1, 'o/PlaceOrder', 'PlaceOrder', 'http', NULL, 1795255200000,
    '{"currency":"EUR","customer_id":"ada","destination":{"country":"DE"},"items":[{"quantity":2,"sku":"tea","unit_price":2499}],"order_id":"o"}');
INSERT INTO event VALUES (1, 'o/ShipmentDispatched', 'ShipmentDispatched', 'shipping', 'o/OrderConfirmed', 1795255208000,
    '{"order_id":"o"}');
INSERT INTO event VALUES (1, 'o/ShipmentScheduled', 'ShipmentScheduled', 'shipping', 'o/StockReserved', 1795255204000,
    '{"destination":{"country":"DE"},"order_id":"o","shipment_id":"bb6fe47d-66be-53f9-aed9-67d0096078b2"}');
INSERT INTO event VALUES (1, 'o/StockCommitted', 'StockCommitted', 'inventory', 'o/OrderConfirmed', 1795255207000,
    '{"items":[{"quantity":2,"sku":"tea"}],"order_id":"o","reservation_id":"bb6fe47d-66be-53f9-aed9-67d0096078b2"}');
INSERT INTO event VALUES (1, 'o/StockReserved', 'StockReserved', 'inventory', 'o/PaymentAuthorized', 1795255203000,
    '{"items":[{"quantity":2,"sku":"tea"}],"order_id":"o","reservation_id":"bb6fe47d-66be-53f9-aed9-67d0096078b2"}');
INSERT INTO known_order VALUES (2, 'p', 2, 0, 'ada', 4998, 'EUR', NULL, 1795255201000, 2, 1795255202000, 3);
INSERT INTO event VALUES (2, 'p/OrderPlaced', 'OrderPlaced', 'order', 'p/PlaceOrder', 1795255201000,
    '{"currency":"EUR","customer_id":"ada","destination":{"country":"DE"},"items":[{"quantity":2,"sku":"tea","unit_price":2499}],"order_id":"p","total":4998}');
INSERT INTO event VALUES (2, 'p/PaymentAuthorized', 'PaymentAuthorized', 'payment', 'p/OrderPlaced', 1795255202000,
    '{"amount":4998,"currency":"EUR","order_id":"p","payment_id":"bb6fe47d-66be-53f9-aed9-67d0096078b2"}');
INSERT INTO event VALUES (2, 'p/PlaceOrder', 'PlaceOrder', 'http', NULL, 1795255200000,
    '{"currency":"EUR","customer_id":"ada","destination":{"country":"DE"},"items":[{"quantity":2,"sku":"tea","unit_price":2499}],"order_id":"p"}');
PRAGMA user_version = 2;
