-- A tenant's lists look at its own rows alone, however many others there are. The first takes a second for each million unfinished
-- jobs of all tenants.
CREATE INDEX live_of_tenant ON live_jobs (tenant_id, id);
CREATE INDEX audit_of_who_of_tenant ON audit (tenant_id, who, id);
CREATE INDEX audit_of_object_of_tenant ON audit (tenant_id, object, id);
