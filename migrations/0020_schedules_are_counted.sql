-- What schedules keep is counted as what jobs do. A tenant's are as many as its quota allows, and their lengths are in the rows'
-- heads: nothing long is read.
INSERT INTO stored_bytes (tenant_id, bytes)
    SELECT tenant_id, sum(length(payload) + octet_length(definition) + coalesce(octet_length(declared), 0))
        FROM schedules WHERE true GROUP BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET bytes = bytes + excluded.bytes;
