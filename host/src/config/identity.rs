//! Who may call, and over what: tokens of somebody else's making, TLS.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::check::ConfigError;
use super::sources::Settings;

/// Shortest secret of HS256, bytes: as many as its hash.
const SECRET_BYTES_MIN: usize = 32;
/// Clocks of who signs tokens and of this host may differ by so much when nobody says otherwise.
const LEEWAY_DEFAULT: Duration = Duration::from_secs(30);
/// More would keep tokens good long after their time.
const LEEWAY_MAX: Duration = Duration::from_mins(5);

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
pub enum JwtAlgorithm {
    /// A secret that both sides have.
    #[value(name = "HS256")]
    #[serde(rename = "HS256")]
    Hs256,
    /// RSA.
    #[value(name = "RS256")]
    #[serde(rename = "RS256")]
    Rs256,
    /// P-256.
    #[value(name = "ES256")]
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[value(name = "EdDSA")]
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl JwtAlgorithm {
    /// As tokens say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            JwtAlgorithm::Hs256 => "HS256",
            JwtAlgorithm::Rs256 => "RS256",
            JwtAlgorithm::Es256 => "ES256",
            JwtAlgorithm::EdDsa => "EdDSA",
        }
    }
}

/// A secret that never shows itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct JwtSecret(pub String);

impl std::fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JwtSecret(…)")
    }
}

/// What signatures are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtKeys {
    /// HS256.
    Secret(JwtSecret),
    /// A JSON Web Key Set.
    File(PathBuf),
    /// The same, from a server.
    Url(String),
}

/// Tokens that are taken for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtConfig {
    /// The one way they are signed.
    pub algorithm: JwtAlgorithm,
    /// What that is checked with.
    pub keys: JwtKeys,
    /// Who must have made them.
    pub issuer: String,
    /// For whom they must be.
    pub audience: String,
    /// So much clocks may differ. Default 30 s.
    pub leeway: Duration,
    /// The claim that names the tenant. Default `tenant`.
    pub tenant_claim: String,
    /// The claim that names the role. Default `role`.
    pub role_claim: String,
    /// The claim that names the user. Default `sub`.
    pub user_claim: String,
    /// Whether one may say `admin`.
    pub admin_allowed: bool,
}

/// Files of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM, the host's own certificate first.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

fn invalid<T>(setting: &'static str, message: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Invalid { setting, message: message.to_owned() })
}

pub(super) fn jwt(settings: &Settings) -> Result<Option<JwtConfig>, ConfigError> {
    let Settings {
        jwt_alg,
        jwt_secret,
        jwt_jwks,
        jwt_issuer,
        jwt_audience,
        jwt_leeway,
        jwt_tenant_claim,
        jwt_role_claim,
        jwt_user_claim,
        jwt_admin_allowed,
        ..
    } = settings;
    let Some(algorithm) = *jwt_alg else {
        let others = [jwt_secret, jwt_jwks, jwt_issuer, jwt_audience, jwt_tenant_claim, jwt_role_claim, jwt_user_claim];
        if others.into_iter().any(Option::is_some) || jwt_leeway.is_some() || jwt_admin_allowed.is_some() {
            return invalid("jwt_alg", "say how tokens are signed: HS256, RS256, ES256 or EdDSA");
        }
        return Ok(None);
    };
    let keys = match (algorithm, jwt_secret, jwt_jwks) {
        (JwtAlgorithm::Hs256, Some(secret), None) if secret.len() < SECRET_BYTES_MIN => {
            return invalid("jwt_secret", "use at least 32 bytes, e.g. from `openssl rand -hex 32`");
        }
        (JwtAlgorithm::Hs256, Some(secret), None) => JwtKeys::Secret(JwtSecret(secret.clone())),
        (JwtAlgorithm::Hs256, ..) => return invalid("jwt_secret", "HS256 needs this secret, and no `jwt_jwks`"),
        (_, None, Some(place)) => key_set(place)?,
        _ => return invalid("jwt_jwks", "the file or URL of a JSON Web Key Set is needed, and no `jwt_secret`"),
    };
    let Some(issuer) = jwt_issuer.clone().filter(|issuer| !issuer.is_empty()) else {
        return invalid("jwt_issuer", "say what `iss` of each token must be");
    };
    let Some(audience) = jwt_audience.clone().filter(|audience| !audience.is_empty()) else {
        return invalid("jwt_audience", "say what `aud` of each token must be, or hold");
    };
    let leeway = jwt_leeway.map_or(LEEWAY_DEFAULT, |span| span.0);
    if leeway > LEEWAY_MAX {
        return invalid("jwt_leeway", "must be at most 5m");
    }
    let claim = |name: &Option<String>, default: &str| name.clone().unwrap_or_else(|| default.to_owned());
    Ok(Some(JwtConfig {
        algorithm,
        keys,
        issuer,
        audience,
        leeway,
        tenant_claim: claim(jwt_tenant_claim, "tenant"),
        role_claim: claim(jwt_role_claim, "role"),
        user_claim: claim(jwt_user_claim, "sub"),
        admin_allowed: jwt_admin_allowed.unwrap_or_default(),
    }))
}

/// A URL must be one that nobody on the way can change the answer of.
fn key_set(place: &str) -> Result<JwtKeys, ConfigError> {
    if place.starts_with("https://") {
        return Ok(JwtKeys::Url(place.to_owned()));
    }
    if let Some(rest) = place.strip_prefix("http://") {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if is_loopback {
            return Ok(JwtKeys::Url(place.to_owned()));
        }
        return invalid("jwt_jwks", "keys are fetched by `https://` only, except from loopback");
    }
    Ok(JwtKeys::File(PathBuf::from(place)))
}

pub(super) fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.clone(), key: key.clone() })),
        (None, None) => Ok(None),
        (None, Some(_)) => invalid("tls_cert", "goes with `tls_key`: name the file of the certificate, too"),
        (Some(_), None) => invalid("tls_key", "goes with `tls_cert`: name the file of its key, too"),
    }
}
