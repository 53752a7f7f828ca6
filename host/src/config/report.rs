//! The effective configuration as text: one setting a line, by the names of `stoker.toml`, secrets hidden.

use std::fmt;

use super::{
    CompileLimits, Config, JwtConfig, JwtKeys, NotificationSettings, RequestLimits, TlsFiles, egress, mail as of_mail,
};
use crate::job::{ByteSize, JobState, LimitBounds, Limits, QuotaName, Span};
use crate::secrets::KeyRing;

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Exhaustive: a new field must say how it is shown, or that it is a secret.
        let Config {
            listen,
            data_dir,
            workers,
            admin_key,
            secrets_keys,
            jwt,
            tls,
            audit_keep,
            notifications: NotificationSettings { keep: notifications_keep, origins, keep_alive, client_timeout },
            shutdown_grace,
            priority_aging,
            quotas,
            lease_ttl,
            allowed_hosts,
            limits: LimitBounds { defaults, ceilings },
            requests:
                RequestLimits {
                    payload_bytes_max,
                    batch_jobs_max,
                    batch_bytes_max,
                    module_bytes_max,
                    connections_max,
                    head_timeout,
                },
            compile: CompileLimits { timeout: compile_timeout, memory_bytes: compile_memory_bytes },
            egress,
            mail,
            retention,
            usage_keep,
            events_keep,
            events_keep_bytes,
            ignore_wakeups,
        } = self;
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(f, "  {name} = {value}");
        let size = |bytes: usize| ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX));
        line("listen", listen)?;
        line("data_dir", &data_dir.display())?;
        line("workers", workers)?;
        line(
            "admin_key",
            if admin_key.is_some() { &"(set, hidden)" } else { &"(none: a stored key, or loopback only)" },
        )?;
        identity(&mut line, tls.as_ref(), jwt.as_ref())?;
        secrets(&mut line, secrets_keys)?;
        line("audit_keep", &Span(*audit_keep))?;
        line("notifications_keep", &Span(*notifications_keep))?;
        line("hub_origins", &format_args!("[{}]", origins.join(", ")))?;
        line("hub_keep_alive", &Span(*keep_alive))?;
        line("hub_client_timeout", &Span(*client_timeout))?;
        line("shutdown_grace", &Span(*shutdown_grace))?;
        line("priority_aging", &Span(*priority_aging))?;
        for quota in QuotaName::ALL {
            line(&format!("quota_{}", quota.as_str()), &quotas.shown(*quota))?;
        }
        line("lease_ttl", &Span(*lease_ttl))?;
        line("allowed_hosts", &format_args!("[{}]", allowed_hosts.join(", ")))?;
        for (name, state) in [
            ("retention_succeeded", JobState::Succeeded),
            ("retention_cancelled", JobState::Cancelled),
            ("retention_failed", JobState::Failed),
        ] {
            line(name, &retention.keep(state))?;
        }
        line("usage_keep", &Span(*usage_keep))?;
        line("events_keep", &Span(*events_keep))?;
        line("events_keep_bytes", &ByteSize(*events_keep_bytes))?;
        if *ignore_wakeups {
            line("ignore_wakeups", &"true (for tests: everything is late)")?;
        }
        for (suffix, limits) in [("", defaults), ("_max", ceilings)] {
            let Limits { fuel, timeout, memory_bytes, output_bytes, log_bytes, host_calls } = limits;
            line(&format!("fuel{suffix}"), fuel)?;
            line(&format!("timeout{suffix}"), &Span(*timeout))?;
            line(&format!("memory{suffix}"), &ByteSize(*memory_bytes))?;
            line(&format!("output{suffix}"), &ByteSize(*output_bytes))?;
            line(&format!("logs{suffix}"), &ByteSize(*log_bytes))?;
            line(&format!("host_calls{suffix}"), host_calls)?;
        }
        line("payload_max", &size(*payload_bytes_max))?;
        line("batch_jobs_max", batch_jobs_max)?;
        line("batch_max", &size(*batch_bytes_max))?;
        line("module_max", &size(*module_bytes_max))?;
        line("connections_max", connections_max)?;
        line("request_head_timeout", &Span(*head_timeout))?;
        egress::report(egress, &mut line)?;
        of_mail::report(mail, &mut line)?;
        line("compile_timeout", &Span(*compile_timeout))?;
        write!(f, "  compile_memory = {}", ByteSize(*compile_memory_bytes))
    }
}

/// What TLS is spoken with, and which tokens are taken.
fn identity(
    line: &mut impl FnMut(&str, &dyn fmt::Display) -> fmt::Result,
    tls: Option<&TlsFiles>,
    jwt: Option<&JwtConfig>,
) -> fmt::Result {
    match tls {
        Some(TlsFiles { cert, key }) => {
            line("tls_cert", &cert.display())?;
            line("tls_key", &key.display())?;
        }
        None => line("tls_cert", &"(none: plain HTTP)")?,
    }
    match jwt {
        None => line("jwt_alg", &"(none: no tokens)")?,
        Some(JwtConfig {
            algorithm,
            keys,
            issuer,
            audience,
            leeway,
            tenant_claim,
            role_claim,
            user_claim,
            admin_allowed,
        }) => {
            line("jwt_alg", &algorithm.as_str())?;
            match keys {
                JwtKeys::Secret(_) => line("jwt_secret", &"(set, hidden)")?,
                JwtKeys::File(path) => line("jwt_jwks", &path.display())?,
                JwtKeys::Url(url) => line("jwt_jwks", url)?,
            }
            line("jwt_issuer", issuer)?;
            line("jwt_audience", audience)?;
            line("jwt_leeway", &Span(*leeway))?;
            line("jwt_tenant_claim", tenant_claim)?;
            line("jwt_role_claim", role_claim)?;
            line("jwt_user_claim", user_claim)?;
            line("jwt_admin_allowed", admin_allowed)?;
        }
    }
    Ok(())
}

fn secrets(line: &mut impl FnMut(&str, &dyn fmt::Display) -> fmt::Result, keys: &KeyRing) -> fmt::Result {
    match keys.current() {
        Some(key) => line("secrets_key", &format_args!("(set, hidden; its id is {})", key.id()))?,
        None => line("secrets_key", &"(none: secrets can't be set)")?,
    }
    for key in keys.previous() {
        line("secrets_key_previous", &format_args!("(set, hidden; its id is {})", key.id()))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::path::Path;

    use crate::config::{Settings, resolve};

    #[test]
    fn everything_is_shown_but_the_secret() {
        let text = "admin_key = \"not-for-everybodys-eyes\"\nallowed_hosts = [\"a.example\", \"B.example\"]\n";
        let config = resolve(&Settings::from_toml(text, Path::new("stoker.toml")).unwrap(), 2).unwrap();
        assert!(!format!("{config} {config:?}").contains("eyes"));
        insta::assert_snapshot!(config);
    }
}
