//! What requests of handlers may take: defaults filled in, and checked.

use std::fmt;
use std::time::Duration;

use super::check::{ConfigError, at_least, invalid, span};
use super::sources::Settings;
use crate::job::{ByteSize, EgressBounds, EgressOptions, Span};

/// Shorter times cut requests that an ordinary pause of the machine holds up.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Smaller heads are those of no server; nothing less is read at once.
const HEAD_BYTES_MIN: u64 = 8 << 10;
/// A larger head costs each connection its memory.
const HEAD_BYTES_MAX: u64 = 1 << 20;
/// Bodies pass through piece by piece; more than a guest's memory makes no sense.
const BODY_BYTES_MAX: u64 = 64 << 30;

pub(super) fn egress(settings: &Settings) -> Result<EgressOptions, ConfigError> {
    let known = EgressBounds::default();
    let bytes = |setting, asked: Option<ByteSize>, default: u64| match asked.map_or(default, |size| size.0) {
        bytes if bytes > BODY_BYTES_MAX => invalid(setting, format!("must be at most {}", ByteSize(BODY_BYTES_MAX))),
        bytes => Ok(bytes),
    };
    let bounds = EgressBounds {
        requests: settings.egress_requests.unwrap_or(known.requests),
        attempt_connections: settings.egress_connections.unwrap_or(known.attempt_connections),
        tenant_connections: settings.egress_tenant_connections.unwrap_or(known.tenant_connections),
        host_connections: settings.egress_host_connections.unwrap_or(known.host_connections),
        request_bytes: bytes("egress_request_max", settings.egress_request_max, known.request_bytes)?,
        response_bytes: bytes("egress_response_max", settings.egress_response_max, known.response_bytes)?,
        head_bytes: head_bytes(settings.egress_head_max, known.head_bytes)?,
        dns_timeout: span(settings.egress_dns_timeout, known.dns_timeout),
        connect_timeout: span(settings.egress_connect_timeout, known.connect_timeout),
        first_byte_timeout: span(settings.egress_first_byte_timeout, known.first_byte_timeout),
        between_bytes_timeout: span(settings.egress_between_bytes_timeout, known.between_bytes_timeout),
        total_timeout: span(settings.egress_total_timeout, known.total_timeout),
    };
    if bounds.attempt_connections == 0 {
        return invalid("egress_connections", "must be at least 1; what is not granted is not connected to".to_owned());
    }
    for (setting, inner, outer) in [
        ("egress_tenant_connections", bounds.attempt_connections, bounds.tenant_connections),
        ("egress_host_connections", bounds.tenant_connections, bounds.host_connections),
    ] {
        if outer < inner {
            return invalid(setting, format!("must be at least {inner}, as many as one of those within may have open"));
        }
    }
    for (setting, timeout) in [
        ("egress_dns_timeout", bounds.dns_timeout),
        ("egress_connect_timeout", bounds.connect_timeout),
        ("egress_first_byte_timeout", bounds.first_byte_timeout),
        ("egress_between_bytes_timeout", bounds.between_bytes_timeout),
        ("egress_total_timeout", bounds.total_timeout),
    ] {
        at_least(setting, timeout, TIMEOUT_MIN)?;
    }
    let dns = settings.egress_dns.clone().unwrap_or_default();
    Ok(EgressOptions { bounds, dns, ca_file: settings.egress_ca_file.clone() })
}

fn head_bytes(asked: Option<ByteSize>, default: usize) -> Result<usize, ConfigError> {
    let Some(ByteSize(bytes)) = asked else { return Ok(default) };
    if !(HEAD_BYTES_MIN..=HEAD_BYTES_MAX).contains(&bytes) {
        let (least, most) = (ByteSize(HEAD_BYTES_MIN), ByteSize(HEAD_BYTES_MAX));
        return invalid("egress_head_max", format!("must be from {least} to {most}"));
    }
    usize::try_from(bytes).or_else(|_| invalid("egress_head_max", "is more than this machine can address".to_owned()))
}

/// Each setting with its value, by the names of `stoker.toml`.
pub(super) fn report(
    options: &EgressOptions,
    line: &mut dyn FnMut(&str, &dyn fmt::Display) -> fmt::Result,
) -> fmt::Result {
    let EgressOptions { bounds, dns, ca_file } = options;
    let EgressBounds {
        requests,
        attempt_connections,
        tenant_connections,
        host_connections,
        request_bytes,
        response_bytes,
        head_bytes,
        dns_timeout,
        connect_timeout,
        first_byte_timeout,
        between_bytes_timeout,
        total_timeout,
    } = bounds;
    line("egress_requests", requests)?;
    line("egress_connections", attempt_connections)?;
    line("egress_tenant_connections", tenant_connections)?;
    line("egress_host_connections", host_connections)?;
    line("egress_request_max", &ByteSize(*request_bytes))?;
    line("egress_response_max", &ByteSize(*response_bytes))?;
    line("egress_head_max", &ByteSize(u64::try_from(*head_bytes).unwrap_or(u64::MAX)))?;
    for (name, timeout) in [
        ("dns", dns_timeout),
        ("connect", connect_timeout),
        ("first_byte", first_byte_timeout),
        ("between_bytes", between_bytes_timeout),
        ("total", total_timeout),
    ] {
        line(&format!("egress_{name}_timeout"), &Span(*timeout))?;
    }
    match ca_file {
        Some(file) => line("egress_ca_file", &file.display())?,
        None => line("egress_ca_file", &"(none: the public authorities)")?,
    }
    if dns.is_empty() {
        line("egress_dns", &"(the system's)")?;
    } else {
        let servers: Vec<String> = dns.iter().map(ToString::to_string).collect();
        line("egress_dns", &format_args!("[{}]", servers.join(", ")))?;
    }
    Ok(())
}
