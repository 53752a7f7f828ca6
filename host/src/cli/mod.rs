//! The command line: one file per subcommand; all but `serve`, `run` and those that look at this machine are clients of the
//! HTTP API. Owns how requests are put and how answers are shown; decides nothing the API does not decide. Whatever a server
//! or a guest sends is escaped before it is printed, and the exit code is 0 only when what was asked for has happened.

mod address;
mod advice;
mod arguments;
mod audit;
mod backup;
mod batches;
mod bulk;
mod cancel;
mod client;
mod completions;
mod dead_letters;
mod deploy;
mod dev;
mod doctor;
mod each_job;
mod edit;
mod enqueue;
mod environment;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fake_host;
mod filter;
mod granted;
mod help;
mod hints;
mod job;
mod job_view;
mod jobs;
mod keys;
mod keys_reset;
mod kinds;
mod kv;
mod limited;
mod logs;
mod logs_follow;
mod mail;
mod modules;
mod new;
mod notifications;
mod operations;
mod payload;
mod problem;
mod programs;
mod project;
mod quantities;
mod queues;
mod replay;
mod retry;
mod rollback;
mod run;
mod run_cache;
mod run_now;
mod run_view;
mod schedules;
mod secret_value;
mod secrets;
mod serve;
mod table;
mod tenants;
mod terminal;
mod transport;
mod unique;
mod usage;
mod variables;
mod versions;
mod which;
mod wire;
mod workflows;

pub use arguments::{Cli, parse, report, run};
