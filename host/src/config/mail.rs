//! How mail leaves: the server, who logs in there, whom mail is from by itself, how much, and for how long it is tried.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::check::{ConfigError, at_least, invalid, span};
use super::sources::Settings;
use crate::job::mail::MailRules;
use crate::job::retry::RETRY_DELAY_MAX;
use crate::job::{Mailbox, Rate, RateWire, RetryPolicy, Span};
use crate::mail::{Login, SmtpServer};
use crate::regular_file;
use crate::store::MailTerms;

/// Largest file of a password that is read, bytes.
const PASSWORD_FILE_BYTES_MAX: u64 = 4 << 10;
/// Largest file of certificates that is read, bytes.
const CA_FILE_BYTES_MAX: u64 = 1 << 20;
/// Rights of a file that others than its owner could read by, or write.
const EXPOSED: u32 = 0o027;
/// Mails of a tenant in a time, when nobody says otherwise.
const RATE_DEFAULT: Rate = Rate { limit: 100, per: Duration::from_mins(1), burst: 100 };
const RETRY_BASE_DEFAULT: Duration = Duration::from_secs(30);
const RETRY_CAP_DEFAULT: Duration = Duration::from_hours(1);
const RETRY_JITTER: f64 = 0.2;
const TRY_FOR_DEFAULT: Duration = Duration::from_hours(24);
const KEEP_DEFAULT: Duration = Duration::from_hours(30 * 24);
/// Shorter, and a server would be run against.
const RETRY_BASE_MIN: Duration = Duration::from_millis(100);
/// Shorter, and nobody could look up what became of a mail.
const KEEP_MIN: Duration = Duration::from_hours(1);

/// See the file's head.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Where mail is given to. Default: nowhere, and it is kept.
    pub server: Option<SmtpServer>,
    /// Whom mail is from that names no sender. Default: nobody.
    pub sender: Option<Arc<Mailbox>>,
    /// How much of it, and when it is tried again. Default: 100 a minute of each tenant; after 30 s, and up to an hour, for a day.
    pub terms: Arc<MailTerms>,
    /// How long a mail is kept that was sent, or has failed. Default 30 d.
    pub keep: Duration,
}

impl MailConfig {
    /// How long mail is tried; `None`: there is no server to give it to.
    pub fn tried_for(&self) -> Option<Duration> {
        self.server.as_ref().map(|_| self.terms.rules.give_up_after)
    }
}

pub(super) fn mail(settings: &Settings) -> Result<MailConfig, ConfigError> {
    let sender = match settings.mail_sender.as_deref().map(str::parse::<Mailbox>) {
        None => None,
        Some(Ok(sender)) => Some(Arc::new(sender)),
        Some(Err(error)) => return invalid("mail_sender", error.to_string()),
    };
    let base = span(settings.mail_retry_base, RETRY_BASE_DEFAULT);
    let cap = span(settings.mail_retry_cap, RETRY_CAP_DEFAULT.max(base));
    at_least("mail_retry_base", base, RETRY_BASE_MIN)?;
    at_least("mail_retry_cap", cap, base)?;
    if cap > RETRY_DELAY_MAX {
        return invalid("mail_retry_cap", format!("must be at most {}", Span(RETRY_DELAY_MAX)));
    }
    let give_up_after = span(settings.mail_try_for, TRY_FOR_DEFAULT);
    let keep = span(settings.mail_keep, KEEP_DEFAULT);
    at_least("mail_keep", keep, KEEP_MIN)?;
    let rules = MailRules { retry: RetryPolicy::Exponential { base, cap, jitter: RETRY_JITTER }, give_up_after };
    let terms = MailTerms {
        rules,
        rate: rate("mail_rate", settings.mail_rate.as_deref())?.unwrap_or(RATE_DEFAULT),
        rate_of_all: rate("mail_rate_of_all", settings.mail_rate_of_all.as_deref())?,
    };
    Ok(MailConfig { server: server(settings)?, sender, terms: Arc::new(terms), keep })
}

