-- The audit log of a tenant is bounded by its bytes as well. Lengths are in the rows' heads: nothing long is read.
ALTER TABLE audit_rows ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0 /* of their texts */;
UPDATE audit_rows SET bytes = (SELECT coalesce(sum(octet_length(who) + octet_length(action) + octet_length(object)
        + coalesce(octet_length(before), 0) + coalesce(octet_length(after), 0)), 0)
    FROM audit WHERE audit.tenant_id = audit_rows.tenant_id);
