//! One connection to the server: made, encrypted, logged in, and used for one mail after the other. lettre's own transport gives up a
//! mail at the first recipient that is refused; so its connection is spoken to command by command, and each recipient has an answer
//! of its own.

use std::time::Duration;

use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

use super::message::address;
use super::server::{CONNECT_TIMEOUT, Encryption, SmtpServer};
use crate::job::Mailbox;
use crate::job::mail::Answer;

/// How long a server may take to answer one command.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);
/// How long it may take to receive a message and answer.
const MESSAGE_TIMEOUT: Duration = Duration::from_mins(5);
/// A server that is closing the connection says so.
const CLOSING: u16 = 421;
/// A login or encryption that the server wants first. With these every mail would be refused for good, until an operator changes
/// something.
const WANTS_FIRST: [u16; 4] = [530, 534, 535, 538];
/// Before anything of the mail but its sender was said, as well: commands it does not know or wants in another order, no mail from here
/// at all. Said of a recipient, or of an address it does not like (501, 504), they are that mail's.
const NO_MAIL_FROM_HERE: [u16; 4] = [500, 502, 503, 521];
/// Enhanced codes (RFC 3463) of a server that takes no mail now, whosever it is. Others are of this mail or its sender: too much of it,
/// or a domain that is not found.
const OF_THE_SERVER: [&str; 4] = ["4.3.0", "4.3.1", "4.3.2", "4.3.5"];

/// Why there is no connection. Tenants see it: where the server is, and who logs in there, is the host's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpError {
    /// No server, or no encryption.
    #[error("the SMTP server can't be reached: {0}")]
    Unreachable(String),
    /// It takes no mail for a while, whosever it is.
    #[error("the SMTP server takes no mail now: {0}")]
    Busy(String),
    /// It takes none from this host as it is set up.
    #[error("the SMTP server takes no mail from this host as it is set up (`smtp_url`, `smtp_user`): {0}")]
    NotAllowed(String),
    /// It refuses the login.
    #[error("the SMTP server refuses the login: {0}")]
    LoginRefused(String),
}

/// What the server said to a command.
#[derive(Debug)]
enum Said {
    Yes,
    /// Never (5xx), with the code.
    No(u16, String),
    /// Not now (4xx).
    Later(String),
    /// Nothing more: it is closing the connection, or did not answer.
    Gone(String),
}

/// See the file's head.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
}

/// What a transmission came to, and whether the connection can be used again.
pub(super) struct Told {
    /// By the place of each recipient that was asked.
    pub(super) answers: Vec<(usize, Answer)>,
    pub(super) is_usable: bool,
}

