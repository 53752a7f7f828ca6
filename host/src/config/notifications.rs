//! How users are told what handlers have for them.

use std::time::Duration;

use super::check::{ConfigError, at_least, invalid, span};
use super::sources::Settings;
use crate::job::Span;

/// Shorter, and who was away for a meeting would have missed everything.
const KEEP_MIN: Duration = Duration::from_hours(1);
/// Shorter costs more than it tells.
const KEEP_ALIVE_MIN: Duration = Duration::from_millis(100);
/// Clients give up after 30 s without one, and proxies after a minute.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(20);
/// Clients show a sign of life every 15 s.
const CLIENT_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Longer, and connections of machines that were switched off would take the places of others.
const CLIENT_TIMEOUT_MAX: Duration = Duration::from_hours(1);

/// See the file's head.
#[derive(Clone, Debug)]
pub struct NotificationSettings {
    /// How long they are kept. Default 90 d.
    pub keep: Duration,
    /// Origins, lower case, whose pages may read them. Default: none but the host's own.
    pub origins: Vec<String>,
    /// After so long without anything else a connection is sent a sign of life. Default 15 s.
    pub keep_alive: Duration,
    /// After so long without a sign of life from its client a connection to the hub is ended. Default 30 s.
    pub client_timeout: Duration,
}

pub(super) fn notifications(settings: &Settings) -> Result<NotificationSettings, ConfigError> {
    let told = NotificationSettings {
        keep: span(settings.notifications_keep, Duration::from_hours(24 * 90)),
        origins: settings.hub_origins.iter().flatten().map(|text| origin(text)).collect::<Result<_, _>>()?,
        keep_alive: span(settings.hub_keep_alive, Duration::from_secs(15)),
        client_timeout: span(settings.hub_client_timeout, Duration::from_secs(30)),
    };
    at_least("notifications_keep", told.keep, KEEP_MIN)?;
    for (setting, value, (least, most)) in [
        ("hub_keep_alive", told.keep_alive, (KEEP_ALIVE_MIN, KEEP_ALIVE_MAX)),
        ("hub_client_timeout", told.client_timeout, (CLIENT_TIMEOUT_MIN, CLIENT_TIMEOUT_MAX)),
    ] {
        if value < least || value > most {
            return invalid(setting, format!("must be from {} to {}", Span(least), Span(most)));
        }
    }
    Ok(told)
}

/// As browsers send it: scheme and host, with a port where it is not the scheme's own.
fn origin(text: &str) -> Result<String, ConfigError> {
    let lower = text.to_ascii_lowercase();
    let schemes = [("https", ":443"), ("http", ":80")];
    let taken_apart = lower.split_once("://").and_then(|(scheme, authority)| {
        let (scheme, own_port) = schemes.into_iter().find(|(known, _)| *known == scheme)?;
        let authority = authority.strip_suffix(own_port).unwrap_or(authority);
        let is_plain = authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        (is_plain && !authority.is_empty()).then(|| format!("{scheme}://{authority}"))
    });
    taken_apart.map_or_else(
        || {
            let shown = text.escape_debug();
            let form = "write e.g. `https://app.example.com`, without a path, each by itself";
            invalid("hub_origins", format!("`{shown}` is no origin; {form}"))
        },
        Ok,
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_send_them() {
        for (text, expected) in [
            ("https://App.Example.com", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:443", "http://localhost:443"),
            ("https://localhost:80", "https://localhost:80"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text).unwrap(), expected);
        }
        for wrong in [
            "*",
            "app.example.com",
            "https://",
            "https://a/b",
            "https://a.example/",
            "null",
            "ftp://a",
            "https://*.a.example",
        ] {
            assert!(origin(wrong).is_err_and(|error| error.to_string().contains("hub_origins")), "{wrong}");
        }
    }

    #[test]
    fn times_have_bounds() {
        let of = |settings: Settings| notifications(&settings).map(|_| ()).map_err(|error| error.to_string());
        let ms = |ms| Some(Span(Duration::from_millis(ms)));
        assert_eq!(of(Settings::default()), Ok(()));
        assert_eq!(
            of(Settings { hub_keep_alive: ms(100), hub_client_timeout: ms(1_000), ..Settings::default() }),
            Ok(())
        );
        for (settings, named) in [
            (Settings { hub_keep_alive: ms(99), ..Settings::default() }, "hub_keep_alive"),
            (Settings { hub_keep_alive: ms(20_001), ..Settings::default() }, "hub_keep_alive"),
            (Settings { hub_client_timeout: ms(999), ..Settings::default() }, "hub_client_timeout"),
            (Settings { notifications_keep: ms(1_000), ..Settings::default() }, "notifications_keep"),
        ] {
            assert!(of(settings).is_err_and(|error| error.contains(named)), "{named}");
        }
    }
}
