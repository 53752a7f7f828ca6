-- SQL databases of tenants: files of this host, and servers that operators named.

CREATE TABLE databases (
    id         INTEGER PRIMARY KEY,
    tenant_id  INTEGER NOT NULL,
    name       TEXT NOT NULL,
    engine     TEXT NOT NULL CHECK (engine IN ('sqlite', 'postgres')),
    url_secret TEXT,             -- of a server: the secret that holds its URL
    addresses  TEXT NOT NULL DEFAULT '[]', -- of a server: JSON, addresses and ports of the inside it may be reached at
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE carried_databases (
    -- Of a backup the files of databases, in pieces; unpacked and removed by the first start on it. Empty in a running host.
    tenant_id INTEGER NOT NULL,
    name      TEXT NOT NULL,
    piece     INTEGER NOT NULL, -- from 0
    bytes     BLOB NOT NULL,
    PRIMARY KEY (tenant_id, name, piece)
);
