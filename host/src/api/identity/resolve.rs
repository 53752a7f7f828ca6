//! From the credential of a request to its caller. A refusal never says what was wrong with a credential, and comparing
//! takes the same time whatever was sent. One hash, and one look into a map.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Uri};
use subtle::ConstantTimeEq;

use super::access::Needed;
use super::call::Caller;
use super::failures::{Failures, Verdict};
use super::jwt::{Claimed, Jwt, NotClaimed};
use super::secret::{csrf_token, hash};
use super::sent::{CSRF_HEADER, Sent, only_looks, sent};
use super::user_token::{self, UserToken, UserTokens};
use crate::api::error::{ApiError, ProblemCode};
use crate::config::{Config, ConfigError};
use crate::job::{Actor, Role, TenantName, Timestamp, UserName, Via};
use crate::store::{Catalog, CredentialHash, TenantId, UserTokenSecret};

/// In which tenant a request acts. For admins any, for others their own.
const TENANT_HEADER: &str = "stoker-tenant";
/// How `stoker …` names itself.
const CLI_AGENT: &[u8] = b"stoker/";
/// Where a form sends its CSRF token itself, for its own action to check.
const FORMS: [&str; 1] = ["/dashboard/logout"];

/// From where a request comes. Put into its extensions where the connection was accepted.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Peer(pub(in crate::api) IpAddr);

/// How callers are known; made once from the configuration.
pub struct Identity {
    /// Of the admin's key. Hashes have one length, so comparing them tells nothing about the key's.
    admin_key_hash: Option<CredentialHash>,
    /// As long as there never was a credential, everybody who reaches the host is its admin.
    may_be_open: bool,
    jwt: Option<Jwt>,
    jwt_admin_allowed: bool,
    user_tokens: UserTokens,
    failures: Failures,
}

/// What is looked at of a request.
pub(in crate::api) struct Asked<'r> {
    pub(in crate::api) method: &'r Method,
    pub(in crate::api) uri: &'r Uri,
    pub(in crate::api) headers: &'r HeaderMap,
    pub(in crate::api) peer: IpAddr,
}

/// Who a credential belongs to.
#[derive(Clone, Debug)]
pub(in crate::api) struct Known {
    /// None: the host's.
    pub(in crate::api) tenant: Option<TenantId>,
    pub(in crate::api) role: Role,
    pub(in crate::api) who: Arc<str>,
    /// Of the stored key, or the admin's.
    pub(in crate::api) credential: Option<CredentialHash>,
    /// Of the session's cookie.
    pub(in crate::api) session: Option<CredentialHash>,
    /// Of the role `user`: who it is.
    pub(in crate::api) user: Option<UserName>,
    pub(in crate::api) expires_at: Option<Timestamp>,
}

/// What a first look tells.
pub(in crate::api) enum Look {
    Known(Known),
    /// It may be a JSON Web Token, which can take a moment to find out.
    Token {
        text: String,
        hash: CredentialHash,
        peer: IpAddr,
    },
}

