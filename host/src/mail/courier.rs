//! Carries mails to the server, one after the other over one connection, and remembers how the server was found: while it can't be
//! reached nobody runs against it, and who looks is told why.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::connection::{Connection, SmtpError, Told};
use super::server::SmtpServer;
use crate::job::mail::{Answer, Transmission};
use crate::job::{Clock, Mailbox, RetryPolicy, Timestamp};

/// A connection nobody has used for so long is closed.
pub const IDLE_MAX: Duration = Duration::from_secs(10);
/// After a server could not be reached.
const UNREACHABLE_PAUSE: RetryPolicy =
    RetryPolicy::Exponential { base: Duration::from_secs(1), cap: Duration::from_mins(1), jitter: 0.2 };
/// After it refused the login, or all mail: more of them may close the account.
const REFUSED_PAUSE: RetryPolicy =
    RetryPolicy::Exponential { base: Duration::from_mins(1), cap: Duration::from_hours(1), jitter: 0.2 };
/// One mail has the only connection: a server that is slow with each recipient of one does not keep it from all others.
const TRANSMISSION_MAX: Duration = Duration::from_mins(5);
/// What a host is called that does not know its name.
const OWN_NAME_DEFAULT: &str = "localhost";

/// How the server was found last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// This host has none.
    #[default]
    NotConfigured,
    /// Nobody had to ask it yet.
    Unknown,
    /// It takes mail.
    Reached,
    /// It can't be reached, or refuses the login, or all mail.
    Failing {
        /// Why.
        error: String,
        /// When it was found so first.
        since: Timestamp,
    },
}

/// What was carried since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailMetrics {
    /// Recipients the server took a mail for.
    pub sent: u64,
    /// Recipients it refused.
    pub refused: u64,
    /// Recipients for whom it is to be tried again.
    pub later: u64,
    /// Times it could not be reached, or refused the login, or all mail.
    pub unreachable: u64,
}

/// What people look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CourierStatus {
    /// The server, without its password.
    pub server: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// How it was found last.
    pub reach: Reach,
    /// What was carried.
    pub metrics: MailMetrics,
}

/// See the file's head. Cheap to clone.
#[derive(Clone)]
pub struct Courier(Arc<Parts>);

struct Parts {
    server: Option<SmtpServer>,
    own_name: String,
    clock: Arc<dyn Clock>,
    open: tokio::sync::Mutex<Option<Open>>,
    found: Mutex<Found>,
}

struct Open {
    connection: Connection,
    /// By the monotonic clock.
    used_at: Duration,
}

#[derive(Default)]
struct Found {
    reach: Reach,
    metrics: MailMetrics,
    /// In a row.
    failures: u32,
    /// By the monotonic clock: nobody asks the server before.
    paused_until: Duration,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").field("server", &self.0.server).finish_non_exhaustive()
    }
}

impl Courier {
    /// To this server; `None`: there is none to carry mails to.
    pub fn new(server: Option<SmtpServer>, clock: Arc<dyn Clock>) -> Self {
        let reach = if server.is_some() { Reach::Unknown } else { Reach::NotConfigured };
        let found = Mutex::new(Found { reach, ..Found::default() });
        Self(Arc::new(Parts { server, own_name: own_name(), clock, open: tokio::sync::Mutex::default(), found }))
    }

    /// Whether there is a server.
    pub fn has_server(&self) -> bool {
        self.0.server.is_some()
    }

    /// How it stands.
    pub fn status(&self) -> CourierStatus {
        let Parts { server, found, .. } = &*self.0;
        let found = found.lock();
        CourierStatus {
            server: server.as_ref().map(ToString::to_string),
            user: server.as_ref().and_then(SmtpServer::user).map(str::to_owned),
            reach: found.reach.clone(),
            metrics: found.metrics,
        }
    }

    /// For how long nobody is to ask the server; `None`: it can be asked.
    pub fn pause(&self) -> Option<Duration> {
        let left = self.0.found.lock().paused_until.saturating_sub(self.0.clock.monotonic());
        (!left.is_zero()).then_some(left)
    }

