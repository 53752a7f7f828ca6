//! What of a token's claims counts here.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::job::{Role, TenantName, Timestamp};

/// Longest name of a user, bytes.
const USER_BYTES_MAX: usize = 128;

/// How claims are called, and what they may say.
pub(super) struct Reading {
    pub(super) tenant_claim: String,
    pub(super) role_claim: String,
    pub(super) user_claim: String,
    pub(super) admin_allowed: bool,
}

/// What a token says of who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Claimed {
    /// `None`: the host's.
    pub(in crate::api) tenant: Option<TenantName>,
    pub(in crate::api) role: Role,
    pub(in crate::api) who: Arc<str>,
    pub(in crate::api) expires_at: Timestamp,
}

impl Reading {
    /// `None`: something is missing, or says what may not be said.
    pub(super) fn read(&self, claims: &Map<String, Value>) -> Option<Claimed> {
        let text = |name: &str| claims.get(name)?.as_str();
        let role: Role = text(&self.role_claim)?.parse().ok()?;
        if role == Role::Admin && !self.admin_allowed {
            return None;
        }
        let tenant = match role {
            Role::Admin => None,
            _ => Some(text(&self.tenant_claim)?.parse().ok()?),
        };
        let user = text(&self.user_claim)?;
        if user.is_empty() || user.len() > USER_BYTES_MAX || user.chars().any(char::is_control) {
            return None;
        }
        let expires_s = claims.get("exp")?.as_f64()?;
        // Cut to whole seconds, and far beyond any time that comes.
        #[expect(clippy::cast_possible_truncation)]
        let expires_s = expires_s.clamp(0.0, 1e12) as i64;
        Some(Claimed { tenant, role, who: format!("jwt:{user}").into(), expires_at: Timestamp(expires_s * 1_000) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(claims: &Value, admin_allowed: bool) -> Option<(Option<String>, Role, String)> {
        let reading = Reading {
            tenant_claim: "tenant".to_owned(),
            role_claim: "https://example.com/role".to_owned(),
            user_claim: "sub".to_owned(),
            admin_allowed,
        };
        let claimed = reading.read(claims.as_object()?)?;
        Some((claimed.tenant.map(|tenant| tenant.to_string()), claimed.role, claimed.who.to_string()))
    }

    #[test]
    fn what_is_missing_or_not_allowed_makes_nobody() {
        let role = "https://example.com/role";
        let good = json!({role: "operator", "tenant": "acme", "sub": "ann", "exp": 10});
        assert_eq!(read(&good, false), Some((Some("acme".to_owned()), Role::Operator, "jwt:ann".to_owned())));
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        for (name, value) in [
            (role, json!("admin")),
            (role, json!("root")),
            (role, json!(["operator"])),
            ("tenant", json!("Not A Name")),
            ("tenant", json!(7)),
            ("tenant", Value::Null),
            ("sub", json!("")),
            ("sub", json!("a\nb")),
            ("sub", json!("x".repeat(129))),
            ("exp", json!("soon")),
        ] {
            assert_eq!(read(&with(name, value.clone()), false), None, "{name} {value}");
        }
        let admin = with(role, json!("admin"));
        assert_eq!(read(&admin, true), Some((None, Role::Admin, "jwt:ann".to_owned())));
    }
}
