//! The server mails are given to: where it is, how the connection is encrypted, and who logs in.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use zeroize::Zeroizing;

/// Ports of mail that is handed in, without and with TLS from the first byte.
const PORTS: (u16, u16) = (587, 465);
/// A server that is not reached in such a time is not reached.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte (`smtps://`).
    Always,
    /// From `STARTTLS` on; without it nothing is sent (`smtp://…?tls=required`).
    Required,
    /// The same if the server offers it, else not at all (`tls=starttls`).
    IfOffered,
    /// Not at all (`tls=none`).
    Never,
}

impl Encryption {
    /// As it stands in the URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Encryption::Always => "always",
            Encryption::Required => "required",
            Encryption::IfOffered => "starttls",
            Encryption::Never => "none",
        }
    }
}

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Never shown.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user)
    }
}

/// See the file's head.
#[derive(Clone)]
pub struct SmtpServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Login>,
    pub(super) tls: Option<TlsParameters>,
}

/// Why a host can't be told to use a server; names the setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServerError {
    /// As it stands in `stoker.toml`.
    pub setting: &'static str,
    /// What to change.
    pub message: String,
}

impl SmtpServer {
    /// From the settings. `authorities`: certificates (PEM) that are trusted beside the public ones.
    pub fn new(url: &str, login: Option<Login>, authorities: Option<&[u8]>) -> Result<Self, ServerError> {
        let (host, port, encryption) =
            parse_url(url).map_err(|message| ServerError { setting: "smtp_url", message })?;
        if login.is_some() && encryption == Encryption::Never && !is_loopback(&host) {
            let message = format!(
                "the password would go to {host} for everybody on the way to read: use `tls=required` or `smtps://`; only to \
                 this machine itself (localhost, 127.0.0.1, [::1]) it may go unencrypted"
            );
            return Err(ServerError { setting: "smtp_url", message });
        }
        let tls = (encryption != Encryption::Never).then(|| tls(&host, authorities)).transpose()?;
        Ok(Self { host, port, encryption, login, tls })
    }

    /// Whether the way to it leaves the machine.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        let Login { user, password } = self.login.as_ref()?;
        Some(Credentials::new(user.clone(), password.as_str().to_owned()))
    }

    /// Who logs in.
    pub fn user(&self) -> Option<&str> {
        self.login.as_ref().map(|login| login.user.as_str())
    }

    /// How the connection is encrypted.
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }
}

impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.encryption {
            Encryption::Always => write!(f, "smtps://{host}:{}", self.port),
            other => write!(f, "smtp://{host}:{}?tls={}", self.port, other.as_str()),
        }
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpServer({self})")
    }
}

fn tls(host: &str, authorities: Option<&[u8]>) -> Result<TlsParameters, ServerError> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(pem) = authorities {
        let unreadable = |message: String| ServerError {
            setting: "smtp_ca_file",
            message: format!("holds no certificates: {message}"),
        };
        // What holds none at all is no error to the parser.
        if !pem.windows(BEGIN_CERTIFICATE.len()).any(|window| window == BEGIN_CERTIFICATE) {
            return Err(unreadable("there is no `-----BEGIN CERTIFICATE-----` in it".to_owned()));
        }
        let certificate = Certificate::from_pem(pem).map_err(|error| unreadable(error.to_string()))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build_rustls().map_err(|error| ServerError { setting: "smtp_url", message: error.to_string() })
}

const BEGIN_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn parse_url(url: &str) -> Result<(String, u16, Encryption), String> {
    const FORM: &str = "write it as `smtp://mail.example.com:587` or `smtps://mail.example.com:465`";
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains('@') {
        return Err(
            "name the user in `smtp_user` and the password in a file (`smtp_password_file`), not in the URL".into()
        );
    }
    let encryption = match (scheme, query) {
        ("smtps", None) => Encryption::Always,
        ("smtps", Some(_)) => return Err("`smtps` is encrypted from the first byte: leave out what follows `?`".into()),
        ("smtp", None | Some("tls=required")) => Encryption::Required,
        ("smtp", Some("tls=starttls")) => Encryption::IfOffered,
        ("smtp", Some("tls=none")) => Encryption::Never,
        ("smtp", Some(_)) => return Err("after `?` stands `tls=required`, `tls=starttls` or `tls=none`".into()),
        _ => return Err(FORM.into()),
    };
    let port_default = if encryption == Encryption::Always { PORTS.1 } else { PORTS.0 };
    let (host, port) = if let Some(bracketed) = place.strip_prefix('[') {
        let (host, port) = bracketed.split_once(']').ok_or(FORM)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| FORM)?;
        (host, port.strip_prefix(':'))
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    let port = port.map_or(Ok(port_default), |port| port.parse().map_err(|_| FORM))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    if host.is_empty() || port == 0 || !host.bytes().all(is_name) {
        return Err(FORM.into());
    }
    Ok((host.to_ascii_lowercase(), port, encryption))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login { user: "ada".into(), password: Zeroizing::new("hidden-words".into()) }
    }

    #[test]
    fn urls_are_read_and_shown() {
        for (url, shown) in [
            ("smtp://mail.example.com", "smtp://mail.example.com:587?tls=required"),
            ("smtp://Mail.example.com:2525/?tls=starttls", "smtp://mail.example.com:2525?tls=starttls"),
            ("smtp://127.0.0.1:25?tls=none", "smtp://127.0.0.1:25?tls=none"),
            ("smtps://mail.example.com", "smtps://mail.example.com:465"),
            ("smtps://[::1]:4465", "smtps://[::1]:4465"),
        ] {
            assert_eq!(SmtpServer::new(url, None, None).unwrap().to_string(), shown, "{url}");
        }
        for wrong in [
            "",
            "mail.example.com:25",
            "http://mail.example.com",
            "smtp://",
            "smtp://mail.example.com:0",
            "smtp://mail.example.com:x",
            "smtp://ada:secret@mail.example.com",
            "smtp://mail.example.com?tls=maybe",
            "smtps://mail.example.com?tls=none",
            "smtp://[mail.example.com]",
            "smtp://mail example.com",
        ] {
            assert_eq!(SmtpServer::new(wrong, None, None).unwrap_err().setting, "smtp_url", "{wrong}");
        }
    }

    #[test]
    fn a_password_goes_unencrypted_to_this_machine_alone() {
        for (url, is_taken) in [
            ("smtp://mail.example.com?tls=none", false),
            ("smtp://10.0.0.1?tls=none", false),
            ("smtp://mail.example.com?tls=required", true),
            ("smtp://localhost?tls=none", true),
            ("smtp://127.0.0.1?tls=none", true),
            ("smtp://[::1]?tls=none", true),
        ] {
            let server = SmtpServer::new(url, Some(login()), None);
            assert_eq!(server.is_ok(), is_taken, "{url}");
            assert!(server.is_err() || !format!("{server:?} {:?}", login()).contains("hidden"));
        }
        assert!(SmtpServer::new("smtp://mail.example.com?tls=none", None, None).is_ok());
    }

    #[test]
    fn what_holds_no_certificates_is_refused() {
        for wrong in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
            let refused = SmtpServer::new("smtps://mail.example.com", None, Some(wrong)).unwrap_err();
            assert_eq!(refused.setting, "smtp_ca_file");
        }
        let pem = include_bytes!("../../../tests/certificates/ca.pem");
        assert!(SmtpServer::new("smtps://mail.example.com", None, Some(pem)).is_ok());
    }
}
