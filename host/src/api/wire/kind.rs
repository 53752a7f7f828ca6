//! Kinds, as clients see them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::raw::Raw;
use crate::job::{Digest, Grants, GuestType, KindName, ModuleName, SettingsWire};
use crate::store::ModuleVersionEntry;

/// Who serves a kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KindModule<'a> {
    /// The module.
    #[schema(value_type = String)]
    pub name: &'a ModuleName,
    /// Its active version.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// `handler`, `component_command` or `core_command`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub guest: GuestType,
}

impl<'a> From<&'a ModuleVersionEntry> for KindModule<'a> {
    fn from(version: &'a ModuleVersionEntry) -> Self {
        Self { name: &version.module, digest: version.digest, guest: version.guest }
    }
}

/// A kind in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KindSummary<'a> {
    /// The kind.
    #[schema(value_type = String)]
    pub name: &'a KindName,
    /// One sentence from its module.
    pub description: Option<&'a str>,
    /// Who serves it; `null`: nobody, its jobs wait as `no_handler`.
    pub module: Option<KindModule<'a>>,
}

/// A kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Kind<'a> {
    /// The kind.
    #[schema(value_type = String)]
    pub name: &'a KindName,
    /// One sentence from its module.
    pub description: Option<&'a str>,
    /// Who serves it; `null`: nobody, its jobs wait as `no_handler`.
    pub module: Option<KindModule<'a>>,
    /// JSON Schema of the payload.
    #[schema(value_type = serde_json::Value)]
    pub input_schema: Raw<'a>,
    /// JSON Schema of the output.
    #[schema(value_type = serde_json::Value)]
    pub output_schema: Raw<'a>,
    /// What is in force for its jobs.
    pub settings: SettingsWire,
    /// Where each of those comes from: `host`, `module` or `operator`.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub settings_from: BTreeMap<&'static str, &'static str>,
    /// What the operator set.
    pub operator_settings: SettingsWire,
    /// What its handler may use outside the sandbox, and what it asks for.
    pub grants: KindGrants<'a>,
}

/// What is granted to a kind. Only an operator's word has an effect.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KindGrants<'a> {
    /// By the operator: in force.
    #[schema(value_type = Grants)]
    pub granted: Cow<'a, Grants>,
    /// By its module: what it needs to do all of its work. A value of `config` is the one it suggests.
    #[schema(value_type = Grants)]
    pub asked: Cow<'a, Grants>,
    /// Asked, and not granted.
    pub missing: Grants,
}

impl<'a> KindGrants<'a> {
    /// What one said, and the other.
    pub fn of(granted: Option<&'a Arc<Grants>>, asked: Option<&'a Arc<Grants>>) -> Self {
        let shown =
            |grants: Option<&'a Arc<Grants>>| grants.map_or_else(Cow::default, |grants| Cow::Borrowed(&**grants));
        let (granted, asked) = (shown(granted), shown(asked));
        let missing = granted.missing(&asked);
        Self { granted, asked, missing }
    }
}
