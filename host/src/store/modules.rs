//! Module versions: storing, activating, listing, deleting. Each change of what is active or deleted replaces the catalog.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::catalog::{Catalog, KindId, ModuleVersionId, TenantId};
use super::catalog_rows::load_catalog;
use super::codec::guest_from_word;
use super::draft::Draft;
use super::error::StoreError;
use super::model::{ActivateResult, DeleteModuleResult, NewVersion, StoredVersion, VersionRow};
use super::module_bytes;
use super::schedules::declare_schedules;
use super::steps::is_needed;
use crate::job::{Digest, KindDescription, KindName, ModuleName, QuotaExceeded, QuotaName, Timestamp};

macro_rules! version_columns {
    () => {
        "SELECT module_versions.id, modules.name, digest, size_bytes, guest, imports, kinds, compile_ms, created_at,
            activated_at, module_versions.id IS modules.active_version
         FROM module_versions JOIN modules ON modules.id = module_id WHERE deleted_at IS NULL"
    };
}

const FIND_MODULE: &str = "SELECT id FROM modules WHERE tenant_id = ?1 AND name = ?2";
const INSERT_MODULE: &str = "INSERT INTO modules (tenant_id, name) VALUES (?1, ?2) RETURNING id";
const INSERT_VERSION: &str = "INSERT INTO module_versions
    (tenant_id, module_id, digest, size_bytes, guest, imports, kinds, compile_ms, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const FIND_VERSION: &str = concat!(version_columns!(), " AND modules.id = ?1 AND digest = ?2");
/// Of each module the active version, or, where none is, the newest.
const MODULES: &str = concat!(
    version_columns!(),
    " AND modules.tenant_id = ?1 AND module_versions.id = coalesce(modules.active_version,
            (SELECT max(newest.id) FROM module_versions AS newest
             WHERE newest.module_id = modules.id AND newest.deleted_at IS NULL))
        AND (?2 IS NULL OR modules.name > ?2)
    ORDER BY modules.name LIMIT ?3"
);
/// The active version, or, where none is, the newest.
const MODULE: &str = concat!(
    version_columns!(),
    " AND modules.id = ?1 ORDER BY module_versions.id IS modules.active_version DESC, module_versions.id DESC LIMIT 1"
);
const VERSIONS: &str = concat!(
    version_columns!(),
    " AND modules.id = ?1 AND module_versions.id < ?2 ORDER BY module_versions.id DESC LIMIT ?3"
);
const SET_ACTIVE: &str = "UPDATE modules SET active_version = ?2 WHERE id = ?1";
// After those of all other versions, whatever the wall clock did: rolling back goes by the order.
const NOTE_ACTIVATION: &str = "UPDATE module_versions
    SET activated_at = max(?3, 1 + coalesce((SELECT max(others.activated_at) FROM module_versions AS others
        WHERE others.module_id = ?1 AND others.id <> ?2), 0))
    WHERE id = ?2 RETURNING activated_at";
const DIGESTS: &str = "SELECT digest FROM module_versions WHERE module_id = ?1 AND deleted_at IS NULL";
const DELETE_VERSION: &str = "UPDATE module_versions SET deleted_at = ?2 WHERE id = ?1";
const DELETE_VERSIONS: &str = "UPDATE module_versions SET deleted_at = ?2 WHERE module_id = ?1 AND deleted_at IS NULL";
const KIND_OWNER: &str = "SELECT modules.id, modules.name FROM kinds JOIN modules ON modules.id = kinds.module_id
    WHERE kinds.tenant_id = ?1 AND kinds.name = ?2 AND registered AND modules.active_version IS NOT NULL";
const KINDS_OF_MODULE: &str = "SELECT id, name FROM kinds WHERE module_id = ?1 AND registered";
const SERVE_KIND: &str = "INSERT INTO kinds (tenant_id, name, module_id, registered) VALUES (?1, ?2, ?3, 1)
    ON CONFLICT (tenant_id, name) DO UPDATE SET module_id = excluded.module_id, registered = 1";
const HAS_KIND: &str = "SELECT 1 FROM kinds WHERE tenant_id = ?1 AND name = ?2";
// As many rows of one index as the quota allows.
const COUNT_KINDS: &str = "SELECT count(*) FROM kinds WHERE tenant_id = ?1";
const DROP_KIND: &str = "UPDATE kinds SET module_id = NULL, registered = ?2 WHERE id = ?1";

