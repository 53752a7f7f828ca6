-- Jobs that are worth nothing after a moment. A copy of what stands in the options, to be found by; NULL for nearly all.
ALTER TABLE live_jobs ADD COLUMN expires_at INTEGER /* not entered by then: cancelled */;
CREATE INDEX live_expiring ON live_jobs (expires_at, id) WHERE expires_at IS NOT NULL;
