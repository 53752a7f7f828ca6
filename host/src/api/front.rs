//! What every request passes first and last: the guard, who calls, the count of requests, and the net under panics.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Uri};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tower_http::catch_panic::CatchPanicLayer;

use super::auth::is_health;
use super::cors;
use super::dashboard::{DASHBOARD, LOGIN};
use super::error::{ApiError, ProblemCode};
use super::held_answer;
use super::identity::{Asked, Caller, Identity, Look, Needed, Peer, without_token};
use super::shared::Api;
use super::tenants::tenant_deleting;
use crate::job::{TenantName, TenantState, Timestamp};
use crate::store::{Catalog, TenantId};

/// What a request holds until it is answered: of all that may be under way, and of its tenant's part.
type Places<'a> = (SemaphorePermit<'a>, Option<OwnedSemaphorePermit>);

/// Checks, runs and counts one request.
pub(super) async fn front(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    // What is handed on, logged or answered holds no token, whatever becomes of the request.
    let asked = match without_token(request.uri()) {
        Some(uri) => std::mem::replace(request.uri_mut(), uri),
        None => request.uri().clone(),
    };
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = api.http.route(path, request.method());
    let needed = api.access.needed(path, request.method());
    let page = cors::allowed_origin(&api.config.notifications.origins, request.uri(), request.headers());
    let mut response = match admit(&api, (&mut request, &asked), needed, page.is_some()).await {
        Ok(Admitted::Asks) => cors::preflight(),
        Ok(Admitted::Runs(_places)) => run(&api, request, next).await,
        Err(refusal) => refuse(&request, refusal),
    };
    if let Some(page) = page {
        cors::let_read(response.headers_mut(), page);
    }
    // Answers hold what guests and callers said: they are what they are called, and never a page.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    api.http.record(route, response.status(), began.elapsed());
    response
}

/// Does what was asked for. What somebody is answered with takes memory until it is read; what anybody may have is made once for all.
async fn run(api: &Api, request: Request, next: Next) -> Response {
    let is_final = !request.method().is_safe();
    let part = request.extensions().get::<Caller>().map(|caller| caller.part(&api.store.catalog()));
    let response = next.run(request).await;
    let Some(part) = part else { return response };
    held_answer::hold(&api.answers, part, is_final, response).await.unwrap_or_else(IntoResponse::into_response)
}

/// What becomes of a request that may be made.
enum Admitted<'a> {
    /// It is carried out; its places are held until it is answered.
    Runs(Option<Places<'a>>),
    /// It only asks what a page may do.
    Asks,
}

/// Whether the request may be made now. `asked`: what it asked for, with a token that may stand there. `is_page`: by a page of
/// another origin that is let in.
async fn admit<'a>(
    api: &'a Api,
    (request, asked): (&mut Request, &Uri),
    needed: Needed,
    is_page: bool,
) -> Result<Admitted<'a>, ApiError> {
    if is_health(request.uri()) {
        return Ok(Admitted::Runs(None));
    }
    if is_page {
        api.guard.check_host(request.uri(), request.headers())?;
        if cors::is_preflight(request.method(), request.headers()) {
            return Ok(Admitted::Asks);
        }
        // A session is for this host's own pages.
        request.headers_mut().remove(COOKIE);
    } else {
        api.guard.check(request.uri(), request.headers())?;
    }
    let mut own = None;
    if needed == Needed::Nothing {
        own = Some(own_place(api, None)?);
    } else {
        let catalog = api.store.catalog();
        let now = api.clock.now();
        let known = match look(api, (request, asked), &catalog, now)? {
            Look::Known(known) => known,
            Look::Token { text, hash, peer } => {
                let tenant_of = |name: &TenantName| catalog.tenants.get(name).copied();
                api.identity.token(text, hash, peer, tenant_of, now).await?
            }
        };
        let caller = Identity::caller(known, needed, request.headers(), &catalog)?;
        refuse_deleting(&catalog, caller.tenant)?;
        if let Some(tenant) = caller.part(&catalog) {
            own = Some(own_place(api, Some(tenant))?);
        }
        request.extensions_mut().insert(caller);
    }
    let shared = api.requests.try_acquire().map_err(|_| {
        ApiError::new(ProblemCode::Busy, "too many requests are under way; send fewer at once, or try again later")
    })?;
    Ok(Admitted::Runs(Some((shared, own))))
}

/// A place among those of a tenant, or of all who have not said yet who they are, so that nobody has all there are.
fn own_place(api: &Api, whose: Option<TenantId>) -> Result<OwnedSemaphorePermit, ApiError> {
    api.requests_of_tenants.of(&whose).try_acquire_owned().map_err(|_| {
        let whose = if whose.is_some() { "of this tenant" } else { "without a credential" };
        let sentence = format!("too many requests {whose} are under way; send fewer at once, or try again later");
        ApiError::new(ProblemCode::Busy, sentence)
    })
}

