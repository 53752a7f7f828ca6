//! `stoker deploy`: upload a module, say what changes, make it the active version.

use std::path::PathBuf;
use std::process::ExitCode;

use super::broken::{Step, broken_jobs, broken_rows, take_back};
use super::shown::deployed;
use super::steps::deploy;
use crate::cli::advice;
use crate::cli::client::Connection;
use crate::cli::project::Project;
use crate::cli::terminal::{self, Colours};
use crate::job::ModuleName;

/// Upload a module, say what changes, and make it the active version
///
/// The version is stored first and compared with the active one. If it breaks jobs that wait (their payloads do not fit the
/// new schema, or it no longer serves their kind), it is not activated, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker deploy                     (the project in this folder)
  stoker deploy target/wasm32-wasip2/release/hello.wasm
  stoker deploy build/v2.wasm --name hello
  stoker deploy hello.wasm --json | jq .changes")]
pub(in crate::cli) struct Arguments {
    /// The module: a .wasm file (a handler component, or a WASI command), or the folder of a project, which is built first
    #[arg(value_name = "TARGET", default_value = ".")]
    target: PathBuf,
    /// The module's name [default: the project's, or the file's name without extension]
    #[arg(long)]
    name: Option<ModuleName>,
    /// Activate it although it breaks jobs that wait
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let project = Project::find(&arguments.target)?;
    // Not only after a build of minutes.
    client.see()?;
    let mut say = |command: &str| terminal::remark(&terminal::line(command));
    let built = project.built_as(arguments.name.as_ref(), &mut say)?;
    let name = &built.module;
    let deployment = deploy(&client, name, built.read()?, arguments.force).map_err(advice::on_refusal)?;
    if arguments.connection.json {
        terminal::print(&terminal::json(&deployment.to_json()))?;
    } else {
        terminal::print(&deployed(&deployment, Colours::of_stdout()))?;
    }
    if deployment.activated {
        if deployment.changes.breaks_jobs() && !arguments.connection.json {
            let rows = broken_rows(&deployment.changes, Colours::of_stderr()).join("\n");
            terminal::remark(&format!("{rows}\n{}", take_back(&deployment.changes, name.as_str())));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let step = Step::deploy(name.as_str(), &deployment.module.guest);
    let broken = broken_jobs(&deployment.changes, step, Colours::of_stderr());
    terminal::remark(&format!("error: {name} was stored and not activated: jobs that wait would break\n{broken}"));
    Ok(ExitCode::FAILURE)
}
