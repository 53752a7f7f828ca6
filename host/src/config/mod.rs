//! The host's configuration: one struct per concern, defaults documented, checked before anything starts.
//! Flags win over `STOKER_*` environment variables, those over `stoker.toml` (`sources.rs`). What comes out of
//! `check.rs` is complete and consistent: nobody downstream checks it again.

mod check;
mod egress;
mod hidden_text;
mod identity;
mod mail;
mod notifications;
mod report;
mod secrets_keys;
mod sources;

pub use check::{ADMIN_KEY_CHARS_MIN, ConfigError, WORKERS_MAX, resolve};
pub use hidden_text::HiddenText;
pub use identity::{JwtAlgorithm, JwtConfig, JwtKeys, JwtSecret, TlsFiles};
pub use mail::MailConfig;
pub use notifications::NotificationSettings;
pub use sources::{CONFIG_FILE_DEFAULT, Settings, read_file};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::job::{EgressOptions, LimitBounds, Quotas, Retention};
use crate::secrets::KeyRing;

/// Everything a host can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API listens. Default `127.0.0.1:7700`.
    pub listen: SocketAddr,
    /// Where everything durable lives. Default `./stoker-data`.
    pub data_dir: PathBuf,
    /// Attempts that may run at once, at most 256; 0 = accept and don't run. Default: cores × 2.
    pub workers: u32,
    /// Bearer token of the admin; on any address but loopback this or a stored admin's key is needed.
    pub admin_key: Option<AdminKey>,
    /// Keys that secrets are encrypted under. Default: none, and so no secrets.
    pub secrets_keys: KeyRing,
    /// Tokens of somebody else's making that are taken for credentials.
    pub jwt: Option<JwtConfig>,
    /// What TLS is spoken with; else plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How long the audit log is kept. Default 90 d.
    pub audit_keep: Duration,
    /// How users are told what handlers have for them.
    pub notifications: NotificationSettings,
    /// How long running attempts may go on after SIGTERM. Default 30 s.
    pub shutdown_grace: Duration,
    /// A waiting job rises one priority level per this time; zero = never. Default 60 s.
    pub priority_aging: Duration,
    /// What a tenant may use of which none is set on it. Default: [`Quotas::HOST`].
    pub quotas: Quotas,
    /// A host that has not been heard of for so long has lost its leases. Default 30 s.
    pub lease_ttl: Duration,
    /// Names (beside loopback's and the listen address) by which clients may call this host.
    pub allowed_hosts: Vec<String>,
    /// Limits of attempts.
    pub limits: LimitBounds,
    /// Limits of requests and uploads.
    pub requests: RequestLimits,
    /// Limits of compiling.
    pub compile: CompileLimits,
    /// How requests of handlers leave, and what they may take.
    pub egress: EgressOptions,
    /// How mail leaves.
    pub mail: MailConfig,
    /// How long finished jobs are kept, unless their kind or queue says more. Default: succeeded and cancelled 24 h, failed 30 d.
    pub retention: Retention,
    /// How long it is kept what tenants used, by day. Default 400 d.
    pub usage_keep: Duration,
    /// How long the event log is kept: age. Default 1 h.
    pub events_keep: Duration,
    /// How long the event log is kept: size, bytes. Default 1 GiB.
    pub events_keep_bytes: u64,
    /// For tests: no wake-up is heeded, only periodic looks. Everything still happens, later.
    pub ignore_wakeups: bool,
}

/// Limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Payload of one job, bytes. Default 1 MiB.
    pub payload_bytes_max: usize,
    /// Jobs in one batch. Default 10,000.
    pub batch_jobs_max: usize,
    /// Body of a batch, bytes. Default 64 MiB.
    pub batch_bytes_max: usize,
    /// A module, bytes. Default 64 MiB.
    pub module_bytes_max: usize,
    /// Connections open at once. Default 4,096.
    pub connections_max: usize,
    /// How long a client may take to send the head of a request. Default 10 s.
    pub head_timeout: Duration,
}

/// Limits of the compiling child process.
#[derive(Clone, Copy, Debug)]
pub struct CompileLimits {
    /// Wall time. Default 120 s.
    pub timeout: Duration,
    /// Memory, bytes. Default 1 GiB.
    pub memory_bytes: u64,
}

impl Config {
    /// Whether the host may be reached with what it was told and what its store holds: from elsewhere only if somebody can
    /// be told from others.
    pub fn require_credentials(&self, has_stored_admin: bool) -> Result<(), ConfigError> {
        let is_reachable = !self.listen.ip().to_canonical().is_loopback();
        if is_reachable && self.admin_key.is_none() && self.jwt.is_none() && !has_stored_admin {
            return Err(ConfigError::AdminKeyMissing { listen: self.listen });
        }
        Ok(())
    }
}

/// A secret that never shows itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminKey(pub String);

impl std::fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminKey(…)")
    }
}
