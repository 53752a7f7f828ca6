CREATE TABLE api_keys (
    -- Keys of the API. What was revoked is gone; the audit log says what it was.
    id           BLOB PRIMARY KEY NOT NULL,
    tenant_id    INTEGER,          -- NULL: the host's, an admin's
    name         TEXT NOT NULL,
    role         TEXT NOT NULL CHECK (role = 'viewer' OR role = 'producer' OR role = 'operator' OR role = 'admin'),
    prefix       TEXT NOT NULL,    -- what is shown of it
    hash         BLOB NOT NULL UNIQUE, -- SHA-256 of the whole key, which is kept nowhere
    created_at   INTEGER NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,          -- written now and then
    CHECK ((role = 'admin') = (tenant_id IS NULL))
) WITHOUT ROWID;
CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, id);

CREATE TABLE sessions (
    -- Logins to the dashboard. One ends with its credential, and when its time has come.
    hash            BLOB PRIMARY KEY NOT NULL, -- SHA-256 of what the cookie holds
    credential_hash BLOB NOT NULL,             -- SHA-256 of the key it was opened with
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_of_credential ON sessions (credential_hash, created_at);
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE TABLE audit (
    -- Who changed what. Written in the transaction of the change.
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    tenant_id INTEGER,             -- NULL: the host
    who       TEXT NOT NULL,       -- see job/actor.rs
    via       TEXT NOT NULL,
    action    TEXT NOT NULL,
    object    TEXT NOT NULL,
    before    TEXT,                -- JSON; NULL: there was nothing
    after     TEXT                 -- JSON; NULL: there is nothing any more
);
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_of_tenant ON audit (tenant_id, id);
CREATE INDEX audit_of_who ON audit (who, id);
CREATE INDEX audit_of_object ON audit (object, id);
