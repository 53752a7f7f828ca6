ALTER TABLE idempotency_keys ADD COLUMN answers BLOB /* a byte for each of `jobs`: what the request did to a job there was, see store/idempotency.rs; NULL: all of them were made for it */;
