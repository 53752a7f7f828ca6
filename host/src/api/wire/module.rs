//! Modules and their versions, as clients see them.

use serde::Serialize;

use super::time::Instant;
use crate::job::{Digest, Grants, GuestType, KindDescription, KindName, ModuleName};
use crate::store::{Catalog, TenantId, VersionRow};

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
    /// Kinds that ask for more than they are granted. Said where a version comes or becomes active.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub not_granted: Vec<NotGranted<'a>>,
}

/// A kind that asks for more than it is granted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NotGranted<'a> {
    /// The kind.
    #[schema(value_type = String)]
    pub kind: &'a KindName,
    /// Asked by the version, and not granted by the operator.
    #[schema(value_type = Grants)]
    pub missing: Grants,
}

impl<'a> ModuleVersion<'a> {
    /// With what its kinds ask for beyond what they are granted.
    #[must_use]
    pub fn with_missing_grants(mut self, row: &'a VersionRow, catalog: &Catalog, tenant: TenantId) -> Self {
        let missing = |kind: &'a KindDescription| {
            let asked = kind.settings.grants.as_deref()?;
            let granted = catalog.kind(tenant, &kind.name).and_then(|entry| entry.operator_settings.grants.clone());
            let missing = granted.as_deref().unwrap_or(&Grants::default()).missing(asked);
            (!missing.is_empty()).then_some(NotGranted { kind: &kind.name, missing })
        };
        self.not_granted = row.kinds.iter().filter_map(missing).collect();
        self
    }
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
            not_granted: Vec::new(),
        }
    }
}