fn server(settings: &Settings) -> Result<Option<SmtpServer>, ConfigError> {
    let password = match (&settings.smtp_password_file, &settings.smtp_password) {
        (Some(_), Some(_)) => {
            return invalid(
                "smtp_password_file",
                "give the password by `smtp_password` or in a file, not both".to_owned(),
            );
        }
        (Some(file), None) => Some(read_password(file)?),
        (None, Some(text)) => Some(Zeroizing::new(text.reveal().to_owned())),
        (None, None) => None,
    };
    let Some(url) = &settings.smtp_url else {
        let alone = [
            ("smtp_user", settings.smtp_user.is_some()),
            ("smtp_password", password.is_some()),
            ("smtp_ca_file", settings.smtp_ca_file.is_some()),
        ];
        return match alone.iter().find(|(_, is_set)| *is_set) {
            Some((setting, _)) => invalid(setting, "is of no use without a server: set `smtp_url`".to_owned()),
            None => Ok(None),
        };
    };
    let login = match (settings.smtp_user.clone(), password) {
        (Some(user), Some(password)) => Some(Login { user, password }),
        (Some(_), None) => {
            let message = "there is no password to it: give it in a file, as `smtp_password_file`".to_owned();
            return invalid("smtp_user", message);
        }
        (None, Some(_)) => return invalid("smtp_password", "there is no user to it: set `smtp_user`".to_owned()),
        (None, None) => None,
    };
    let authorities = settings.smtp_ca_file.as_deref().map(|file| read("smtp_ca_file", file, CA_FILE_BYTES_MAX, 0));
    let server = SmtpServer::new(url, login, authorities.transpose()?.as_deref().map(Vec::as_slice));
    match server {
        Ok(server) => Ok(Some(server)),
        Err(error) => invalid(error.setting, error.message),
    }
}

