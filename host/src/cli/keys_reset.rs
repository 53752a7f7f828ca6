//! `stoker keys reset`: what nobody can ask a host for whose admins have lost their keys. Works on the files, while no host does,
//! and so needs no key: whoever may write to them may do everything anyway.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;

use super::environment;
use super::terminal;
use crate::app::store_options;
use crate::config::{read_file, resolve};
use crate::job::{Actor, Via};
use crate::store::Store;
use crate::system_clock::SystemClock;

/// How the audit log names who asks.
const WHO: &str = "data_dir";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The data directory [default: the one `stoker serve` would use here]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file [default: stoker.toml, if it exists]
    #[arg(long, env = "STOKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what was done as JSON on standard output, and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (from_file, _) = read_file(arguments.config.as_deref())?;
    let (from_environment, wrong) = environment::settings();
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut settings = from_environment.or(from_file);
    settings.data_dir = arguments.data_dir.clone().or(settings.data_dir);
    let config = resolve(&settings, 1)?;
    let shown = config.data_dir.display();
    anyhow::ensure!(config.data_dir.is_dir(), "there is no data directory {shown}; name the host's with --data-dir");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let keys = runtime.context("cannot start the runtime")?.block_on(async {
        let store = Store::open_as_it_is(&store_options(&config), Arc::new(SystemClock::default()))?;
        let reset = store.asked_by(Actor { who: WHO.into(), via: Via::Cli }, None).reset_keys().await;
        store.close().await?;
        anyhow::Ok(reset?)
    })?;
    let Some(keys) = keys else {
        anyhow::bail!("the host of {shown} does not ask for keys, so there is nothing to reset");
    };
    if arguments.json {
        return Ok(terminal::print(&json!({"keys": keys, "reset": true}).to_string())?);
    }
    let of_them = if keys == 1 { "1 key is".to_owned() } else { format!("{keys} keys are") };
    terminal::print(&format!("{of_them} worth nothing any more in {shown}"))?;
    terminal::remark(
        "on loopback the next host asks for none: `stoker keys create NAME --role admin` makes the first again",
    );
    Ok(())
}
