//! `GET /dashboard`: who one is.

use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::page::{OPEN, Width, escape, page};
use crate::api::extract::NoParameters;
use crate::api::identity::{Call, cookie, csrf_token};
use crate::job::Role;

/// What is linked to, for whom.
const LINKS: [(Role, &str, &str); 10] = [
    (Role::Viewer, "/v1/jobs", "Jobs"),
    (Role::Viewer, "/v1/queues", "Queues"),
    (Role::Viewer, "/v1/kinds", "Kinds"),
    (Role::Viewer, "/v1/schedules", "Schedules"),
    (Role::Operator, "/v1/keys", "Keys"),
    (Role::Operator, "/v1/audit", "Audit log"),
    (Role::Admin, "/v1/tenants", "Tenants"),
    (Role::Admin, "/metrics", "Metrics"),
    (Role::Viewer, "/docs", "Documentation of the API"),
    (Role::Viewer, "/openapi.json", "OpenAPI"),
];

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
             <button class=quiet>Log out</button></form>",
            csrf_token(cookie)
        ),
        _ => String::new(),
    };
    let seen = LINKS.iter().filter(|(least, ..)| caller.role >= *least);
    let links: Vec<String> = seen.map(|(_, to, name)| ["<li><a href=", to, ">", name, "</a></li>"].concat()).collect();
    let body = format!(
        "{banner}<section class=sheet><h1>You</h1><dl><dt>Name</dt><dd><code>{who}</code></dd><dt>Role</dt><dd>{role}</dd>\
         <dt>Tenant</dt><dd>{tenant}</dd></dl></section><section class=sheet><h2>Of this host, as the API gives it</h2>\
         <ul>{links}</ul></section>",
        who = escape(&caller.actor.who),
        role = caller.role,
        links = links.concat(),
    );
    page(StatusCode::OK, "Stoker", Width::Wide, &logout, &body)
}
