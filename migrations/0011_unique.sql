-- Jobs that are to be the only ones like them.
CREATE TABLE unique_jobs (
    -- Which job has an identity. Whether it still counts is found out by the next enqueue: an end of a job costs nothing here.
    tenant_id  INTEGER NOT NULL,
    identity   BLOB NOT NULL,    -- SHA-256 of the kind and of what tells its jobs apart
    job_id     BLOB NOT NULL,
    first_at   INTEGER NOT NULL, -- when that job was enqueued
    scope      INTEGER NOT NULL, -- the states in which it counts, see job/unique.rs
    expires_at INTEGER,          -- until when it counts; NULL: as long as its state does
    look_at    INTEGER NOT NULL, -- when to see whether the row can go
    PRIMARY KEY (tenant_id, identity)
) WITHOUT ROWID;
CREATE INDEX unique_jobs_look ON unique_jobs (look_at);
