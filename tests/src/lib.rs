//! The harness of the end-to-end tests: starts the real `stoker` binary on a directory and a port of its own, speaks
//! HTTP to it, kills it, starts it again. It knows nothing of the host's code, only of its contract.
//!
//! A test never sleeps: it waits on a condition with a deadline ([`eventually`], the only place that pauses).
// A harness fails its test by panicking, with a sentence that says what was seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod api;
mod child;
mod command_module;
mod crashes;
mod event_stream;
mod fake_host;
mod frozen;
mod guests;
mod handler_module;
mod host;
mod hub_client;
mod ill_manners;
mod jobs;
mod kept_dirs;
mod keys;
mod name_server;
mod postgres_server;
pub mod power_cut;
mod prober;
mod raw_http;
mod running;
mod small_disk;
mod smtp_server;
mod spellings;
mod wait;
pub mod walls;
pub mod wasm_bytes;
mod web_server;

pub use api::{Api, Reply};
pub use child::{Exited, run_stoker, stoker_binary, workspace_root};
pub use command_module::{CommandModule, core_module, with_settings};
pub use crashes::crash_rounds;
pub use event_stream::{EventStream, SentEvent};
pub use fake_host::FakeHost;
pub use guests::{Guest, kept_guests, project_settings};
pub use handler_module::{HandlerModule, KindOf};
pub use host::{HostBuilder, TestHost};
pub use hub_client::HubClient;
pub use ill_manners::gzip_of_zeros;
pub use jobs::{UNFINISHED_STATES, is_terminal, job_id, reason_of, state_of};
pub use kept_dirs::{cache_dir, scaffold_dir};
pub use keys::{cookie_of, log_in, make_key, make_tenant, with_role};
pub use name_server::NameServer;
pub use postgres_server::PostgresServer;
pub use prober::{Latencies, Prober};
pub use raw_http::{RawReply, raw_request};
pub use running::Running;
pub use small_disk::SmallDisk;
pub use smtp_server::{SmtpServer, SmtpServerBuilder};
pub use spellings::{spelling_in, spellings_of};
pub use wait::{DEADLINE, eventually, eventually_within, pace};
pub use web_server::{Connection, ReceivedRequest, SilentServer, WebServer, respond, wait_for_the_end};

/// The seed of a test's randomness: `STOKER_SEED`, or a fresh one; printed, so that a failure can be replayed.
pub fn seed() -> u64 {
    let seed = std::env::var("STOKER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}: replay with STOKER_SEED={seed}");
    seed
}
