-- The last record that was read need not stand right before what is read next: the marker of a
-- transaction may follow it.
ALTER TABLE position ADD COLUMN last_offset INTEGER;
UPDATE position SET last_offset = next_offset - 1 WHERE fingerprint IS NOT NULL;
