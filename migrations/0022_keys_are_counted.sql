-- What is remembered of requests is counted. Of those that came before nothing is: they go within a day.
ALTER TABLE idempotency_keys ADD COLUMN counted_bytes INTEGER NOT NULL DEFAULT 0 /* in stored_bytes */;