    /// Gives the server one mail. Dropped before its end nobody knows whether the server took it, and the connection is gone.
    pub async fn carry(
        &self,
        sender: &Mailbox,
        recipients: &[(usize, Mailbox)],
        message: &[u8],
        may_go_on: impl Future<Output = bool>,
    ) -> Transmission {
        let Parts { server, clock, open, .. } = &*self.0;
        let Some(server) = server else {
            return Transmission::Unreachable("this host has no SMTP server".to_owned());
        };
        // Out of there while it is used: what is dropped half way must not be used again.
        let kept = open.lock().await.take();
        let mut connection = match self.connected(server, kept).await {
            Ok(connection) => connection,
            Err(error) => {
                self.found_failing(&error);
                return Transmission::Unreachable(error.to_string());
            }
        };
        let transmission = connection.transmit(sender, recipients, message, may_go_on);
        let Told { answers, is_usable } = match tokio::time::timeout(TRANSMISSION_MAX, transmission).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => {
                self.found_failing(&error);
                connection.close().await;
                return Transmission::Unreachable(error.to_string());
            }
            Err(_) => {
                let why = format!("the server took longer than {} s for the mail", TRANSMISSION_MAX.as_secs());
                let later = recipients.iter().map(|(place, _)| (*place, Answer::Later(why.clone())));
                Told { answers: later.collect(), is_usable: false }
            }
        };
        self.found_reached();
        self.note(&answers);
        if is_usable {
            *open.lock().await = Some(Open { connection, used_at: clock.monotonic() });
        } else {
            connection.close().await;
        }
        Transmission::Answered(answers)
    }

    /// Closes a connection that nobody uses; in how long it would, if one is open.
    pub async fn rest(&self) -> Option<Duration> {
        let mut open = self.0.open.lock().await;
        let idle = self.0.clock.monotonic().saturating_sub(open.as_ref()?.used_at);
        if idle < IDLE_MAX {
            return Some(IDLE_MAX.saturating_sub(idle));
        }
        if let Some(Open { connection, .. }) = open.take() {
            connection.close().await;
        }
        None
    }

    async fn connected(&self, server: &SmtpServer, kept: Option<Open>) -> Result<Connection, SmtpError> {
        if let Some(Open { mut connection, .. }) = kept
            && connection.is_alive().await
        {
            return Ok(connection);
        }
        Connection::open(server, &self.0.own_name).await
    }

    /// It has answered as one that takes mail.
    fn found_reached(&self) {
        let Parts { server, found, .. } = &*self.0;
        let mut found = found.lock();
        if matches!(found.reach, Reach::Failing { .. }) {
            let server = server.as_ref().map(tracing::field::display);
            tracing::info!(server, "the SMTP server takes mail again");
        }
        (found.reach, found.failures, found.paused_until) = (Reach::Reached, 0, Duration::ZERO);
    }

    /// Nobody asks the server for a while.
    fn found_failing(&self, error: &SmtpError) {
        let Parts { server, clock, found, .. } = &*self.0;
        let mut found = found.lock();
        found.failures = found.failures.saturating_add(1);
        found.metrics.unreachable += 1;
        let policy = match error {
            SmtpError::Unreachable(_) | SmtpError::Busy(_) => UNREACHABLE_PAUSE,
            SmtpError::LoginRefused(_) | SmtpError::NotAllowed(_) => REFUSED_PAUSE,
        };
        let pause = policy.delay(found.failures, rand::random());
        found.paused_until = clock.monotonic().saturating_add(pause);
        let since = if let Reach::Failing { since, .. } = &found.reach {
            *since
        } else {
            let server = server.as_ref().map(tracing::field::display);
            tracing::warn!(server, %error, "mail waits until its server can be used; GET /v1/mail shows it");
            clock.now()
        };
        found.reach = Reach::Failing { error: error.to_string(), since };
    }

    fn note(&self, answers: &[(usize, Answer)]) {
        let mut found = self.0.found.lock();
        for (_, answer) in answers {
            match answer {
                Answer::Taken => found.metrics.sent += 1,
                Answer::Refused(_) => found.metrics.refused += 1,
                Answer::Later(_) => found.metrics.later += 1,
            }
        }
    }
}

/// What this machine says that it is called.
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    if is_name { name.to_owned() } else { OWN_NAME_DEFAULT.to_owned() }
}
