//! From settings to a configuration: defaults filled in, every rule between settings checked, before anything starts.
//! Messages name the setting as it stands in `stoker.toml`, and what to change.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::egress::egress;
use super::identity::{jwt, tls};
use super::mail::mail;
use super::notifications::notifications;
use super::secrets_keys::secrets_keys;
use super::sources::Settings;
use super::{AdminKey, CompileLimits, Config, RequestLimits};
use crate::job::pace::CONCURRENCY_MAX;
use crate::job::{ByteSize, LimitBounds, Limits, Most, Quotas, Retention, Span};

/// Most attempts that may run at once.
pub const WORKERS_MAX: u32 = 256;
/// Fewest characters of an admin key.
pub const ADMIN_KEY_CHARS_MIN: usize = 16;
/// Port of the default listen address.
const PORT_DEFAULT: u16 = 7700;
/// Workers per core when nobody says otherwise: host calls of one attempt overlap with work of another.
const WORKERS_PER_CORE: usize = 2;
/// One WebAssembly page: less memory fits no guest.
const MEMORY_BYTES_MIN: u64 = 64 << 10;
/// Shorter leases would be lost to an ordinary pause of the machine.
const LEASE_TTL_MIN: Duration = Duration::from_secs(2);
/// Shorter, and nobody could look up yesterday's change.
const AUDIT_KEEP_MIN: Duration = Duration::from_hours(24);
/// Shorter times cut requests that an ordinary pause of the machine holds up.
const HEAD_TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Connections open at once when nobody says otherwise.
const CONNECTIONS_DEFAULT: u32 = 4_096;
/// Fewer leave none for health checks beside the requests.
const CONNECTIONS_MIN: u32 = 16;
/// More cost more memory than a host should spend on waiting.
const CONNECTIONS_MAX: u32 = 65_536;
/// The largest size of a request that fits an address on every platform.
const REQUEST_BYTES_MAX: u64 = 4 << 30;

/// The host was told something it can't do.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration file {}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// The file is not TOML, or names or values in it are wrong.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// One setting is impossible, alone or beside another.
    #[error("`{setting}`: {message}")]
    Invalid {
        /// As it stands in `stoker.toml`.
        setting: &'static str,
        /// What to change.
        message: String,
    },
    /// Others could reach the host, and nothing keeps them out.
    #[error(
        "refusing to listen on {listen} without an admin key: anybody who reaches this address could run code and read \
         jobs. Set STOKER_ADMIN_KEY to a secret of at least {ADMIN_KEY_CHARS_MIN} characters (e.g. from `openssl rand -hex 24`), make an \
         admin's key first (`stoker keys create NAME --role admin`, while it listens on loopback), or listen on a loopback address such as 127.0.0.1:{}", listen.port()
    )]
    AdminKeyMissing {
        /// The address asked for.
        listen: SocketAddr,
    },
}

