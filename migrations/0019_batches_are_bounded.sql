-- What batches keep is counted, and how many stay open is bounded.

ALTER TABLE batches ADD COLUMN counted_bytes INTEGER NOT NULL DEFAULT 0 /* of its callbacks, in stored_bytes; of earlier ones none are */;
CREATE INDEX batches_open ON batches (tenant_id) WHERE closing = 1;
