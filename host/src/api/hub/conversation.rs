//! One connection, whatever carries it: what is heard is answered, what comes for the user is said, silence is noticed.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::protocol::{Ending, Heard, Talk, close, invocation, ping};
use crate::api::notifications::{Followed, Following, Over};

/// How long a client may take to greet.
const GREETING_TIMEOUT: Duration = Duration::from_secs(15);
/// Messages of a client within [`BURST_PERIOD`]; clients send a sign of life now and then.
const BURST_MAX: u32 = 100;
const BURST_PERIOD: Duration = Duration::from_secs(1);

/// Where a client's words come from.
pub(super) trait Hearing: Send {
    /// The next of them. May be dropped before it is done.
    fn hear(&mut self) -> impl Future<Output = Words> + Send;
}

/// Something a client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Words {
    Text(String),
    Binary(Vec<u8>),
    /// It says something that can't be read, and for what reason.
    Unreadable(Ending),
    /// It says nothing more.
    Gone,
}

/// See the file's head.
pub(super) struct Conversation {
    talk: Talk,
    following: Following,
    stopping: CancellationToken,
    client_timeout: Duration,
    /// The client must say something until then.
    heard_by: Instant,
    burst: (Instant, u32),
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    /// And then nothing more, and why.
    pub(super) ends: Option<Ending>,
}

impl Said {
    fn last(text: String) -> Self {
        Self { text, ends: Some(Ending::Normal) }
    }
}

impl Conversation {
    pub(super) fn new(following: Following, stopping: CancellationToken, client_timeout: Duration) -> Self {
        let now = Instant::now();
        Self {
            talk: Talk::default(),
            following,
            stopping,
            client_timeout,
            heard_by: now + GREETING_TIMEOUT,
            burst: (now, 0),
        }
    }

    /// What is to be sent next. May be dropped at any await.
    pub(super) async fn next(&mut self, ears: &mut impl Hearing) -> Said {
        let last = |error: &str, allow_reconnect| Said::last(close(Some(error), allow_reconnect));
        loop {
            let is_greeted = self.talk.is_greeted();
            tokio::select! {
                heard = ears.hear() => {
                    if heard == Words::Gone {
                        return Said::last(String::new());
                    }
                    if self.is_flooded() {
                        return last("messages come too fast; send fewer", false);
                    }
                    let Heard { answers: text, ends } = self.heard(heard);
                    // Until it has greeted nothing else is a sign of life.
                    if self.talk.is_greeted() {
                        self.heard_by = Instant::now() + self.client_timeout;
                    }
                    if ends.is_some() || !text.is_empty() {
                        return Said { text, ends };
                    }
                }
                followed = self.following.next(), if is_greeted => match followed {
                    Followed::New(rows) => {
                        return Said { text: rows.iter().map(invocation).collect(), ends: None };
                    }
                    Followed::Quiet => return Said { text: ping(), ends: None },
                    // With a new token, or once the host is back, the client may come again.
                    Followed::Over(over) => return last(over.sentence(), over != Over::Revoked),
                },
                () = sleep_until(self.heard_by) => {
                    return last("the client was silent for too long; it should send a sign of life", true);
                }
                () = self.stopping.cancelled(), if !is_greeted => {
                    return Said::last(String::new());
                }
            }
        }
    }

    fn heard(&mut self, words: Words) -> Heard {
        match words {
            Words::Text(piece) => self.talk.hear(&piece),
            // What speaks a binary protocol greets in one, with text all the same: it is told which protocol is spoken.
            Words::Binary(bytes) if !self.talk.is_greeted() => match String::from_utf8(bytes) {
                Ok(piece) => self.talk.hear(&piece),
                Err(_) => self.talk.unreadable(Ending::Binary),
            },
            Words::Binary(_) => self.talk.unreadable(Ending::Binary),
            Words::Unreadable(ending) => self.talk.unreadable(ending),
            Words::Gone => Heard { answers: String::new(), ends: Some(Ending::Normal) },
        }
    }

    fn is_flooded(&mut self) -> bool {
        let now = Instant::now();
        let (since, messages) = &mut self.burst;
        if now.duration_since(*since) > BURST_PERIOD {
            (*since, *messages) = (now, 0);
        }
        *messages += 1;
        *messages > BURST_MAX
    }
}
