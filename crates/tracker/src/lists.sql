-- The list of orders, newest first: of all, of those that ended in one way, of those that have not
-- ended, of one customer, of those that were cancelled for one reason. Orders of which nobody knows that
-- they were placed are in none of them. A store that an older program has made gets what it lacks.
CREATE INDEX IF NOT EXISTS listed ON known_order (placed_ms) WHERE status > 0;
CREATE INDEX IF NOT EXISTS listed_ended ON known_order (status, placed_ms) WHERE ended = 1;
CREATE INDEX IF NOT EXISTS listed_open ON known_order (placed_ms) WHERE ended = 0 AND status > 0;
CREATE INDEX IF NOT EXISTS listed_customer ON known_order (customer_id, placed_ms) WHERE status > 0;
CREATE INDEX IF NOT EXISTS listed_reason ON known_order (reason, placed_ms) WHERE reason IS NOT NULL;
