//! Activating a stored version with a look at what it would break first.

use serde_json::value::RawValue;

use super::owned::KindsOwned;
use crate::cli::client::{Client, segment};
use crate::cli::wire::VersionChanges;
use crate::job::{Digest, ModuleName};

/// What came of it.
#[derive(Debug)]
pub(in crate::cli) struct Activation {
    /// What it changes.
    pub(in crate::cli) changes: VersionChanges,
    /// The same, as the host said it.
    pub(in crate::cli) changes_json: Box<RawValue>,
    /// The version as the host shows it once active; `None`: it would break waiting jobs, and was not activated.
    pub(in crate::cli) module_json: Option<Box<RawValue>>,
}

/// Asks what the version would change, and activates it unless waiting jobs would break, or with `force` all the same.
/// [`KindsOwned`] where no force would do.
pub(in crate::cli) fn activate_checked(
    client: &Client,
    module: &ModuleName,
    digest: Digest,
    force: bool,
) -> anyhow::Result<Activation> {
    let path = format!("/v1/modules/{}", segment(module));
    let answer = client.get(&format!("{path}/versions/{digest}/changes")).send()?;
    let (changes, changes_json): (VersionChanges, _) = (answer.parse()?, answer.parse()?);
    KindsOwned::refuse(&changes, module, client.url())?;
    if changes.breaks_jobs() && !force {
        return Ok(Activation { changes, changes_json, module_json: None });
    }
    let body = serde_json::json!({ "digest": digest }).to_string().into_bytes();
    let answer = client
        .post(&format!("{path}/activate"))
        .query("force", force.then_some("true"))
        .send_body("application/json", body)?;
    Ok(Activation { changes, changes_json, module_json: Some(answer.parse()?) })
}
