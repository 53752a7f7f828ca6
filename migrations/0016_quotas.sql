-- What tenants use: for bills, and beside what they may.

CREATE TABLE usage (
    -- Kept in the transactions in which jobs are enqueued and end, so that nothing counts twice. It outlives the tenant, and kinds
    -- and jobs go before it.
    tenant_id    INTEGER NOT NULL,
    day          INTEGER NOT NULL, -- since 1970, UTC
    kind         TEXT NOT NULL,
    jobs         INTEGER NOT NULL, -- enqueued
    attempts     INTEGER NOT NULL, -- executions that ended, however
    fuel         INTEGER NOT NULL,
    run_us       INTEGER NOT NULL,
    bytes_in     INTEGER NOT NULL, -- payloads
    bytes_out    INTEGER NOT NULL, -- outputs
    bytes_stored INTEGER NOT NULL, -- payloads, outputs and logs that came to be kept
    http_calls   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, day, kind)
) WITHOUT ROWID;
CREATE INDEX usage_by_day ON usage (day, tenant_id, kind);

CREATE TABLE stored_bytes (
    -- Payloads, outputs and logs that are kept, together.
    tenant_id INTEGER PRIMARY KEY,
    bytes     INTEGER NOT NULL
);

CREATE TABLE stored_bytes_scan (
    -- What was kept before any of this was counted is added up piece by piece: one row until that is done. All of it is `default`'s.
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    came_to BLOB NOT NULL, -- jobs up to here are counted
    until   BLOB NOT NULL  -- later ones are, too
);
INSERT INTO stored_bytes_scan (one, came_to, until)
    SELECT 1, x'', newest FROM (SELECT max(job_id) AS newest FROM payloads) WHERE newest IS NOT NULL;
