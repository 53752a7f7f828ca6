//! Query strings: an unknown, duplicate or malformed parameter is 422, and so is text that is not UTF-8.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::error::{ApiError, ProblemCode, quoted};

/// The query string as `T`, which must deny unknown fields.
pub(in crate::api) struct Parameters<T>(pub(in crate::api) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // The parser would put replacement characters, and look for what nobody asked for.
        let query = parts.uri.query().unwrap_or_default();
        if percent_decode_str(query).decode_utf8().is_err() {
            let sentence = "the query string is not UTF-8 once percent-decoded";
            return Err(ApiError::new(ProblemCode::InvalidQuery, sentence));
        }
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(ApiError::new(ProblemCode::InvalidQuery, quoted(text.to_owned())))
            }
        }
    }
}

/// For actions that take no parameters at all.
pub(in crate::api) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(_) => Err(ApiError::new(ProblemCode::InvalidQuery, "this action takes no query parameters")),
        }
    }
}

/// `?force=true`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Force {
    #[serde(default)]
    pub(in crate::api) force: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn force(uri: &str) -> Result<bool, ProblemCode> {
        let (mut parts, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        Parameters::<Force>::from_request_parts(&mut parts, &()).await.map(|p| p.0.force).map_err(|e| e.code())
    }

    #[tokio::test]
    async fn unknown_and_malformed_parameters_are_refused() {
        assert_eq!(force("/x").await, Ok(false));
        assert_eq!(force("/x?force=true").await, Ok(true));
        assert_eq!(force("/x?f%6frce=tr%75e").await, Ok(true));
        for wrong in [
            "/x?force=true&%ff",
            "/x?force=tr%c3&ue=%a9",
            "/x?force=%ff",
            "/x?force=maybe",
            "/x?farce=true",
            "/x?force=true&force=true",
            "/x?force",
        ] {
            assert_eq!(force(wrong).await, Err(ProblemCode::InvalidQuery), "{wrong}");
        }
    }
}
