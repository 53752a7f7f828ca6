//! `stoker doctor`: one line per check, with what to do. Looks only: nothing is changed, made or repaired.

mod clock;
mod configuration;
mod data_directory;
mod finding;
mod host;
mod machine;
mod secrets;
mod toolchains;

use std::path::PathBuf;
use std::process::ExitCode;

use self::configuration::Effective;
use self::finding::Findings;
use super::client::Connection;
use super::terminal::{self, Colours};

/// Check what a host and the authors of handlers need on this machine
///
/// Looks at the data directory, the host (if one answers), the clock, what the system allows a process, the configuration
/// as `stoker serve` would have it here, and the compilers for handlers. Nothing is changed.
///
/// Each line begins with `ok`, `note` (worth knowing, nothing is broken) or `problem` (a host would not start, lose something
/// or be much slower), and says what to do. The exit code is 1 only if there is a problem.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker doctor
  stoker doctor --data-dir /var/lib/stoker --url http://127.0.0.1:7700
  stoker doctor --json | jq '.findings[] | select(.level == \"problem\")'")]
pub(super) struct Arguments {
    /// The data directory [default: the one `stoker serve` would use here]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file [default: stoker.toml, if it exists]
    #[arg(long, env = "STOKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let effective = Effective::find(arguments.config.as_deref(), &mut findings)?;
    let data_dir = arguments.data_dir.clone().unwrap_or_else(|| effective.config.data_dir.clone());
    data_directory::check(&data_dir, &effective.config.secrets_keys, &mut findings);
    let host_time = host::check(&arguments.connection, &mut findings);
    clock::check(host_time, &mut findings);
    machine::check(&effective.config, &mut findings);
    toolchains::check(&mut findings);
    if arguments.connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&findings)?))?;
    } else {
        terminal::print(&findings.render(Colours::of_stdout()))?;
    }
    Ok(if findings.problems() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
