//! `stoker serve`: from the command line to a running host.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use rustix::process::{Signal, getpid, kill_process};

use super::{Cli, variables};
use crate::config::{Settings, read_file, resolve};
use crate::{app, telemetry};

/// Run a host: API, dispatcher and store in one process
///
/// Every setting below can also be given as an environment variable, or in stoker.toml under the flag's name with
/// underscores (`shutdown_grace = "1m"`). Flags win over the environment, that over the file. Durations are `500ms`,
/// `30s`, `1h30m` or whole milliseconds; sizes are `64KiB`, `128MiB`, `1GiB` or whole bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker serve
  stoker serve --data-dir /var/lib/stoker --workers 8
  STOKER_ADMIN_KEY=$(openssl rand -hex 24) stoker serve --listen 0.0.0.0:7700")]
pub(super) struct Arguments {
    /// Configuration file; must exist when named [default: stoker.toml, if it exists]
    #[arg(long, env = "STOKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log as JSON, one object a line: the same as --log-format json
    #[arg(long, conflicts_with = "log_format")]
    json: bool,
    /// Stop when standard input closes: for a process that starts a host for as long as it lives itself
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
    /// Listen, keep, stop and log as the command line says, and take from the environment and the file only what is about
    /// jobs and requests: for a process that starts a host for itself, beside the one they are meant for
    #[arg(long, hide = true, requires_all = ["listen", "data_dir"])]
    of_jobs_only: bool,
    /// Keep compiled modules here, beside those of `stoker run`, and not in the data directory: for a host whose data lies in
    /// a project. Whoever names the folder has looked whose it is
    #[arg(long, hide = true, value_name = "DIR", requires = "of_jobs_only")]
    shared_artifacts: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// Returns when the host has stopped in order.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (from_file, file) = read_file(arguments.config.as_deref())?;
    let settings = if arguments.of_jobs_only {
        own_settings(arguments.settings, from_file)
    } else {
        arguments.settings.or(from_file)
    };
    let format = if arguments.json { telemetry::LogFormat::Json } else { settings.log_format.unwrap_or_default() };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let config = resolve(&settings, cores)?;
    telemetry::init(settings.log.as_deref(), format)?;
    let file = file.map_or_else(|| "no configuration file".to_owned(), |path| path.display().to_string());
    tracing::info!("stoker {} starts with this configuration ({file}):\n{config}", env!("CARGO_PKG_VERSION"));
    let set = std::env::vars_os().map(|(name, _)| name);
    for sentence in variables::unknown(&Cli::command(), set) {
        tracing::warn!("{sentence}");
    }
    if arguments.until_stdin_closes {
        stop_with_stdin()?;
    }
    app::run(config, arguments.shared_artifacts)?;
    Ok(ExitCode::SUCCESS)
}

/// Those of a host that is its starter's alone. A key would shut out the other terminals of whoever started it, and so it
/// has none: `resolve` sees to it that it is on loopback then.
fn own_settings(given: Settings, from_file: Settings) -> Settings {
    // Those that stand on its command line, which wins over the environment.
    let Settings { listen, data_dir, shutdown_grace, log, log_format, .. } = given.clone();
    Settings { listen, data_dir, shutdown_grace, log, log_format, ..given.or(from_file).of_jobs() }
}

/// The other end of the pipe closes however its process ends, SIGKILL included; that stops this one as SIGTERM does.
fn stop_with_stdin() -> anyhow::Result<()> {
    std::thread::Builder::new().name("stdin".to_owned()).spawn(|| {
        let _closed_or_broken = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _nobody_else_to_tell = kill_process(getpid(), Signal::TERM);
    })?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_host_of_its_own_takes_only_what_is_about_jobs_from_elsewhere() {
        let toml = |text: &str| Settings::from_toml(text, Path::new("stoker.toml")).unwrap();
        let given = toml("listen = \"127.0.0.1:1\"\ndata_dir = \"own\"\nlog = \"info\"\nworkers = 0\nfuel = 7");
        let from_file = toml(
            "listen = \"0.0.0.0:80\"\ndata_dir = \"production\"\nlog = \"off\"\nadmin_key = \"0123456789abcdef\"\n\
             fuel = 8\nfuel_max = 9\nallowed_hosts = [\"jobs.example.com\"]\nconnections_max = 16\npayload_max = 10",
        );
        let expected =
            "listen = \"127.0.0.1:1\"\ndata_dir = \"own\"\nlog = \"info\"\nfuel = 7\nfuel_max = 9\npayload_max = 10";
        assert_eq!(own_settings(given, from_file), toml(expected));
    }
}
