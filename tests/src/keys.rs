//! Keys, tenants and sessions of tests.

use serde_json::json;

use crate::api::{Api, Reply};

/// A key of this role in this tenant, made by a client that may; gives its id and the key.
#[track_caller]
pub fn make_key(admin: &Api, tenant: &str, name: &str, role: &str) -> (String, String) {
    let headers: &[(&str, &str)] = if role == "admin" { &[] } else { &[("stoker-tenant", tenant)] };
    let made = admin.post_with("/v1/keys", headers, &json!({"name": name, "role": role})).expect(201);
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

/// A client with such a key.
#[track_caller]
pub fn with_role(admin: &Api, tenant: &str, role: &str) -> Api {
    admin.with_key(Some(&make_key(admin, tenant, &format!("{role}-key"), role).1))
}

/// One more tenant.
#[track_caller]
pub fn make_tenant(admin: &Api, name: &str) {
    admin.post("/v1/tenants", &json!({"name": name})).expect_status(201);
}

/// Logs in to the dashboard; gives the answer.
#[track_caller]
pub fn log_in(api: &Api, key: &str) -> Reply {
    let form = format!("key={key}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    api.with_key(None).request("POST", "/dashboard/login", &headers, Some(form.as_bytes()))
}

/// The session's cookie in an answer, `name=value`.
#[track_caller]
pub fn cookie_of(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").expect("a cookie");
    cookie.split(';').next().expect("a first part").to_owned()
}
