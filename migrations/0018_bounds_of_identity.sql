CREATE TABLE host_access (
    -- One row.
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    keyed INTEGER NOT NULL -- 1 once a key was made: from then on a host on loopback asks for one, also when none is left
);
INSERT INTO host_access (id, keyed) VALUES (1, EXISTS (SELECT 1 FROM api_keys));

CREATE TABLE audit_rows (
    -- How many rows of the audit log are a tenant's, so that nobody has to count them.
    tenant_id INTEGER PRIMARY KEY NOT NULL,
    rows      INTEGER NOT NULL
);
INSERT INTO audit_rows (tenant_id, rows)
    SELECT tenant_id, count(*) FROM audit WHERE tenant_id IS NOT NULL GROUP BY tenant_id;
