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
