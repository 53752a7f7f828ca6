//! What of a token's claims counts here (RFC 7519), once its signature is known to be good.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::JwtConfig;
use crate::job::{Role, TenantName, Timestamp, UserName};

/// What is wrong with a user's token of which all else holds.
pub(super) const USER_EXPIRED: &str = "exp (a user's, which has passed)";
/// Far beyond any time that comes, seconds.
const TIME_S_MAX: f64 = 1e12;

/// How claims are called, and what they may say.
pub(super) struct Reading(pub(super) JwtConfig);

/// What a token says of who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Claimed {
    /// `None`: the host's.
    pub(in crate::api) tenant: Option<TenantName>,
    pub(in crate::api) role: Role,
    pub(in crate::api) who: Arc<str>,
    /// Of the role `user`: who it is.
    pub(in crate::api) user: Option<UserName>,
    /// With the leeway.
    pub(in crate::api) expires_at: Timestamp,
}

impl Reading {
    /// Otherwise the claim that is missing, or says what may not be said.
    pub(super) fn read<'c>(&'c self, claims: &Map<String, Value>, now: Timestamp) -> Result<Claimed, &'c str> {
        let JwtConfig { issuer, audience, leeway, tenant_claim, role_claim, user_claim, admin_allowed, .. } = &self.0;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let leeway_ms = i64::try_from(leeway.as_millis()).unwrap_or(0);
        let expires_at = claims.get("exp").and_then(time).map(|at| Timestamp(at.as_ms() + leeway_ms)).ok_or("exp")?;
        if let Some(from) = claims.get("nbf") {
            let from = time(from).ok_or("nbf")?;
            if now.as_ms() + leeway_ms < from.as_ms() {
                return Err("nbf");
            }
        }
        if text("iss") != Some(issuer) {
            return Err("iss");
        }
        let is_meant = match claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        };
        if !is_meant {
            return Err("aud");
        }
        let role: Role = text(role_claim).and_then(|role| role.parse().ok()).ok_or(role_claim.as_str())?;
        if role == Role::Admin && !admin_allowed {
            return Err(role_claim);
        }
        let tenant = match role {
            Role::Admin => None,
            _ => Some(text(tenant_claim).and_then(|name| name.parse().ok()).ok_or(tenant_claim.as_str())?),
        };
        let user: UserName = text(user_claim).and_then(|name| name.parse().ok()).ok_or(user_claim.as_str())?;
        if now >= expires_at {
            return Err(if role == Role::User { USER_EXPIRED } else { "exp" });
        }
        let who = format!("jwt:{user}").into();
        Ok(Claimed { tenant, role, who, user: (role == Role::User).then_some(user), expires_at })
    }
}

/// Seconds since the epoch, perhaps with a fraction.
fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite())?;
    #[expect(clippy::cast_possible_truncation)] // Far within.
    let ms = (seconds.clamp(0.0, TIME_S_MAX) * 1_000.0) as i64;
    Some(Timestamp(ms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::config::{JwtAlgorithm, JwtKeys, JwtSecret};
    use serde_json::json;

    const ROLE: &str = "https://example.com/role";

    fn read(claims: &Value, admin_allowed: bool) -> Result<Claimed, String> {
        let reading = Reading(JwtConfig {
            algorithm: JwtAlgorithm::Hs256,
            keys: JwtKeys::Secret(JwtSecret(String::new())),
            issuer: "idp".to_owned(),
            audience: "stoker".to_owned(),
            leeway: Duration::from_secs(30),
            tenant_claim: "tenant".to_owned(),
            role_claim: ROLE.to_owned(),
            user_claim: "sub".to_owned(),
            admin_allowed,
        });
        reading.read(claims.as_object().unwrap(), Timestamp(1_000_000)).map_err(str::to_owned)
    }

    fn good() -> Value {
        json!({ROLE: "operator", "tenant": "acme", "sub": "ann", "iss": "idp", "aud": "stoker", "exp": 1_010})
    }

    #[test]
    fn what_is_missing_or_not_allowed_makes_nobody() {
        let claimed = read(&good(), false).unwrap();
        assert_eq!(
            (claimed.tenant.unwrap().as_str(), claimed.role, &*claimed.who),
            ("acme", Role::Operator, "jwt:ann")
        );
        assert_eq!(claimed.expires_at, Timestamp(1_040_000));
        for (name, value) in [
            (ROLE, json!("admin")),
            (ROLE, json!("root")),
            (ROLE, json!(["operator"])),
            ("tenant", json!("Not A Name")),
            ("tenant", json!(7)),
            ("sub", json!("")),
            ("sub", json!("a\nb")),
            ("sub", json!("x".repeat(129))),
            ("exp", json!("soon")),
            ("exp", json!(970)),
            ("nbf", json!(1_031)),
            ("nbf", json!("never")),
            ("iss", json!("another")),
            ("aud", json!("another")),
            ("aud", json!(["another"])),
            ("aud", json!({"stoker": 1})),
        ] {
            let mut claims = good();
            claims[name] = value.clone();
            assert_eq!(read(&claims, false), Err(name.to_owned()), "{value}");
        }
        for name in [ROLE, "tenant", "sub", "exp", "iss", "aud"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(read(&claims, false), Err(name.to_owned()));
        }
    }

    #[test]
    fn a_user_is_named_and_told_of_the_end() {
        let mut claims = good();
        claims[ROLE] = json!("user");
        assert_eq!(read(&claims, false).unwrap().user.unwrap().as_str(), "ann");
        assert_eq!(read(&good(), false).unwrap().user, None);
        claims["exp"] = json!(970);
        assert_eq!(read(&claims, false), Err(USER_EXPIRED.to_owned()));
        claims["aud"] = json!("another");
        assert_eq!(read(&claims, false), Err("aud".to_owned()));
    }

    #[test]
    fn what_is_allowed() {
        for (name, value) in
            [("exp", json!(971)), ("exp", json!(1_000.5)), ("nbf", json!(1_030)), ("aud", json!(["another", "stoker"]))]
        {
            let mut claims = good();
            claims[name] = value.clone();
            assert!(read(&claims, false).is_ok(), "{name} {value}");
        }
        let mut admin = good();
        admin[ROLE] = json!("admin");
        assert_eq!(read(&admin, true).unwrap().tenant, None);
    }
}
