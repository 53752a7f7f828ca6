//! Follows one user's notifications as they come, for a connection that stays open.
//!
//! Guarantees: what comes after the last one that was given is given, in order, each once, whatever hints are lost; nothing
//! gathers in memory for who does not read; it is over when what the caller came with is worth nothing any more, and when the host
//! stops.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::places::Place;
use crate::api::error::ApiError;
use crate::api::identity::Call;
use crate::events::NotificationWatch;
use crate::job::{NotificationId, UserName};
use crate::store::NotificationRow;

/// Read at once: a tenth of a MiB each at most.
const ROWS_MAX: usize = 10;
/// Longest a connection lasts that came with what never expires. Whoever follows comes again.
const LASTS_MAX: Duration = Duration::from_hours(24);

/// See the file's head.
pub(in crate::api) struct Following {
    api: Call,
    user: UserName,
    /// The last one that was given, or was there when this began.
    last: NotificationId,
    watch: NotificationWatch,
    may_be_more: bool,
    /// When a sign of life is due.
    quiet_at: Instant,
    ends_at: Instant,
    _place: Place,
}

/// What is next.
#[derive(Debug)]
pub(in crate::api) enum Followed {
    New(Vec<NotificationRow>),
    /// Nothing came for so long that a sign of life is due.
    Quiet,
    Over(Over),
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Over {
    /// The host stops.
    Stopping,
    /// What the caller came with has expired, or was open for as long as it may be.
    Expired,
    /// It was revoked, or its tenant goes.
    Revoked,
    /// The store could not be read.
    Failed,
}

impl Over {
    /// A word for programs.
    pub(in crate::api) const fn as_str(self) -> &'static str {
        match self {
            Over::Stopping => "stopping",
            Over::Expired => "token_expired",
            Over::Revoked => "unauthorized",
            Over::Failed => "store_unavailable",
        }
    }

    /// A sentence for people.
    pub(in crate::api) const fn sentence(self) -> &'static str {
        match self {
            Over::Stopping => "the host is stopping; connect again in a moment",
            Over::Expired => "the token has expired; get a new one, and connect with that",
            Over::Revoked => "the credential is worth nothing any more",
            Over::Failed => "the store cannot be read now; connect again in a moment",
        }
    }
}

impl Following {
    /// From one on that is known, or from now on.
    pub(in crate::api) async fn begin(
        api: Call,
        user: UserName,
        after: Option<NotificationId>,
    ) -> Result<Self, ApiError> {
        let place = api.places.take(&api, &user)?;
        let tenant = api.caller.tenant;
        let watch = api.watchers.subscribe(tenant, user.clone());
        let last = match after {
            Some(last) => last,
            None => api.store.newest_notification(tenant, user.clone()).await?.unwrap_or(NotificationId::from_u128(0)),
        };
        let now = Instant::now();
        let left_ms = api.caller.expires_at.map(|at| at.as_ms().saturating_sub(api.clock.now().as_ms()));
        let left = left_ms.map_or(LASTS_MAX, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        Ok(Self {
            user,
            last,
            watch,
            may_be_more: true,
            quiet_at: now + api.config.notifications.keep_alive,
            ends_at: now + left.min(LASTS_MAX),
            _place: place,
            api,
        })
    }

    /// What is next. May be dropped at any await: nothing is lost.
    pub(in crate::api) async fn next(&mut self) -> Followed {
        loop {
            if let Some(over) = self.over() {
                return Followed::Over(over);
            }
            if self.may_be_more {
                let tenant = self.api.caller.tenant;
                let read = self.api.store.notifications_after(tenant, self.user.clone(), self.last, ROWS_MAX).await;
                let rows = match read {
                    Ok(rows) => rows,
                    Err(error) => {
                        tracing::debug!(%error, "notifications can't be followed");
                        return Followed::Over(Over::Failed);
                    }
                };
                self.may_be_more = rows.len() == ROWS_MAX;
                if let Some(last) = rows.last() {
                    self.last = last.id;
                    self.quiet_at = Instant::now() + self.api.config.notifications.keep_alive;
                    return Followed::New(rows);
                }
            }
            tokio::select! {
                () = self.watch.hinted() => self.may_be_more = true,
                () = sleep_until(self.quiet_at.min(self.ends_at)) => {
                    if Instant::now() >= self.quiet_at {
                        self.quiet_at = Instant::now() + self.api.config.notifications.keep_alive;
                        // The look that makes up for hints that were lost.
                        self.may_be_more = true;
                        return Followed::Quiet;
                    }
                }
                () = self.api.stopping.cancelled() => {}
            }
        }
    }

    fn over(&self) -> Option<Over> {
        let Call { caller, .. } = &self.api;
        if self.api.stopping.is_cancelled() {
            return Some(Over::Stopping);
        }
        let has_expired = caller.expires_at.is_some_and(|at| self.api.clock.now() >= at);
        if has_expired || Instant::now() >= self.ends_at {
            return Some(Over::Expired);
        }
        let catalog = self.api.store.catalog();
        let is_logged_in = caller.session.is_none_or(|session| catalog.credentials.sessions.contains_key(&session));
        let is_good = is_logged_in && self.api.is_still_known().is_ok() && catalog.is_open(caller.tenant);
        (!is_good).then_some(Over::Revoked)
    }
}
