//! JSON Web Tokens of somebody else's making: signed by a key this host was told of, with the one algorithm it was told of.
//!
//! Guarantees: the algorithm is the configuration's, whatever a token says; `exp` must be there, and `exp`, `nbf`, `aud` and
//! `iss` hold; what a token may do never exceeds what the configuration allows; keys that can't be fetched anew stay as
//! they were, and are asked for seldom, whatever is sent.

mod cache;
mod claims;
mod key_set;
mod source;
mod token;

use ring::hmac;

use self::cache::Cache;
pub(super) use self::claims::Claimed;
use self::claims::{Reading, USER_EXPIRED};
use self::source::KeySource;
use self::token::{CheckKey, Token};
use crate::config::{ConfigError, JwtAlgorithm, JwtConfig, JwtKeys};
use crate::job::Timestamp;
use crate::store::CredentialHash;

/// Longest token, bytes.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// How tokens are read; made once from the configuration.
pub(in crate::api) struct Jwt {
    algorithm: JwtAlgorithm,
    keys: Keys,
    reading: Reading,
    cache: Cache,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotClaimed {
    /// It was a user's, all else holds, and its time is over.
    Expired,
    Bad,
}

enum Keys {
    Secret(CheckKey),
    Set(Box<KeySource>),
}

impl Jwt {
    /// A file of keys must be readable now; others are fetched when they are needed.
    pub(super) fn new(config: JwtConfig) -> Result<Self, ConfigError> {
        let algorithm = config.algorithm;
        let keys = match &config.keys {
            JwtKeys::Secret(secret) => {
                Keys::Secret(CheckKey::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes())))
            }
            JwtKeys::File(path) => Keys::Set(Box::new(KeySource::of_file(path.clone(), algorithm)?)),
            JwtKeys::Url(url) => Keys::Set(Box::new(KeySource::of_url(url.clone(), algorithm))),
        };
        Ok(Self { algorithm, keys, reading: Reading(config), cache: Cache::default() })
    }

    /// Whether it is worth looking at as a token: three parts, not too long.
    pub(super) fn may_be_one(text: &str) -> bool {
        text.len() <= TOKEN_BYTES_MAX && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What a good token says.
    pub(super) async fn claimed(
        &self,
        text: &str,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Claimed, NotClaimed> {
        let version = match &self.keys {
            Keys::Secret(_) => 0,
            Keys::Set(source) => source.version(),
        };
        if let Some(known) = self.cache.get(&hash, version, now) {
            return Ok(known);
        }
        // Before anything is fetched: a token of another algorithm is no reason to.
        let Some(token) = Token::parse(text, self.algorithm) else {
            tracing::debug!(
                jwt_alg = self.algorithm.as_str(),
                "what came as a token is none, or says that it is signed otherwise"
            );
            return Err(NotClaimed::Bad);
        };
        let claims = match &self.keys {
            Keys::Secret(key) => token.check(key),
            Keys::Set(source) => {
                let Some(key) = source.key(token.key_id.as_deref()).await else {
                    tracing::debug!("a token was refused: the key it names (`kid`) is not among the known ones");
                    return Err(NotClaimed::Bad);
                };
                token.check(&key)
            }
        };
        let Some(claims) = claims else {
            tracing::debug!(
                "a token was refused: its signature is not that of the key, or what it signs is no JSON object"
            );
            return Err(NotClaimed::Bad);
        };
        let claimed = match self.reading.read(&claims, now) {
            Ok(claimed) => claimed,
            Err(claim) => {
                // For whoever sets tokens up. Their signature is good; what they say is not shown.
                tracing::debug!(claim, "a signed token was refused for this claim");
                return Err(if claim == USER_EXPIRED { NotClaimed::Expired } else { NotClaimed::Bad });
            }
        };
        self.cache.put(hash, version, claimed.clone(), now);
        Ok(claimed)
    }
}
