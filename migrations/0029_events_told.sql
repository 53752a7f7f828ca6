-- Events are told to those who wait page by page; mail is put off by what servers answered, and not by whether there was one.

DROP INDEX emitted_events_undelivered;
-- Some who waited for it are to be told yet: jobs after this one. NULL: nobody is.
ALTER TABLE emitted_events ADD COLUMN told_up_to BLOB;
-- What it counts against its tenant's stored bytes.
ALTER TABLE emitted_events ADD COLUMN counted_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE emitted_events SET
    told_up_to = CASE WHEN undelivered = 1 THEN zeroblob(16) END,
    counted_bytes = octet_length(event_type) + octet_length(correlation) + octet_length(data);
ALTER TABLE emitted_events DROP COLUMN undelivered;
CREATE INDEX emitted_events_untold ON emitted_events (tenant_id, id) WHERE told_up_to IS NOT NULL;

-- Transmissions that a server answered: the delay to the next goes by it.
ALTER TABLE mails ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;
UPDATE mails SET answered = attempts;
