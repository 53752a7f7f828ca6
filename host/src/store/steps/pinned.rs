//! Kinds as a version describes them that is not the active one: jobs with recorded steps stay on it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use crate::job::{JobId, KindDescription};
use crate::store::catalog::{Catalog, KindEntry, KindId, ModuleVersionId};
use crate::store::error::StoreError;

// The same bytes that were uploaded again are the same version.
const DESCRIBED: &str = "SELECT kept.id, kept.kinds FROM module_versions AS pinned
    JOIN module_versions AS kept ON kept.module_id = pinned.module_id AND kept.digest = pinned.digest
        AND kept.deleted_at IS NULL
    WHERE pinned.id = ?1";
const NEEDED: &str = "SELECT id FROM live_jobs INDEXED BY live_pinned
    WHERE pinned_version IS NOT NULL AND pinned_version = ?1 LIMIT 1";

/// Kinds of earlier versions that are remembered.
const REMEMBERED_MAX: usize = 1_000;

/// Kinds of earlier versions, as far as they were asked for since the catalog changed.
#[derive(Debug, Default)]
pub(in crate::store) struct PinnedKinds {
    revision: u64,
    known: FxHashMap<(KindId, ModuleVersionId), Option<Arc<KindEntry>>>,
}

impl PinnedKinds {
    /// The kind as the version describes it, with the operator's settings of now; `None`: the version is gone.
    pub(in crate::store) fn kind(
        &mut self,
        sql: &Connection,
        catalog: &Catalog,
        kind: &Arc<KindEntry>,
        version: ModuleVersionId,
    ) -> Result<Option<Arc<KindEntry>>, StoreError> {
        if kind.version.as_ref().is_some_and(|active| active.id == version) {
            return Ok(Some(Arc::clone(kind)));
        }
        if self.revision != catalog.revision || self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
            self.revision = catalog.revision;
        }
        if let Some(known) = self.known.get(&(kind.id, version)) {
            return Ok(known.clone());
        }
        let found = described(sql, catalog, kind, version)?.map(Arc::new);
        self.known.insert((kind.id, version), found.clone());
        Ok(found)
    }
}

fn described(
    sql: &Connection,
    catalog: &Catalog,
    kind: &KindEntry,
    version: ModuleVersionId,
) -> Result<Option<KindEntry>, StoreError> {
    let kept: Option<(i64, String)> =
        sql.prepare_cached(DESCRIBED)?.query_row([version.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((kept, text)) = kept else { return Ok(None) };
    let Some(entry) = catalog.versions.get(&ModuleVersionId(kept)) else { return Ok(None) };
    let kinds: Vec<KindDescription> = serde_json::from_str(&text).map_err(StoreError::internal)?;
    let Some(described) = kinds.into_iter().find(|described| described.name == kind.name) else { return Ok(None) };
    Ok(Some(KindEntry {
        description: described.description,
        version: Some(Arc::clone(entry)),
        input_schema: described.input_schema.into(),
        output_schema: described.output_schema.into(),
        settings: described.settings.overlaid_by(&kind.operator_settings),
        module_settings: described.settings,
        ..kind.clone()
    }))
}

/// An unfinished job that stays on this version, if there is one.
pub(in crate::store) fn is_needed(sql: &Connection, version: ModuleVersionId) -> Result<Option<JobId>, StoreError> {
    let job: Option<[u8; 16]> =
        sql.prepare_cached(NEEDED)?.query_row(params![version.0], |row| row.get(0)).optional()?;
    Ok(job.map(JobId::from_bytes))
}