/// The complete configuration, on a machine with `cores`.
pub fn resolve(settings: &Settings, cores: usize) -> Result<Config, ConfigError> {
    let listen = settings.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)));
    let config = Config {
        listen,
        data_dir: settings.data_dir.clone().unwrap_or_else(|| PathBuf::from("stoker-data")),
        workers: workers(settings.workers, cores)?,
        admin_key: admin_key(settings.admin_key.clone())?,
        jwt: jwt(settings)?,
        tls: tls(settings)?,
        audit_keep: span(settings.audit_keep, Duration::from_hours(24 * 90)),
        notifications: notifications(settings)?,
        secrets_keys: secrets_keys(settings)?,
        shutdown_grace: span(settings.shutdown_grace, Duration::from_secs(30)),
        priority_aging: span(settings.priority_aging, Duration::from_mins(1)),
        quotas: quotas(settings)?,
        lease_ttl: span(settings.lease_ttl, Duration::from_secs(30)),
        allowed_hosts: allowed_hosts(settings.allowed_hosts.clone().unwrap_or_default())?,
        limits: limits(settings)?,
        requests: requests(settings)?,
        compile: CompileLimits {
            timeout: span(settings.compile_timeout, Duration::from_mins(2)),
            memory_bytes: settings.compile_memory.map_or(1 << 30, |size| size.0),
        },
        egress: egress(settings)?,
        mail: mail(settings)?,
        retention: Retention::HOST.overlaid_by(Retention {
            succeeded: settings.retention_succeeded,
            cancelled: settings.retention_cancelled,
            failed: settings.retention_failed,
        }),
        usage_keep: span(settings.usage_keep, Duration::from_hours(400 * 24)),
        events_keep: span(settings.events_keep, Duration::from_hours(1)),
        events_keep_bytes: settings.events_keep_bytes.map_or(1 << 30, |size| size.0),
        ignore_wakeups: settings.ignore_wakeups.unwrap_or_default(),
    };
    at_least("audit_keep", config.audit_keep, AUDIT_KEEP_MIN)?;
    at_least("lease_ttl", config.lease_ttl, LEASE_TTL_MIN)?;
    at_least("usage_keep", config.usage_keep, Duration::from_hours(24))?;
    at_least("compile_timeout", config.compile.timeout, Duration::from_secs(1))?;
    if config.compile.memory_bytes < (64 << 20) {
        return invalid(
            "compile_memory",
            "the compiler needs at least 64MiB; 1GiB fits the largest modules".to_owned(),
        );
    }
    Ok(config)
}

fn workers(asked: Option<u32>, cores: usize) -> Result<u32, ConfigError> {
    match asked {
        Some(workers) if workers > WORKERS_MAX => {
            invalid("workers", format!("{workers} is more than the most a host can run, {WORKERS_MAX}"))
        }
        Some(workers) => Ok(workers),
        None => Ok(u32::try_from(cores.max(1) * WORKERS_PER_CORE).unwrap_or(WORKERS_MAX).min(WORKERS_MAX)),
    }
}

fn quotas(settings: &Settings) -> Result<Quotas, ConfigError> {
    match settings.quota_running_jobs.and_then(Most::limit) {
        Some(0) => {
            invalid("quota_running_jobs", "0 would run nothing: use `workers = 0`, or `any` for any number".to_owned())
        }
        Some(most) if most > CONCURRENCY_MAX => {
            invalid("quota_running_jobs", format!("must be at most {CONCURRENCY_MAX}; `any` stands for any number"))
        }
        _ => Ok(Quotas::HOST.overlaid_by(Quotas {
            waiting_jobs: settings.quota_waiting_jobs,
            running_jobs: settings.quota_running_jobs,
            enqueues_per_second: settings.quota_enqueues_per_second,
            stored_bytes: settings.quota_stored_bytes,
            modules: settings.quota_modules,
            module_bytes: settings.quota_module_bytes,
            kinds: settings.quota_kinds,
            schedules: settings.quota_schedules,
            fuel_per_day: settings.quota_fuel_per_day,
            run_time_per_day: settings.quota_run_time_per_day,
            kv_bytes: settings.quota_kv_bytes,
            databases: settings.quota_databases,
            database_bytes: settings.quota_database_bytes,
            secrets: settings.quota_secrets,
        })),
    }
}

fn admin_key(key: Option<String>) -> Result<Option<AdminKey>, ConfigError> {
    match key {
        None => Ok(None),
        Some(key) if key.chars().count() < ADMIN_KEY_CHARS_MIN => invalid(
            "admin_key",
            format!("a key of {} characters can be guessed; use at least {ADMIN_KEY_CHARS_MIN}", key.chars().count()),
        ),
        // It travels in a header: anything else could never be sent back.
        Some(key) if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            invalid("admin_key", "use printable ASCII characters without spaces".to_owned())
        }
        Some(key) => Ok(Some(AdminKey(key))),
    }
}

