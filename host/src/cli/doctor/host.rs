//! The host at `--url`: whether it answers, is ready, takes the key, and is of this version.

use http::header::DATE;
use serde::Deserialize;

use super::super::client::{Client, ClientError, Connection};
use super::finding::Findings;

const CHECK: &str = "host";
/// Largest answer read, bytes: the description of the API has every kind's schemas in it.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The little that is read of the API's description.
#[derive(Deserialize)]
struct Description {
    info: Version,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

/// The time the host says it is, as HTTP writes it.
pub(super) fn check(connection: &Connection, findings: &mut Findings) -> Option<String> {
    let client = match connection.client() {
        Ok(client) => client,
        Err(error) => {
            findings.problem(CHECK, error.to_string(), "name the host with --url or STOKER_URL");
            return None;
        }
    };
    let date = match client.get("/health/ready").begin("", Vec::new()) {
        Ok(response) => {
            findings.ok(CHECK, "answers, and is ready");
            response.headers().get(DATE).and_then(|date| Some(date.to_str().ok()?.to_owned()))
        }
        Err(error @ ClientError::Refused(_)) => {
            findings.note(CHECK, error.to_string(), "nothing is wrong if none is meant to run");
            return None;
        }
        Err(ClientError::Problem(problem)) if problem.status == 503 => {
            findings.problem(CHECK, format!("answers, and is not ready: {}", problem.detail), "see its log");
            return None;
        }
        Err(error) => {
            findings.problem(CHECK, error.to_string(), "see that --url names a Stoker host, and not something else");
            return None;
        }
    };
    check_version(&client, findings);
    date
}

fn check_version(client: &Client, findings: &mut Findings) {
    let own = env!("CARGO_PKG_VERSION");
    let described = client.get("/openapi.json").begin("", Vec::new()).map(|mut response| {
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        body.ok().and_then(|body| serde_json::from_slice::<Description>(&body).ok())
    });
    match described {
        Ok(Some(Description { info })) if info.version == own => {
            findings.ok(CHECK, format!("takes the key, and is of this version, {own}"));
            if !client.has_key() {
                findings.note(
                    CHECK,
                    "asks for no key: everybody who reaches it from its machine may do everything",
                    "make the first key with `stoker keys create NAME --role admin`; from then on it asks for one",
                );
            }
        }
        Ok(Some(Description { info })) => findings.note(
            CHECK,
            format!("is version {}, and this is {own}", info.version),
            "most things work all the same; use the same version to be sure",
        ),
        Ok(None) => findings.note(CHECK, "does not say its version", "see that --url names a Stoker host"),
        Err(ClientError::Problem(problem)) if problem.status == 401 => {
            let advice = "set STOKER_KEY (or STOKER_ADMIN_KEY) to the host's key";
            findings.problem(CHECK, "does not take the key", advice);
        }
        Err(error) => findings.problem(CHECK, error.to_string(), "see its log"),
    }
}
