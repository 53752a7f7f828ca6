//! The keys of a JSON Web Key Set (RFC 7517) that tokens of one algorithm may be signed with. What else stands in it is passed
//! over.

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::Value;

use super::token::{CheckKey, decode};
use crate::config::JwtAlgorithm;

/// Keys looked at.
const KEYS_MAX: usize = 100;
/// Bytes of a coordinate of P-256, and of a key of Ed25519.
const COORDINATE_BYTES: usize = 32;
/// What an uncompressed point begins with.
const UNCOMPRESSED: u8 = 4;

#[derive(Clone, Default)]
pub(super) struct KeySet {
    named: FxHashMap<String, CheckKey>,
    unnamed: Vec<CheckKey>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: String,
    n: String,
    e: String,
    x: String,
    y: String,
}

impl KeySet {
    /// From the set's JSON text.
    pub(super) fn parse(text: &[u8], algorithm: JwtAlgorithm) -> Result<Self, String> {
        let text: Set = serde_json::from_slice(text).map_err(|error| format!("is no JSON Web Key Set: {error}"))?;
        let mut set = Self::default();
        for value in text.keys.into_iter().take(KEYS_MAX) {
            let Ok(key) = serde_json::from_value::<Key>(value) else { continue };
            let Some(check) = key.check(algorithm) else { continue };
            match key.kid {
                Some(id) => drop(set.named.insert(id, check)),
                None => set.unnamed.push(check),
            }
        }
        if set.named.is_empty() && set.unnamed.is_empty() {
            return Err(format!("holds no key that can check {} signatures", algorithm.as_str()));
        }
        Ok(set)
    }

    /// The key of this name; of a token that names none, the only one there is.
    pub(super) fn get(&self, id: Option<&str>) -> Option<CheckKey> {
        let mut all = self.named.values().chain(&self.unnamed);
        match id {
            Some(id) => self.named.get(id).cloned(),
            None => all.next().filter(|_| all.next().is_none()).cloned(),
        }
    }
}

impl Key {
    /// `None`: it is not for that.
    fn check(&self, algorithm: JwtAlgorithm) -> Option<CheckKey> {
        let is_for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        if !is_for_signatures || self.alg.as_deref().is_some_and(|alg| alg != algorithm.as_str()) {
            return None;
        }
        let coordinate = |text: &str| decode(text).filter(|bytes| bytes.len() == COORDINATE_BYTES);
        match (algorithm, self.kty.as_str(), self.crv.as_str()) {
            (JwtAlgorithm::Rs256, "RSA", _) => Some(CheckKey::Rsa { n: decode(&self.n)?, e: decode(&self.e)? }),
            (JwtAlgorithm::Es256, "EC", "P-256") => {
                let (x, y) = (coordinate(&self.x)?, coordinate(&self.y)?);
                Some(CheckKey::P256([&[UNCOMPRESSED], x.as_slice(), &y].concat()))
            }
            (JwtAlgorithm::EdDsa, "OKP", "Ed25519") => Some(CheckKey::Ed25519(coordinate(&self.x)?)),
            // A secret of HS256 is never a matter of a set, too: a public key must not be taken for one.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::identity::jwt::token::Token;
    use serde_json::json;

    fn parse(keys: &Value, algorithm: JwtAlgorithm) -> Result<KeySet, String> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), algorithm)
    }

    #[test]
    fn only_keys_that_fit_count() {
        // RFC 8037, appendix A.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let edwards = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a"});
        let secret = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "b"});
        let set = parse(&json!([edwards, secret, {"kty": "new"}, 7]), JwtAlgorithm::EdDsa).unwrap();
        assert!(set.get(Some("a")).is_some() && set.get(Some("b")).is_none() && set.get(None).is_some());
        assert!(parse(&json!([edwards, secret]), JwtAlgorithm::Hs256).is_err());
        assert!(parse(&json!([edwards]), JwtAlgorithm::Es256).is_err());
        for (member, value) in [("use", "enc"), ("alg", "ES256"), ("x", "AAAA"), ("crv", "X25519")] {
            let mut other = edwards.clone();
            other[member] = json!(value);
            assert!(parse(&json!([other]), JwtAlgorithm::EdDsa).is_err(), "{member}");
        }
        let two = json!([edwards, {"kty": "OKP", "crv": "Ed25519", "x": x}]);
        assert!(parse(&two, JwtAlgorithm::EdDsa).unwrap().get(None).is_none(), "which one is not said");
        assert!(KeySet::parse(b"<html>", JwtAlgorithm::EdDsa).is_err());
    }

    #[test]
    fn the_example_of_rsa_in_the_standard() {
        // RFC 7515, appendix A.2.
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Z\
wKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl\
fQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAyn\
RFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6\
IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let set = parse(&json!([{"kty": "RSA", "n": n, "e": "AQAB"}]), JwtAlgorithm::Rs256).unwrap();
        let token = Token::parse(token, JwtAlgorithm::Rs256).unwrap();
        assert_eq!(token.check(&set.get(None).unwrap()).unwrap()["iss"], "joe");
    }
}