impl Connection {
    /// Connects, encrypts and logs in.
    pub(super) async fn open(server: &SmtpServer, own_name: &str) -> Result<Self, SmtpError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, Self::begin(server, own_name)).await {
            Ok(opened) => opened,
            Err(_) => Err(SmtpError::Unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
        }
    }

    async fn begin(server: &SmtpServer, own_name: &str) -> Result<Self, SmtpError> {
        let unreachable = |error: lettre::transport::smtp::Error| SmtpError::Unreachable(words(&error));
        let name = ClientId::Domain(own_name.to_owned());
        let tls_at_once = server.tls.clone().filter(|_| server.encryption == Encryption::Always);
        let place = (server.host.as_str(), server.port);
        let smtp = AsyncSmtpConnection::connect_tokio1(place, Some(CONNECT_TIMEOUT), &name, tls_at_once, None).await;
        let mut smtp = smtp.map_err(unreachable)?;
        match (server.encryption, server.tls.clone()) {
            (Encryption::Required, Some(tls)) => smtp.starttls(tls, &name).await.map_err(unreachable)?,
            (Encryption::IfOffered, Some(tls)) if smtp.can_starttls() => {
                smtp.starttls(tls, &name).await.map_err(unreachable)?;
            }
            _ => {}
        }
        let Some(credentials) = server.credentials() else { return Ok(Self { smtp }) };
        if !smtp.is_encrypted() && !server.is_loopback() {
            let why = "it does not offer STARTTLS, and a password is not sent unencrypted".to_owned();
            return Err(SmtpError::Unreachable(why));
        }
        match smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await {
            Ok(_) => Ok(Self { smtp }),
            Err(error) if error.is_permanent() => Err(SmtpError::LoginRefused(words(&error))),
            Err(error) => Err(unreachable(error)),
        }
    }

    /// Whether the server is still there.
    pub(super) async fn is_alive(&mut self) -> bool {
        !self.smtp.has_broken()
            && tokio::time::timeout(COMMAND_TIMEOUT, self.smtp.test_connected()).await.unwrap_or(false)
    }

    /// Gives the server one mail for these recipients, unless it takes none at all. `may_go_on` is asked once more right before the
    /// message itself: what comes after that can't be taken back.
    pub(super) async fn transmit(
        &mut self,
        sender: &Mailbox,
        recipients: &[(usize, Mailbox)],
        message: &[u8],
        may_go_on: impl Future<Output = bool>,
    ) -> Result<Told, SmtpError> {
        let all = |answer: &Answer| recipients.iter().map(|(place, _)| (*place, answer.clone())).collect::<Vec<_>>();
        let from = match address(sender) {
            Ok(from) => Mail::new(Some(from), Vec::new()),
            Err(error) => return Ok(Told { answers: all(&Answer::Refused(error.to_string())), is_usable: true }),
        };
        let refused = match self.command(from.to_string()).await {
            Said::Yes => None,
            Said::No(code, words) if WANTS_FIRST.contains(&code) || NO_MAIL_FROM_HERE.contains(&code) => {
                return Err(SmtpError::NotAllowed(words));
            }
            Said::No(_, words) => Some(Answer::Refused(words)),
            Said::Later(words) if is_of_server(&words) => return Err(SmtpError::Busy(words)),
            Said::Later(words) => Some(Answer::Later(words)),
            Said::Gone(words) => return Err(SmtpError::Unreachable(words)),
        };
        if let Some(answer) = refused {
            return Ok(Told { answers: all(&answer), is_usable: self.reset().await });
        }
        let (mut answers, mut taken) = (Vec::with_capacity(recipients.len()), Vec::new());
        for (index, (place, mailbox)) in recipients.iter().enumerate() {
            let said = match address(mailbox) {
                Ok(to) => self.command(Rcpt::new(to, Vec::new()).to_string()).await,
                Err(error) => Said::No(0, error.to_string()),
            };
            match said {
                Said::Yes => taken.push(*place),
                Said::No(code, words) if WANTS_FIRST.contains(&code) => return Err(SmtpError::NotAllowed(words)),
                Said::No(_, words) => answers.push((*place, Answer::Refused(words))),
                Said::Later(words) => answers.push((*place, Answer::Later(words))),
                Said::Gone(words) => {
                    // Nobody has the mail: it was not told yet what it says.
                    let rest = recipients[index..].iter().map(|(place, _)| *place).chain(taken);
                    answers.extend(rest.map(|place| (place, Answer::Later(words.clone()))));
                    return Ok(Told { answers, is_usable: false });
                }
            }
        }
        if taken.is_empty() {
            return Ok(Told { answers, is_usable: self.reset().await });
        }
        if !may_go_on.await {
            let later = Answer::Later("another host transmits it".to_owned());
            answers.extend(taken.into_iter().map(|place| (place, later.clone())));
            return Ok(Told { answers, is_usable: false });
        }
        let (answer, is_usable) = match self.command(Data.to_string()).await {
            Said::Yes => {
                // The end of the message brings a line break of its own.
                let message = message.strip_suffix(b"\r\n").unwrap_or(message);
                let sent = tokio::time::timeout(MESSAGE_TIMEOUT, self.smtp.message(message)).await;
                match judged(sent.ok(), "the message", MESSAGE_TIMEOUT) {
                    Said::Yes => (Answer::Taken, true),
                    Said::No(_, words) => (Answer::Refused(words), true),
                    Said::Later(words) => (Answer::Later(words), true),
                    Said::Gone(words) => (Answer::Later(words), false),
                }
            }
            Said::No(code, words) if WANTS_FIRST.contains(&code) => return Err(SmtpError::NotAllowed(words)),
            // Its sender and recipients are not those of the next mail.
            Said::No(_, words) => (Answer::Refused(words), self.reset().await),
            Said::Later(words) => (Answer::Later(words), self.reset().await),
            Said::Gone(words) => (Answer::Later(words), false),
        };
        answers.extend(taken.into_iter().map(|place| (place, answer.clone())));
        Ok(Told { answers, is_usable })
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        let _gone = tokio::time::timeout(Duration::from_secs(1), self.smtp.quit()).await;
    }

    async fn reset(&mut self) -> bool {
        matches!(self.command(Rset.to_string()).await, Said::Yes)
    }

    async fn command(&mut self, line: String) -> Said {
        let what = line.split_whitespace().next().unwrap_or_default().to_owned();
        let answered = tokio::time::timeout(COMMAND_TIMEOUT, self.smtp.command(line)).await;
        judged(answered.ok(), &what, COMMAND_TIMEOUT)
    }
}

fn judged(answered: Option<Result<Response, lettre::transport::smtp::Error>>, what: &str, timeout: Duration) -> Said {
    let error = match answered {
        Some(Ok(_)) => return Said::Yes,
        Some(Err(error)) => error,
        None => return Said::Gone(format!("no answer to {what} within {} s", timeout.as_secs())),
    };
    let words = words(&error);
    match error.status().map(u16::from) {
        Some(code) if error.is_permanent() => Said::No(code, words),
        Some(code) if error.is_transient() && code != CLOSING => Said::Later(words),
        _ => Said::Gone(words),
    }
}

/// Whether a server that says "not now" means itself: `452 4.3.1 …`.
fn is_of_server(words: &str) -> bool {
    words.split_whitespace().nth(1).is_some_and(|code| OF_THE_SERVER.contains(&code))
}

/// The server's own words where it said any: `550 5.1.1 no such user`.
fn words(error: &lettre::transport::smtp::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let text = match (error.status(), source) {
        (Some(code), Some(said)) => format!("{code} {said}"),
        (Some(code), None) => code.to_string(),
        (None, _) => error.to_string(),
    };
    // It is shown in lines.
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
