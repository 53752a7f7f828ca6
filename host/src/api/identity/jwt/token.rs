//! The signed form of a token (RFC 7515, compact): three parts, of which the first says how the third follows from the first
//! two. What it says is believed only as far as this host was told so itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::JwtAlgorithm;

/// What a signature is checked with.
#[derive(Clone)]
pub(super) enum CheckKey {
    /// HS256.
    Secret(hmac::Key),
    /// RS256.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// ES256: an uncompressed point.
    P256(Vec<u8>),
    /// `EdDSA`.
    Ed25519(Vec<u8>),
}

/// A token taken apart, and not believed yet.
pub(super) struct Token<'t> {
    /// Of the key it says it is signed with.
    pub(super) key_id: Option<String>,
    signed: &'t str,
    claims: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Members that must be understood: none is.
    #[serde(default)]
    crit: Option<Value>,
}

/// The bytes of base64url without padding; `None`: it is something else.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl<'t> Token<'t> {
    /// `None`: it is no token that is signed in this way.
    pub(super) fn parse(text: &'t str, algorithm: JwtAlgorithm) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        if header.alg != algorithm.as_str() || header.crit.is_some() || claims.contains('.') {
            return None;
        }
        Some(Self { key_id: header.kid, signed, claims, signature: decode(signature)? })
    }

    /// The claims, if the signature is this key's.
    pub(super) fn check(&self, key: &CheckKey) -> Option<Map<String, Value>> {
        let (message, sent) = (self.signed.as_bytes(), self.signature.as_slice());
        let by = |rule: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            signature::UnparsedPublicKey::new(rule, key).verify(message, sent)
        };
        let checked = match key {
            CheckKey::Secret(key) => hmac::verify(key, message, sent),
            CheckKey::Rsa { n, e } => {
                signature::RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, sent)
            }
            CheckKey::P256(point) => by(&signature::ECDSA_P256_SHA256_FIXED, point),
            CheckKey::Ed25519(key) => by(&signature::ED25519, key),
        };
        checked.ok()?;
        serde_json::from_slice(&decode(self.claims)?).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // RFC 7515, appendix A.1 and A.4 of RFC 8037: signed by others.
    const SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const HMAC: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn secret(text: &str) -> CheckKey {
        CheckKey::Secret(hmac::Key::new(hmac::HMAC_SHA256, &decode(text).unwrap()))
    }

    #[test]
    fn the_example_of_the_standard() {
        let token = Token::parse(HMAC, JwtAlgorithm::Hs256).unwrap();
        assert_eq!(token.check(&secret(SECRET)).unwrap()["iss"], "joe");
        assert!(token.check(&secret("AAAA")).is_none());
        assert!(Token::parse(HMAC, JwtAlgorithm::Rs256).is_none(), "the algorithm is not the token's to choose");
    }

    #[test]
    fn what_is_changed_is_refused() {
        let other = HMAC.replace(".eyJpc3MiOiJqb2Ui", ".eyJpc3MiOiJqb2Uj");
        assert!(Token::parse(&other, JwtAlgorithm::Hs256).is_none_or(|token| token.check(&secret(SECRET)).is_none()));
        let header = |json: &str| format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(json));
        for wrong in [
            "",
            "..",
            "a.b",
            "a.b.c.d",
            HMAC.trim_end_matches('k'),
            &header(r#"{"alg":"none"}"#),
            &header(r#"{"alg":"hs256"}"#),
            &header(r#"{"alg":"HS256","crit":["b64"]}"#),
            &header("[]"),
        ] {
            let token = Token::parse(wrong, JwtAlgorithm::Hs256);
            assert!(token.is_none_or(|token| token.check(&secret(SECRET)).is_none()), "{wrong}");
        }
    }
}
