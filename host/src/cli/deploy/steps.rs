//! The steps of a deploy, for `deploy` and for whoever deploys on every change: upload without activating, compare,
//! activate unless waiting jobs would break.

use std::time::Duration;

use http::Method;
use serde_json::value::RawValue;

use super::activation::{Activation, activate_checked};
use super::progress::Progress;
use crate::cli::client::{Client, ClientError};
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
) -> Result<Deployment, ClientError> {
    let progress = Progress::of_upload(name, wasm.len());
    let answer = client
        .call(Method::PUT, &format!("/v1/modules/{name}"))
        .query("activate", Some("false"))
        .patience(Duration::from_millis(DEPLOY_MS_MAX))
        .send_counted("application/wasm", wasm, progress.sent());
    drop(progress);
    let answer = answer?;
    let created = answer.status == 201;
    let module: Deployed = answer.parse()?;
    let Activation { changes, changes_json, module_json } = activate_checked(client, name, module.digest, force)?;
    let activated = module_json.is_some();
    let module_json = match module_json {
        Some(active) => active,
        None => answer.parse()?,
    };
    let module = Deployed { active: activated, ..module };
    Ok(Deployment { module, created, changes, activated, module_json, changes_json })
}