fn read_password(file: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let bytes = read("smtp_password_file", file, PASSWORD_FILE_BYTES_MAX, EXPOSED)?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.lines().next()).unwrap_or_default();
    if text.is_empty() {
        return invalid("smtp_password_file", "holds no password in its first line".to_owned());
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// What is in a file that has none of these rights.
fn read(setting: &'static str, file: &Path, bytes_max: u64, exposed: u32) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Invalid {
        setting,
        message: format!("{} can't be read: {error}", file.display()),
    };
    let opened = regular_file::open_to_read(file).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.mode();
    if mode & exposed != 0 {
        let message = format!("others can read or change {}; `chmod 600` keeps them out", file.display());
        return invalid(setting, message);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    opened.take(bytes_max).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn rate(setting: &'static str, text: Option<&str>) -> Result<Option<Rate>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let wire = match text.parse::<RateWire>() {
        Ok(wire) => wire,
        Err(message) => return invalid(setting, message),
    };
    let mut errors = Vec::new();
    match wire.rate("", &mut errors) {
        Some(rate) => Ok(Some(rate)),
        None => invalid(setting, errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ")),
    }
}

/// The lines of the effective configuration.
pub(super) fn report(
    config: &MailConfig,
    line: &mut impl FnMut(&str, &dyn fmt::Display) -> fmt::Result,
) -> fmt::Result {
    let MailConfig { server, sender, terms, keep } = config;
    match server {
        Some(server) => {
            line("smtp_url", server)?;
            if let Some(user) = server.user() {
                line("smtp_user", &user)?;
                line("smtp_password", &"(set, hidden)")?;
            }
        }
        None => line("smtp_url", &"(none: mail is kept, and not sent)")?,
    }
    match sender {
        Some(sender) => line("mail_sender", sender)?,
        None => line("mail_sender", &"(none: each mail names its own)")?,
    }
    let MailTerms { rules: MailRules { retry, give_up_after }, rate, rate_of_all } = &**terms;
    line("mail_rate", &RateWire::from(*rate))?;
    match rate_of_all {
        Some(rate) => line("mail_rate_of_all", &RateWire::from(*rate))?,
        None => line("mail_rate_of_all", &"any")?,
    }
    if let RetryPolicy::Exponential { base, cap, jitter: _ } = retry {
        line("mail_retry_base", &Span(*base))?;
        line("mail_retry_cap", &Span(*cap))?;
    }
    line("mail_try_for", &Span(*give_up_after))?;
    line("mail_keep", &Span(*keep))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(text: &str) -> Result<MailConfig, ConfigError> {
        mail(&Settings::from_toml(text, Path::new("stoker.toml")).unwrap())
    }

    #[test]
    fn nothing_said_is_no_server() {
        let config = of("").unwrap();
        assert!(config.server.is_none() && config.tried_for().is_none() && config.sender.is_none());
        assert_eq!(config.terms.rate, RATE_DEFAULT);
    }

    #[test]
    fn a_server_with_a_login_and_all_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hidden-words\n").unwrap();
        let text = format!(
            "smtp_url = \"smtp://mail.example.com\"\nsmtp_user = \"ada\"\nsmtp_password_file = \"{}\"\n\
             mail_sender = \"Shop <noreply@example.com>\"\nmail_rate = \"5/1m\"\nmail_rate_of_all = \"9/s\"\n\
             mail_retry_base = \"1s\"\nmail_try_for = \"2h\"\nmail_keep = \"1d\"",
            file.display()
        );
        let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(matches!(of(&text), Err(ConfigError::Invalid { setting: "smtp_password_file", .. })));
        mode(0o600);
        let config = of(&text).unwrap();
        let mut shown = String::new();
        let mut line = |name: &str, value: &dyn fmt::Display| {
            fmt::Write::write_fmt(&mut shown, format_args!("{name} = {value}\n"))
        };
        report(&config, &mut line).unwrap();
        insta::assert_snapshot!(shown, @r"
        smtp_url = smtp://mail.example.com:587?tls=required
        smtp_user = ada
        smtp_password = (set, hidden)
        mail_sender = Shop <noreply@example.com>
        mail_rate = 5/m
        mail_rate_of_all = 9/s
        mail_retry_base = 1s
        mail_retry_cap = 1h
        mail_try_for = 2h
        mail_keep = 1d
        ");
        assert!(!format!("{shown}{config:?}").contains("hidden-words"));
        assert_eq!(config.tried_for(), Some(Duration::from_hours(2)));
    }

    #[test]
    fn what_can_not_be_is_refused_by_its_name() {
        for (text, refused) in [
            ("smtp_url = \"mail.example.com\"", "smtp_url"),
            ("smtp_url = \"smtp://mail.example.com?tls=none\"\nsmtp_user = \"a\"\nsmtp_password = \"b\"", "smtp_url"),
            ("smtp_url = \"smtp://mail.example.com\"\nsmtp_user = \"a\"", "smtp_user"),
            ("smtp_url = \"smtp://mail.example.com\"\nsmtp_password = \"a\"", "smtp_password"),
            ("smtp_user = \"a\"", "smtp_user"),
            ("smtp_password = \"a\"", "smtp_password"),
            ("smtp_password = \"a\"\nsmtp_password_file = \"/b\"", "smtp_password_file"),
            ("smtp_url = \"smtps://mail.example.com\"\nsmtp_ca_file = \"/nowhere/at/all\"", "smtp_ca_file"),
            ("smtp_ca_file = \"/nowhere/at/all\"", "smtp_ca_file"),
            ("mail_sender = \"nobody\"", "mail_sender"),
            ("mail_rate = \"fast\"", "mail_rate"),
            ("mail_rate_of_all = \"0/m\"", "mail_rate_of_all"),
            ("mail_retry_base = \"0s\"", "mail_retry_base"),
            ("mail_retry_base = \"1h\"\nmail_retry_cap = \"1m\"", "mail_retry_cap"),
            ("mail_keep = \"1s\"", "mail_keep"),
        ] {
            match of(text) {
                Err(ConfigError::Invalid { setting, message }) => assert_eq!(setting, refused, "{text}: {message}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
