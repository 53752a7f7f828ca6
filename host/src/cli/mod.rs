//! The command line: one file per subcommand, all but `serve` clients of the HTTP API. Owns how requests are put and
//! how answers are shown; decides nothing the API does not decide. Whatever a server sends is escaped before it is
//! printed, and the exit code is 0 only when what was asked for has happened.

mod arguments;
mod backup;
mod cancel;
mod client;
mod deploy;
mod dev;
mod enqueue;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fake_host;
mod job;
mod job_view;
mod jobs;
mod logs;
mod new;
mod problem;
mod project;
mod quantities;
mod retry;
mod serve;
mod terminal;
mod transport;
mod variables;
mod wire;

pub use arguments::{Cli, report, run};
