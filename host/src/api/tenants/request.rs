//! What requests say of a tenant, and how it is put onto what is set.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::api::extract::Given;
use crate::job::field::ranged;
use crate::job::tenant::{WEIGHT_DEFAULT, WEIGHT_MAX};
use crate::job::{FieldError, Quotas, TenantName, TenantSettings};
use crate::store::{NewTenant, TenantChange, TenantEntry};

/// Largest body, bytes.
pub(super) const BODY_BYTES_MAX: usize = 16 << 10;

/// A tenant to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant)]
pub(in crate::api) struct NewTenantRequest {
    /// 1 to 63 characters of a-z, 0-9 and -, the first one a letter or digit.
    #[schema(value_type = String)]
    name: TenantName,
    /// Its share of the run time, beside the weights of the others: 1 to 1000; default 10.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000)]
    weight: Given<i64>,
    /// What it may use. Of what is absent, as much as the host says.
    #[serde(default)]
    #[schema(value_type = Option<Quotas>)]
    quotas: Given<Map<String, Value>>,
    /// What else is set on it.
    #[serde(default)]
    #[schema(value_type = Option<TenantSettings>)]
    settings: Given<Map<String, Value>>,
}

/// A change of what is set on a tenant. What is left out stays, and `null` takes away what was set: of `quotas` and `settings`
/// each member for itself.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantChange)]
pub(in crate::api) struct TenantRequest {
    /// Its share of the run time, beside the weights of the others: 1 to 1000; default 10.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000)]
    weight: Given<i64>,
    /// What it may use. Of what is absent, as much as the host says.
    #[serde(default)]
    #[schema(value_type = Option<Quotas>)]
    quotas: Given<Map<String, Value>>,
    /// What else is set on it.
    #[serde(default)]
    #[schema(value_type = Option<TenantSettings>)]
    settings: Given<Map<String, Value>>,
}

impl NewTenantRequest {
    /// As the store takes it, or everything that is wrong with it.
    pub(super) fn into_new(self) -> Result<NewTenant, ApiError> {
        let NewTenantRequest { name, weight, quotas, settings } = self;
        let (quotas_before, settings_before) = (Quotas::default(), TenantSettings::default());
        let change = changed(TenantRequest { weight, quotas, settings }, &quotas_before, &settings_before)?;
        Ok(NewTenant {
            name,
            weight: change.weight.unwrap_or(WEIGHT_DEFAULT),
            quotas: change.quotas.unwrap_or_default(),
            settings: change.settings.unwrap_or_default(),
        })
    }
}

impl TenantRequest {
    /// As the store's change of this tenant, or everything that is wrong with it.
    pub(super) fn into_change(self, current: &TenantEntry) -> Result<TenantChange, ApiError> {
        changed(self, &current.quotas, &current.settings)
    }
}

fn changed(
    request: TenantRequest,
    quotas_before: &Quotas,
    settings_before: &TenantSettings,
) -> Result<TenantChange, ApiError> {
    let TenantRequest { weight, quotas, settings } = request;
    let mut errors = Vec::new();
    let weight = weight.map(|weight| weight.unwrap_or(i64::from(WEIGHT_DEFAULT)));
    let change = TenantChange {
        weight: ranged("/weight", weight, 1, i64::from(WEIGHT_MAX), &mut errors),
        quotas: merged("/quotas", quotas, quotas_before, &mut errors),
        settings: merged("/settings", settings, settings_before, &mut errors),
        state: None,
    };
    if let Some((quota, message)) = change.quotas.as_ref().and_then(Quotas::fault) {
        errors.push(FieldError::new(format!("/quotas/{quota}"), message));
    }
    if errors.is_empty() { Ok(change) } else { Err(ApiError::invalid(errors)) }
}

/// What a merge patch (RFC 7396) makes of what is set; `None`: nothing is to be changed.
fn merged<T: Serialize + DeserializeOwned + Default>(
    pointer: &str,
    patch: Given<Map<String, Value>>,
    before: &T,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let patch = match patch {
        Given::Absent => return None,
        Given::Null => return Some(T::default()),
        Given::Value(patch) => patch,
    };
    let Ok(mut whole) = serde_json::to_value(before) else { return None };
    merge(&mut whole, patch);
    match serde_path_to_error::deserialize(whole) {
        Ok(merged) => Some(merged),
        Err(error) => {
            let place = error.path().to_string();
            let at = if place == "." { String::new() } else { format!("/{}", place.replace('.', "/")) };
            errors.push(FieldError::new(format!("{pointer}{at}"), error.into_inner().to_string()));
            None
        }
    }
}

fn merge(whole: &mut Value, patch: Map<String, Value>) {
    if !whole.is_object() {
        *whole = Value::Object(Map::new());
    }
    let Some(members) = whole.as_object_mut() else { return };
    for (name, value) in patch {
        match value {
            Value::Null => drop(members.remove(&name)),
            Value::Object(inner) => merge(members.entry(name).or_insert(Value::Null), inner),
            other => drop(members.insert(name, other)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn change(before: &str, request: &str) -> Result<String, Vec<String>> {
        let before: Quotas = serde_json::from_str(before).unwrap();
        let request: TenantRequest = serde_json::from_str(request).unwrap();
        let changed = changed(request, &before, &TenantSettings::default())
            .map_err(|error| error.errors().iter().map(|error| error.pointer.clone()).collect::<Vec<_>>())?;
        Ok(changed.quotas.map_or_else(String::new, |quotas| serde_json::to_string(&quotas).unwrap()))
    }

    #[test]
    fn a_change_is_merged_and_checked_as_a_whole() {
        let before = r#"{"waiting_jobs":5,"modules":2}"#;
        for (request, after) in [
            (r#"{"weight": 3}"#, ""),
            (r#"{"quotas": {"modules": null, "schedules": 7}}"#, r#"{"waiting_jobs":5,"schedules":7}"#),
            (r#"{"quotas": null}"#, "{}"),
            (r#"{"quotas": {"stored_bytes": "1KiB"}}"#, r#"{"waiting_jobs":5,"stored_bytes":1024,"modules":2}"#),
        ] {
            assert_eq!(change(before, request).as_deref(), Ok(after), "{request}");
        }
        for (request, pointers) in [
            (r#"{"weight": 0}"#, vec!["/weight"]),
            (r#"{"weight": 1001, "quotas": {"modules": -1}}"#, vec!["/weight", "/quotas/modules"]),
            (r#"{"quotas": {"colours": 1}}"#, vec!["/quotas/colours"]),
            (r#"{"quotas": {"running_jobs": 0}}"#, vec!["/quotas/running_jobs"]),
            (r#"{"settings": {"retention": {"failed": "never"}}}"#, vec!["/settings/retention/failed"]),
        ] {
            assert_eq!(change(before, request), Err(pointers.into_iter().map(str::to_owned).collect()), "{request}");
        }
    }
}
