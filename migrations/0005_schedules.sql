-- Recurring enqueues, and what became of their slots.

CREATE TABLE schedules (
    -- Jobs and slots name it; a number is never used again.
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL,
    name            TEXT NOT NULL,
    kind_id         INTEGER NOT NULL,
    definition      TEXT NOT NULL,    -- JSON of what is in force
    payload         BLOB NOT NULL,    -- JSON text
    checked_version INTEGER,          -- the module version whose schema the payload was checked against
    anchor_at       INTEGER NOT NULL, -- an interval counts from here
    decided_until   INTEGER NOT NULL, -- slots up to here never come up again, whatever the clock does
    next_at         INTEGER,          -- the first slot after that; NULL: none will come
    queued_slot     INTEGER,          -- its job is written when the runs before it have ended
    paused          INTEGER NOT NULL DEFAULT 0,
    fault           TEXT,             -- why it is left alone, until somebody mends it
    module_id       INTEGER,          -- who declares it; NULL: an operator made it
    declared        TEXT,             -- JSON of what the module declares
    overridden      INTEGER NOT NULL DEFAULT 0, -- what is in force is an operator's
    revision        INTEGER NOT NULL, -- counts its definitions
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL AND paused = 0 AND fault IS NULL;
CREATE INDEX schedules_queued ON schedules (id) WHERE queued_slot IS NOT NULL;
CREATE INDEX schedules_of_module ON schedules (module_id) WHERE module_id IS NOT NULL;

CREATE TABLE schedule_slots (
    -- The key is what makes a slot unrepeatable while its row is kept; after that schedules.decided_until is.
    schedule_id INTEGER NOT NULL,
    slot_at     INTEGER NOT NULL,
    triggered   INTEGER NOT NULL, -- by somebody, out of turn
    fate        INTEGER NOT NULL, -- a code of SlotFate
    job_id      BLOB,
    detail      TEXT,
    decided_at  INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, slot_at, triggered)
) WITHOUT ROWID;

ALTER TABLE live_jobs ADD COLUMN schedule_id INTEGER /* mostly NULL */;
ALTER TABLE live_jobs ADD COLUMN slot_at INTEGER /* of that schedule */;
ALTER TABLE finished_jobs ADD COLUMN schedule_id INTEGER;
ALTER TABLE finished_jobs ADD COLUMN slot_at INTEGER;
CREATE INDEX live_of_schedule ON live_jobs (schedule_id) WHERE schedule_id IS NOT NULL;
