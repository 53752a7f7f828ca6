//! Where settings come from: flags over `STOKER_*` environment variables (both read by clap) over `stoker.toml`.
//! A setting has one name: `--fuel-max`, `STOKER_FUEL_MAX`, `fuel_max`. Nothing is checked against anything else here.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::check::ConfigError;
use super::hidden_text::HiddenText;
use super::identity::JwtAlgorithm;
use crate::job::{ByteSize, Keep, Most, Span};
use crate::regular_file;
use crate::telemetry::LogFormat;

/// Read when it exists and no other file is named.
pub const CONFIG_FILE_DEFAULT: &str = "stoker.toml";
/// Largest configuration file read, bytes.
const CONFIG_FILE_BYTES_MAX: u64 = 1 << 20;
/// Where a process finds what it has open, and nothing.
const READ_AS_THEY_ARE: [&str; 4] = ["/dev/fd", "/proc/self/fd", "/dev/stdin", "/dev/null"];

/// What one source says; `None` leaves the source below in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the API listens [default: 127.0.0.1:7700]
    #[arg(long, env = "STOKER_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where everything durable lives [default: ./stoker-data]
    #[arg(long, env = "STOKER_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Attempts that may run at once, at most 256; 0 = accept jobs and don't run them [default: cores × 2]
    #[arg(long, env = "STOKER_WORKERS", value_name = "N")]
    pub workers: Option<u32>,
    /// Bearer token of the admin, at least 16 characters; on any address but loopback this or a stored admin's key is needed. Better set in the
    /// environment than as a flag, which other users of the machine can see
    #[arg(long, env = "STOKER_ADMIN_KEY", value_name = "KEY", hide_env_values = true)]
    pub admin_key: Option<String>,
    /// Key that secrets are encrypted under: 32 bytes as base64 or hexadecimal digits (`openssl rand -base64 32`). Better set in
    /// the environment than as a flag, which other users of the machine can see; best kept in a file
    #[arg(long, env = "STOKER_SECRETS_KEY", value_name = "KEY", hide_env_values = true)]
    pub secrets_key: Option<HiddenText>,
    /// File with that key, which nobody else may be able to read
    #[arg(long, env = "STOKER_SECRETS_KEY_FILE", value_name = "FILE", conflicts_with = "secrets_key")]
    pub secrets_key_file: Option<PathBuf>,
    /// Files with the keys before it, until every secret is encrypted under the new one (repeat, or separate by commas)
    #[arg(long, env = "STOKER_SECRETS_KEY_PREVIOUS_FILE", value_name = "FILE", value_delimiter = ',')]
    pub secrets_key_previous_file: Option<Vec<PathBuf>>,
    /// How long running attempts may go on after SIGTERM [default: 30s]
    #[arg(long, env = "STOKER_SHUTDOWN_GRACE", value_name = "DURATION")]
    pub shutdown_grace: Option<Span>,
    /// A waiting job rises one priority level per this time; 0 = never [default: 60s]
    #[arg(long, env = "STOKER_PRIORITY_AGING", value_name = "DURATION")]
    pub priority_aging: Option<Span>,
    /// A host that has not been heard of for so long has lost its leases [default: 30s]
    #[arg(long, env = "STOKER_LEASE_TTL", value_name = "DURATION")]
    pub lease_ttl: Option<Span>,
    /// Names, beside loopback's and the listen address, by which clients may call this host (repeat, or separate by
    /// commas)
    #[arg(long, env = "STOKER_ALLOWED_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub allowed_hosts: Option<Vec<String>>,
    /// How long jobs that succeeded are kept, unless their kind or queue says more: a duration, or `forever` [default: 1d]
    #[arg(long, env = "STOKER_RETENTION_SUCCEEDED", value_name = "DURATION")]
    pub retention_succeeded: Option<Keep>,
    /// The same of jobs that were cancelled [default: 1d]
    #[arg(long, env = "STOKER_RETENTION_CANCELLED", value_name = "DURATION")]
    pub retention_cancelled: Option<Keep>,
    /// The same of jobs that failed, the dead letters [default: 30d]
    #[arg(long, env = "STOKER_RETENTION_FAILED", value_name = "DURATION")]
    pub retention_failed: Option<Keep>,
    /// How long it is kept what tenants used, by day [default: 400d]
    #[arg(long, env = "STOKER_USAGE_KEEP", value_name = "DURATION")]
    pub usage_keep: Option<Span>,
    /// How long the event log is kept [default: 1h]
    #[arg(long, env = "STOKER_EVENTS_KEEP", value_name = "DURATION")]
    pub events_keep: Option<Span>,
    /// How much of the event log is kept [default: 1GiB]
    #[arg(long, env = "STOKER_EVENTS_KEEP_BYTES", value_name = "SIZE")]
    pub events_keep_bytes: Option<ByteSize>,
    /// How long the audit log is kept, at least 1d [default: 90d]
    #[arg(long, env = "STOKER_AUDIT_KEEP", value_name = "DURATION")]
    pub audit_keep: Option<Span>,
    /// How long notifications of users are kept, at least 1h [default: 90d]
    #[arg(long, env = "STOKER_NOTIFICATIONS_KEEP", value_name = "DURATION", help_heading = "Notifications of users")]
    pub notifications_keep: Option<Span>,
    /// Origins, like `https://app.example.com`, whose pages may read notifications and connect to the hub (repeat, or separate
    /// by commas) [default: none but this host's own]
    #[arg(
        long,
        env = "STOKER_HUB_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Notifications of users"
    )]
    pub hub_origins: Option<Vec<String>>,
    /// After so long without anything else a connection of a user is sent a sign of life, 100ms to 20s [default: 15s]
    #[arg(long, env = "STOKER_HUB_KEEP_ALIVE", value_name = "DURATION", help_heading = "Notifications of users")]
    pub hub_keep_alive: Option<Span>,
    /// After so long without a sign of life from its client a connection to the hub is ended, 1s to 1h [default: 30s]
    #[arg(long, env = "STOKER_HUB_CLIENT_TIMEOUT", value_name = "DURATION", help_heading = "Notifications of users")]
    pub hub_client_timeout: Option<Span>,
    /// File of the certificate TLS is spoken with, and of those it follows from, as PEM; read again when it changes
    #[arg(long, env = "STOKER_TLS_CERT", value_name = "FILE", help_heading = "Identity")]
    pub tls_cert: Option<PathBuf>,
    /// File of the certificate's key, as PEM
    #[arg(long, env = "STOKER_TLS_KEY", value_name = "FILE", help_heading = "Identity")]
    pub tls_key: Option<PathBuf>,
    /// Takes JSON Web Tokens that are signed so, and in no other way: HS256, RS256, ES256 or `EdDSA`
    #[arg(long, env = "STOKER_JWT_ALG", value_name = "ALGORITHM", help_heading = "Identity")]
    pub jwt_alg: Option<JwtAlgorithm>,
    /// The secret of HS256, at least 32 bytes. Better set in the environment than as a flag
    #[arg(long, env = "STOKER_JWT_SECRET", value_name = "SECRET", hide_env_values = true, help_heading = "Identity")]
    pub jwt_secret: Option<String>,
    /// File or URL of the JSON Web Key Set of the other algorithms
    #[arg(long, env = "STOKER_JWT_JWKS", value_name = "FILE|URL", help_heading = "Identity")]
    pub jwt_jwks: Option<String>,
    /// Who must have made a token: its `iss`
    #[arg(long, env = "STOKER_JWT_ISSUER", value_name = "TEXT", help_heading = "Identity")]
    pub jwt_issuer: Option<String>,
    /// For whom a token must be: its `aud`, or one of them
    #[arg(long, env = "STOKER_JWT_AUDIENCE", value_name = "TEXT", help_heading = "Identity")]
    pub jwt_audience: Option<String>,
    /// The clock of who makes tokens may differ by so much, at most 5m [default: 30s]
    #[arg(long, env = "STOKER_JWT_LEEWAY", value_name = "DURATION", help_heading = "Identity")]
    pub jwt_leeway: Option<Span>,
    /// The claim that names the tenant [default: tenant]
    #[arg(long, env = "STOKER_JWT_TENANT_CLAIM", value_name = "NAME", help_heading = "Identity")]
    pub jwt_tenant_claim: Option<String>,
    /// The claim that names the role [default: role]
    #[arg(long, env = "STOKER_JWT_ROLE_CLAIM", value_name = "NAME", help_heading = "Identity")]
    pub jwt_role_claim: Option<String>,
    /// The claim that names the user, for the audit log [default: sub]
    #[arg(long, env = "STOKER_JWT_USER_CLAIM", value_name = "NAME", help_heading = "Identity")]
    pub jwt_user_claim: Option<String>,
    /// A token may say `admin` [default: false]
    #[arg(long, env = "STOKER_JWT_ADMIN_ALLOWED", value_name = "BOOL", help_heading = "Identity")]
    pub jwt_admin_allowed: Option<bool>,
    /// For tests of the host: heed no wake-up, only periodic looks
    #[arg(long, env = "STOKER_IGNORE_WAKEUPS", hide = true)]
    #[serde(skip)]
    pub ignore_wakeups: Option<bool>,

    /// Fuel of an attempt, unless its kind or job says otherwise [default: 10000000000]
    #[arg(long, env = "STOKER_FUEL", value_name = "UNITS", help_heading = "Limits of attempts")]
    pub fuel: Option<u64>,
    /// Most fuel anybody may ask for [default: 1000000000000]
    #[arg(long, env = "STOKER_FUEL_MAX", value_name = "UNITS", help_heading = "Limits of attempts")]
    pub fuel_max: Option<u64>,
    /// Wall time of an attempt [default: 30s]
    #[arg(long, env = "STOKER_TIMEOUT", value_name = "DURATION", help_heading = "Limits of attempts")]
    pub timeout: Option<Span>,
    /// Longest wall time anybody may ask for [default: 1h]
    #[arg(long, env = "STOKER_TIMEOUT_MAX", value_name = "DURATION", help_heading = "Limits of attempts")]
    pub timeout_max: Option<Span>,
    /// Memory of an attempt [default: 128MiB]
    #[arg(long, env = "STOKER_MEMORY", value_name = "SIZE", help_heading = "Limits of attempts")]
    pub memory: Option<ByteSize>,
    /// Most memory anybody may ask for [default: 1GiB]
    #[arg(long, env = "STOKER_MEMORY_MAX", value_name = "SIZE", help_heading = "Limits of attempts")]
    pub memory_max: Option<ByteSize>,
    /// Output of an attempt [default: 1MiB]
    #[arg(long, env = "STOKER_OUTPUT", value_name = "SIZE", help_heading = "Limits of attempts")]
    pub output: Option<ByteSize>,
    /// Largest output anybody may ask for [default: 16MiB]
    #[arg(long, env = "STOKER_OUTPUT_MAX", value_name = "SIZE", help_heading = "Limits of attempts")]
    pub output_max: Option<ByteSize>,
    /// Log of an attempt; past it lines are dropped and counted [default: 256KiB]
    #[arg(long, env = "STOKER_LOGS", value_name = "SIZE", help_heading = "Limits of attempts")]
    pub logs: Option<ByteSize>,
    /// Largest log anybody may ask for [default: 16MiB]
    #[arg(long, env = "STOKER_LOGS_MAX", value_name = "SIZE", help_heading = "Limits of attempts")]
    pub logs_max: Option<ByteSize>,
    /// Host calls of an attempt [default: 10000]
    #[arg(long, env = "STOKER_HOST_CALLS", value_name = "N", help_heading = "Limits of attempts")]
    pub host_calls: Option<u64>,
    /// Most host calls anybody may ask for [default: 1000000]
    #[arg(long, env = "STOKER_HOST_CALLS_MAX", value_name = "N", help_heading = "Limits of attempts")]
    pub host_calls_max: Option<u64>,

    /// Jobs that have not ended and don't run [default: 1000000]
    #[arg(
        long,
        env = "STOKER_QUOTA_WAITING_JOBS",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_waiting_jobs: Option<Most<u64>>,
    /// Jobs that run at once, over all hosts [default: any]
    #[arg(
        long,
        env = "STOKER_QUOTA_RUNNING_JOBS",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_running_jobs: Option<Most<u32>>,
    /// Jobs enqueued in a second; twice as many at once after a pause [default: any]
    #[arg(
        long,
        env = "STOKER_QUOTA_ENQUEUES_PER_SECOND",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_enqueues_per_second: Option<Most<u32>>,
    /// Payloads, outputs and logs that are kept [default: 16GiB]
    #[arg(
        long,
        env = "STOKER_QUOTA_STORED_BYTES",
        value_name = "SIZE",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_stored_bytes: Option<Most<ByteSize>>,
    /// Modules [default: 1000]
    #[arg(
        long,
        env = "STOKER_QUOTA_MODULES",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_modules: Option<Most<u32>>,
    /// All kept versions of all modules together [default: 8GiB]
    #[arg(
        long,
        env = "STOKER_QUOTA_MODULE_BYTES",
        value_name = "SIZE",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_module_bytes: Option<Most<ByteSize>>,
    /// Kinds its modules serve or ever served [default: 10000]
    #[arg(
        long,
        env = "STOKER_QUOTA_KINDS",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_kinds: Option<Most<u32>>,
    /// Schedules [default: 10000]
    #[arg(
        long,
        env = "STOKER_QUOTA_SCHEDULES",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_schedules: Option<Most<u32>>,
    /// Fuel used in a day (UTC) [default: any]
    #[arg(
        long,
        env = "STOKER_QUOTA_FUEL_PER_DAY",
        value_name = "UNITS",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_fuel_per_day: Option<Most<u64>>,
    /// Run time used in a day (UTC) [default: any]
    #[arg(
        long,
        env = "STOKER_QUOTA_RUN_TIME_PER_DAY",
        value_name = "DURATION",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_run_time_per_day: Option<Most<Span>>,
    /// What is kept in key-value buckets [default: 256MiB]
    #[arg(
        long,
        env = "STOKER_QUOTA_KV_BYTES",
        value_name = "SIZE",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_kv_bytes: Option<Most<ByteSize>>,
    /// SQL databases [default: 100]
    #[arg(
        long,
        env = "STOKER_QUOTA_DATABASES",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_databases: Option<Most<u32>>,
    /// The files of all SQL databases together [default: 4GiB]
    #[arg(
        long,
        env = "STOKER_QUOTA_DATABASE_BYTES",
        value_name = "SIZE",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_database_bytes: Option<Most<ByteSize>>,
    /// Secrets [default: 1000]
    #[arg(
        long,
        env = "STOKER_QUOTA_SECRETS",
        value_name = "N",
        help_heading = "Quotas of tenants on which none is set; `any`: any number"
    )]
    pub quota_secrets: Option<Most<u32>>,
    /// Requests one attempt may make [default: 1000]
    #[arg(long, env = "STOKER_EGRESS_REQUESTS", value_name = "N", help_heading = "Requests of handlers")]
    pub egress_requests: Option<u64>,
    /// Connections an attempt may have open at once [default: 16]
    #[arg(long, env = "STOKER_EGRESS_CONNECTIONS", value_name = "N", help_heading = "Requests of handlers")]
    pub egress_connections: Option<u32>,
    /// Connections all attempts of a tenant may have open at once on this host [default: 256]
    #[arg(long, env = "STOKER_EGRESS_TENANT_CONNECTIONS", value_name = "N", help_heading = "Requests of handlers")]
    pub egress_tenant_connections: Option<u32>,
    /// Connections this host may have open at once for attempts [default: 1024]
    #[arg(long, env = "STOKER_EGRESS_HOST_CONNECTIONS", value_name = "N", help_heading = "Requests of handlers")]
    pub egress_host_connections: Option<u32>,
    /// Largest body of a request [default: 16MiB]
    #[arg(long, env = "STOKER_EGRESS_REQUEST_MAX", value_name = "SIZE", help_heading = "Requests of handlers")]
    pub egress_request_max: Option<ByteSize>,
    /// Largest body of a response [default: 16MiB]
    #[arg(long, env = "STOKER_EGRESS_RESPONSE_MAX", value_name = "SIZE", help_heading = "Requests of handlers")]
    pub egress_response_max: Option<ByteSize>,
    /// Largest head of a response [default: 32KiB]
    #[arg(long, env = "STOKER_EGRESS_HEAD_MAX", value_name = "SIZE", help_heading = "Requests of handlers")]
    pub egress_head_max: Option<ByteSize>,
    /// How long looking a name up may take [default: 5s]
    #[arg(long, env = "STOKER_EGRESS_DNS_TIMEOUT", value_name = "DURATION", help_heading = "Requests of handlers")]
    pub egress_dns_timeout: Option<Span>,
    /// How long connecting may take, with the handshake of TLS [default: 10s]
    #[arg(long, env = "STOKER_EGRESS_CONNECT_TIMEOUT", value_name = "DURATION", help_heading = "Requests of handlers")]
    pub egress_connect_timeout: Option<Span>,
    /// How long a server may take to answer [default: 30s]
    #[arg(
        long,
        env = "STOKER_EGRESS_FIRST_BYTE_TIMEOUT",
        value_name = "DURATION",
        help_heading = "Requests of handlers"
    )]
    pub egress_first_byte_timeout: Option<Span>,
    /// How long a server may pause within a body [default: 30s]
    #[arg(
        long,
        env = "STOKER_EGRESS_BETWEEN_BYTES_TIMEOUT",
        value_name = "DURATION",
        help_heading = "Requests of handlers"
    )]
    pub egress_between_bytes_timeout: Option<Span>,
    /// How long a request may take in all; never longer than its attempt [default: 5m]
    #[arg(long, env = "STOKER_EGRESS_TOTAL_TIMEOUT", value_name = "DURATION", help_heading = "Requests of handlers")]
    pub egress_total_timeout: Option<Span>,
    /// Certificates (PEM) of authorities that are trusted beside the public ones
    #[arg(long, env = "STOKER_EGRESS_CA_FILE", value_name = "FILE", help_heading = "Requests of handlers")]
    pub egress_ca_file: Option<PathBuf>,
    /// Servers that look names up for handlers, instead of the system's (repeat, or separate by commas)
    #[arg(
        long,
        env = "STOKER_EGRESS_DNS",
        value_name = "ADDRESS:PORT",
        value_delimiter = ',',
        help_heading = "Requests of handlers"
    )]
    pub egress_dns: Option<Vec<SocketAddr>>,

    /// Server that mail is given to: `smtp://HOST:587` with STARTTLS, `?tls=starttls` with it if it is offered, `?tls=none` without;
    /// or `smtps://HOST:465` [default: none, and mail is kept]
    #[arg(long, env = "STOKER_SMTP_URL", value_name = "URL", help_heading = "Mail")]
    pub smtp_url: Option<String>,
    /// Who logs in there
    #[arg(long, env = "STOKER_SMTP_USER", value_name = "NAME", help_heading = "Mail")]
    pub smtp_user: Option<String>,
    /// The password. Better set in the environment than as a flag, which other users of the machine can see; best kept in a file
    #[arg(long, env = "STOKER_SMTP_PASSWORD", value_name = "PASSWORD", hide_env_values = true, help_heading = "Mail")]
    pub smtp_password: Option<HiddenText>,
    /// File with the password in its first line, which nobody else may be able to read
    #[arg(
        long,
        env = "STOKER_SMTP_PASSWORD_FILE",
        value_name = "FILE",
        conflicts_with = "smtp_password",
        help_heading = "Mail"
    )]
    pub smtp_password_file: Option<PathBuf>,
    /// Certificates (PEM) of authorities that are trusted beside the public ones
    #[arg(long, env = "STOKER_SMTP_CA_FILE", value_name = "FILE", help_heading = "Mail")]
    pub smtp_ca_file: Option<PathBuf>,
    /// Whom mail is from that names no sender
    #[arg(long, env = "STOKER_MAIL_SENDER", value_name = "ADDRESS", help_heading = "Mail")]
    pub mail_sender: Option<String>,
    /// Mails of one tenant in a time, over all hosts [default: 100/m]
    #[arg(long, env = "STOKER_MAIL_RATE", value_name = "RATE", help_heading = "Mail")]
    pub mail_rate: Option<String>,
    /// Mails of all tenants together in a time [default: any number]
    #[arg(long, env = "STOKER_MAIL_RATE_OF_ALL", value_name = "RATE", help_heading = "Mail")]
    pub mail_rate_of_all: Option<String>,
    /// When a mail is tried again after the server said "later"; twice as long each time [default: 30s]
    #[arg(long, env = "STOKER_MAIL_RETRY_BASE", value_name = "DURATION", help_heading = "Mail")]
    pub mail_retry_base: Option<Span>,
    /// The longest time between two tries [default: 1h]
    #[arg(long, env = "STOKER_MAIL_RETRY_CAP", value_name = "DURATION", help_heading = "Mail")]
    pub mail_retry_cap: Option<Span>,
    /// How long a mail is tried [default: 1d]
    #[arg(long, env = "STOKER_MAIL_TRY_FOR", value_name = "DURATION", help_heading = "Mail")]
    pub mail_try_for: Option<Span>,
    /// How long a mail is kept that was sent, or has failed [default: 30d]
    #[arg(long, env = "STOKER_MAIL_KEEP", value_name = "DURATION", help_heading = "Mail")]
    pub mail_keep: Option<Span>,

    /// Largest payload of one job [default: 1MiB]
    #[arg(long, env = "STOKER_PAYLOAD_MAX", value_name = "SIZE", help_heading = "Limits of requests")]
    pub payload_max: Option<ByteSize>,
    /// Most jobs in one batch [default: 10000]
    #[arg(long, env = "STOKER_BATCH_JOBS_MAX", value_name = "N", help_heading = "Limits of requests")]
    pub batch_jobs_max: Option<u32>,
    /// Largest body of a batch [default: 64MiB]
    #[arg(long, env = "STOKER_BATCH_MAX", value_name = "SIZE", help_heading = "Limits of requests")]
    pub batch_max: Option<ByteSize>,
    /// Largest module [default: 64MiB]
    #[arg(long, env = "STOKER_MODULE_MAX", value_name = "SIZE", help_heading = "Limits of requests")]
    pub module_max: Option<ByteSize>,
    /// Most connections open at once, at least 16; when all are taken, idle ones are closed for new ones [default: 4096]
    #[arg(long, env = "STOKER_CONNECTIONS_MAX", value_name = "N", help_heading = "Limits of requests")]
    pub connections_max: Option<u32>,
    /// How long a client may take to send the head of a request [default: 10s]
    #[arg(long, env = "STOKER_REQUEST_HEAD_TIMEOUT", value_name = "DURATION", help_heading = "Limits of requests")]
    pub request_head_timeout: Option<Span>,
    /// Wall time of compiling one module [default: 2m]
    #[arg(long, env = "STOKER_COMPILE_TIMEOUT", value_name = "DURATION", help_heading = "Limits of compiling")]
    pub compile_timeout: Option<Span>,
    /// Memory of compiling one module [default: 1GiB]
    #[arg(long, env = "STOKER_COMPILE_MEMORY", value_name = "SIZE", help_heading = "Limits of compiling")]
    pub compile_memory: Option<ByteSize>,

    /// What is logged: a level, or directives such as `info,stoker::store=debug` [default: info]
    #[arg(long, env = "STOKER_LOG", value_name = "FILTER", help_heading = "Telemetry")]
    pub log: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, env = "STOKER_LOG_FORMAT", value_name = "FORMAT", help_heading = "Telemetry")]
    pub log_format: Option<LogFormat>,
}

