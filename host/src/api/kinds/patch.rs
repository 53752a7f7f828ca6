//! `PATCH /v1/kinds/{kind}/settings`: changes single settings of the operator, and leaves the others as they are, also those
//! that somebody else changes at the same time.

use axum::extract::Request;
use axum::response::Response;
use serde_json::{Map, Value};

use super::inspect::show_kind;
use super::kind_not_found;
use super::settings::{
    BODY_BYTES_MAX, accepted, handler_of, refuse_grants_of_admins, refuse_unknown_kinds, require_room,
};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters, parse_json, require_merge_patch};
use crate::api::identity::Call;
use crate::api::wire::kind::Kind;
use crate::job::json_text::StrictObject;
use crate::job::{KindName, SettingsWire};
use crate::store::ChangeSettingsResult;

/// Tries to build on what is set, which somebody else may have replaced meanwhile.
const TRIES_MAX: usize = 8;

/// Change a kind's settings
///
/// A JSON merge patch (RFC 7396) of the operator's settings: what it names is set, `null` removes, what it leaves out stays.
/// The objects `retry`, `on_failed`, `retention`, `env` and `grants` are merged in the same way. What comes of it must be such as `PUT` would take it.
#[utoipa::path(
    patch, path = "/v1/kinds/{kind}/settings", tag = "kinds",
    request_body(content((SettingsWire = "application/merge-patch+json"), (SettingsWire = "application/json"))),
    params(("kind" = String, Path)),
    responses(
        (status = 200, body = Kind, description = "The kind, with what is in force now"),
        (status = 404, description = "`kind_not_found`, with the nearest names"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_request`, with pointers into the settings that would come of it"),
        (status = 429, description = "`busy`: too many others change settings"),
    ),
)]
pub(in crate::api) async fn patch_kind_settings(
    api: Call,
    NamePath(kind): NamePath<KindName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_merge_patch(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let patch = read(&body)?;
    refuse_unknown(&patch)?;
    let _turn = api.settings_changes.take(api.part()).await?;
    for _ in 0..TRIES_MAX {
        match change(&api, &kind, &patch).await? {
            ChangeSettingsResult::Done => return show_kind(&api, &kind),
            ChangeSettingsResult::NotFound => return Err(kind_not_found(&api, &api.store.catalog(), &kind)),
            ChangeSettingsResult::Changed => {}
        }
    }
    let sentence =
        "others replaced the settings of this kind again and again meanwhile; nothing was changed, try again later";
    Err(ApiError::new(ProblemCode::Busy, sentence))
}

async fn change(api: &Call, kind: &KindName, patch: &Map<String, Value>) -> Result<ChangeSettingsResult, ApiError> {
    let catalog = api.store.catalog();
    let Some(entry) = catalog.kind(api.caller.tenant, kind) else { return Ok(ChangeSettingsResult::NotFound) };
    let current = entry.operator_settings.clone();
    let mut settings =
        serde_json::to_value(SettingsWire::from(&current)).map_err(|error| ApiError::internal(&error))?;
    merge(&mut settings, patch);
    let text = serde_json::to_vec(&settings).map_err(|error| ApiError::internal(&error))?;
    let changed = accepted(&text, kind, handler_of(api, kind).as_ref(), &api.config.limits.ceilings)?;
    if changed == current {
        return Ok(ChangeSettingsResult::Done);
    }
    refuse_unknown_kinds(api, &changed)?;
    refuse_grants_of_admins(&changed, current.grants.as_deref(), api.caller.role)?;
    let asked_bytes = changed.limits.memory_bytes;
    require_room(api, kind, asked_bytes.filter(|_| asked_bytes != current.limits.memory_bytes)).await?;
    Ok(api.store.change_kind_settings(api.caller.tenant, kind.clone(), current, changed).await?)
}

/// Of a name that stands twice nobody knows which is meant.
fn read(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    parse_json::<StrictObject>(body).map(|patch| patch.0)
}

/// A setting that does not exist can't be removed either: it is a slip of the pen.
fn refuse_unknown(patch: &Map<String, Value>) -> Result<(), ApiError> {
    let removed = patch.iter().filter(|(_, value)| value.is_null());
    let removed: Map<String, Value> = removed.map(|(name, value)| (name.clone(), value.clone())).collect();
    let text = serde_json::to_vec(&removed).map_err(|error| ApiError::internal(&error))?;
    parse_json::<SettingsWire>(&text).map(drop)
}

/// RFC 7396. The depth is that of what was parsed, which is bounded.
fn merge(target: &mut Value, patch: &Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                members.remove(name);
            }
            Value::Object(inner) => merge(members.entry(name).or_insert(Value::Null), inner),
            value => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn patches_are_merged_as_the_rfc_has_it() {
        // Its own examples, as far as their patches are objects.
        for (mut target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let Value::Object(patch) = patch else { unreachable!("an object") };
            merge(&mut target, &patch);
            assert_eq!(target, expected);
        }
    }

    #[test]
    fn what_stands_twice_is_refused() {
        assert_eq!(read(br#"{"fuel": 1, "env": {"a": "b"}}"#).unwrap().len(), 2);
        for twice in [&br#"{"fuel": 1, "fuel": 2}"#[..], br#"{"env": {"a": "1", "a": "2"}}"#] {
            let refused = read(twice).unwrap_err();
            assert!(refused.errors()[0].message.contains("duplicate"), "{:?}", refused.errors());
        }
        assert!(read(b"[]").is_err());
    }

    #[test]
    fn what_is_no_setting_can_not_be_removed() {
        let refused = |patch: Value| match patch {
            Value::Object(patch) => refuse_unknown(&patch).err().map(|error| error.errors()[0].pointer.clone()),
            _ => unreachable!("an object"),
        };
        assert_eq!(refused(json!({"fuel": null, "env": null, "timeout": "5s", "unknown": 1})), None);
        assert_eq!(refused(json!({"fuel": null, "tiemout": null})).as_deref(), Some("/tiemout"));
    }
}
