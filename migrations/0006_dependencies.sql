-- Jobs that wait for other jobs, and jobs that belong together. Nothing is added to the hot table: who has no such ties
-- pays for none.

CREATE TABLE dependencies (
    -- One row per job named in a job's `after`. It goes with the job that waits.
    parent_id BLOB NOT NULL,
    child_id  BLOB NOT NULL,
    place     INTEGER NOT NULL, -- in the child's list, from 0
    wanted    INTEGER NOT NULL, -- which end of the parent: 1 succeeded, 2 failed, 3 finished
    standing  INTEGER NOT NULL, -- 0 open, 1 met, 2 broken; 3, 4: why the child is cancelled, 4 since it is not needed
    PRIMARY KEY (parent_id, child_id)
) WITHOUT ROWID;
CREATE INDEX dependencies_of_child ON dependencies (child_id, standing);

CREATE TABLE unsettled_jobs (
    -- Jobs that ended, or were opened again, with more dependents than one operation can tell: upkeep tells the others.
    job_id     BLOB PRIMARY KEY NOT NULL,
    told_until BLOB NOT NULL -- the last dependent that knows; empty: none does
) WITHOUT ROWID;

CREATE TABLE batches (
    -- Jobs with a common end. A workflow is a batch whose jobs have names.
    id             BLOB PRIMARY KEY NOT NULL,
    tenant_id      INTEGER NOT NULL,
    is_workflow    INTEGER NOT NULL,
    name           TEXT,
    created_at     INTEGER NOT NULL,
    finished_at    INTEGER,          -- when all had ended, first
    closing        INTEGER NOT NULL, -- 0 closed; 1 open until somebody closes it, 2 until all its jobs have ended
    total          INTEGER NOT NULL DEFAULT 0, -- what follows are counts of its jobs, kept in the transaction of each change
    succeeded      INTEGER NOT NULL DEFAULT 0,
    failed         INTEGER NOT NULL DEFAULT 0,
    cancelled      INTEGER NOT NULL DEFAULT 0,
    skipped        INTEGER NOT NULL DEFAULT 0, -- cancelled since what they would have been for did not happen
    on_success     TEXT,             -- JSON of jobs to enqueue
    on_failure     TEXT,
    on_finish      TEXT,
    success_job    BLOB,             -- what they became, once
    failure_job    BLOB,
    finish_job     BLOB,
    cancelled_until BLOB             -- while it is being cancelled: the last job that is; empty: none yet
) WITHOUT ROWID;
CREATE INDEX batches_of_tenant ON batches (tenant_id, is_workflow, id);
CREATE INDEX batches_cancelling ON batches (id) WHERE cancelled_until IS NOT NULL;

CREATE TABLE batch_jobs (
    job_id   BLOB PRIMARY KEY NOT NULL,
    batch_id BLOB NOT NULL,
    name     TEXT -- in its workflow
) WITHOUT ROWID;
CREATE UNIQUE INDEX jobs_of_batch ON batch_jobs (batch_id, job_id);

-- Blocked jobs may stand behind any number of others; those that are not cost nothing here.
CREATE INDEX live_blocked ON live_jobs (tenant_id, id) WHERE state = 'blocked';
