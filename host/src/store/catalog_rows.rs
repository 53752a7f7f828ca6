//! Reads the whole catalog from its tables: at start and after each change of modules, versions or kinds.

use std::sync::Arc;

use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::catalog::{
    Catalog, KindEntry, KindId, ModuleVersionEntry, ModuleVersionId, QueueId, QueueSettings, TenantId,
};
use super::codec::guest_from_word;
use super::error::StoreError;
use super::tenants::load_tenants;
use crate::job::{Digest, KindDescription, KindName, KindSettings, Pace};

const QUEUES: &str =
    "SELECT id, tenant_id, name, priority, paused, deleted, concurrency, rate, relaxed, retention FROM queues";
const VERSIONS: &str = "SELECT module_versions.id, module_versions.tenant_id, modules.name, digest, guest
    FROM module_versions JOIN modules ON modules.id = module_id";
const KINDS: &str =
    "SELECT kinds.id, kinds.tenant_id, kinds.name, registered, operator_settings, modules.active_version
    FROM kinds LEFT JOIN modules ON modules.id = kinds.module_id";
const DESCRIBED: &str =
    "SELECT module_versions.id, kinds FROM modules JOIN module_versions ON module_versions.id = modules.active_version";

/// The catalog as the tables have it, numbered after `revision`.
pub(super) fn load_catalog(sql: &Connection, revision: u64) -> Result<Catalog, StoreError> {
    let mut catalog = Catalog { revision: revision + 1, ..Catalog::default() };
    for tenant in load_tenants(sql)? {
        catalog.put_tenant(tenant);
    }
    catalog.revision = revision + 1;
    load_queues(sql, &mut catalog)?;
    load_versions(sql, &mut catalog)?;
    load_kinds(sql, &mut catalog)?;
    Ok(catalog)
}

fn load_queues(sql: &Connection, catalog: &mut Catalog) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached(QUEUES)?;
    let mut rows = statement.query([])?;
    let revision = catalog.revision;
    while let Some(row) = rows.next()? {
        let name: String = row.get(2)?;
        let name = name.parse().map_err(StoreError::internal)?;
        let id = QueueId(row.get(0)?);
        let rate: Option<String> = row.get(7)?;
        let rate = rate.map(|rate| serde_json::from_str(&rate)).transpose().map_err(StoreError::internal)?;
        let retention: Option<String> = row.get(9)?;
        let retention = retention.as_deref().map(serde_json::from_str).transpose().map_err(StoreError::internal)?;
        let settings = QueueSettings {
            tenant: TenantId(row.get(1)?),
            priority: row.get(3)?,
            is_paused: row.get(4)?,
            pace: Pace { concurrency: row.get(6)?, rate },
            is_relaxed: row.get(8)?,
            retention: retention.unwrap_or_default(),
        };
        catalog.put_queue(id, name, settings);
        if row.get(5)? {
            catalog.remove_queue(id);
        }
    }
    catalog.revision = revision;
    Ok(())
}

fn load_versions(sql: &Connection, catalog: &mut Catalog) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached(VERSIONS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = ModuleVersionId(row.get(0)?);
        let module: String = row.get(2)?;
        let guest: String = row.get(4)?;
        let entry = ModuleVersionEntry {
            id,
            tenant: TenantId(row.get(1)?),
            module: module.parse().map_err(StoreError::internal)?,
            digest: Digest(row.get(3)?),
            guest: guest_from_word(&guest)?,
        };
        catalog.versions.insert(id, Arc::new(entry));
    }
    Ok(())
}

/// What the active versions say of their kinds, each read once: it may be long, and of many kinds.
fn described(sql: &Connection) -> Result<FxHashMap<(i64, KindName), KindDescription>, StoreError> {
    let mut statement = sql.prepare_cached(DESCRIBED)?;
    let mut rows = statement.query([])?;
    let mut described = FxHashMap::default();
    while let Some(row) = rows.next()? {
        let version: i64 = row.get(0)?;
        let text = row.get_ref(1)?.as_str().map_err(StoreError::internal)?;
        let kinds: Vec<KindDescription> = serde_json::from_str(text).map_err(StoreError::internal)?;
        described.extend(kinds.into_iter().map(|kind| ((version, kind.name.clone()), kind)));
    }
    Ok(described)
}

fn load_kinds(sql: &Connection, catalog: &mut Catalog) -> Result<(), StoreError> {
    let mut described = described(sql)?;
    let mut statement = sql.prepare_cached(KINDS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, tenant) = (KindId(row.get(0)?), TenantId(row.get(1)?));
        let name: String = row.get(2)?;
        let name: KindName = name.parse().map_err(StoreError::internal)?;
        catalog.kind_names.insert(id, name.clone());
        if !row.get::<_, bool>(3)? {
            continue;
        }
        let operator_settings: String = row.get(4)?;
        let operator_settings: KindSettings = serde_json::from_str(&operator_settings).map_err(StoreError::internal)?;
        let version_id: Option<i64> = row.get(5)?;
        // A kind its module's active version no longer describes has no handler.
        let description = version_id.and_then(|version| described.remove(&(version, name.clone())));
        let version = version_id
            .filter(|_| description.is_some())
            .and_then(|version| catalog.versions.get(&ModuleVersionId(version)).cloned());
        let description = description.unwrap_or_else(|| KindDescription {
            name: name.clone(),
            description: None,
            input_schema: "true".to_owned(),
            output_schema: "true".to_owned(),
            settings: KindSettings::default(),
        });
        let tenant_name = catalog
            .tenant_name(tenant)
            .cloned()
            .ok_or_else(|| StoreError::Internal(format!("kind {} has no tenant", id.0)))?;
        let entry = KindEntry {
            id,
            tenant,
            tenant_name,
            name: name.clone(),
            description: description.description,
            version,
            input_schema: description.input_schema.into(),
            output_schema: description.output_schema.into(),
            settings: description.settings.overlaid_by(&operator_settings),
            module_settings: description.settings,
            operator_settings,
        };
        catalog.kinds_by_name.insert((tenant, name), id);
        catalog.kinds.insert(id, Arc::new(entry));
    }
    Ok(())
}