// A tenant's modules are few, and of each the kept versions: no history is counted.
const KEPT: &str = "SELECT count(DISTINCT modules.id), coalesce(sum(size_bytes), 0) FROM modules
    JOIN module_versions INDEXED BY module_versions_kept ON module_id = modules.id AND deleted_at IS NULL
    WHERE modules.tenant_id = ?1";

struct Target<'a> {
    tenant: TenantId,
    module_id: i64,
    version: VersionRow,
    kinds: &'a [KindDescription],
}

/// Stores a version whose chunks are written, and activates it.
pub(super) fn activate_new(
    sql: &Connection,
    draft: &mut Draft,
    new: &NewVersion,
    force: bool,
) -> Result<ActivateResult, StoreError> {
    require_chunks(sql, new)?;
    // Judged before anything is written: a refusal leaves no trace.
    if let Some(refusal) = refusal_of_new(sql, draft, new, Some(force))? {
        return Ok(refusal);
    }
    let (module_id, version, created) = insert(sql, draft, new)?;
    let kinds = version.kinds.clone();
    switch(sql, draft, Target { tenant: new.tenant, module_id, kinds: &kinds, version }, created)
}

/// Stores a version whose chunks are written, and leaves active what is.
pub(super) fn store_new(
    sql: &Connection,
    draft: &mut Draft,
    new: &NewVersion,
) -> Result<Result<StoredVersion, QuotaExceeded>, StoreError> {
    require_chunks(sql, new)?;
    if let Err(quota) = room(sql, draft, (new.tenant, &new.module), (new.digest, new.size_bytes))? {
        return Ok(Err(quota));
    }
    let (_, version, created) = insert(sql, draft, new)?;
    if created {
        reload(sql, draft)?;
    }
    Ok(Ok(StoredVersion { created, version }))
}

/// Why a version could not be stored, and activated where `force` says how; `None`: it can. Nothing is written.
pub(super) fn refusal_of_new(
    sql: &Connection,
    draft: &Draft,
    new: &NewVersion,
    force: Option<bool>,
) -> Result<Option<ActivateResult>, StoreError> {
    if let Err(quota) = room(sql, draft, (new.tenant, &new.module), (new.digest, new.size_bytes))? {
        return Ok(Some(ActivateResult::OverQuota(quota)));
    }
    let Some(force) = force else { return Ok(None) };
    let existing = find_module(sql, new.tenant, &new.module)?;
    if let Some(refusal) = refuse(sql, draft, new.tenant, existing, &new.kinds, force)? {
        return Ok(Some(refusal));
    }
    Ok(room_for_kinds(sql, draft, new.tenant, &new.kinds)?.err().map(ActivateResult::OverQuota))
}

/// Whether the tenant may have a version of so many bytes, if it has not got it already.
pub(super) fn room(
    sql: &Connection,
    draft: &Draft,
    (tenant, module): (TenantId, &ModuleName),
    (digest, size_bytes): (Digest, u64),
) -> Result<Result<(), QuotaExceeded>, StoreError> {
    let quotas = draft.meter.quotas(&draft.catalog, tenant);
    if quotas.most(QuotaName::Modules).or(quotas.most(QuotaName::ModuleBytes)).is_none() {
        return Ok(Ok(()));
    }
    let known = find_module(sql, tenant, module)?;
    if let Some(module) = known
        && find_version(sql, module, digest)?.is_some()
    {
        return Ok(Ok(()));
    }
    let (modules, bytes) = kept(sql, tenant)?;
    let is_new = match known {
        Some(module) => digests_of(sql, module)?.is_empty(),
        None => true,
    };
    Ok(QuotaExceeded::check(&quotas, QuotaName::Modules, modules, u64::from(is_new))
        .and_then(|()| QuotaExceeded::check(&quotas, QuotaName::ModuleBytes, bytes, size_bytes)))
}

/// Whether the tenant may have those of the kinds that are new to it.
fn room_for_kinds(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    kinds: &[KindDescription],
) -> Result<Result<(), QuotaExceeded>, StoreError> {
    let mut new = 0;
    for kind in kinds {
        new += u64::from(!sql.prepare_cached(HAS_KIND)?.exists(params![tenant.0, kind.name.as_str()])?);
    }
    if new == 0 {
        return Ok(Ok(()));
    }
    let known = sql.prepare_cached(COUNT_KINDS)?.query_row([tenant.0], |row| row.get(0))?;
    Ok(QuotaExceeded::check(&draft.meter.quotas(&draft.catalog, tenant), QuotaName::Kinds, known, new))
}

