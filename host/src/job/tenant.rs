//! What can be set on a tenant, the isolation and billing boundary: its state, its weight, its settings. Its quotas: `quota.rs`.

use serde::{Deserialize, Serialize};

use super::retention::Retention;

/// The weight of a tenant on which none is set.
pub const WEIGHT_DEFAULT: u32 = 10;
/// The largest one. The smallest is 1.
pub const WEIGHT_MAX: u32 = 1_000;

/// Whether a tenant's jobs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    /// They do.
    Active,
    /// None begins; those that run go on, new ones are taken and wait.
    Suspended,
    /// It is being removed with all it has.
    Deleting,
}

impl TenantState {
    /// Every state.
    pub const ALL: [TenantState; 3] = [TenantState::Active, TenantState::Suspended, TenantState::Deleting];

    /// The word of store, HTTP and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            TenantState::Active => "active",
            TenantState::Suspended => "suspended",
            TenantState::Deleting => "deleting",
        }
    }

    /// From the store's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What is set on a tenant beside weight and quotas. What is absent is left to the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantSettings {
    /// How long its finished jobs are kept, where neither queue nor kind says more.
    #[serde(skip_serializing_if = "Retention::is_empty")]
    pub retention: Retention,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn states_and_settings_are_read_as_they_are_written() {
        for state in TenantState::ALL {
            assert_eq!(TenantState::from_word(state.as_str()), Some(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.as_str()));
        }
        assert_eq!(TenantState::from_word("asleep"), None);
        assert_eq!(serde_json::to_string(&TenantSettings::default()).unwrap(), "{}");
        let text = r#"{"retention":{"failed":"90d"}}"#;
        let settings: TenantSettings = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        assert!(serde_json::from_str::<TenantSettings>(r#"{"colour":"red"}"#).is_err());
    }
}
