-- Actions on many jobs, done piece by piece.
CREATE TABLE operations (
    id              BLOB PRIMARY KEY NOT NULL, -- drawn from the sequence of job ids: younger jobs have greater ones
    tenant_id       INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state = 'queued' OR state = 'running' OR state = 'done' OR state = 'cancelled' OR state = 'failed'),
    request         TEXT NOT NULL,    -- JSON: what is done to which jobs, and how fast
    cursor          BLOB NOT NULL,    -- jobs with this id and greater ones are done; written with what was done to them
    matched         INTEGER NOT NULL DEFAULT 0,
    changed         INTEGER NOT NULL DEFAULT 0,
    skipped         INTEGER NOT NULL DEFAULT 0,
    failed          INTEGER NOT NULL DEFAULT 0,
    errors          TEXT NOT NULL DEFAULT '[]', -- JSON: the first ones
    bucket_missing_millionths INTEGER NOT NULL DEFAULT 0, -- see job/rate.rs
    bucket_at_ns    INTEGER NOT NULL DEFAULT 0, -- by the store's own clock
    created_at      INTEGER NOT NULL,
    started_at      INTEGER,
    finished_at     INTEGER,
    idempotency_key TEXT,             -- kept as long as the row
    request_hash    BLOB
) WITHOUT ROWID;
CREATE INDEX operations_of_tenant ON operations (tenant_id, id);
CREATE INDEX operations_unfinished ON operations (tenant_id, id) WHERE finished_at IS NULL;
CREATE INDEX operations_finished ON operations (finished_at) WHERE finished_at IS NOT NULL;
CREATE UNIQUE INDEX operations_key ON operations (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