/// Spelled once; the exhaustive pattern makes a new field a compile error here until it is named.
macro_rules! overlay {
    ($upper:expr, $lower:expr, { $($field:ident),* $(,)? }) => {{
        let Settings { $($field),* } = $upper;
        Settings { $($field: $field.or($lower.$field)),* }
    }};
}

impl Settings {
    /// These settings where they say anything, else `lower`'s.
    #[must_use]
    pub fn or(self, lower: Settings) -> Settings {
        overlay!(self, lower, {
        admin_key, allowed_hosts, audit_keep, notifications_keep, hub_origins, hub_keep_alive, hub_client_timeout, tls_cert, tls_key, jwt_alg, jwt_secret, jwt_jwks, jwt_issuer, jwt_audience, jwt_leeway,
                jwt_tenant_claim, jwt_role_claim, jwt_user_claim, jwt_admin_allowed, data_dir, events_keep, events_keep_bytes, fuel, fuel_max, ignore_wakeups, lease_ttl, listen, memory, memory_max, output, priority_aging, retention_cancelled, retention_failed, retention_succeeded, secrets_key, secrets_key_file, secrets_key_previous_file, shutdown_grace, timeout, timeout_max, usage_keep, workers,
                output_max, logs, logs_max, host_calls, host_calls_max, payload_max, batch_jobs_max, batch_max,
                module_max, connections_max, request_head_timeout, compile_timeout, compile_memory, log, log_format,
                quota_waiting_jobs, quota_running_jobs, quota_enqueues_per_second, quota_stored_bytes, quota_modules, quota_module_bytes, quota_kinds, quota_schedules, quota_fuel_per_day, quota_run_time_per_day, quota_kv_bytes, quota_secrets,
                quota_databases, quota_database_bytes,
                egress_requests, egress_connections, egress_tenant_connections, egress_host_connections, egress_request_max,
                egress_response_max, egress_head_max, egress_dns_timeout, egress_connect_timeout,
                egress_first_byte_timeout, egress_between_bytes_timeout, egress_total_timeout, egress_ca_file, egress_dns,
                smtp_url, smtp_user, smtp_password, smtp_password_file, smtp_ca_file, mail_sender, mail_rate,
                mail_rate_of_all, mail_retry_base, mail_retry_cap, mail_try_for, mail_keep,
            })
    }

