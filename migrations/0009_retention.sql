-- How long finished jobs are kept.
ALTER TABLE queues ADD COLUMN retention TEXT /* JSON; NULL: as the host has it */;

CREATE TABLE looks_due (
    -- When to look whether finished jobs are still to be kept: a row per commit and moment. A hint; the look decides.
    due_ms    INTEGER NOT NULL, -- by the store's own clock
    first_job BLOB NOT NULL,
    jobs      BLOB NOT NULL,    -- the ids, 16 bytes each
    PRIMARY KEY (due_ms, first_job)
) WITHOUT ROWID;

CREATE TABLE sweep (
    -- One row: how far history was gone through since it was last changed how long jobs are kept.
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    in_force  TEXT NOT NULL, -- JSON: what is set now
    before    TEXT,          -- JSON: what was, where all of history was gone through under it
    swept_to  BLOB           -- NULL: all of it
);
