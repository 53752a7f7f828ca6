//! The steps of a deploy, for `deploy` and for whoever deploys on every change: upload without activating, compare,
//! activate unless waiting jobs would break.

use std::time::Duration;

use http::Method;
use serde_json::value::RawValue;

use super::activation::{Activation, activate_checked};
use super::owned::KindsOwned;
use super::progress::Progress;
use crate::cli::client::{Client, ClientError, segment};
use crate::cli::wire::{Deployed, VersionChanges};
use crate::job::ModuleName;

/// Compiling a large module takes its time on the host, which has its own limit.
const DEPLOY_MS_MAX: u64 = 600_000;

/// What a deploy came to.
#[derive(Debug)]
pub(in crate::cli) struct Deployment {
    /// The version.
    pub(in crate::cli) module: Deployed,
    /// It was not stored before.
    pub(in crate::cli) created: bool,
    /// What it changes against what was active.
    pub(in crate::cli) changes: VersionChanges,
    /// `false`: it would break waiting jobs, is stored, and what was active stays so.
    pub(in crate::cli) activated: bool,
    module_json: Box<RawValue>,
    changes_json: Box<RawValue>,
}

impl Deployment {
    /// As one JSON object.
    pub(in crate::cli) fn to_json(&self) -> String {
        let Self { module_json, changes_json, activated, .. } = self;
        format!(r#"{{"module":{module_json},"changes":{changes_json},"activated":{activated}}}"#)
    }
}

/// Uploads, compares and activates, `force` also where waiting jobs would break. What the host refuses is an error.
pub(in crate::cli) fn deploy(
    client: &Client,
    name: &ModuleName,
    wasm: Vec<u8>,
    force: bool,
) -> anyhow::Result<Deployment> {
    let path = format!("/v1/modules/{}", segment(name));
    let progress = Progress::of_upload(name, wasm.len());
    let answer = client
        .call(Method::PUT, &path)
        .query("activate", Some("false"))
        .patience(Duration::from_millis(DEPLOY_MS_MAX))
        .send_counted("application/wasm", wasm, progress.sent());
    drop(progress);
    let answer = answer?;
    let created = answer.status == 201;
    let module: Deployed = answer.parse()?;
    let activation = activate_checked(client, name, module.digest, force);
    if created && activation.as_ref().is_err_and(is_owned) {
        // It can't become active under this name, and nobody asked to keep it. Should that fail it is only clutter.
        let delete = client.call(Method::DELETE, &format!("{path}/versions/{}", module.digest));
        let _clutter = delete.send();
    }
    let Activation { changes, changes_json, module_json } = activation?;
    let activated = module_json.is_some();
    let module_json = match module_json {
        Some(active) => active,
        None => answer.parse()?,
    };
    let module = Deployed { active: activated, ..module };
    Ok(Deployment { module, created, changes, activated, module_json, changes_json })
}

/// Whether another module serves what it would: the host said so before, or when it was to be activated.
fn is_owned(error: &anyhow::Error) -> bool {
    error.is::<KindsOwned>()
        || matches!(error.downcast_ref(), Some(ClientError::Problem(problem)) if problem.code == "kind_owned")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::client::Connection;
    use crate::cli::fake_host::{Prepared, answer_each};

    const STORED: &str = r#"{"name":"m","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001",
        "kinds":["k"],"active":false}"#;
    const ACTIVE: &str = r#"{"name":"m","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001",
        "kinds":["k"],"active":true}"#;
    const FITS: &str = r#"{"active":null,"kinds":[{"kind":"k","change":"added"}]}"#;
    const BREAKS: &str = r#"{"active":"sha256:00","kinds":[{"kind":"k","change":"removed","jobs":{"unfinished":1}}]}"#;

    #[test]
    fn what_breaks_jobs_is_not_activated_unless_forced() {
        for (changes, force, activated) in [(FITS, false, true), (BREAKS, false, false), (BREAKS, true, true)] {
            let mut answers = vec![Prepared("201 Created", STORED), Prepared("200 OK", changes)];
            if activated {
                answers.push(Prepared("200 OK", ACTIVE));
            }
            let (url, server) = answer_each(answers);
            let client = Connection::for_test(&url).client().unwrap();
            let deployment = deploy(&client, &"m".parse().unwrap(), vec![7; 3_000], force).unwrap();
            let requests = server.join().unwrap();
            assert!(requests[0].starts_with("PUT /v1/modules/m?activate=false "), "{}", requests[0]);
            assert!(requests[0].to_ascii_lowercase().contains("content-length: 3000"), "{}", requests[0]);
            assert_eq!(requests.get(2).is_some_and(|request| request.contains("activate?force=true")), force);
            assert_eq!(
                (deployment.activated, deployment.module.active, deployment.created),
                (activated, activated, true)
            );
            let json: serde_json::Value = serde_json::from_str(&deployment.to_json()).unwrap();
            assert_eq!((&json["activated"], &json["module"]["active"]), (&activated.into(), &activated.into()));
        }
    }

    #[test]
    fn what_another_module_serves_is_not_forced_and_not_kept() {
        let owned = r#"{"active":null,"kinds":[{"kind":"k","change":"added","owned_by":{"module":"other"}}]}"#;
        for (stored, deleted) in [("201 Created", true), ("200 OK", false)] {
            let mut answers = vec![Prepared(stored, STORED), Prepared("200 OK", owned)];
            answers.extend(deleted.then_some(Prepared("204 No Content", "")));
            let (url, server) = answer_each(answers);
            let client = Connection::for_test(&url).client().unwrap();
            let refused = deploy(&client, &"m".parse().unwrap(), vec![7; 3], true).unwrap_err();
            assert!(refused.is::<KindsOwned>() && !refused.to_string().contains("--force"), "{refused}");
            let requests = server.join().unwrap();
            let last = requests.last().unwrap();
            assert_eq!(last.starts_with("DELETE /v1/modules/m/versions/sha256:0"), deleted, "{last}");
        }
    }
}
