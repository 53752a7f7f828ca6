//! `stoker rollback`: make an earlier version of a module the active one, at once.

use std::process::ExitCode;

use super::advice;
use super::client::Connection;
use super::deploy::{Activation, Step, activate_checked, broken_jobs, changes_rows};
use super::terminal::{self, Colours, Tone};
use super::versions::{choose, parsed, short, versions};
use crate::job::ModuleName;

/// Make the version active again that was so before, or another one
///
/// Without a digest that is the version which was active last among those uploaded before the active one, so that a second
/// rollback goes back one more and never to what was just left. To go forward again, name the digest.
///
/// Jobs that wait and those that are retried run on it from then on; running attempts end on the version they began with.
/// As with `deploy`, a version that would break jobs that wait is not activated unless --force is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker rollback greet          # once more: one further back
  stoker rollback greet sha256:4f1c
  stoker modules greet           # which versions there are")]
pub(super) struct Arguments {
    /// The module
    module: ModuleName,
    /// The version, by its digest or the beginning of it [default: an older one, active last before]
    digest: Option<String>,
    /// Activate it although it breaks jobs that wait
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let module = &arguments.module;
    let listed = versions(&client, module).map_err(|error| advice::on_refusal(error.into()))?;
    let versions = parsed(&listed)?;
    let chosen = choose(&versions, module, arguments.digest.as_deref())?;
    let digest = chosen.digest.to_string();
    let activation = activate_checked(&client, module, chosen.digest, arguments.force);
    let Activation { changes, changes_json, module_json } = activation.map_err(advice::on_refusal)?;
    let activated = module_json.is_some();
    if arguments.connection.json {
        let module = module_json.map_or_else(|| "null".to_owned(), |module| module.get().to_owned());
        let json = format!(r#"{{"module":{module},"changes":{changes_json},"activated":{activated}}}"#);
        terminal::print(&terminal::json(&json))?;
    } else if activated {
        let colours = Colours::of_stdout();
        let name = colours.paint(Tone::Strong, module.as_str());
        let headline = match changes.active.as_deref() {
            Some(active) if active == digest => format!("{name} {} is active already", short(&digest)),
            Some(active) => format!("{name} went back to {} (from {})", short(&digest), short(active)),
            None => format!("{name} {} is active", short(&digest)),
        };
        let mut rows = vec![headline];
        rows.extend(changes_rows(&changes, colours));
        terminal::print(&rows.join("\n"))?;
    }
    if activated {
        return Ok(ExitCode::SUCCESS);
    }
    let broken = broken_jobs(&changes, Step::Rollback(module.as_str()), Colours::of_stderr());
    terminal::remark(&format!(
        "error: {module} was not rolled back to {}: jobs that wait would break\n{broken}",
        short(&digest)
    ));
    Ok(ExitCode::FAILURE)
}
