-- Tenants are made, suspended, weighed, limited and deleted. Until now there was one, and nothing set on it. The table is made
-- anew so that a number is never used again, whatever became of the tenant that had it.

CREATE TABLE tenants_numbered (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL UNIQUE,
    state          TEXT NOT NULL CHECK (state = 'active' OR state = 'suspended' OR state = 'deleting'),
    weight         INTEGER NOT NULL CHECK (weight BETWEEN 1 AND 1000),
    quotas         TEXT NOT NULL,    -- JSON of those that are set; of the others the host's hold
    settings       TEXT NOT NULL,    -- JSON of what is set
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    exported_at    INTEGER,          -- when the last export came to its end
    deleting_since INTEGER,
    removed_jobs   INTEGER NOT NULL DEFAULT 0, -- what follows is how far its deletion has come
    removed_until  BLOB              -- the last unfinished job, of whichever tenant, that was looked at; NULL: begin anew
);
INSERT INTO tenants_numbered (id, name, state, weight, quotas, settings, created_at, updated_at)
    SELECT id, name, 'active', 10, '{}', '{}', 0, 0 FROM tenants;
DROP TABLE tenants;
ALTER TABLE tenants_numbered RENAME TO tenants;

-- Whose usage is still kept, though nothing else is.
CREATE TABLE deleted_tenants (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    deleted_at INTEGER NOT NULL
);

-- What tenants have goes with them, and with it rows of these tables; their numbers stand in memory and in the event log, so they
-- are never used again either.
CREATE TABLE queues_numbered (
    -- Created by the first job that names it.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL,
    name        TEXT NOT NULL,
    priority    INTEGER NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
    paused      INTEGER NOT NULL DEFAULT 0, -- nothing more of it is entered
    deleted     INTEGER NOT NULL DEFAULT 0, -- history names it; the next job that does brings it back
    concurrency INTEGER,                    -- so many of its jobs at once; NULL: any number
    rate        TEXT,                       -- JSON; so many of its jobs in a time; NULL: any number
    relaxed     INTEGER NOT NULL DEFAULT 0, -- its jobs are acknowledged before they are on the disk
    retention   TEXT,                       -- JSON; NULL: as the tenant has it
    UNIQUE (tenant_id, name)
);
INSERT INTO queues_numbered SELECT id, tenant_id, name, priority, paused, deleted, concurrency, rate, relaxed, retention FROM queues;
DROP TABLE queues;
ALTER TABLE queues_numbered RENAME TO queues;

CREATE TABLE kinds_numbered (
    -- `registered` says whether new jobs may name it; it is deleted only with its tenant, because history names it.
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id         INTEGER NOT NULL,
    name              TEXT NOT NULL,
    -- Who serves it; NULL = nobody, its jobs wait as no_handler.
    module_id         INTEGER,
    registered        INTEGER NOT NULL,
    operator_settings TEXT NOT NULL DEFAULT '{}', -- JSON
    UNIQUE (tenant_id, name)
);
INSERT INTO kinds_numbered SELECT id, tenant_id, name, module_id, registered, operator_settings FROM kinds;
DROP TABLE kinds;
ALTER TABLE kinds_numbered RENAME TO kinds;

CREATE TABLE modules_numbered (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      INTEGER NOT NULL,
    name           TEXT NOT NULL,
    -- NULL once the module was deleted.
    active_version INTEGER,
    UNIQUE (tenant_id, name)
);
INSERT INTO modules_numbered SELECT id, tenant_id, name, active_version FROM modules;
DROP TABLE modules;
ALTER TABLE modules_numbered RENAME TO modules;
