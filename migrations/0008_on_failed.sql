CREATE TABLE caused_jobs (
    -- Jobs made for the failure of another one. That one is named in the options of the job made, too.
    cause  BLOB NOT NULL,
    job_id BLOB NOT NULL,
    PRIMARY KEY (cause, job_id)
) WITHOUT ROWID;
