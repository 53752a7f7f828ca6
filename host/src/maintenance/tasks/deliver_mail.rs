//! Transmits the outbox: one mail at a time, each claimed before and written after. What one came to is written in the commit that
//! claims the next. Signalled by every commit that makes a mail due.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::job::mail::{Answer, Transmission};
use crate::job::{Clock, HostId};
use crate::mail::{Courier, written};
use crate::maintenance::driver::{Task, Turn};
use crate::store::{ClaimedMail, MailEnd, MailRound, MailTerms, MailTurn, NextMail, Store, StoreError, TenantId};

const SCAN_PERIOD: Duration = Duration::from_secs(30);
const PRUNE_PERIOD: Duration = Duration::from_mins(5);
/// How long a transmission may go on when the host is to stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

pub(in crate::maintenance) struct DeliverMail {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) courier: Courier,
    pub(in crate::maintenance) clock: Arc<dyn Clock>,
    pub(in crate::maintenance) host: HostId,
    pub(in crate::maintenance) terms: Arc<MailTerms>,
    /// A claim of another time may be another host's by now.
    pub(in crate::maintenance) lease_ttl: Duration,
    pub(in crate::maintenance) stop: CancellationToken,
    pub(in crate::maintenance) place: Mutex<Place>,
}

/// What goes from one turn to the next.
#[derive(Debug)]
pub(in crate::maintenance) struct Place {
    /// What the last transmission came to; kept until it is written.
    ended: Option<MailEnd>,
    /// How far the tenants were looked at, beginning behind the one whose mail went last.
    round: MailRound,
}

impl Default for Place {
    fn default() -> Self {
        Self { ended: None, round: MailRound::after(TenantId(0)) }
    }
}

impl Task for DeliverMail {
    fn name(&self) -> &'static str {
        "deliver_mail"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        if !self.courier.has_server() {
            return Ok(Turn::Done);
        }
        let pause = self.courier.pause();
        match self.next(pause.is_some()).await? {
            NextMail::Claimed(mail) => {
                let ended = self.transmit(*mail).await;
                self.place.lock().ended = Some(ended);
                if self.stop.is_cancelled() {
                    self.next(true).await?;
                }
                Ok(Turn::Again)
            }
            NextMail::More => Ok(Turn::Again),
            NextMail::Nothing(due) => {
                let idle = self.courier.rest().await;
                let soonest = [pause, due, idle].into_iter().flatten().min();
                Ok(soonest.map_or(Turn::Done, Turn::DoneUntil))
            }
        }
    }
}

impl DeliverMail {
    /// Writes what is to be written, and claims the next one, unless there is a pause.
    async fn next(&self, is_pause: bool) -> Result<NextMail, StoreError> {
        let (ended, round) = {
            let place = self.place.lock();
            (place.ended.clone(), place.round)
        };
        let turn = if is_pause { MailTurn::Pause } else { MailTurn::Round(round) };
        let (next, gone_on) = self.store.next_mail(self.host, ended, turn, Arc::clone(&self.terms)).await?;
        let mut place = self.place.lock();
        place.ended = None;
        place.round = gone_on.unwrap_or(round);
        Ok(next)
    }

    async fn transmit(&self, mail: ClaimedMail) -> MailEnd {
        let ClaimedMail { id, attempt, message_id, created_at, recipients, content } = mail;
        let end = |transmission| MailEnd { id, attempt, transmission };
        let message = match written(&content, id, &message_id, created_at) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(mail = %id, %error, "a mail can't be written as a message, which is a bug");
                let refused = Answer::Refused(format!("it can't be written as a message: {error}"));
                let answers = recipients.into_iter().map(|(place, _)| (place, refused.clone()));
                return end(Transmission::Answered(answers.collect()));
            }
        };
        let began = self.clock.monotonic();
        let may_go_on = async {
            let took = self.clock.monotonic().saturating_sub(began);
            // A host that was frozen may have been taken for dead, and the mail be another's.
            took < self.lease_ttl / 2 || self.store.holds_mail(self.host, id, attempt).await.unwrap_or(false)
        };
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            transmission = self.courier.carry(&content.sender, &recipients, &message, may_go_on) => end(transmission),
            () = stopped => {
                let why = "the host was stopped while it transmitted the mail".to_owned();
                end(Transmission::Unreachable(why))
            }
        }
    }
}

pub(in crate::maintenance) struct PruneMails {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) keep: Duration,
}

impl Task for PruneMails {
    fn name(&self) -> &'static str {
        "prune_mails"
    }

    fn period(&self) -> Duration {
        PRUNE_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_mails(self.keep).await?))
    }
}