fn allowed_hosts(names: Vec<String>) -> Result<Vec<String>, ConfigError> {
    for name in &names {
        let plain =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        if !plain {
            return invalid(
                "allowed_hosts",
                format!(
                    "`{}` is not a host name; write e.g. `jobs.example.com`, without scheme and path",
                    name.escape_debug()
                ),
            );
        }
    }
    Ok(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
}

fn limits(settings: &Settings) -> Result<LimitBounds, ConfigError> {
    let known = LimitBounds::default();
    let layer = |lower: Limits,
                 fuel: Option<u64>,
                 timeout,
                 [memory, output, logs]: [Option<ByteSize>; 3],
                 calls: Option<u64>| {
        Limits {
            fuel: fuel.unwrap_or(lower.fuel),
            timeout: span(timeout, lower.timeout),
            memory_bytes: memory.map_or(lower.memory_bytes, |size| size.0),
            output_bytes: output.map_or(lower.output_bytes, |size| size.0),
            log_bytes: logs.map_or(lower.log_bytes, |size| size.0),
            host_calls: calls.unwrap_or(lower.host_calls),
        }
    };
    let bounds = LimitBounds {
        defaults: layer(
            known.defaults,
            settings.fuel,
            settings.timeout,
            [settings.memory, settings.output, settings.logs],
            settings.host_calls,
        ),
        ceilings: layer(
            known.ceilings,
            settings.fuel_max,
            settings.timeout_max,
            [settings.memory_max, settings.output_max, settings.logs_max],
            settings.host_calls_max,
        ),
    };
    let LimitBounds { defaults, ceilings } = &bounds;
    if defaults.fuel == 0 {
        return invalid("fuel", "without fuel no guest can take a step; the default is 10000000000".to_owned());
    }
    at_least("timeout", defaults.timeout, Duration::from_millis(1))?;
    if defaults.memory_bytes < MEMORY_BYTES_MIN {
        return invalid("memory", format!("a guest needs at least one page, {}", ByteSize(MEMORY_BYTES_MIN)));
    }
    for (setting, default, ceiling) in [
        ("fuel", u128::from(defaults.fuel), u128::from(ceilings.fuel)),
        ("timeout", defaults.timeout.as_millis(), ceilings.timeout.as_millis()),
        ("memory", u128::from(defaults.memory_bytes), u128::from(ceilings.memory_bytes)),
        ("output", u128::from(defaults.output_bytes), u128::from(ceilings.output_bytes)),
        ("logs", u128::from(defaults.log_bytes), u128::from(ceilings.log_bytes)),
        ("host_calls", u128::from(defaults.host_calls), u128::from(ceilings.host_calls)),
    ] {
        if default > ceiling {
            return invalid(setting, format!("the default is above its ceiling; lower it, or raise `{setting}_max`"));
        }
    }
    Ok(bounds)
}

fn requests(settings: &Settings) -> Result<RequestLimits, ConfigError> {
    let size = |setting, asked: Option<ByteSize>, default: u64| -> Result<usize, ConfigError> {
        let bytes = asked.map_or(default, |size| size.0);
        if bytes == 0 || bytes > REQUEST_BYTES_MAX {
            return invalid(setting, format!("must be from 1B to {}", ByteSize(REQUEST_BYTES_MAX)));
        }
        usize::try_from(bytes).or_else(|_| invalid(setting, "is more than this machine can address".to_owned()))
    };
    let requests = RequestLimits {
        payload_bytes_max: size("payload_max", settings.payload_max, 1 << 20)?,
        batch_jobs_max: usize::try_from(settings.batch_jobs_max.unwrap_or(10_000)).unwrap_or(usize::MAX),
        batch_bytes_max: size("batch_max", settings.batch_max, 64 << 20)?,
        module_bytes_max: size("module_max", settings.module_max, 64 << 20)?,
        connections_max: connections(settings.connections_max)?,
        head_timeout: span(settings.request_head_timeout, Duration::from_secs(10)),
    };
    at_least("request_head_timeout", requests.head_timeout, HEAD_TIMEOUT_MIN)?;
    if requests.batch_jobs_max == 0 {
        return invalid("batch_jobs_max", "must be at least 1".to_owned());
    }
    if requests.batch_bytes_max < requests.payload_bytes_max {
        return invalid("batch_max", "a batch must hold at least one job of `payload_max`; raise it".to_owned());
    }
    Ok(requests)
}

fn connections(asked: Option<u32>) -> Result<usize, ConfigError> {
    let connections = asked.unwrap_or(CONNECTIONS_DEFAULT);
    if !(CONNECTIONS_MIN..=CONNECTIONS_MAX).contains(&connections) {
        return invalid("connections_max", format!("must be from {CONNECTIONS_MIN} to {CONNECTIONS_MAX}"));
    }
    usize::try_from(connections).or_else(|_| invalid("connections_max", "is more than fits this machine".to_owned()))
}

pub(super) fn span(asked: Option<Span>, default: Duration) -> Duration {
    asked.map_or(default, |span| span.0)
}

pub(super) fn at_least(setting: &'static str, value: Duration, minimum: Duration) -> Result<(), ConfigError> {
    if value < minimum { invalid(setting, format!("must be at least {}", Span(minimum))) } else { Ok(()) }
}

pub(super) fn invalid<T>(setting: &'static str, message: String) -> Result<T, ConfigError> {
    Err(ConfigError::Invalid { setting, message })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::job::QuotaName;

    fn from_toml(text: &str) -> Result<Config, ConfigError> {
        resolve(&Settings::from_toml(text, Path::new("stoker.toml")).unwrap(), 4)
    }

    #[test]
    fn nothing_said_gives_the_documented_defaults() {
        let config = from_toml("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:7700");
        assert_eq!(config.data_dir, Path::new("stoker-data"));
        assert_eq!(config.workers, 8);
        assert_eq!(config.quotas, Quotas::HOST);
        assert_eq!(config.admin_key, None);
        assert_eq!(config.limits, LimitBounds::default());
        assert_eq!(config.requests.batch_jobs_max, 10_000);
    }

    #[test]
    fn workers_follow_the_cores_up_to_the_most() {
        for (cores, expected) in [(0, 2), (1, 2), (2, 4), (64, 128), (1_000, WORKERS_MAX)] {
            assert_eq!(workers(None, cores), Ok(expected), "{cores}");
        }
        assert_eq!(workers(Some(0), 4), Ok(0));
        assert_eq!(workers(Some(WORKERS_MAX), 4), Ok(WORKERS_MAX));
    }

    #[test]
    fn a_quota_is_set_or_lifted_and_the_others_stay() {
        let quotas = from_toml("quota_waiting_jobs = \"any\"\nquota_kv_bytes = \"1MiB\"\n").unwrap().quotas;
        assert_eq!(quotas.most(QuotaName::WaitingJobs), None);
        assert_eq!(quotas.most(QuotaName::KvBytes), Some(1 << 20));
        assert_eq!(quotas.most(QuotaName::StoredBytes), Quotas::HOST.most(QuotaName::StoredBytes));
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        for (text, setting) in [
            ("workers = 257", "workers"),
            ("quota_running_jobs = 0", "quota_running_jobs"),
            ("quota_running_jobs = 1000001", "quota_running_jobs"),
            ("fuel = 0", "fuel"),
            ("fuel = 2000000000000", "fuel"),
            ("timeout = 0", "timeout"),
            ("timeout = \"2h\"", "timeout"),
            ("timeout_max = \"1s\"", "timeout"),
            ("memory = \"1KiB\"", "memory"),
            ("memory_max = \"64MiB\"", "memory"),
            ("output = \"1GiB\"", "output"),
            ("logs = \"1GiB\"", "logs"),
            ("host_calls = 99999999", "host_calls"),
            ("payload_max = 0", "payload_max"),
            ("payload_max = \"65MiB\"", "batch_max"),
            ("batch_jobs_max = 0", "batch_jobs_max"),
            ("module_max = \"1TiB\"", "module_max"),
            ("connections_max = 15", "connections_max"),
            ("connections_max = 65537", "connections_max"),
            ("request_head_timeout = 99", "request_head_timeout"),
            ("lease_ttl = \"1s\"", "lease_ttl"),
            ("compile_timeout = 5", "compile_timeout"),
            ("compile_memory = \"1MiB\"", "compile_memory"),
            ("admin_key = \"short\"", "admin_key"),
            ("audit_keep = \"1h\"", "audit_keep"),
            ("tls_cert = \"a.pem\"", "tls_key"),
            ("tls_key = \"a.pem\"", "tls_cert"),
            ("jwt_issuer = \"i\"", "jwt_alg"),
            ("jwt_alg = \"HS256\"", "jwt_secret"),
            ("jwt_alg = \"HS256\"\njwt_secret = \"short\"", "jwt_secret"),
            ("jwt_alg = \"HS256\"\njwt_jwks = \"keys.json\"", "jwt_secret"),
            ("jwt_alg = \"RS256\"\njwt_secret = \"0123456789abcdef0123456789abcdef\"", "jwt_jwks"),
            ("jwt_alg = \"ES256\"\njwt_jwks = \"http://keys.example/jwks\"", "jwt_jwks"),
            ("jwt_alg = \"ES256\"\njwt_jwks = \"keys.json\"", "jwt_issuer"),
            ("jwt_alg = \"ES256\"\njwt_jwks = \"keys.json\"\njwt_issuer = \"i\"", "jwt_audience"),
            (
                "jwt_alg = \"ES256\"\njwt_jwks = \"k\"\njwt_issuer = \"i\"\njwt_audience = \"a\"\njwt_leeway = \"1h\"",
                "jwt_leeway",
            ),
            ("admin_key = \"with a space in the midst\"", "admin_key"),
            ("egress_connections = 0", "egress_connections"),
            ("egress_tenant_connections = 8", "egress_tenant_connections"),
            ("egress_host_connections = 100", "egress_host_connections"),
            ("egress_head_max = \"1KiB\"", "egress_head_max"),
            ("egress_response_max = \"2TiB\"", "egress_response_max"),
            ("egress_dns_timeout = 0", "egress_dns_timeout"),
            ("egress_total_timeout = 1", "egress_total_timeout"),
            ("allowed_hosts = [\"https://example.com\"]", "allowed_hosts"),
        ] {
            match from_toml(text) {
                Err(ConfigError::Invalid { setting: found, .. }) => assert_eq!(found, setting, "{text}"),
                other => panic!("{text} gave {other:?}"),
            }
        }
    }

    #[test]
    fn only_loopback_needs_no_key() {
        let listen = |address: &str, key: &str| {
            from_toml(&format!("listen = \"{address}\"\n{key}"))
                .and_then(|config| config.require_credentials(false).map(|()| config))
        };
        let key = "admin_key = \"0123456789abcdef\"";
        for address in ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(listen(address, "").is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "192.168.1.1:1", "[::]:1"] {
            assert!(matches!(listen(address, ""), Err(ConfigError::AdminKeyMissing { .. })), "{address}");
            assert!(listen(address, key).is_ok(), "{address} with a key");
            let stored = from_toml(&format!("listen = \"{address}\"")).unwrap();
            assert_eq!(stored.require_credentials(true), Ok(()), "{address} with a stored key");
        }
        let message = listen("0.0.0.0:7700", "").unwrap_err().to_string();
        assert!(message.contains("STOKER_ADMIN_KEY") && message.contains("127.0.0.1:7700"), "{message}");
    }
}
