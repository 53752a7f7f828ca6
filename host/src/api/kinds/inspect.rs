//! `GET /v1/kinds` and `GET /v1/kinds/{kind}`: from the catalog, without touching a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;

use super::kind_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::kind::{Kind, KindModule, KindSummary};
use crate::api::wire::{Listing, Raw};
use crate::job::{GuestType, KindName, SettingsWire};
use crate::store::KindEntry;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 256;

/// List kinds
#[utoipa::path(
    get, path = "/v1/kinds", tag = "kinds",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = Listing<KindSummary>, description = "By name"), (status = 422, description = "`invalid_query`")),
)]
pub(in crate::api) async fn list_kinds(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<KindName>()?;
    let catalog = api.store.catalog();
    let own = catalog.kinds.values().filter(|entry| entry.tenant == api.caller.tenant);
    let mut entries: Vec<&Arc<KindEntry>> =
        own.filter(|entry| after.as_ref().is_none_or(|after| entry.name > *after)).collect();
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let listing = Listing::of(&entries, limit, summary, |entry| entry.name.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * listing.items.len() + 64)
}

fn summary<'r>(entry: &'r &Arc<KindEntry>) -> KindSummary<'r> {
    KindSummary {
        name: &entry.name,
        description: entry.description.as_deref(),
        module: entry.version.as_deref().map(KindModule::from),
    }
}

/// One kind
///
/// With its schemas, the settings in force and where each comes from.
#[utoipa::path(
    get, path = "/v1/kinds/{kind}", tag = "kinds", params(("kind" = String, Path)),
    responses((status = 200, body = Kind), (status = 404, description = "`kind_not_found`, with the nearest names")),
)]
pub(in crate::api) async fn kind_detail(
    api: Call,
    NamePath(kind): NamePath<KindName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    show_kind(&api, &kind)
}

pub(super) fn show_kind(api: &Call, kind: &KindName) -> Result<Response, ApiError> {
    let catalog = api.store.catalog();
    let entry = catalog.kind(api.caller.tenant, kind).ok_or_else(|| kind_not_found(api, &catalog, kind))?;
    let limits = api.config.limits.resolve(&entry.settings.limits);
    let is_command = entry.version.as_ref().is_some_and(|version| version.guest != GuestType::Handler);
    let settings = SettingsWire::effective(&entry.settings, &limits, &api.default_queue);
    let settings = if is_command { settings.with_command_defaults() } else { settings };
    let operator_settings = SettingsWire::from(&entry.operator_settings);
    let shown = Kind {
        name: &entry.name,
        description: entry.description.as_deref(),
        module: entry.version.as_deref().map(KindModule::from),
        input_schema: Raw(entry.payload_schema().as_bytes()),
        output_schema: Raw(entry.output_schema.as_bytes()),
        settings_from: sources(&settings, &SettingsWire::from(&entry.module_settings), &operator_settings),
        settings,
        operator_settings,
    };
    json(StatusCode::OK, &shown, 1_024 + entry.payload_schema().len() + entry.output_schema.len())
}

/// Who had the last word on each setting.
fn sources(
    effective: &SettingsWire,
    module: &SettingsWire,
    operator: &SettingsWire,
) -> BTreeMap<&'static str, &'static str> {
    let mut sources: BTreeMap<_, _> = effective.fields().into_iter().map(|field| (field, "host")).collect();
    sources.extend(module.fields().into_iter().map(|field| (field, "module")));
    sources.extend(operator.fields().into_iter().map(|field| (field, "operator")));
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_has_the_last_word() {
        let settings = |priority, fuel| SettingsWire { priority, fuel, ..SettingsWire::default() };
        let effective = SettingsWire { host_calls: Some(1), ..settings(Some(1), Some(2)) };
        let sources = sources(&effective, &settings(Some(5), Some(2)), &settings(Some(1), None));
        assert_eq!(
            sources.into_iter().collect::<Vec<_>>(),
            [("fuel", "module"), ("host_calls", "host"), ("priority", "operator")]
        );
    }
}