impl Identity {
    /// A file of keys must be readable now.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            admin_key_hash: config.admin_key.as_ref().map(|key| hash(key.0.as_bytes())),
            may_be_open: config.listen.ip().to_canonical().is_loopback(),
            jwt_admin_allowed: config.jwt.as_ref().is_some_and(|jwt| jwt.admin_allowed),
            jwt: config.jwt.clone().map(Jwt::new).transpose()?,
            user_tokens: UserTokens::default(),
            failures: Failures::default(),
        })
    }

    /// From now on tokens of users can be made and are known.
    pub fn begin_user_tokens(&self, secret: &UserTokenSecret) {
        self.user_tokens.begin(secret);
    }

    /// A token for a user; `None`: the key is not known yet.
    pub(in crate::api) fn user_token(&self, token: &UserToken) -> Option<String> {
        self.user_tokens.make(token)
    }

    /// Whether the configuration says who may call.
    pub fn is_configured(&self) -> bool {
        self.admin_key_hash.is_some() || self.jwt.is_some()
    }

    /// Whether somebody is an admin without a stored key.
    pub fn has_root(&self) -> bool {
        self.admin_key_hash.is_some() || self.jwt_admin_allowed
    }

    /// Whether no credential is asked for, because there never was one.
    pub fn is_open(&self, catalog: &Catalog) -> bool {
        self.may_be_open && !self.is_configured() && !catalog.credentials.is_keyed
    }

    /// Whose request it is, as far as that is known at once.
    pub(in crate::api) fn look(&self, asked: &Asked<'_>, catalog: &Catalog, now: Timestamp) -> Result<Look, ApiError> {
        let sent = sent(asked.uri, asked.headers);
        // Who sends one wants to be that user, also where anybody may be more.
        if let Sent::Token(token) = &sent
            && user_token::may_be_one(token)
        {
            return self.known_user(token, asked.peer, catalog, now).map(Look::Known);
        }
        if self.is_open(catalog) {
            return Ok(Look::Known(Known::of_host("loopback", None)));
        }
        match sent {
            Sent::Nothing => Err(unauthorized()),
            Sent::Token(token) => self.look_at(token, asked.peer, catalog, now),
            Sent::Session(cookie) => self.session(&cookie, asked, catalog, now).map(Look::Known),
        }
    }

    /// The same of a token that came in another way.
    pub(in crate::api) fn look_at(
        &self,
        token: Vec<u8>,
        peer: IpAddr,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<Look, ApiError> {
        let hash = hash(&token);
        // Nobody guesses a key, and whoever has one is not kept out by what others behind the same address try.
        if let Some(known) = by_key(&hash, catalog, now) {
            return Ok(Look::Known(known));
        }
        self.before(peer, &hash)?;
        if let Some(known) = self.by_hash(&hash, catalog, now) {
            self.failures.succeeded(peer, &hash);
            return Ok(Look::Known(known));
        }
        if self.jwt.is_some()
            && let Ok(text) = String::from_utf8(token)
            && Jwt::may_be_one(&text)
        {
            return Ok(Look::Token { text, hash, peer });
        }
        Err(self.refuse(peer))
    }

    /// Nobody guesses a signature: who has a good one is not kept out by what others behind the same address try.
    fn known_user(&self, token: &[u8], peer: IpAddr, catalog: &Catalog, now: Timestamp) -> Result<Known, ApiError> {
        match self.user_tokens.read(token, now) {
            user_token::Read::Good(UserToken { tenant, user, expires_at })
                if catalog.tenant_entries.contains_key(&tenant) =>
            {
                Ok(Known {
                    tenant: Some(tenant),
                    role: Role::User,
                    who: format!("user:{user}").into(),
                    credential: None,
                    session: None,
                    user: Some(user),
                    expires_at: Some(expires_at),
                })
            }
            // No guess either.
            user_token::Read::Expired => Err(token_expired()),
            user_token::Read::Good(_) | user_token::Read::Bad => {
                self.before(peer, &hash(token))?;
                Err(self.refuse(peer))
            }
        }
    }

    /// Whether a credential of this address is to be looked at.
    fn before(&self, peer: IpAddr, hash: &CredentialHash) -> Result<(), ApiError> {
        match self.failures.before(peer, hash, Instant::now()) {
            Verdict::Look => Ok(()),
            Verdict::TooMany { wait } => Err(too_many(wait.as_secs().max(1))),
        }
    }

    fn refuse(&self, peer: IpAddr) -> ApiError {
        self.failures.failed(peer, Instant::now());
        unauthorized()
    }

    /// Whose token it is.
    pub(in crate::api) async fn token(
        &self,
        text: String,
        hash: CredentialHash,
        peer: IpAddr,
        tenant_of: impl FnOnce(&TenantName) -> Option<TenantId>,
        now: Timestamp,
    ) -> Result<Known, ApiError> {
        let claimed = match &self.jwt {
            Some(jwt) => jwt.claimed(&text, hash, now).await,
            None => Err(NotClaimed::Bad),
        };
        if let Err(NotClaimed::Expired) = claimed {
            return Err(token_expired());
        }
        let known = claimed.ok().and_then(|Claimed { tenant, role, who, user, expires_at }| {
            // A tenant that is not there is no reason to say so.
            let tenant = match tenant {
                Some(name) => Some(tenant_of(&name)?),
                None => None,
            };
            let expires_at = Some(expires_at);
            Some(Known { tenant, role, who, credential: None, session: None, user, expires_at })
        });
        if known.is_some() {
            self.failures.succeeded(peer, &hash);
        }
        known.ok_or_else(|| self.refuse(peer))
    }

    fn by_hash(&self, hash: &CredentialHash, catalog: &Catalog, now: Timestamp) -> Option<Known> {
        if self.admin_key_hash.as_ref().is_some_and(|known| bool::from(hash.ct_eq(known))) {
            return Some(Known::of_host("admin_key", Some(*hash)));
        }
        by_key(hash, catalog, now)
    }

    /// Whether what a request came with is worth anything now: a key may be revoked, or expire, while its body comes.
    pub(in crate::api) fn is_good(&self, credential: &CredentialHash, catalog: &Catalog, now: Timestamp) -> bool {
        self.by_hash(credential, catalog, now).is_some()
    }

    /// A session can do what the credential can that it was opened with, now.
    fn session(&self, cookie: &[u8], asked: &Asked<'_>, catalog: &Catalog, now: Timestamp) -> Result<Known, ApiError> {
        let session_hash = hash(cookie);
        let session = catalog.credentials.sessions.get(&session_hash).filter(|session| now < session.expires_at);
        let known = session.and_then(|session| {
            let known = self.by_hash(&session.credential, catalog, now)?;
            let ends_at = known.expires_at.map_or(session.expires_at, |ends_at| ends_at.min(session.expires_at));
            Some(Known { expires_at: Some(ends_at), ..known })
        });
        // A browser goes on sending a cookie that has ended: that is no guess.
        let known = known.ok_or_else(unauthorized)?;
        let sends_token_itself = FORMS.contains(&asked.uri.path());
        if !only_looks(asked.method) && !sends_token_itself {
            let given = asked.headers.get(CSRF_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
            check_csrf(cookie, given)?;
        }
        Ok(Known { session: Some(session_hash), ..known })
    }

    /// Whether the caller may make a request that needs so much, and where it acts.
    pub(in crate::api) fn caller(
        known: Known,
        needed: Needed,
        headers: &HeaderMap,
        catalog: &Catalog,
    ) -> Result<Caller, ApiError> {
        if let Needed::Role(least) = needed
            && known.role < least
        {
            return Err(forbidden(least, known.role));
        }
        let scope = scope(known.tenant, headers, catalog)?;
        let via = if known.session.is_some() { Via::Dashboard } else { via(headers) };
        Ok(Caller {
            tenant: scope.unwrap_or(TenantId::DEFAULT),
            scope,
            role: known.role,
            actor: Actor { who: known.who, via },
            credential: known.credential,
            session: known.session,
            user: known.user,
            expires_at: known.expires_at,
        })
    }
}

fn by_key(hash: &CredentialHash, catalog: &Catalog, now: Timestamp) -> Option<Known> {
    // The hash of a guess says nothing about how near it came.
    let key = catalog.credentials.keys.get(hash).filter(|key| key.is_good(now))?;
    key.used(now);
    Some(Known {
        tenant: key.tenant,
        role: key.role,
        who: Arc::clone(&key.who),
        credential: Some(*hash),
        session: None,
        user: None,
        expires_at: key.expires_at,
    })
}

impl Known {
    /// Whoever may do everything.
    fn of_host(who: &str, credential: Option<CredentialHash>) -> Self {
        let (tenant, role, who) = (None, Role::Admin, who.into());
        Self { tenant, role, who, credential, session: None, user: None, expires_at: None }
    }
}

/// Whether the token is the one of the session with this cookie.
pub(in crate::api) fn check_csrf(cookie: &[u8], given: &[u8]) -> Result<(), ApiError> {
    if bool::from(csrf_token(cookie).as_bytes().ct_eq(given)) {
        return Ok(());
    }
    let sentence = "a session that changes something sends the token of its page in the header `X-CSRF-Token`";
    Err(ApiError::new(ProblemCode::CsrfTokenWrong, sentence))
}

/// The same for every reason there is.
pub(super) fn unauthorized() -> ApiError {
    ApiError::new(ProblemCode::Unauthorized, "send `Authorization: Bearer` and a valid key or token")
}

/// Of a user's token that was good: whoever sends it is told what to do.
pub(in crate::api) fn token_expired() -> ApiError {
    ApiError::new(ProblemCode::TokenExpired, "the token has expired; get a new one, and come again with that")
}

fn too_many(wait_s: u64) -> ApiError {
    let sentence = "too many bad credentials came from this address; they are not looked at for a moment";
    ApiError::new(ProblemCode::TooManyFailures, sentence).with_header(RETRY_AFTER, HeaderValue::from(wait_s))
}

fn forbidden(least: Role, role: Role) -> ApiError {
    let detail = format!("this needs the role `{least}` or a greater one; the credential's is `{role}`");
    ApiError::new(ProblemCode::Forbidden, detail).with("needed_role", least.as_str())
}

/// Where the request acts: in the tenant of its credential, or, an admin's, in the one it names. `None`: an admin's that
/// names none.
fn scope(own: Option<TenantId>, headers: &HeaderMap, catalog: &Catalog) -> Result<Option<TenantId>, ApiError> {
    let mut named = headers.get_all(TENANT_HEADER).iter();
    let Some(name) = named.next() else { return Ok(own) };
    if named.next().is_some() {
        return Err(ApiError::new(ProblemCode::InvalidRequest, "send one `Stoker-Tenant` header"));
    }
    let name = name.to_str().ok().and_then(|name| name.parse::<TenantName>().ok());
    let tenant = name.and_then(|name| catalog.tenants.get(&name).copied());
    match (tenant, own) {
        (Some(tenant), None) => Ok(Some(tenant)),
        (Some(tenant), Some(own)) if tenant == own => Ok(Some(own)),
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
    use super::*;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.tenants.insert(TenantName::default_tenant(), TenantId::DEFAULT);
        catalog.tenants.insert("acme".parse().unwrap(), TenantId(7));
        catalog
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn look(listen: &str, key: Option<&str>, pairs: &[(&'static str, &str)]) -> Result<Role, ProblemCode> {
        let identity = Identity {
            admin_key_hash: key.map(|key| hash(key.as_bytes())),
            may_be_open: listen.parse::<IpAddr>().unwrap().is_loopback(),
            jwt: None,
            jwt_admin_allowed: false,
            user_tokens: UserTokens::default(),
            failures: Failures::default(),
        };
        let headers = headers(pairs);
        let uri = "/v1/jobs".parse().unwrap();
        let asked = Asked { method: &Method::GET, uri: &uri, headers: &headers, peer: [127, 0, 0, 1].into() };
        match identity.look(&asked, &catalog(), Timestamp(1)) {
            Ok(Look::Known(known)) => Ok(known.role),
            Ok(Look::Token { .. }) => panic!("no tokens are known here"),
            Err(error) => Err(error.code()),
        }
    }

    #[test]
    fn the_admins_key() {
        for (value, good) in [
            ("Bearer a-long-admin-key", true),
            ("bearer a-long-admin-key", true),
            ("Bearer a-long-admin-kez", false),
            ("Bearer a.b.c", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic a-long-admin-key", false),
            ("", false),
        ] {
            let expected = if good { Ok(Role::Admin) } else { Err(ProblemCode::Unauthorized) };
            assert_eq!(look("127.0.0.1", Some("a-long-admin-key"), &[("authorization", value)]), expected, "{value}");
        }
        assert_eq!(look("127.0.0.1", Some("a-long-admin-key"), &[]), Err(ProblemCode::Unauthorized));
    }

    #[test]
    fn only_loopback_without_any_key_is_open() {
        assert_eq!(look("127.0.0.1", None, &[]), Ok(Role::Admin));
        assert_eq!(look("127.0.0.1", None, &[("authorization", "Bearer nothing")]), Ok(Role::Admin));
        assert_eq!(look("10.0.0.1", None, &[]), Err(ProblemCode::Unauthorized));
    }

    #[test]
    fn tenants_are_named_by_those_who_may() {
        let of = |own, names: &[&str]| {
            let pairs: Vec<_> = names.iter().map(|name| (TENANT_HEADER, *name)).collect();
            scope(own, &headers(&pairs), &catalog()).map_err(|error| error.code())
        };
        let own = Some(TenantId(7));
        for (credential, names, expected) in [
            (None, &[][..], Ok(None)),
            (None, &["acme"], Ok(own)),
            (None, &["nobody"], Err(ProblemCode::TenantNotFound)),
            (None, &["Not A Name"], Err(ProblemCode::TenantNotFound)),
            (None, &["acme", "acme"], Err(ProblemCode::InvalidRequest)),
            (own, &[], Ok(own)),
            (own, &["acme"], Ok(own)),
            (own, &["default"], Err(ProblemCode::TenantNotFound)),
            (own, &["nobody"], Err(ProblemCode::TenantNotFound)),
        ] {
            assert_eq!(of(credential, names), expected, "{credential:?} {names:?}");
        }
    }
}
