//! `GET /dashboard`: who one is.

use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::page::{OPEN, escape, page};
use crate::api::extract::NoParameters;
use crate::api::identity::{Call, cookie, csrf_token};

/// The first page
#[utoipa::path(
    get, path = "/dashboard", tag = "operations",
    responses(
        (status = 200, body = String, content_type = "text/html", description = "A page for people"),
        (status = 303, description = "Nobody is logged in; on to /dashboard/login"),
    ),
)]
pub(in crate::api) async fn home(api: Call, _: NoParameters, headers: HeaderMap) -> Response {
    let catalog = api.store.catalog();
    let caller = &api.caller;
    let tenant = match caller.scope {
        Some(tenant) => catalog
            .tenant_name(tenant)
            .map_or_else(String::new, |name| format!("<code>{}</code>", escape(name.as_str()))),
        None => "all".to_owned(),
    };
    let banner = if api.identity.is_open(&catalog) { OPEN } else { "" };
    // Only who has a session can end it.
    let logout = match (caller.session, cookie(&headers)) {
        (Some(_), Some(cookie)) => format!(
            "<form method=post action=/dashboard/logout><input type=hidden name=csrf_token value=\"{}\">\
             <button>Log out</button></form>",
            csrf_token(cookie)
        ),
        _ => String::new(),
    };
    let body = format!(
        "{banner}<dl><dt>You</dt><dd><code>{who}</code></dd><dt>Role</dt><dd>{role}</dd><dt>Tenant</dt><dd>{tenant}</dd></dl>\
         <ul><li><a href=/docs>Documentation of the API</a></li><li><a href=/openapi.json>OpenAPI</a></li>\
         <li><a href=/v1/jobs>Jobs</a></li><li><a href=/v1/queues>Queues</a></li></ul>{logout}",
        who = escape(&caller.actor.who),
        role = caller.role,
    );
    page(StatusCode::OK, "Stoker", &body)
}
