-- When a version was made the active one, last; NULL if it never was. Rolling back goes by it. Until now every upload was
-- activated at once, and what is active now was activated after all others of its module.
ALTER TABLE module_versions ADD COLUMN activated_at INTEGER /* of the last activation; NULL: never active */;

UPDATE module_versions SET activated_at = created_at;

UPDATE module_versions
SET activated_at = (SELECT max(others.created_at) + 1 FROM module_versions AS others
    WHERE others.module_id = module_versions.module_id)
WHERE EXISTS (SELECT 1 FROM modules WHERE modules.active_version = module_versions.id)
    AND EXISTS (SELECT 1 FROM module_versions AS others
        WHERE others.module_id = module_versions.module_id AND others.id > module_versions.id);
