//! What every request passes first and last: the guard, the count of requests, and the net under panics.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;

use super::error::{ApiError, ProblemCode};
use super::shared::Api;

/// Checks, runs and counts one request.
pub(super) async fn front(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = api.http.route(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str), request.method());
    let response = match api.guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    api.http.record(route, response.status(), began.elapsed());
    response
}

/// No such path.
pub(super) async fn not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "there is nothing at this path; GET /docs lists what there is")
}

/// A path that exists, but not with this method.
pub(super) async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::new(ProblemCode::MethodNotAllowed, format!("{method} is not possible here; see the `Allow` header"))
}

/// A bug in an action: the client gets a problem document, the log gets the panic.
#[allow(clippy::needless_pass_by_value)] // The signature is tower-http's.
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    ApiError::internal(&format_args!("panic: {message}")).into_response()
}