    /// What of these is about jobs, requests and modules: nothing of how a host is reached, who may call it, where it
    /// keeps what it has, how many attempts it runs and what it logs.
    #[must_use]
    pub fn of_jobs(self) -> Settings {
        Settings {
            listen: None,
            data_dir: None,
            workers: None,
            admin_key: None,
            secrets_key: None,
            secrets_key_file: None,
            secrets_key_previous_file: None,
            audit_keep: None,
            notifications_keep: None,
            hub_origins: None,
            hub_keep_alive: None,
            hub_client_timeout: None,
            tls_cert: None,
            tls_key: None,
            jwt_alg: None,
            jwt_secret: None,
            jwt_jwks: None,
            jwt_issuer: None,
            jwt_audience: None,
            jwt_leeway: None,
            jwt_tenant_claim: None,
            jwt_role_claim: None,
            jwt_user_claim: None,
            jwt_admin_allowed: None,
            smtp_url: None,
            smtp_user: None,
            smtp_password: None,
            smtp_password_file: None,
            smtp_ca_file: None,
            shutdown_grace: None,
            lease_ttl: None,
            allowed_hosts: None,
            ignore_wakeups: None,
            connections_max: None,
            request_head_timeout: None,
            log: None,
            log_format: None,
            ..self
        }
    }

