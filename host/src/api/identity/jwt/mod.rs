//! JSON Web Tokens of somebody else's making: signed by a key this host was told of, with the one algorithm it was told of.
//!
//! Guarantees: the algorithm is the configuration's, whatever a token says; `exp` must be there, and `exp`, `nbf`, `aud` and
//! `iss` hold; what a token may do never exceeds what the configuration allows; keys that can't be fetched anew stay as
//! they were, and are asked for seldom, whatever is sent.

mod cache;
mod claims;
mod crypto;
mod key_set;
mod source;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use self::cache::Cache;
pub(super) use self::claims::Claimed;
use self::claims::Reading;
use self::source::KeySource;
use crate::config::{ConfigError, JwtAlgorithm, JwtConfig, JwtKeys};
use crate::job::Timestamp;
use crate::store::CredentialHash;

/// Longest token, bytes.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// How tokens are read; made once from the configuration.
pub(in crate::api) struct Jwt {
    validation: Validation,
    keys: Keys,
    reading: Reading,
    cache: Cache,
}

enum Keys {
    Secret(Box<DecodingKey>),
    Set(Box<KeySource>),
}

impl Jwt {
    /// A file of keys must be readable now; others are fetched when they are needed.
    pub(super) fn new(config: JwtConfig) -> Result<Self, ConfigError> {
        crypto::install();
        let JwtConfig {
            algorithm,
            keys,
            issuer,
            audience,
            leeway,
            tenant_claim,
            role_claim,
            user_claim,
            admin_allowed,
        } = config;
        let algorithm = match algorithm {
            JwtAlgorithm::Hs256 => Algorithm::HS256,
            JwtAlgorithm::Rs256 => Algorithm::RS256,
            JwtAlgorithm::Es256 => Algorithm::ES256,
            JwtAlgorithm::EdDsa => Algorithm::EdDSA,
        };
        let mut validation = Validation::new(algorithm);
        validation.leeway = leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&[audience]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        let keys = match keys {
            JwtKeys::Secret(secret) => Keys::Secret(Box::new(DecodingKey::from_secret(secret.0.as_bytes()))),
            JwtKeys::File(path) => Keys::Set(Box::new(KeySource::of_file(path, algorithm)?)),
            JwtKeys::Url(url) => Keys::Set(Box::new(KeySource::of_url(url, algorithm))),
        };
        let reading = Reading { tenant_claim, role_claim, user_claim, admin_allowed };
        Ok(Self { validation, keys, reading, cache: Cache::default() })
    }

    /// Whether it is worth looking at as a token: three parts, not too long.
    pub(super) fn may_be_one(text: &str) -> bool {
        text.len() <= TOKEN_BYTES_MAX && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What a good token says; `None`: it is not good.
    pub(super) async fn claimed(&self, text: &str, hash: CredentialHash, now: Timestamp) -> Option<Claimed> {
        let version = match &self.keys {
            Keys::Secret(_) => 0,
            Keys::Set(source) => source.version(),
        };
        if let Some(known) = self.cache.get(&hash, version, now) {
            return Some(known);
        }
        let claimed = match &self.keys {
            Keys::Secret(key) => self.decode(text, key),
            Keys::Set(source) => {
                let header = jsonwebtoken::decode_header(text).ok()?;
                // Before anything is fetched: a token of another algorithm is no reason to.
                if !self.validation.algorithms.contains(&header.alg) {
                    return None;
                }
                let key = source.key(header.kid.as_deref()).await?;
                self.decode(text, &key)
            }
        }?;
        self.cache.put(hash, version, claimed.clone(), now);
        Some(claimed)
    }

    fn decode(&self, text: &str, key: &DecodingKey) -> Option<Claimed> {
        match jsonwebtoken::decode(text, key, &self.validation) {
            Ok(data) => self.reading.read(&data.claims),
            Err(error) => {
                // For whoever sets tokens up; never the token.
                tracing::debug!(%error, "a token was refused");
                None
            }
        }
    }
}
