//! What happens with the job's success, or not at all: jobs that are enqueued, events that are emitted, users who are told, mail that
//! is sent. The host collects it and commits it together with `succeeded`; of an attempt that fails, or is suspended, nothing remains.

pub(crate) mod notify;

use std::error::Error;
use std::fmt;

use serde::Serialize;

use crate::enqueue::{NewJob, Takes};
use crate::{Context, json};

pub use notify::NotificationLevel;

/// Why something can't be asked for. With `?` it means "try again later", as any error does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectError {
    /// The kind is not granted it: an operator has to.
    NotGranted,
    /// It can't be: why.
    Refused(String),
}

impl fmt::Display for EffectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EffectError::NotGranted => f.write_str("the kind is not granted what it asks for on success"),
            EffectError::Refused(why) => f.write_str(why),
        }
    }
}

impl Error for EffectError {}

impl Context {
    /// Enqueues a job of this kind when this one succeeds; in the transaction that says so, or not at all. The kind has to be
    /// granted (`grants(enqueue = ["email.*"])`). If there is no such kind by then, or its schema does not take the payload, this
    /// attempt has failed, as `effect_rejected`.
    ///
    /// Asks the host, and so needs one of version 1.3 of `stoker:handler`.
    ///
    /// ```
    /// use stoker_sdk::testing::FakeHost;
    /// use stoker_sdk::{Context, Failure, handler};
    ///
    /// #[handler(kind = "email.welcome")]
    /// fn welcome(_context: &Context, _user: String) -> Result<(), Failure> {
    ///     Ok(())
    /// }
    ///
    /// #[handler(kind = "sign-up", grants(enqueue = ["email.*"]))]
    /// fn sign_up(context: &Context, user: String) -> Result<(), Failure> {
    ///     context.enqueue(welcome::KIND, &user)?;
    ///     Ok(())
    /// }
    ///
    /// let host = FakeHost::new();
    /// assert_eq!(host.run::<sign_up>("Ada".into()), Ok(()));
    /// assert_eq!(host.enqueued(), [r#"{"kind":"email.welcome","payload":"Ada"}"#]);
    /// ```
    pub fn enqueue<P: Serialize + ?Sized>(&self, kind: impl Takes<P>, payload: &P) -> Result<(), EffectError> {
        let job = NewJob::of(kind, payload).map_err(|refused| EffectError::Refused(refused.to_string()))?;
        self.enqueue_job(&job)
    }

    /// The same with every option a job can have.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::enqueue::NewJob;
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().may_enqueue("email.*");
    /// let job = NewJob::of("email.remind", "Ada")?.delay(Duration::from_secs(3_600));
    /// host.context().enqueue_job(&job).unwrap();
    /// assert_eq!(host.enqueued(), [r#"{"kind":"email.remind","payload":"Ada","delay":"3600s"}"#]);
    /// # Ok::<(), stoker_sdk::enqueue::Refused>(())
    /// ```
    pub fn enqueue_job(&self, job: &NewJob) -> Result<(), EffectError> {
        self.enqueue_json(&job.to_json())
    }

    /// Emits an event when this job succeeds: jobs that [wait for](Context::wait_for) one of this type and correlation go on. The
    /// type has to be granted (`grants(events = ["payment.*"])`). The data are at most 256 KiB of JSON.
    ///
    /// ```
    /// use stoker_sdk::testing::{Emitted, FakeHost};
    ///
    /// let host = FakeHost::new().may_emit("payment.*");
    /// host.context().emit("payment.received", "order-7", &4_200).unwrap();
    /// let event =
    ///     Emitted { event_type: "payment.received".into(), correlation: "order-7".into(), data: "4200".into() };
    /// assert_eq!(host.emitted(), [event]);
    /// ```
    pub fn emit<T: Serialize + ?Sized>(
        &self,
        event_type: &str,
        correlation: &str,
        data: &T,
    ) -> Result<(), EffectError> {
        let data = json::print(data).map_err(|error| EffectError::Refused(error.message().to_owned()))?;
        self.emit_json(event_type, correlation, data)
    }
}

#[cfg(target_family = "wasm")]
mod calls {
    use super::EffectError;
    use crate::Context;
    use crate::bindings::stoker::handler::{events, jobs};

    #[allow(clippy::unused_self, clippy::needless_pass_by_value)] // A fake host has them behind a context, and keeps what it is given.
    impl Context {
        pub(super) fn enqueue_json(&self, request: &str) -> Result<(), EffectError> {
            jobs::enqueue(request).map_err(|error| match error {
                jobs::Error::NotGranted => EffectError::NotGranted,
                jobs::Error::Refused(why) => EffectError::Refused(why),
            })
        }

        pub(super) fn emit_json(&self, event_type: &str, correlation: &str, data: String) -> Result<(), EffectError> {
            events::emit(event_type, correlation, &data).map_err(|error| match error {
                events::Error::NotGranted => EffectError::NotGranted,
                events::Error::Refused(why) => EffectError::Refused(why),
            })
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub(crate) mod fake;
