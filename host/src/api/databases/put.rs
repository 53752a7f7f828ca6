//! `PUT /v1/databases/{database}`.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::ITEM_BYTES;
use super::inspect::shown;
use crate::api::error::{ApiError, FieldError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::database::{Database, EngineWord};
use crate::job::grants::class_of;
use crate::job::{DatabaseName, Role, SecretName};
use crate::store::{DatabasePlace, PutDatabaseResult};

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 8 << 10;
/// Most addresses of one server.
const ADDRESSES_MAX: usize = 8;

/// Where a database is to be.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DatabaseSettings)]
pub(in crate::api) struct DatabaseRequest {
    /// `sqlite`: a file of the host. `postgres`: on a server.
    engine: EngineWord,
    /// Of a server: the secret that holds its URL, `postgres://user:password@host:5432/name?sslmode=require`; it is set already.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    url_secret: Option<SecretName>,
    /// Of a server inside of a network: the addresses and ports it may be reached at, like `10.1.2.3:5432`; an admin's to say.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["10.1.2.3:5432"]))]
    addresses: Vec<SocketAddr>,
}

/// Make or name a database
///
/// A handler that opens a database it is granted makes it as a file by itself; this makes it before that, or names a server.
#[utoipa::path(
    put, path = "/v1/databases/{database}", tag = "databases", request_body = DatabaseRequest,
    params(("database" = String, Path)),
    responses(
        (status = 201, body = Database, description = "It is new"),
        (status = 200, body = Database, description = "It was there, and is where the request says"),
        (status = 403, description = "`quota_exceeded`"),
        (status = 409, description = "`database_other`: one of that name is run by another engine"),
        (status = 413, description = "`body_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_request`"),
    ),
)]
pub(in crate::api) async fn put_database(
    api: Call,
    NamePath(name): NamePath<DatabaseName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let tenant = api.caller.tenant;
    let before = api.store.database(tenant, name.clone()).await?.map(|row| row.place);
    let place = place(parse_json(&body)?, before.as_ref(), api.caller.role)?;
    // Of one that is a file something else is wrong.
    if let (DatabasePlace::Postgres { url_secret, .. }, None | Some(DatabasePlace::Postgres { .. })) = (&place, &before)
    {
        let checked = api.servers.check_url(tenant, url_secret).await?;
        checked.map_err(|sentence| ApiError::field("/url_secret", sentence))?;
    }
    match api.store.put_database(tenant, name, place).await? {
        PutDatabaseResult::Created(row) => json(StatusCode::CREATED, &shown(&api, &row), ITEM_BYTES),
        PutDatabaseResult::There(row) => json(StatusCode::OK, &shown(&api, &row), ITEM_BYTES),
        PutDatabaseResult::OverQuota(quota) => Err(ApiError::over_quota(&quota)),
        PutDatabaseResult::Other(engine) => Err(ApiError::new(
            ProblemCode::DatabaseOther,
            format!("a database of that name is run by {}; delete it first, or take another name", engine.as_str()),
        )),
    }
}

fn place(request: DatabaseRequest, before: Option<&DatabasePlace>, role: Role) -> Result<DatabasePlace, ApiError> {
    let DatabaseRequest { engine, url_secret, addresses } = request;
    let mut errors = Vec::new();
    match (engine, url_secret) {
        (EngineWord::Sqlite, secret) => {
            if secret.is_some() {
                errors.push(FieldError::new("/url_secret", "is of a server; a file has none: leave it out"));
            }
            if !addresses.is_empty() {
                errors.push(FieldError::new("/addresses", "are of a server; a file has none: leave them out"));
            }
            if errors.is_empty() { Ok(DatabasePlace::Sqlite) } else { Err(ApiError::invalid(errors)) }
        }
        (EngineWord::Postgres, None) => {
            let message = "is needed: the name of the secret that holds the server's URL";
            Err(ApiError::field("/url_secret", message.to_owned()))
        }
        (EngineWord::Postgres, Some(url_secret)) => {
            if addresses.len() > ADDRESSES_MAX {
                errors.push(FieldError::new("/addresses", format!("can hold at most {ADDRESSES_MAX} entries")));
            }
            let known = |address: &SocketAddr| match before {
                Some(DatabasePlace::Postgres { addresses, .. }) => addresses.contains(address),
                Some(DatabasePlace::Sqlite) | None => false,
            };
            for (index, address) in addresses.iter().enumerate() {
                if role != Role::Admin && !known(address) {
                    let class = class_of(address.ip());
                    let message = format!(
                        "{}, which only an admin may name; a public one need not be named",
                        class.with_article()
                    );
                    errors.push(FieldError::new(format!("/addresses/{index}"), message));
                }
            }
            if errors.is_empty() {
                Ok(DatabasePlace::Postgres { url_secret, addresses })
            } else {
                Err(ApiError::invalid(errors))
            }
        }
    }
}