/// Nothing more is done in a tenant that goes.
fn refuse_deleting(catalog: &Catalog, tenant: TenantId) -> Result<(), ApiError> {
    match catalog.tenant_entries.get(&tenant) {
        Some(entry) if entry.state == TenantState::Deleting => Err(tenant_deleting(&entry.name)),
        _ => Ok(()),
    }
}

fn look(api: &Api, (request, uri): (&Request, &Uri), catalog: &Catalog, now: Timestamp) -> Result<Look, ApiError> {
    let asked = Asked { method: request.method(), uri, headers: request.headers(), peer: peer(request) };
    api.identity.look(&asked, catalog, now)
}

/// From where the request comes.
pub(super) fn peer(request: &Request) -> IpAddr {
    request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| *peer)
}

/// Who looks at a page is shown where to log in.
fn refuse(request: &Request, refusal: ApiError) -> Response {
    let is_page = *request.method() == Method::GET && request.uri().path() == DASHBOARD;
    if is_page && refusal.code() == ProblemCode::Unauthorized {
        return Redirect::to(LOGIN).into_response();
    }
    refusal.into_response()
}

/// Adds what answers when no route does.
pub(super) fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

/// The net under panics.
pub(super) fn net() -> CatchPanicLayer<fn(Box<dyn Any + Send + 'static>) -> Response> {
    CatchPanicLayer::custom(panicked)
}

/// No such path.
async fn not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "there is nothing at this path; GET /docs lists what there is")
}

/// A path that exists, but not with this method.
async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let is_module = uri.path().strip_prefix("/v1/modules/").is_some_and(|name| !name.is_empty() && !name.contains('/'));
    let hint = if is_module && method == Method::POST {
        "a module is uploaded with PUT: `curl -T FILE.wasm URL`"
    } else {
        "see the `Allow` header"
    };
    ApiError::new(ProblemCode::MethodNotAllowed, format!("{method} is not possible here; {hint}"))
}

/// A bug in an action: the client gets a problem document, the log gets the panic.
#[allow(clippy::needless_pass_by_value)] // The signature is tower-http's.
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    ApiError::internal(&format_args!("panic: {message}")).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::error::PROBLEM_JSON;
    use crate::api::extract::{JobPath, NamePath, NoParameters, VersionPath};
    use crate::job::KindName;
    use axum::routing::{get, post};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    /// Routes that touch no state, under the same net as the real ones.
    fn router() -> Router {
        let router = Router::new()
            .route("/jobs/{id}", get(async |JobPath(job): JobPath, _: NoParameters| job.to_string()))
            .route("/kinds/{kind}", get(async |NamePath::<KindName>(kind)| kind.to_string()))
            .route("/v1/modules/{name}", get(async || ""))
            .route("/modules/{name}/versions/{digest}", get(async |VersionPath(_, digest)| digest.to_string()))
            .route("/panic", post(async || -> &'static str { panic!("a secret") }));
        with_fallbacks(router).layer(net())
    }

    async fn ask(method: &str, uri: &str) -> (u16, http::HeaderMap, String) {
        let request = http::Request::builder().method(method).uri(uri).body(axum::body::Body::empty()).unwrap();
        let (parts, body) = router().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem_document() {
        for (method, uri, status, code) in [
            ("GET", "/nothing", 404, "not_found"),
            ("GET", "/jobs/", 404, "not_found"),
            ("DELETE", "/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV", 405, "method_not_allowed"),
            ("GET", "/jobs/5", 422, "invalid_id"),
            ("GET", "/jobs/host_01ARZ3NDEKTSV4RRFFQ69G5FAV", 422, "invalid_id"),
            ("GET", "/jobs/%ff", 422, "invalid_id"),
            ("GET", "/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV?x=1", 422, "invalid_query"),
            ("GET", "/kinds/%20", 422, "invalid_id"),
            ("GET", "/modules/m/versions/latest", 422, "invalid_id"),
            ("POST", "/panic", 500, "internal"),
        ] {
            let (found, headers, body) = ask(method, uri).await;
            let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{method} {uri}: {body}");
            assert_eq!(headers["content-type"], PROBLEM_JSON);
            assert_eq!(problem["status"], status);
            assert!(!body.contains("secret"));
        }
        assert_eq!(ask("DELETE", "/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV").await.1["allow"], "GET,HEAD");
        let posted = ask("POST", "/v1/modules/greet").await;
        assert!(posted.0 == 405 && posted.2.contains("PUT: `curl -T FILE.wasm URL`"), "{}", posted.2);
    }

    #[tokio::test]
    async fn names_in_paths_are_percent_decoded() {
        assert_eq!(ask("GET", "/kinds/billing%2Finvoice:v2").await.2, "billing/invoice:v2");
        let job = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV";
        assert_eq!(ask("GET", &format!("/jobs/{job}")).await.2, job);
    }
}
