//! `GET /dashboard/login` and `POST /dashboard/login`: a key for a session.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{HeaderValue, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::page::{Width, page};
use super::{DASHBOARD, LOGIN};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NoParameters, content_type_is, read_body};
use crate::api::front::peer;
use crate::api::identity::{Known, Look, SESSION_COOKIE, hash, new_session};
use crate::api::shared::{Api, Shared};
use crate::job::{Actor, Via};

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 4 << 10;
/// Said before the form where it opens nothing that is closed.
const NO_KEY_NEEDED: &str = "<p class=\"notice warning\">This host has no keys: everybody who reaches it from this machine may do everything. <a \
     href=/dashboard>Go on without a key</a>, or make the first one with <code>stoker keys create NAME --role admin</code>.</p>";
/// How long a session lasts, if its key does, seconds.
const SESSION_S: u32 = 12 * 60 * 60;

/// The form
#[utoipa::path(
    get, path = "/dashboard/login", tag = "operations",
    responses((status = 200, body = String, content_type = "text/html", description = "A page for people")),
)]
pub(in crate::api) async fn login_page(State(api): Shared, _: NoParameters) -> Response {
    form(&api, StatusCode::OK, "")
}

/// Log in
///
/// A form with a `key`. A session, bound to that key, is in the cookie of the answer.
#[utoipa::path(
    post, path = "/dashboard/login", tag = "operations",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "A session is opened; on to /dashboard"),
        (status = 401, body = String, content_type = "text/html", description = "The form again: the key is not known"),
        (status = 415, description = "`unsupported_media_type`"),
        (
            status = 429, body = String, content_type = "text/html",
            description = "The form again: too many bad keys came from this address"
        ),
    ),
)]
pub(in crate::api) async fn login(State(api): Shared, _: NoParameters, request: Request) -> Result<Response, ApiError> {
    let peer = peer(&request);
    let (parts, body) = request.into_parts();
    let body = read_form(&api, &parts.headers, body).await?;
    let key = field(&body, "key").unwrap_or_default();
    let now = api.clock.now();
    let catalog = api.store.catalog();
    let known = match api.identity.look_at(key.trim().as_bytes().to_vec(), peer, &catalog, now) {
        Ok(Look::Known(known)) => known,
        // A token is short-lived and its holder has a page of its own: only keys open sessions.
        Ok(Look::Token { .. }) => return Ok(form(&api, StatusCode::UNAUTHORIZED, "That key is not known.")),
        Err(refusal) => return Ok(refused(&api, &refusal)),
    };
    let Known { tenant, who, credential: Some(credential), .. } = known else {
        return Ok(form(&api, StatusCode::UNAUTHORIZED, "That key is not known."));
    };
    let session = new_session();
    let expires_at = now.plus(std::time::Duration::from_secs(SESSION_S.into()));
    let store = api.store.asked_by(Actor { who, via: Via::Dashboard }, None);
    store.open_session(tenant, hash(session.as_bytes()), credential, expires_at).await?;
    let mut response = Redirect::to(DASHBOARD).into_response();
    response.headers_mut().insert(SET_COOKIE, cookie(&api, &session, SESSION_S)?);
    Ok(response)
}

fn refused(api: &Api, refusal: &ApiError) -> Response {
    if refusal.code() != ProblemCode::TooManyFailures {
        return form(api, StatusCode::UNAUTHORIZED, "That key is not known.");
    }
    let sentence = "Too many wrong keys came from your address. Wait a moment.";
    let mut response = form(api, StatusCode::TOO_MANY_REQUESTS, sentence);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(1));
    response
}

/// A form's body.
pub(super) async fn read_form(api: &Api, headers: &HeaderMap, body: axum::body::Body) -> Result<Vec<u8>, ApiError> {
    if !content_type_is(headers, "application/x-www-form-urlencoded")? {
        let sentence = "send the form as `application/x-www-form-urlencoded`";
        return Err(ApiError::new(ProblemCode::UnsupportedMediaType, sentence));
    }
    Ok(read_body((&api.bodies, None), headers, body, BODY_BYTES_MAX).await?.to_vec())
}

/// One of its fields.
pub(super) fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
}

/// The session's cookie; for no time at all, it is forgotten.
pub(super) fn cookie(api: &Api, session: &str, seconds: u32) -> Result<HeaderValue, ApiError> {
    let secure = if api.config.tls.is_some() { "; Secure" } else { "" };
    let text = format!("{SESSION_COOKIE}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).map_err(|error| ApiError::internal(&error))
}

/// `error` is a sentence of ours.
fn form(api: &Api, status: StatusCode, error: &str) -> Response {
    let open = if api.identity.is_open(&api.store.catalog()) { NO_KEY_NEEDED } else { "" };
    let (notice, described) = if error.is_empty() {
        (String::new(), "aria-describedby=hint")
    } else {
        let notice = format!("<p class=\"notice error\" id=error role=alert>{error}</p>");
        (notice, "aria-invalid=true aria-describedby=\"error hint\"")
    };
    let body = format!(
        "<div class=sheet><h1>Log in</h1>{open}{notice}<form method=post action={LOGIN}><label for=key>Key</label>\
         <input id=key name=key type=password autocomplete=current-password autocapitalize=none spellcheck=false required \
         autofocus {described}><button class=wide>Log in</button></form>\
         <p class=hint id=hint>A key begins with <code>stk_</code>. Who runs this host makes one with <code>stoker keys \
         create NAME --role ROLE</code>.</p></div>"
    );
    page(status, "Log in · Stoker", Width::Narrow, "", &body)
}
