-- Every row of users' things carries its tenant. Times are milliseconds since the Unix epoch, UTC. Job ids are 16 bytes,
-- big-endian, so that their order is the order of creation.

CREATE TABLE meta (
    -- What the store remembers about itself: store_clock_ms, aging_ms.
    name  TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tenants (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
INSERT INTO tenants (id, name) VALUES (1, 'default');

CREATE TABLE hosts (
    -- One row per running process; `number` is what leases carry.
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB NOT NULL UNIQUE,
    started_at   INTEGER NOT NULL,
    -- By the store's own clock, which no change of the wall clock moves.
    heartbeat_ms INTEGER NOT NULL,
    version      TEXT NOT NULL,
    slots        INTEGER NOT NULL
);

CREATE TABLE queues (
    -- Created by the first job that names it.
    id        INTEGER PRIMARY KEY,
    tenant_id INTEGER NOT NULL,
    name      TEXT NOT NULL,
    priority  INTEGER NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
    UNIQUE (tenant_id, name)
);

CREATE TABLE modules (
    id             INTEGER PRIMARY KEY,
    tenant_id      INTEGER NOT NULL,
    name           TEXT NOT NULL,
    -- NULL once the module was deleted.
    active_version INTEGER,
    UNIQUE (tenant_id, name)
);

CREATE TABLE module_versions (
    -- Rows outlive a delete (deleted_at), because the history of jobs names them.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id  INTEGER NOT NULL,
    module_id  INTEGER NOT NULL,
    digest     BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    guest      TEXT NOT NULL,
    imports    TEXT NOT NULL, -- JSON
    kinds      TEXT NOT NULL, -- JSON: what `describe` said
    compile_ms INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER
);
CREATE UNIQUE INDEX module_versions_kept ON module_versions (module_id, digest) WHERE deleted_at IS NULL;
CREATE INDEX module_versions_digest ON module_versions (digest) WHERE deleted_at IS NULL;

CREATE TABLE module_chunks (
    -- Written before the version is, in pieces, so that an upload never stalls the writer.
    digest      BLOB NOT NULL,
    chunk_index INTEGER NOT NULL,
    written_ms  INTEGER NOT NULL, -- by the store's own clock: no change of the wall clock ages an upload
    bytes       BLOB NOT NULL,
    PRIMARY KEY (digest, chunk_index)
) WITHOUT ROWID;

CREATE TABLE kinds (
    -- Never deleted, because jobs name them; `registered` says whether new jobs may.
    id                INTEGER PRIMARY KEY,
    tenant_id         INTEGER NOT NULL,
    name              TEXT NOT NULL,
    -- Who serves it; NULL = nobody, its jobs wait as no_handler.
    module_id         INTEGER,
    registered        INTEGER NOT NULL,
    operator_settings TEXT NOT NULL DEFAULT '{}', -- JSON
    UNIQUE (tenant_id, name)
);

CREATE TABLE live_jobs (
    -- Unfinished jobs: hot and narrow. Finished ones move to finished_jobs in the transaction that ends them.
    -- The CHECKs on states are no IN lists: SQLite would fill a temporary table with the list for each row written.
    id               BLOB PRIMARY KEY NOT NULL,
    tenant_id        INTEGER NOT NULL,
    kind_id          INTEGER NOT NULL,
    queue_id         INTEGER NOT NULL,
    state            TEXT NOT NULL CHECK (state = 'ready' OR state = 'scheduled' OR state = 'blocked' OR state = 'running' OR state = 'retrying'),
    priority         INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    order_key        INTEGER NOT NULL, -- run_at and priority in one number, see store/order.rs
    run_at           INTEGER NOT NULL,
    ready_at         INTEGER NOT NULL, -- queue wait counts from here
    created_at       INTEGER NOT NULL,
    attempt          INTEGER NOT NULL, -- attempts used so far
    max_attempts     INTEGER NOT NULL,
    lease_number     INTEGER NOT NULL, -- raised by every claim; numbers the executions too
    lease_host       INTEGER,          -- hosts.number of who holds it
    started_at       INTEGER,          -- when the running execution was entered
    parked           INTEGER,          -- a code of WaitingReason: taken out of the claimable
    suspect          INTEGER NOT NULL DEFAULT 0,
    host_losses      INTEGER NOT NULL DEFAULT 0, -- hosts lost while it ran as a suspect
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    snoozed          INTEGER NOT NULL DEFAULT 0,
    checked_version  INTEGER,          -- the module version whose schema the payload was checked against
    options          TEXT,             -- JSON of what differs from the kind; mostly NULL
    tags             TEXT,             -- JSON array; mostly NULL
    history          BLOB,             -- packed notes on the unusual; mostly NULL
    progress         BLOB
) WITHOUT ROWID;
CREATE INDEX live_ready ON live_jobs (queue_id, order_key, id)
    WHERE state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0;
-- What has waited longest in a queue need not come first in it.
CREATE INDEX live_waiting ON live_jobs (queue_id, ready_at)
    WHERE state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0;
CREATE INDEX live_due ON live_jobs (run_at, id) WHERE state IN ('scheduled', 'retrying');
CREATE INDEX live_retrying ON live_jobs (tenant_id, id) WHERE state = 'retrying';
CREATE INDEX live_leased ON live_jobs (lease_host) WHERE lease_host IS NOT NULL;
CREATE INDEX live_parked ON live_jobs (kind_id) WHERE parked IS NOT NULL;
CREATE INDEX live_suspects ON live_jobs (host_losses, order_key, id) WHERE suspect = 1;

CREATE TABLE finished_jobs (
    -- History. The last execution stands in the row itself; earlier ones in attempts.
    id              BLOB PRIMARY KEY NOT NULL,
    tenant_id       INTEGER NOT NULL,
    kind_id         INTEGER NOT NULL,
    queue_id        INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state = 'succeeded' OR state = 'failed' OR state = 'cancelled'),
    priority        INTEGER NOT NULL,
    run_at          INTEGER NOT NULL,
    ready_at        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    finished_at     INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    max_attempts    INTEGER NOT NULL,
    lease_number    INTEGER NOT NULL,
    checked_version INTEGER,
    options         TEXT,
    tags            TEXT,
    history         BLOB,
    progress        BLOB,
    failure         BLOB, -- packed; NULL when it succeeded
    execution       BLOB  -- packed; NULL when no execution ended it
) WITHOUT ROWID;
-- One index for listing by kind, by queue and by module: the pairs that exist are known from the counters.
CREATE INDEX finished_by_lane ON finished_jobs (kind_id, queue_id, id);
CREATE INDEX finished_badly ON finished_jobs (tenant_id, state, id) WHERE state <> 'succeeded';

CREATE TABLE payloads (
    job_id BLOB PRIMARY KEY NOT NULL,
    body   BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE outputs (
    -- No row: the output of a succeeded job is `null`.
    job_id BLOB PRIMARY KEY NOT NULL,
    body   BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE attempts (
    -- Executions that did not end their job for good (and last ones of jobs reopened since).
    job_id    BLOB NOT NULL,
    execution INTEGER NOT NULL, -- the lease number
    body      BLOB NOT NULL,    -- packed
    failure   BLOB,             -- packed
    PRIMARY KEY (job_id, execution)
) WITHOUT ROWID;

CREATE TABLE attempt_logs (
    job_id    BLOB NOT NULL,
    execution INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    dropped   INTEGER NOT NULL,
    lines     BLOB NOT NULL, -- packed
    PRIMARY KEY (job_id, execution)
) WITHOUT ROWID;

CREATE TABLE job_tags (
    tenant_id INTEGER NOT NULL,
    tag       TEXT NOT NULL,
    job_id    BLOB NOT NULL,
    PRIMARY KEY (tenant_id, tag, job_id)
) WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    tenant_id    INTEGER NOT NULL,
    key          TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    jobs         BLOB NOT NULL, -- the ids, 16 bytes each; zeros where a line of a batch was refused
    expires_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE events (
    -- One row per commit that changed jobs.
    commit_id   INTEGER PRIMARY KEY,
    stored_ms   INTEGER NOT NULL, -- by the store's own clock, so that ages are right whatever the wall clock does
    bytes_total INTEGER NOT NULL, -- of this row's body and all before it: the log's size without adding it up
    body        BLOB NOT NULL     -- packed
);

CREATE TABLE counters (
    -- Kept in the transaction that changes a job: no page counts history.
    tenant_id INTEGER NOT NULL,
    queue_id  INTEGER NOT NULL,
    kind_id   INTEGER NOT NULL,
    state     TEXT NOT NULL,
    jobs      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, queue_id, kind_id, state)
) WITHOUT ROWID;
