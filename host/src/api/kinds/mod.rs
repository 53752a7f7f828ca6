//! Kinds: what is registered, and the operator's settings.

mod inspect;
mod patch;
mod settings;

pub(super) use inspect::*;
pub(super) use patch::*;
pub(super) use settings::*;

use super::error::ApiError;
use super::identity::Call;
use super::jobs::unknown_kind;
use crate::job::KindName;
use crate::store::Catalog;

/// Most names compared with an unknown kind.
const KINDS_COMPARED_MAX: usize = 10_000;

fn kind_not_found(api: &Call, catalog: &Catalog, kind: &KindName) -> ApiError {
    let known = catalog.kinds.values().filter(|entry| entry.tenant == api.caller.tenant);
    unknown_kind(kind.as_str(), known.take(KINDS_COMPARED_MAX).map(|entry| entry.name.as_str()))
}
