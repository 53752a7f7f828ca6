//! Where log lines go and how they look: standard error, as text for people or JSON for machines.
//! Set up once, by `serve`; the client subcommands log nothing.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged when nobody says otherwise.
pub const LOG_FILTER_DEFAULT: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Not a filter.
    #[error("`log`: `{filter}` is not a log filter ({message}); write e.g. `info` or `info,stoker::store=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong.
        message: String,
    },
    /// Somebody set it up before.
    #[error("logging is set up already: {0}")]
    Installed(String),
}

/// Sends everything `filter` lets pass to standard error.
pub fn init(filter: Option<&str>, format: LogFormat) -> Result<(), TelemetryError> {
    let directives = filter.unwrap_or(LOG_FILTER_DEFAULT);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| TelemetryError::Filter { filter: directives.to_owned(), message: error.to_string() })?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    }
    .map_err(|error| TelemetryError::Installed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_is_refused_before_anything_is_installed() {
        let refused = init(Some("stoker=loudly"), LogFormat::Text);
        assert!(matches!(refused, Err(TelemetryError::Filter { .. })), "{refused:?}");
    }
}
