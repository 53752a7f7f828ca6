//! The configuration as `stoker serve` would have it if it were started here.

use std::path::Path;

use super::super::{Cli, environment, variables};
use super::finding::Findings;
use crate::config::{CONFIG_FILE_DEFAULT, Config, Settings, read_file, resolve};
use clap::CommandFactory;

const CHECK: &str = "configuration";

/// What is in force; the defaults where it can't be understood.
pub(super) struct Effective {
    pub(super) config: Config,
}

impl Effective {
    /// Reads file and environment, and says what is wrong with them.
    pub(super) fn find(named: Option<&Path>, findings: &mut Findings) -> anyhow::Result<Effective> {
        let from_file = match read_file(named) {
            Ok((settings, Some(path))) => {
                findings.ok(CHECK, format!("{} is read", path.display()));
                settings
            }
            Ok((settings, None)) => {
                findings.ok(CHECK, format!("no {CONFIG_FILE_DEFAULT} here: defaults and environment"));
                settings
            }
            Err(error) => {
                findings.problem(
                    CHECK,
                    error.to_string(),
                    "correct the file; `stoker serve --help` names every setting",
                );
                Settings::default()
            }
        };
        let (from_environment, wrong) = environment::settings();
        for sentence in wrong {
            findings.problem(CHECK, sentence, "a host would not start with it; correct or unset the variable");
        }
        for sentence in variables::unknown(&Cli::command(), std::env::vars_os().map(|(name, _)| name)) {
            findings.note(CHECK, sentence, "unset it, or correct its name");
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let config = resolve(&from_environment.or(from_file), cores).or_else(|error| {
            findings.problem(CHECK, error.to_string(), "a host would not start with it; correct the setting it names");
            resolve(&Settings::default(), cores)
        })?;
        Ok(Effective { config })
    }
}
