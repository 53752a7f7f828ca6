//! `PUT /v1/kinds/{kind}/settings`: replaces what the operator set.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;

use super::inspect::show_kind;
use super::kind_not_found;
use crate::api::error::{ApiError, FieldError};
use crate::api::extract::{NamePath, NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::check_on_failed;
use crate::api::modules::refuse;
use crate::api::wire::kind::Kind;
use crate::job::{
    ByteSize, Grants, GuestType, KindName, KindSettings, Limits, ModuleName, Role, SettingsWire, ceilings,
};

/// What a handler has no use for: it is called with its payload, not started as a program.
const SETTINGS_OF_COMMANDS: [&str; 5] = ["stdin", "stdout", "args", "env", "exit_failure"];
/// Largest body, bytes.
pub(super) const BODY_BYTES_MAX: usize = 256 << 10;

/// Set a kind
///
/// Replaces all of the operator's settings (`PATCH` changes single ones); what is left out falls back to the module's, then the host's. `{}` removes
/// them. Jobs that wait already keep the queue, priority and attempts they were enqueued with.
#[utoipa::path(
    put, path = "/v1/kinds/{kind}/settings", tag = "kinds", request_body = SettingsWire, params(("kind" = String, Path)),
    responses(
        (status = 200, body = Kind, description = "The kind, with what is in force now"),
        (status = 404, description = "`kind_not_found`, with the nearest names"),
        (status = 422, description = "`invalid_request`, with pointers; limits over the host's ceilings say the ceiling; settings of plain commands on a handler's kind; grants that would allow everybody, or that are an admin's to give"),
    ),
)]
pub(in crate::api) async fn set_kind_settings(
    api: Call,
    NamePath(kind): NamePath<KindName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let handler = handler_of(&api, &kind);
    let settings = accepted(&body, &kind, handler.as_ref(), &api.config.limits.ceilings)?;
    refuse_unknown_kinds(&api, &settings)?;
    let before = granted(&api, &kind);
    refuse_grants_of_admins(&settings, before.as_deref(), api.caller.role)?;
    let asked_bytes = settings.limits.memory_bytes;
    // One after the other, as those that change single settings: a module is read for it.
    let _turn = if asked_bytes.is_some() { Some(api.settings_changes.take(api.part()).await?) } else { None };
    require_room(&api, &kind, asked_bytes).await?;
    if !api.store.set_kind_settings(api.caller.tenant, kind.clone(), settings).await? {
        return Err(kind_not_found(&api, &api.store.catalog(), &kind));
    }
    show_kind(&api, &kind)
}

/// The handler component that serves the kind now, if it is one.
pub(super) fn handler_of(api: &Call, kind: &KindName) -> Option<ModuleName> {
    let catalog = api.store.catalog();
    let version = catalog.kind(api.caller.tenant, kind)?.version.as_ref()?;
    (version.guest == GuestType::Handler).then(|| version.module.clone())
}

/// What an operator may set for a kind, which is served by this handler component or by something else.
pub(in crate::api) fn accepted(
    text: &[u8],
    kind: &KindName,
    handler: Option<&ModuleName>,
    ceilings: &Limits,
) -> Result<KindSettings, ApiError> {
    let settings: SettingsWire = parse_json(text)?;
    if let Some(module) = handler {
        refuse_commands_settings(kind, module, &settings)?;
    }
    let settings = settings.into_domain().map_err(ApiError::invalid)?;
    let mut errors = Vec::new();
    if settings.schedules.is_some() {
        let message = format!(
            "a kind's module declares them; PUT a schedule at /v1/schedules/NAME, or at /v1/schedules/{kind}:NAME to replace one \
             that is declared"
        );
        errors.push(FieldError::new("/schedules", message));
    }
    ceilings::check(&settings.limits, ceilings, &mut errors);
    if errors.is_empty() { Ok(settings) } else { Err(ApiError::invalid(errors)) }
}

/// Refuses memory with which no job of the kind could begin on the version that serves it now.
pub(super) async fn require_room(api: &Call, kind: &KindName, asked_bytes: Option<u64>) -> Result<(), ApiError> {
    let catalog = api.store.catalog();
    let serving = catalog.kind(api.caller.tenant, kind).and_then(|entry| entry.version.as_ref());
    let (Some(asked_bytes), Some(version)) = (asked_bytes, serving) else { return Ok(()) };
    match api.modules.memory_begins_bytes(version.digest).await.map_err(refuse)? {
        Some(begins_bytes) => check_room(asked_bytes, begins_bytes),
        None => Ok(()),
    }
}

/// Refuses less memory than a module begins with, as where a unit was forgotten.
pub(in crate::api) fn check_room(asked_bytes: u64, begins_bytes: u64) -> Result<(), ApiError> {
    if asked_bytes >= begins_bytes {
        return Ok(());
    }
    let message = format!(
        "is {}, and the module begins with {}: no job of it could run; set it to more than that, with its unit, e.g. \"64MiB\"",
        ByteSize(asked_bytes),
        ByteSize(begins_bytes)
    );
    Err(ApiError::field("/memory", message))
}

/// Refuses to name kinds that nobody ever served. (One that goes later is waited for.)
pub(super) fn refuse_unknown_kinds(api: &Call, settings: &KindSettings) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    check_on_failed(&api.store.catalog(), api.caller.tenant, settings.on_failed.as_ref(), &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}

/// What the kind is granted now.
fn granted(api: &Call, kind: &KindName) -> Option<Arc<Grants>> {
    api.store.catalog().kind(api.caller.tenant, kind)?.operator_settings.grants.clone()
}

/// Refuses what lets a tenant reach beyond itself, to all but those who run the host. What is granted already stays.
pub(super) fn refuse_grants_of_admins(
    settings: &KindSettings,
    before: Option<&Grants>,
    role: Role,
) -> Result<(), ApiError> {
    let errors = match &settings.grants {
        Some(grants) if role != Role::Admin => grants.for_admins(before, "/grants"),
        _ => Vec::new(),
    };
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}

/// Refuses settings that would be without effect on a handler's kind.
fn refuse_commands_settings(kind: &KindName, module: &ModuleName, settings: &SettingsWire) -> Result<(), ApiError> {
    let useless = settings.fields().into_iter().filter(|field| SETTINGS_OF_COMMANDS.contains(field));
    let refuse = |field| {
        let message = format!(
            "is for plain commands; `{kind}` is served by the handler component `{module}`, on which it has no effect: leave it out"
        );
        FieldError::new(format!("/{field}"), message)
    };
    let errors: Vec<FieldError> = useless.map(refuse).collect();
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}
