-- Steps of jobs, and what suspended handlers wait for. The index takes a second for each million unfinished jobs.

-- The module version that has recorded steps of the job, on which it stays; mostly NULL.
ALTER TABLE live_jobs ADD COLUMN pinned_version INTEGER;
-- A code of WaitingReason: what its handler waits for. With it `snoozed` is set, which says that it has begun.
ALTER TABLE live_jobs ADD COLUMN suspension INTEGER;
ALTER TABLE finished_jobs ADD COLUMN pinned_version INTEGER;
CREATE INDEX live_pinned ON live_jobs (pinned_version) WHERE pinned_version IS NOT NULL;

CREATE TABLE job_steps (
    -- Written under the lease of the execution that recorded them; kept as long as the job.
    job_id        BLOB NOT NULL,
    step          INTEGER NOT NULL, -- from 0, in the order they were recorded
    type          INTEGER NOT NULL, -- a code: step, sleep or event
    name          TEXT NOT NULL,    -- of a wait the type of the event
    occurrence    INTEGER NOT NULL, -- the how many-eth of its name
    shape         TEXT NOT NULL,    -- the type of the result in the handler's words
    correlation   TEXT,             -- of a wait
    result        BLOB,             -- JSON text
    execution     INTEGER NOT NULL, -- the lease number
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,          -- NULL: it goes on, or is a sleep
    until         INTEGER,          -- of sleeps and waits
    event         INTEGER,          -- of a wait the event that came
    after_failure INTEGER NOT NULL,
    PRIMARY KEY (job_id, step)
) WITHOUT ROWID;

CREATE TABLE event_waits (
    -- Of each blocked job that waits for an event, for which.
    job_id      BLOB PRIMARY KEY NOT NULL,
    tenant_id   INTEGER NOT NULL,
    event_type  TEXT NOT NULL,
    correlation TEXT NOT NULL,
    step        INTEGER NOT NULL,
    until       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX event_waits_of_event ON event_waits (tenant_id, event_type, correlation, job_id);
CREATE INDEX event_waits_until ON event_waits (until);

CREATE TABLE emitted_events (
    -- What handlers emitted; those who wait are told at once, those who come to wait look here.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL,
    event_type  TEXT NOT NULL,
    correlation TEXT NOT NULL,
    data        BLOB NOT NULL, -- JSON text
    job_id      BLOB NOT NULL, -- whose success it came with
    at          INTEGER NOT NULL,
    -- Some who waited for it are to be told yet: jobs after this one. NULL: nobody is.
    told_up_to  BLOB,
    counted_bytes INTEGER NOT NULL
);
CREATE INDEX emitted_events_of_type ON emitted_events (tenant_id, event_type, correlation, id);
CREATE INDEX emitted_events_at ON emitted_events (at);
CREATE INDEX emitted_events_untold ON emitted_events (tenant_id, id) WHERE told_up_to IS NOT NULL;

-- By the store's own clock, which no change of the wall clock moves: from then on the key is not there. NULL: it stays.
ALTER TABLE kv_entries ADD COLUMN expires_ms INTEGER;
CREATE INDEX kv_entries_expiry ON kv_entries (expires_ms) WHERE expires_ms IS NOT NULL;
