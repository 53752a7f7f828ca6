//! From the credential of a request to its caller. A refusal never says what was wrong with a credential, and comparing
//! takes the same time whatever was sent.

use http::HeaderMap;
use http::header::{AUTHORIZATION, USER_AGENT};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::access::Needed;
use super::call::Caller;
use crate::api::error::{ApiError, ProblemCode};
use crate::config::Config;
use crate::job::{Actor, Role, TenantName, Via};
use crate::store::{Catalog, TenantId};

/// In which tenant a request acts. For admins any, for others their own.
const TENANT_HEADER: &str = "stoker-tenant";
/// How `stoker …` names itself.
const CLI_AGENT: &[u8] = b"stoker/";

/// How callers are known; made once from the configuration.
pub(in crate::api) struct Identity {
    /// Of the admin's key. Hashes have one length, so comparing them tells nothing about the key's.
    admin_key_hash: Option<[u8; 32]>,
}

/// Who a credential belongs to.
struct Known {
    /// None: the host's.
    tenant: Option<TenantId>,
    role: Role,
    who: &'static str,
}

impl Identity {
    pub(in crate::api) fn new(config: &Config) -> Self {
        Self { admin_key_hash: config.admin_key.as_ref().map(|key| Sha256::digest(key.0.as_bytes()).into()) }
    }

    /// Whose request it is, if they may make one that needs so much.
    pub(in crate::api) fn caller(
        &self,
        headers: &HeaderMap,
        needed: Needed,
        catalog: impl FnOnce() -> std::sync::Arc<Catalog>,
    ) -> Result<Option<Caller>, ApiError> {
        if needed == Needed::Nothing {
            return Ok(None);
        }
        let known = self.known(headers)?;
        if let Needed::Role(least) = needed
            && known.role < least
        {
            return Err(forbidden(least, known.role));
        }
        let tenant = tenant(&known, headers, catalog)?;
        let actor = Actor { who: known.who.into(), via: via(headers) };
        Ok(Some(Caller { tenant, role: known.role, actor }))
    }

    fn known(&self, headers: &HeaderMap) -> Result<Known, ApiError> {
        let Some(admin_key_hash) = &self.admin_key_hash else {
            return Ok(Known { tenant: None, role: Role::Admin, who: "loopback" });
        };
        let sent_hash: [u8; 32] = Sha256::digest(bearer(headers).unwrap_or_default()).into();
        if bool::from(sent_hash.ct_eq(admin_key_hash)) {
            return Ok(Known { tenant: None, role: Role::Admin, who: "admin_key" });
        }
        Err(unauthorized())
    }
}

/// The token of `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// The same for every reason there is.
fn unauthorized() -> ApiError {
    ApiError::new(ProblemCode::Unauthorized, "send `Authorization: Bearer` and a valid key or token")
}

fn forbidden(least: Role, role: Role) -> ApiError {
    let detail = format!("this needs the role `{least}` or a greater one; the credential's is `{role}`");
    ApiError::new(ProblemCode::Forbidden, detail).with("needed_role", least.as_str())
}

/// Where the request acts: in the tenant of its credential, or, an admin's, in the one it names.
fn tenant(
    known: &Known,
    headers: &HeaderMap,
    catalog: impl FnOnce() -> std::sync::Arc<Catalog>,
) -> Result<TenantId, ApiError> {
    let mut named = headers.get_all(TENANT_HEADER).iter();
    let Some(name) = named.next() else { return Ok(known.tenant.unwrap_or(TenantId::DEFAULT)) };
    if named.next().is_some() {
        return Err(ApiError::new(ProblemCode::InvalidRequest, "send one `Stoker-Tenant` header"));
    }
    let name = name.to_str().ok().and_then(|name| name.parse::<TenantName>().ok());
    let tenant = name.and_then(|name| catalog().tenants.get(&name).copied());
    match (tenant, known.tenant) {
        (Some(tenant), None) => Ok(tenant),
        (Some(tenant), Some(own)) if tenant == own => Ok(own),
        // Another's is as if it did not exist.
        _ => Err(ApiError::new(ProblemCode::TenantNotFound, "the header `Stoker-Tenant` names no tenant")),
    }
}

fn via(headers: &HeaderMap) -> Via {
    let is_cli = headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(CLI_AGENT));
    if is_cli { Via::Cli } else { Via::Api }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    fn identity(key: Option<&str>) -> Identity {
        Identity { admin_key_hash: key.map(|key| Sha256::digest(key).into()) }
    }

    fn catalog() -> Arc<Catalog> {
        let mut catalog = Catalog::default();
        catalog.tenants.insert(TenantName::default_tenant(), TenantId::DEFAULT);
        catalog.tenants.insert("acme".parse().unwrap(), TenantId(7));
        Arc::new(catalog)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_admins_key() {
        let identity = identity(Some("a-long-admin-key"));
        for (value, good) in [
            ("Bearer a-long-admin-key", true),
            ("bearer a-long-admin-key", true),
            ("Bearer a-long-admin-kez", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic a-long-admin-key", false),
            ("", false),
        ] {
            let found = identity.caller(&headers(&[("authorization", value)]), Needed::Known, catalog);
            match found {
                Ok(caller) => assert!(good && caller.unwrap().role == Role::Admin, "{value}"),
                Err(error) => assert!(!good && error.code() == ProblemCode::Unauthorized, "{value}"),
            }
        }
        assert!(identity.caller(&HeaderMap::new(), Needed::Known, catalog).is_err());
        assert!(identity.caller(&HeaderMap::new(), Needed::Nothing, catalog).unwrap().is_none());
    }

    #[test]
    fn tenants_are_named_by_those_who_may() {
        let of = |tenant, names: &[&str]| {
            let known = Known { tenant, role: Role::Operator, who: "x" };
            let pairs: Vec<_> = names.iter().map(|name| (TENANT_HEADER, *name)).collect();
            super::tenant(&known, &headers(&pairs), catalog).map_err(|error| error.code())
        };
        let own = Some(TenantId(7));
        for (credential, names, expected) in [
            (None, &[][..], Ok(TenantId::DEFAULT)),
            (None, &["acme"], Ok(TenantId(7))),
            (None, &["nobody"], Err(ProblemCode::TenantNotFound)),
            (None, &["Not A Name"], Err(ProblemCode::TenantNotFound)),
            (None, &["acme", "acme"], Err(ProblemCode::InvalidRequest)),
            (own, &[], Ok(TenantId(7))),
            (own, &["acme"], Ok(TenantId(7))),
            (own, &["default"], Err(ProblemCode::TenantNotFound)),
            (own, &["nobody"], Err(ProblemCode::TenantNotFound)),
        ] {
            assert_eq!(of(credential, names), expected, "{credential:?} {names:?}");
        }
    }
}
