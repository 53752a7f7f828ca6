CREATE TABLE dead_letter_groups (
    -- Failed jobs that are alike. Kept in the transaction in which one fails, is brought back or goes: nobody counts history.
    number    INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of their first failures
    tenant_id INTEGER NOT NULL,
    group_id  BLOB NOT NULL,    -- made of kind, reason and message
    kind_id   INTEGER NOT NULL,
    reason    INTEGER NOT NULL, -- a code of FailureReason
    message   TEXT NOT NULL,    -- without what differs from job to job
    jobs      INTEGER NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL
);
CREATE UNIQUE INDEX dead_letter_groups_by_id ON dead_letter_groups (tenant_id, group_id);
CREATE INDEX dead_letter_groups_newest ON dead_letter_groups (tenant_id, number);

CREATE TABLE dead_letters (
    -- To which group a failed job belongs.
    job_id       BLOB PRIMARY KEY NOT NULL,
    group_number INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX dead_letters_of_group ON dead_letters (group_number, job_id);
