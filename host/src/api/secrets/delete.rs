//! `DELETE /v1/secrets/{secret}`.

use axum::response::Response;
use http::StatusCode;

use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::secret::DeletedSecret;
use crate::job::SecretName;

/// Kinds named in an answer.
const KINDS_NAMED_MAX: usize = 100;
/// A first guess at the length of an answer, bytes.
const REPLY_BYTES: usize = 256;

/// Delete a secret
///
/// At once, also where kinds are granted it: a secret that is known to others must go whatever needs it. The answer names those
/// kinds; their handlers are told that there is no such secret.
#[utoipa::path(
    delete, path = "/v1/secrets/{secret}", tag = "secrets", params(("secret" = String, Path)),
    responses(
        (status = 200, body = DeletedSecret, description = "Gone, with the kinds that are still granted it"),
        (status = 404, description = "`secret_not_found`"),
    ),
)]
pub(in crate::api) async fn delete_secret(
    api: Call,
    NamePath(secret): NamePath<SecretName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let tenant = api.caller.tenant;
    if !api.vault().delete(tenant, secret.clone()).await? {
        let sentence = format!("there is no secret `{secret}`; GET /v1/secrets lists them");
        return Err(ApiError::new(ProblemCode::SecretNotFound, sentence));
    }
    let catalog = api.store.catalog();
    let is_granted = |kind: &&_| {
        let kind: &crate::store::KindEntry = kind;
        let grants = kind.settings.grants.as_ref();
        kind.tenant == tenant && grants.is_some_and(|grants| grants.secrets.contains(&secret))
    };
    let granted = catalog.kinds.values().map(|kind| &**kind).filter(is_granted);
    let mut granted_to: Vec<_> = granted.map(|kind| &kind.name).take(KINDS_NAMED_MAX).collect();
    granted_to.sort_unstable();
    json(StatusCode::OK, &DeletedSecret { name: &secret, granted_to }, REPLY_BYTES)
}