/// How many modules a tenant has, and the bytes of all their kept versions.
pub(super) fn kept(sql: &Connection, tenant: TenantId) -> Result<(u64, u64), StoreError> {
    Ok(sql.prepare_cached(KEPT)?.query_row([tenant.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn require_chunks(sql: &Connection, new: &NewVersion) -> Result<(), StoreError> {
    if module_bytes::size(sql, new.digest)? == new.size_bytes {
        return Ok(());
    }
    Err(StoreError::Internal(format!("the chunks of {} are not all written", new.digest)))
}

/// The rows of a version and its module, unless they are there already: the module's number, the version, and whether
/// it is new.
fn insert(sql: &Connection, draft: &Draft, new: &NewVersion) -> Result<(i64, VersionRow, bool), StoreError> {
    let NewVersion { tenant, module, digest, size_bytes, guest, imports, kinds, compile_ms } = new;
    let module_id = match find_module(sql, *tenant, module)? {
        Some(id) => id,
        None => sql.prepare_cached(INSERT_MODULE)?.query_row(params![tenant.0, module.as_str()], |row| row.get(0))?,
    };
    let created = find_version(sql, module_id, *digest)?.is_none();
    if created {
        sql.prepare_cached(INSERT_VERSION)?.execute(params![
            tenant.0,
            module_id,
            digest.0,
            size_bytes,
            guest.as_str(),
            serde_json::to_string(imports).map_err(StoreError::internal)?,
            serde_json::to_string(kinds).map_err(StoreError::internal)?,
            compile_ms,
            draft.now.as_ms(),
        ])?;
    }
    let version = find_version(sql, module_id, *digest)?.ok_or_else(|| StoreError::internal("a version vanished"))?;
    Ok((module_id, version, created))
}

/// Activates a stored version.
pub(super) fn activate(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    module: &ModuleName,
    digest: Digest,
    force: bool,
) -> Result<ActivateResult, StoreError> {
    let Some(module_id) = find_module(sql, tenant, module)? else { return Ok(ActivateResult::NotFound) };
    let Some(version) = find_version(sql, module_id, digest)? else { return Ok(ActivateResult::NotFound) };
    if let Some(refusal) = refuse(sql, draft, tenant, Some(module_id), &version.kinds, force)? {
        return Ok(refusal);
    }
    if let Err(quota) = room_for_kinds(sql, draft, tenant, &version.kinds)? {
        return Ok(ActivateResult::OverQuota(quota));
    }
    let kinds = version.kinds.clone();
    switch(sql, draft, Target { tenant, module_id, kinds: &kinds, version }, false)
}

/// Why the module can't serve exactly these kinds, if it can't.
fn refuse(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    module_id: Option<i64>,
    kinds: &[KindDescription],
    force: bool,
) -> Result<Option<ActivateResult>, StoreError> {
    for kind in kinds {
        let owner: Option<(i64, String)> = sql
            .prepare_cached(KIND_OWNER)?
            .query_row(params![tenant.0, kind.name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((owner, name)) = owner
            && Some(owner) != module_id
        {
            let module = name.parse().map_err(StoreError::internal)?;
            return Ok(Some(ActivateResult::KindOwned { kind: kind.name.clone(), module }));
        }
    }
    if force {
        return Ok(None);
    }
    let dropped = match module_id {
        Some(module_id) => dropped_kinds(sql, module_id, kinds)?,
        None => Vec::new(),
    };
    let needed = needed(sql, draft, tenant, &dropped)?;
    Ok((!needed.is_empty()).then_some(ActivateResult::KindsNeeded { kinds: needed }))
}

/// Makes the version active and the kinds follow.
fn switch(
    sql: &Connection,
    draft: &mut Draft,
    target: Target<'_>,
    created: bool,
) -> Result<ActivateResult, StoreError> {
    let Target { tenant, module_id, mut version, kinds } = target;
    drop_kinds(sql, draft, tenant, &dropped_kinds(sql, module_id, kinds)?)?;
    for kind in kinds {
        sql.prepare_cached(SERVE_KIND)?.execute(params![tenant.0, kind.name.as_str(), module_id])?;
    }
    if !version.active {
        sql.prepare_cached(SET_ACTIVE)?.execute(params![module_id, version.id.0])?;
        let now = draft.now.as_ms();
        let at =
            sql.prepare_cached(NOTE_ACTIVATION)?.query_row(params![module_id, version.id.0, now], |row| row.get(0));
        version = VersionRow { active: true, activated_at: Some(Timestamp(at?)), ..version };
    }
    reload(sql, draft)?;
    declare_schedules(sql, draft, tenant, module_id, kinds)?;
    Ok(ActivateResult::Activated { created, version: Box::new(version) })
}

fn dropped_kinds(
    sql: &Connection,
    module_id: i64,
    kept: &[KindDescription],
) -> Result<Vec<(KindId, KindName)>, StoreError> {
    let mut statement = sql.prepare_cached(KINDS_OF_MODULE)?;
    let mut rows = statement.query([module_id])?;
    let mut dropped = Vec::new();
    while let Some(row) = rows.next()? {
        let name: KindName = row.get::<_, String>(1)?.parse().map_err(StoreError::internal)?;
        if kept.iter().all(|kind| kind.name != name) {
            dropped.push((KindId(row.get(0)?), name));
        }
    }
    Ok(dropped)
}

/// Those of the kinds that unfinished jobs need.
fn needed(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    kinds: &[(KindId, KindName)],
) -> Result<Vec<(KindName, u64)>, StoreError> {
    let mut needed = Vec::new();
    for (id, name) in kinds {
        let jobs = draft.unfinished_of_kind(sql, tenant, *id)?;
        if jobs > 0 {
            needed.push((name.clone(), jobs));
        }
    }
    Ok(needed)
}

/// Nobody serves these kinds any more. Those with unfinished jobs stay registered, and their jobs wait.
fn drop_kinds(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    kinds: &[(KindId, KindName)],
) -> Result<(), StoreError> {
    for (id, _) in kinds {
        let needed = draft.unfinished_of_kind(sql, tenant, *id)? > 0;
        sql.prepare_cached(DROP_KIND)?.execute(params![id.0, needed])?;
    }
    Ok(())
}

/// The draft's catalog, read again after a change.
pub(super) fn reload(sql: &Connection, draft: &mut Draft) -> Result<(), StoreError> {
    // Those are not among the tables that changed.
    let credentials = Arc::clone(&draft.catalog.credentials);
    draft.catalog = Arc::new(Catalog { credentials, ..load_catalog(sql, draft.catalog.revision)? });
    Ok(())
}

/// Deletes a version that is not active. Running attempts hold what they run in memory.
pub(super) fn delete_version(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    module: &ModuleName,
    digest: Digest,
) -> Result<DeleteModuleResult, StoreError> {
    let Some(module_id) = find_module(sql, tenant, module)? else { return Ok(DeleteModuleResult::NotFound) };
    let Some(version) = find_version(sql, module_id, digest)? else { return Ok(DeleteModuleResult::NotFound) };
    if version.active {
        return Ok(DeleteModuleResult::Active);
    }
    if let Some(job) = is_needed(sql, version.id)? {
        return Ok(DeleteModuleResult::HasSteps(job));
    }
    sql.prepare_cached(DELETE_VERSION)?.execute(params![version.id.0, draft.now.as_ms()])?;
    reload(sql, draft)?;
    Ok(DeleteModuleResult::Deleted { unused: unused(sql, vec![digest])? })
}

/// Deletes a module with all its versions.
pub(super) fn delete_module(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    module: &ModuleName,
    force: bool,
) -> Result<DeleteModuleResult, StoreError> {
    let Some(module_id) = find_module(sql, tenant, module)? else { return Ok(DeleteModuleResult::NotFound) };
    let digests = digests_of(sql, module_id)?;
    if digests.is_empty() {
        return Ok(DeleteModuleResult::NotFound);
    }
    let kinds = dropped_kinds(sql, module_id, &[])?;
    if !force {
        let needed = needed(sql, draft, tenant, &kinds)?;
        if !needed.is_empty() {
            return Ok(DeleteModuleResult::Needed { kinds: needed });
        }
    }
    drop_kinds(sql, draft, tenant, &kinds)?;
    sql.prepare_cached(DELETE_VERSIONS)?.execute(params![module_id, draft.now.as_ms()])?;
    sql.prepare_cached(SET_ACTIVE)?.execute(params![module_id, None::<i64>])?;
    reload(sql, draft)?;
    declare_schedules(sql, draft, tenant, module_id, &[])?;
    Ok(DeleteModuleResult::Deleted { unused: unused(sql, digests)? })
}

/// The bytes of a module's stored versions; `None`: there is no such module.
pub(super) fn digests(
    sql: &Connection,
    tenant: TenantId,
    module: &ModuleName,
) -> Result<Option<Vec<Digest>>, StoreError> {
    let Some(module_id) = find_module(sql, tenant, module)? else { return Ok(None) };
    Ok(Some(digests_of(sql, module_id)?).filter(|digests| !digests.is_empty()))
}

/// The bytes of a module's stored versions, all of them.
fn digests_of(sql: &Connection, module_id: i64) -> Result<Vec<Digest>, StoreError> {
    let mut statement = sql.prepare_cached(DIGESTS)?;
    let digests = statement.query_map([module_id], |row| row.get(0).map(Digest))?;
    Ok(digests.collect::<Result<_, _>>()?)
}

/// Those that no version of any module has any more.
fn unused(sql: &Connection, digests: Vec<Digest>) -> Result<Vec<Digest>, StoreError> {
    let mut unused = Vec::new();
    for digest in digests {
        if !module_bytes::is_kept(sql, digest)? {
            unused.push(digest);
        }
    }
    Ok(unused)
}

/// The version that stands for each module, by name, after a name.
pub(super) fn modules(
    sql: &Connection,
    tenant: TenantId,
    after: Option<&ModuleName>,
    limit: usize,
) -> Result<Vec<VersionRow>, StoreError> {
    read(sql, MODULES, params![tenant.0, after.map(ModuleName::as_str), limit])
}

/// The version that stands for a module.
pub(super) fn module(
    sql: &Connection,
    tenant: TenantId,
    module: &ModuleName,
) -> Result<Option<VersionRow>, StoreError> {
    let Some(module_id) = find_module(sql, tenant, module)? else { return Ok(None) };
    Ok(read(sql, MODULE, params![module_id])?.pop())
}

/// One version of a module.
pub(super) fn version(
    sql: &Connection,
    tenant: TenantId,
    module: &ModuleName,
    digest: Digest,
) -> Result<Option<VersionRow>, StoreError> {
    let Some(module_id) = find_module(sql, tenant, module)? else { return Ok(None) };
    find_version(sql, module_id, digest)
}

/// Versions of a module, newest first, older than one.
pub(super) fn versions(
    sql: &Connection,
    tenant: TenantId,
    module: &ModuleName,
    before: Option<ModuleVersionId>,
    limit: usize,
) -> Result<Option<Vec<VersionRow>>, StoreError> {
    let Some(module_id) = find_module(sql, tenant, module)? else { return Ok(None) };
    let below = before.map_or(i64::MAX, |before| before.0);
    let versions = read(sql, VERSIONS, params![module_id, below, limit])?;
    // A module without versions has been deleted; the page after the last is empty.
    Ok((before.is_some() || !versions.is_empty()).then_some(versions))
}

fn find_module(sql: &Connection, tenant: TenantId, module: &ModuleName) -> Result<Option<i64>, StoreError> {
    let mut statement = sql.prepare_cached(FIND_MODULE)?;
    Ok(statement.query_row(params![tenant.0, module.as_str()], |row| row.get(0)).optional()?)
}

fn find_version(sql: &Connection, module_id: i64, digest: Digest) -> Result<Option<VersionRow>, StoreError> {
    Ok(read(sql, FIND_VERSION, params![module_id, digest.0])?.pop())
}

fn read(sql: &Connection, query: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<Vec<VersionRow>, StoreError> {
    let mut statement = sql.prepare_cached(query)?;
    let mut rows = statement.query(parameters)?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        versions.push(version_row(row)?);
    }
    Ok(versions)
}

fn version_row(row: &Row<'_>) -> Result<VersionRow, StoreError> {
    let (imports, kinds): (String, String) = (row.get(5)?, row.get(6)?);
    Ok(VersionRow {
        id: ModuleVersionId(row.get(0)?),
        module: row.get::<_, String>(1)?.parse().map_err(StoreError::internal)?,
        digest: Digest(row.get(2)?),
        size_bytes: row.get::<_, i64>(3)?.unsigned_abs(),
        guest: guest_from_word(&row.get::<_, String>(4)?)?,
        imports: serde_json::from_str(&imports).map_err(StoreError::internal)?,
        kinds: serde_json::from_str(&kinds).map_err(StoreError::internal)?,
        compile_ms: row.get::<_, i64>(7)?.unsigned_abs(),
        created_at: Timestamp(row.get(8)?),
        activated_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        active: row.get(10)?,
    })
}