    /// From the text of a `stoker.toml`; `path` is for the message.
    pub fn from_toml(text: &str, path: &Path) -> Result<Settings, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().to_owned(),
        })
    }
}

/// Reads the file named, or [`CONFIG_FILE_DEFAULT`] if it exists. Returns which one was read.
pub fn read_file(named: Option<&Path>) -> Result<(Settings, Option<PathBuf>), ConfigError> {
    let path = named.unwrap_or(Path::new(CONFIG_FILE_DEFAULT));
    let fail = |message: String| ConfigError::Unreadable { path: path.to_owned(), message };
    // A pipe of the shell is open already (`--config <(…)`): nothing is waited for but what it gives.
    let is_open = READ_AS_THEY_ARE.iter().any(|folder| path.starts_with(folder));
    let opened = if is_open { File::open(path) } else { regular_file::open_to_read(path) };
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => {
            return Ok((Settings::default(), None));
        }
        opened => opened.map_err(|error| fail(error.to_string()))?,
    };
    let mut text = String::new();
    file.take(CONFIG_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| fail(error.to_string()))?;
    if text.len() as u64 > CONFIG_FILE_BYTES_MAX {
        return Err(fail(format!("it is larger than {}", ByteSize(CONFIG_FILE_BYTES_MAX))));
    }
    Ok((Settings::from_toml(&text, path)?, Some(path.to_owned())))
}

