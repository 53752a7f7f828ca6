-- Secrets, encrypted, and the key-value store of handlers.

CREATE TABLE secrets (
    id         INTEGER PRIMARY KEY,
    tenant_id  INTEGER NOT NULL,
    name       TEXT NOT NULL,
    key_id     BLOB NOT NULL,    -- of the key it is encrypted under
    sealed     BLOB NOT NULL,    -- nonce and ciphertext, bound to tenant, name and key
    version    INTEGER NOT NULL, -- counts its values
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL, -- of the value; to encrypt it anew is no change
    UNIQUE (tenant_id, name)
);
CREATE INDEX secrets_of_key ON secrets (key_id);

CREATE TABLE secrets_keys (
    -- Keys that secrets are, or are to be, encrypted under. Of a key only what says whether another one is it.
    key_id      BLOB PRIMARY KEY,
    check_value BLOB NOT NULL,
    admitted_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE kv_entries (
    id         INTEGER PRIMARY KEY,
    tenant_id  INTEGER NOT NULL,
    bucket     TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      BLOB NOT NULL,
    version    INTEGER NOT NULL, -- from kv_usage: never the same twice in a tenant
    updated_at INTEGER NOT NULL,
    UNIQUE (tenant_id, bucket, key)
);

CREATE TABLE kv_usage (
    tenant_id    INTEGER PRIMARY KEY,
    keys         INTEGER NOT NULL,
    bytes        INTEGER NOT NULL, -- of buckets' names, keys and values
    last_version INTEGER NOT NULL
);
