-- How many jobs run at once and how often one begins: on queues here, on kinds and their keys in the kinds' settings.
ALTER TABLE queues ADD COLUMN concurrency INTEGER /* so many of its jobs at once; NULL: any number */;
ALTER TABLE queues ADD COLUMN rate TEXT /* JSON; so many of its jobs in a time; NULL: any number */;
ALTER TABLE queues ADD COLUMN relaxed INTEGER NOT NULL DEFAULT 0 /* its jobs are acknowledged before they are on the disk */;

CREATE TABLE concurrency_keys (
    -- Short numbers for the keys of unfinished jobs; one without any is removed in time.
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL,
    kind_id   INTEGER NOT NULL,
    key       TEXT NOT NULL,
    UNIQUE (kind_id, key)
);

CREATE TABLE buckets (
    -- Permits taken under a rate. No row: the bucket is full.
    limit_code         INTEGER PRIMARY KEY,
    missing_millionths INTEGER NOT NULL, -- of a permit
    at_ns              INTEGER NOT NULL  -- by the store's own clock
);

ALTER TABLE live_jobs ADD COLUMN key_id INTEGER /* concurrency_keys.id; mostly NULL */;
ALTER TABLE live_jobs ADD COLUMN hold INTEGER /* the limit it is parked under: a job of a full kind or key is met by no claim */;

-- Those parked for another reason: they are tried again when modules change.
DROP INDEX live_parked;
CREATE INDEX live_parked ON live_jobs (kind_id) WHERE parked IS NOT NULL AND hold IS NULL;
CREATE INDEX live_held ON live_jobs (hold, queue_id, order_key, id) WHERE hold IS NOT NULL;
CREATE INDEX live_keyed ON live_jobs (key_id) WHERE key_id IS NOT NULL;
-- Who is next of a key whose jobs run one after the other: what is not due yet holds nobody up.
CREATE INDEX live_in_turn ON live_jobs (key_id, id)
    WHERE key_id IS NOT NULL AND (state = 'ready' OR state = 'running' OR state = 'retrying' OR snoozed = 1);
