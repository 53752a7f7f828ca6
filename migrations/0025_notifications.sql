CREATE TABLE notifications (
    -- What handlers told users with their success. An id is younger than all before it of the same user.
    number     INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE, -- 16 bytes; the first six are milliseconds: age goes by it
    tenant_id  INTEGER NOT NULL,
    user_name  TEXT NOT NULL,
    level      TEXT NOT NULL CHECK (level IN ('info', 'success', 'warning', 'error')),
    message    TEXT NOT NULL,
    data       BLOB,                 -- JSON text; NULL: none
    job_id     BLOB NOT NULL,        -- whose success it came with
    created_at INTEGER NOT NULL,
    read_at    INTEGER               -- NULL: unread
);
CREATE INDEX notifications_of_tenant ON notifications (tenant_id, id);
CREATE INDEX notifications_of_user ON notifications (tenant_id, user_name, id);
CREATE INDEX notifications_unread_of_tenant ON notifications (tenant_id, id) WHERE read_at IS NULL;
CREATE INDEX notifications_unread_of_user ON notifications (tenant_id, user_name, id) WHERE read_at IS NULL;

CREATE TABLE notified_users (
    -- How many of them a user has; nobody counts. Gone with the last one.
    tenant_id     INTEGER NOT NULL,
    user_name     TEXT NOT NULL,
    notifications INTEGER NOT NULL,
    unread        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_name)
) WITHOUT ROWID;

CREATE TABLE user_token_key (
    -- What tokens of users are signed with. In no backup: a host without one draws another.
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    key        BLOB NOT NULL CHECK (length(key) = 32),
    created_at INTEGER NOT NULL
);
