//! Path parameters: parsed into the domain's names at once; what does not parse is 422 `invalid_id`.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::api::error::{ApiError, ProblemCode};
use crate::job::{BucketName, Digest, JobId, KvKey, ModuleName};

/// `/{id}` of a job.
pub(in crate::api) struct JobPath(pub(in crate::api) JobId);

/// `/{name}` of a module, a kind, …
pub(in crate::api) struct NamePath<T>(pub(in crate::api) T);

/// `/{name}/versions/{digest}`.
pub(in crate::api) struct VersionPath(pub(in crate::api) ModuleName, pub(in crate::api) Digest);

/// `/{bucket}/{key}`.
pub(in crate::api) struct KvPath(pub(in crate::api) BucketName, pub(in crate::api) KvKey);

async fn raw<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, ApiError> {
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| ApiError::new(ProblemCode::InvalidId, "the path is not UTF-8 once percent-decoded"))
}

fn parse<T: FromStr<Err: Display>>(parameters: &RawPathParams, index: usize) -> Result<T, ApiError> {
    let text = parameters.iter().nth(index).map_or("", |(_, value)| value);
    text.parse().map_err(|error: T::Err| ApiError::new(ProblemCode::InvalidId, error.to_string()))
}

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(parse(&raw(parts, state).await?, 0)?))
    }
}

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for NamePath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(parse(&raw(parts, state).await?, 0)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for VersionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = raw(parts, state).await?;
        Ok(Self(parse(&parameters, 0)?, parse(&parameters, 1)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KvPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = raw(parts, state).await?;
        Ok(Self(parse(&parameters, 0)?, parse(&parameters, 1)?))
    }
}
