//! One deploy as `dev` makes it: the version becomes active at once, and a plain command's kind gets its settings.

use std::time::Duration;

use anyhow::Context;
use http::Method;

use crate::cli::client::Client;
use crate::cli::project::Built;
use crate::cli::wire::Deployed;
use crate::job::SettingsWire;

/// Compiling a large module takes its time on the host, which has its own limit.
const DEPLOY_MS_MAX: u64 = 600_000;

/// A version that is active now.
#[derive(Debug)]
pub(super) struct Uploaded {
    pub(super) deployed: Deployed,
    /// The host did not have it before.
    pub(super) is_new: bool,
}

/// Uploads and activates, even if jobs wait for kinds it no longer serves: they show what they wait for.
pub(super) fn upload(client: &Client, built: &Built, wasm: Vec<u8>) -> anyhow::Result<Uploaded> {
    let path = format!("/v1/modules/{}", built.module);
    let answer = client
        .call(Method::PUT, &path)
        .query("force", Some("true"))
        .patience(Duration::from_millis(DEPLOY_MS_MAX))
        .send_body("application/wasm", wasm)?;
    Ok(Uploaded { is_new: answer.status == 201, deployed: answer.parse()? })
}

/// Sets a plain command's kind, which has the module's name.
pub(super) fn set(client: &Client, built: &Built, settings: &SettingsWire) -> anyhow::Result<()> {
    let path = format!("/v1/kinds/{}/settings", built.module);
    let sent = client.call(Method::PUT, &path).send_body("application/json", serde_json::to_vec(settings)?);
    sent.context("the host refuses the [settings] of handler.toml")?;
    Ok(())
}
