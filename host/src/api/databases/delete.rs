//! `DELETE /v1/databases/{database}`.

use http::StatusCode;

use super::database_not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::job::DatabaseName;
use crate::store::DeleteDatabaseResult;

/// Delete a database
///
/// A file with all that is in it; of one on a server only that it is known here. A handler that opens it again finds it empty.
#[utoipa::path(
    delete, path = "/v1/databases/{database}", tag = "databases", params(("database" = String, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "`database_not_found`"),
        (status = 409, description = "`database_in_use`: handlers are at it, and did not end in five seconds"),
    ),
)]
pub(in crate::api) async fn delete_database(
    api: Call,
    NamePath(name): NamePath<DatabaseName>,
    _: NoParameters,
) -> Result<StatusCode, ApiError> {
    let (store, tenant, gone) = (api.store.clone(), api.caller.tenant, name.clone());
    // On a task of its own: should the client hang up, it still comes to its end.
    let deleted = tokio::spawn(async move { store.delete_database(tenant, gone).await });
    match deleted.await.map_err(|error| ApiError::internal(&error))?? {
        DeleteDatabaseResult::Deleted => Ok(StatusCode::NO_CONTENT),
        DeleteDatabaseResult::NotFound => Err(database_not_found(&name)),
        DeleteDatabaseResult::InUse => Err(ApiError::new(
            ProblemCode::DatabaseInUse,
            "handlers are at the database and did not end in time; let them end, or cancel them, and try again",
        )),
    }
}
