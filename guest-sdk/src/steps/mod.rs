//! Parts of a job whose results are kept. Owns what a handler says and how results become JSON; what is remembered is the host's.

#[cfg(not(target_family = "wasm"))]
pub(crate) mod fake;
#[cfg(target_family = "wasm")]
mod host;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod ledger;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::any::type_name;
use std::cell::RefCell;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::whole_ms;
use crate::text::joined;
use crate::{Context, Failure, payload};

/// What is known of a step that was begun.
pub(crate) enum Begun {
    /// JSON text.
    Recorded(String),
    /// Its key.
    Run(String),
}

thread_local! {
    /// Of the step that is being run.
    static KEY: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a step's part, whose key this is.
pub(crate) fn under_key<T>(key: String, run: impl FnOnce() -> T) -> T {
    KEY.set(Some(key));
    let ran = run();
    KEY.set(None);
    ran
}

impl Context {
    /// Runs a part of the job and keeps its result: it is on the disk before this returns, and later executions of the job (after
    /// a crash, a retry, a sleep) get it back instead of running the part again. If the part fails nothing is kept.
    ///
    /// A step is known again by its name, and by how many of that name came before it. So what a handler asks for must not
    /// depend on anything but its payload and the results of its steps: who asks for another step than was recorded gets a
    /// fatal failure that says so. The part may be run again if the host dies before its result is on the disk: give
    /// [`idempotency_key`](Context::idempotency_key) to whoever it calls. A job has at most 1,000 steps with at most 256 KiB each,
    /// 1 MiB together. Steps can't stand inside of each other.
    ///
    /// Asks the host, and so needs one of version 1.3 of `stoker:handler`.
    ///
    /// ```
    /// use stoker_sdk::testing::FakeHost;
    /// use stoker_sdk::{Context, Failure, handler};
    ///
    /// #[handler(kind = "provision")]
    /// fn provision(context: &Context, tenant: String) -> Result<u32, Failure> {
    ///     let id: u32 = context.step("create-database", || {
    ///         stoker_sdk::info!("creating the database of {tenant}");
    ///         Ok(7)
    ///     })?;
    ///     context.step("seed", || {
    ///         stoker_sdk::info!("seeding {id} under {}", context.idempotency_key());
    ///         Ok(())
    ///     })?;
    ///     Ok(id)
    /// }
    ///
    /// // The host dies after the first step; the second execution does not run it again.
    /// let host = FakeHost::new().crash_after_steps(1);
    /// assert_eq!(host.run_to_end::<provision>("acme".into()), Ok(7));
    /// assert_eq!(host.executions(), 2);
    /// let lines: Vec<String> = host.logs().into_iter().map(|line| line.message).collect();
    /// assert_eq!(lines[0], "creating the database of acme");
    /// assert!(lines[1].starts_with("seeding 7 under job_") && lines[1].ends_with("/seed/0"));
    /// assert_eq!(lines.len(), 2);
    /// ```
    pub fn step<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        run: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self.begin_step(name, type_name::<T>()).map_err(Failure::fatal)? {
            Begun::Recorded(result) => payload::parse_step(name, &result),
            Begun::Run(key) => {
                let ran = under_key(key, run).and_then(|value| {
                    self.record_step(&payload::print_step(name, &value)?).map_err(Failure::fatal)?;
                    Ok(value)
                });
                // Also where the result could not be recorded: the handler may go on without it.
                if ran.is_err() {
                    self.abandon_step();
                }
                ran
            }
        }
    }

    /// What names this piece of work for ever, whoever asks and however often: of the step that is being run, outside of one of the
    /// job. Send it along wherever something must not happen twice.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert_eq!(context.idempotency_key(), context.job_id());
    /// let key = context.step("charge", || Ok(context.idempotency_key())).unwrap();
    /// assert_eq!(key, format!("{}/charge/0", context.job_id()));
    /// ```
    pub fn idempotency_key(&self) -> String {
        KEY.with_borrow(Clone::clone).unwrap_or_else(|| self.job_id().to_owned())
    }

    /// Lets time pass, at no cost: the execution ends here, slot and memory are given back, no attempt is used. When the time has
    /// passed, through restarts of the host as well, the handler runs again from its top, and this returns. What it asked for
    /// with success (jobs, events, mail) before it slept is asked for again then.
    ///
    /// Known again by its name, as a [`step`](Context::step) is. At most 366 days. Needs a host of version 1.3 of `stoker:handler`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "trial")]
    /// fn trial(context: &Context, user: String) -> Result<String, Failure> {
    ///     context.step("welcome", || Ok(()))?;
    ///     context.sleep("trial", Duration::from_secs(14 * 24 * 3_600))?;
    ///     Ok(format!("the trial of {user} is over"))
    /// }
    ///
    /// let host = FakeHost::new();
    /// assert_eq!(host.run_to_end::<trial>("Ada".into()).as_deref(), Ok("the trial of Ada is over"));
    /// assert_eq!(host.executions(), 2);
    /// assert_eq!(host.slept(), Duration::from_secs(14 * 24 * 3_600));
    /// ```
    pub fn sleep(&self, name: &str, duration: Duration) -> Result<(), Failure> {
        self.sleep_ms(name, whole_ms(duration)).map_err(Failure::fatal)
    }

    /// Waits for an event of this type and correlation, as [`sleep`](Context::sleep) waits for time, and returns its data: that of
    /// the first one that came since the job was enqueued and was not returned to it before. One that is there already is returned
    /// at once. `None`: none came in this time, which is at most 366 days. A fatal failure where the data does not fit `T`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "ship")]
    /// fn ship(context: &Context, order: String) -> Result<String, Failure> {
    ///     let paid: Option<u64> = context.wait_for("payment.received", &order, Duration::from_secs(3_600))?;
    ///     Ok(paid.map_or("not paid".into(), |cents| format!("paid {cents}")))
    /// }
    ///
    /// let host = FakeHost::new().event("payment.received", "order-7", "4200");
    /// assert_eq!(host.run_to_end::<ship>("order-7".into()).as_deref(), Ok("paid 4200"));
    /// assert_eq!(host.executions(), 1);
    /// let late = FakeHost::new().event_after(Duration::from_secs(60), "payment.received", "order-7", "4200");
    /// assert_eq!(late.run_to_end::<ship>("order-7".into()).as_deref(), Ok("paid 4200"));
    /// assert_eq!((late.executions(), late.slept()), (2, Duration::from_secs(60)));
    /// assert_eq!(FakeHost::new().run_to_end::<ship>("order-7".into()).as_deref(), Ok("not paid"));
    /// ```
    pub fn wait_for<T: DeserializeOwned>(
        &self,
        event_type: &str,
        correlation: &str,
        timeout: Duration,
    ) -> Result<Option<T>, Failure> {
        let data = self.wait_for_json(event_type, correlation, whole_ms(timeout)).map_err(Failure::fatal)?;
        data.map(|data| payload::parse_event(event_type, &data)).transpose()
    }
}

/// What is said of a result of no use.
pub(crate) fn result_of(name: &str) -> String {
    joined(&["the result of step `", name, "`"])
}