/// The line (from 1) that holds byte `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn toml(text: &str) -> Result<Settings, ConfigError> {
        Settings::from_toml(text, Path::new("stoker.toml"))
    }

    #[test]
    fn the_upper_source_wins_where_it_speaks() {
        let some = |workers| Settings { workers, ..Settings::default() };
        for (upper, lower, expected) in [
            (None, None, None),
            (Some(1), None, Some(1)),
            (None, Some(2), Some(2)),
            (Some(1), Some(2), Some(1)),
            (Some(0), Some(2), Some(0)),
        ] {
            assert_eq!(some(upper).or(some(lower)), some(expected), "{upper:?} over {lower:?}");
        }
    }

    #[test]
    fn every_key_is_read() {
        let settings = toml(
            r#"
            listen = "0.0.0.0:80"
            workers = 3
            quota_running_jobs = 1000000
            quota_stored_bytes = "any"
            timeout = 1500
            timeout_max = "1h30m"
            memory = "64MiB"
            output = 5
            allowed_hosts = ["jobs.example.com"]
            log_format = "json"
            "#,
        )
        .unwrap();
        assert_eq!(settings.listen, "0.0.0.0:80".parse().ok());
        assert_eq!(settings.quota_running_jobs, Some(Most::Of(1_000_000)));
        assert_eq!(settings.quota_stored_bytes, Some(Most::Any));
        assert_eq!(settings.timeout, Some(Span(Duration::from_millis(1_500))));
        assert_eq!(settings.timeout_max, Some(Span(Duration::from_mins(90))));
        assert_eq!(settings.memory, Some(ByteSize(64 << 20)));
        assert_eq!(settings.output, Some(ByteSize(5)));
        assert_eq!(settings.allowed_hosts, Some(vec!["jobs.example.com".to_owned()]));
        assert_eq!(settings.log_format, Some(LogFormat::Json));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_line() {
        for (text, line, part) in [
            ("workers = 1\nwokers = 2\n", 2, "wokers"),
            ("workers = -1\n", 1, "-1"),
            ("\n\ntimeout = \"soon\"\n", 3, "soon"),
            ("memory = -5\n", 1, "negative"),
            ("workers = 1\nworkers = 2\n", 2, "duplicate"),
            ("listen = \"here\"\n", 1, "address"),
            ("workers = \n", 1, ""),
            ("events_keep = 99999999999999\n", 1, "3650d"),
        ] {
            match toml(text) {
                Err(ConfigError::Syntax { line: found, message, .. }) => {
                    assert_eq!(found, line, "{text:?}: {message}");
                    assert!(message.contains(part), "{text:?}: {message}");
                }
                other => panic!("{text:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_missing_file_matters_only_when_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("none.toml");
        assert!(matches!(read_file(Some(&missing)), Err(ConfigError::Unreadable { .. })));
        let there = directory.path().join("there.toml");
        std::fs::write(&there, "workers = 7\n").unwrap();
        assert_eq!(read_file(Some(Path::new("/dev/null"))).unwrap().0, Settings::default());
        let (settings, read) = read_file(Some(&there)).unwrap();
        assert_eq!((settings.workers, read), (Some(7), Some(there)));
    }
}
