//! The keys of a JSON Web Key Set that tokens of one algorithm may be signed with. What else stands in it is passed over.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::Value;

/// Keys looked at.
const KEYS_MAX: usize = 100;

#[derive(Clone, Default)]
pub(super) struct KeySet {
    named: FxHashMap<String, DecodingKey>,
    unnamed: Vec<DecodingKey>,
}

#[derive(Deserialize)]
struct Text {
    keys: Vec<Value>,
}

impl KeySet {
    /// From the set's JSON text.
    pub(super) fn parse(text: &[u8], algorithm: Algorithm) -> Result<Self, String> {
        let text: Text = serde_json::from_slice(text).map_err(|error| format!("is no JSON Web Key Set: {error}"))?;
        let mut set = Self::default();
        for value in text.keys.into_iter().take(KEYS_MAX) {
            let Ok(key) = serde_json::from_value::<Jwk>(value) else { continue };
            if !is_for(&key, algorithm) {
                continue;
            }
            let Ok(decoding) = DecodingKey::from_jwk(&key) else { continue };
            match key.common.key_id {
                Some(id) => drop(set.named.insert(id, decoding)),
                None => set.unnamed.push(decoding),
            }
        }
        if set.named.is_empty() && set.unnamed.is_empty() {
            return Err(format!("holds no key that can check {algorithm:?} signatures"));
        }
        Ok(set)
    }

    /// The key of this name; of a token that names none, the only one there is.
    pub(super) fn get(&self, id: Option<&str>) -> Option<DecodingKey> {
        let mut all = self.named.values().chain(&self.unnamed);
        match id {
            Some(id) => self.named.get(id).cloned(),
            None => all.next().filter(|_| all.next().is_none()).cloned(),
        }
    }
}

fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    let may_sign = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let named = key.common.key_algorithm.is_none_or(|named| format!("{named:?}") == format!("{algorithm:?}"));
    let fits = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    may_sign && named && fits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn parse(keys: Value, algorithm: Algorithm) -> Result<KeySet, String> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), algorithm)
    }

    #[test]
    fn only_keys_that_fit_count() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let edwards = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a"});
        let secret = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "b"});
        let set = parse(json!([edwards, secret, {"kty": "new"}]), Algorithm::EdDSA).unwrap();
        assert!(set.get(Some("a")).is_some() && set.get(Some("b")).is_none() && set.get(None).is_some());
        // A public key must never be taken for a shared secret.
        assert!(parse(json!([edwards, secret]), Algorithm::HS256).is_err());
        assert!(parse(json!([edwards]), Algorithm::ES256).is_err());
        let encryption = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a", "use": "enc"});
        assert!(parse(json!([encryption]), Algorithm::EdDSA).is_err());
        let two = json!([edwards, {"kty": "OKP", "crv": "Ed25519", "x": x}]);
        assert!(parse(two, Algorithm::EdDSA).unwrap().get(None).is_none(), "which one is not said");
        assert!(KeySet::parse(b"<html>", Algorithm::EdDSA).is_err());
    }
}
