//! Modules and their versions, as clients see them.

use serde::Serialize;

use super::time::Instant;
use crate::job::{Digest, GuestType, KindName, ModuleName};
use crate::store::VersionRow;

/// A version of a module.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ModuleVersion<'a> {
    /// The module.
    #[schema(value_type = String)]
    pub name: &'a ModuleName,
    /// SHA-256 of its bytes.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
    /// `handler`, `component_command` or `core_command`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub guest: GuestType,
    /// The kinds it serves.
    #[schema(value_type = Vec<String>)]
    pub kinds: Vec<&'a KindName>,
    /// What it imports.
    pub imports: &'a [String],
    /// How long compiling took at upload.
    pub compile_ms: u64,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When it was made the active one, last; `null`: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub activated_at: Option<Instant>,
    /// Whether its kinds run on this version.
    pub active: bool,
}

impl<'a> From<&'a VersionRow> for ModuleVersion<'a> {
    fn from(row: &'a VersionRow) -> Self {
        Self {
            name: &row.module,
            digest: row.digest,
            size_bytes: row.size_bytes,
            guest: row.guest,
            kinds: row.kinds.iter().map(|kind| &kind.name).collect(),
            imports: &row.imports,
            compile_ms: row.compile_ms,
            created_at: Instant(row.created_at),
            activated_at: row.activated_at.map(Instant),
            active: row.active,
        }
    }
}
