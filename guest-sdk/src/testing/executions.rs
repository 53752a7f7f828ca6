//! A handler's way to its end through several executions, as a host takes it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::FakeHost;
use crate::effects::fake::{Effects, Emitted};
use crate::effects::notify::fake::Notified;
use crate::failure::whole_ms;
use crate::mail::Mail;
use crate::steps::fake::Ended;
use crate::steps::ledger::Step;
use crate::{Failure, Handler};

/// Executions after which a handler is taken for one that never ends.
const EXECUTIONS_MAX: u32 = 10_000;

impl FakeHost {
    /// Runs a handler as often as it takes: where it sleeps, waits for an event, or the host is to die, it is run again from its
    /// top with what was recorded, as a host does. Time it sleeps passes at once: of the next execution, `run_at` and the deadline
    /// are later by as much. For all places where the host can die there is [`crash_everywhere`](super::crash_everywhere).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "transfer")]
    /// fn transfer(context: &Context, cents: u64) -> Result<u64, Failure> {
    ///     let taken = context.step("take", || Ok(cents))?;
    ///     context.sleep("settle", Duration::from_secs(60))?;
    ///     context.step("give", || Ok(taken))
    /// }
    ///
    /// // Whenever the host dies, what it comes to is the same.
    /// for steps in 1..=3 {
    ///     let host = FakeHost::new().crash_after_steps(steps);
    ///     assert_eq!(host.run_to_end::<transfer>(500), Ok(500));
    ///     assert_eq!(host.steps().len(), 3);
    /// }
    /// ```
    pub fn run_to_end<H: Handler>(&self, input: H::Input) -> Result<H::Output, Failure>
    where
        H::Input: Clone,
    {
        self.recorder.lock().grants.asked_by(H::SETTINGS);
        self.to_its_end(|| H::handle(&self.context_of(H::KIND.name()), input.clone()))
    }

    /// The host dies when so many steps are recorded, before the handler learns of it; sleeps and waits are steps. May be said
    /// several times.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "once")]
    /// fn once(context: &Context, _: ()) -> Result<u32, Failure> {
    ///     context.step("count", || Ok(1))
    /// }
    /// let host = FakeHost::new().crash_after_steps(1);
    /// assert_eq!((host.run_to_end::<once>(()), host.executions()), (Ok(1), 2));
    /// ```
    #[must_use]
    pub fn crash_after_steps(self, steps: usize) -> Self {
        self.recorder.lock().job.crashes_after.push(steps);
        self
    }

    /// The host dies when this step, counted from 1, has been run, and its result is not recorded: it is run again. May be said
    /// several times.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "charge")]
    /// fn charge(context: &Context, _: ()) -> Result<(), Failure> {
    ///     context.step("charge", || {
    ///         stoker_sdk::info!("charged under {}", context.idempotency_key());
    ///         Ok(())
    ///     })
    /// }
    /// let host = FakeHost::new().crash_in_step(1);
    /// assert_eq!(host.run_to_end::<charge>(()), Ok(()));
    /// let logs = host.logs();
    /// assert_eq!((logs.len(), &logs[0]), (2, &logs[1]), "twice, and under one key");
    /// ```
    #[must_use]
    pub fn crash_in_step(self, step: usize) -> Self {
        self.recorder.lock().job.crashes_before.push(step);
        self
    }

    /// An event that came since the job was enqueued, with its data as JSON text: a wait for it returns at once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().event("paid", "7", "true").context();
    /// assert_eq!(context.wait_for("paid", "7", Duration::from_secs(1)), Ok(Some(true)));
    /// assert_eq!(context.wait_for::<bool>("paid", "7", Duration::from_secs(1)), Ok(None));
    /// ```
    #[must_use]
    pub fn event(self, event_type: &str, correlation: &str, data: &str) -> Self {
        self.event_after(Duration::ZERO, event_type, correlation, data)
    }

    /// An event that comes so long after the job was enqueued, in the time that handlers sleep and wait: a wait for it that begins
    /// before ends the execution, and the next one has it, if it comes in time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "ship")]
    /// fn ship(context: &Context, order: String) -> Result<Option<u64>, Failure> {
    ///     context.wait_for("paid", &order, Duration::from_secs(60))
    /// }
    /// let paid_after = |time| FakeHost::new().event_after(time, "paid", "7", "4200").run_to_end::<ship>("7".into());
    /// assert_eq!(paid_after(Duration::from_secs(60)), Ok(Some(4_200)));
    /// assert_eq!(paid_after(Duration::from_secs(61)), Ok(None));
    /// ```
    #[must_use]
    pub fn event_after(self, time: Duration, event_type: &str, correlation: &str, data: &str) -> Self {
        self.recorder.lock().job.add_event(whole_ms(time), [event_type, correlation, data]);
        self
    }

    /// What was recorded, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.recorder.lock().job.ledger.steps()
    }

    /// How often handlers were run from their top.
    pub fn executions(&self) -> u32 {
        self.recorder.lock().executions
    }

    /// The requests for jobs that the last execution made, JSON text as `POST /v1/jobs` takes it. None, unless it succeeded.
    pub fn enqueued(&self) -> Vec<String> {
        self.recorder.lock().effects.enqueued.clone()
    }

    /// The events that the last execution emitted. None, unless it succeeded.
    pub fn emitted(&self) -> Vec<Emitted> {
        self.recorder.lock().effects.emitted.clone()
    }

    /// The users whom the last execution told something. None, unless it succeeded.
    pub fn notifications(&self) -> Vec<Notified> {
        self.recorder.lock().effects.notified.clone()
    }

    /// The mails that the last execution sent. None, unless it succeeded.
    ///
    /// ```
    /// # use stoker_sdk::mail::Mail;
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "late", grants(mail = ["noreply@shop.example"]))]
    /// fn late(context: &Context, fails: bool) -> Result<(), Failure> {
    ///     context.send_mail(&Mail::to("ada@example.com").from("noreply@shop.example").text("Hello"))?;
    ///     if fails { Err(Failure::fatal("after all")) } else { Ok(()) }
    /// }
    /// let host = FakeHost::new();
    /// let _failed = host.run::<late>(true);
    /// assert!(host.mails().is_empty());
    /// host.run::<late>(false).unwrap();
    /// assert_eq!(host.mails()[0].text_body(), Some("Hello"));
    /// ```
    pub fn mails(&self) -> Vec<Mail> {
        self.recorder.lock().effects.mails.clone()
    }

    /// How long handlers slept, and waited for events.
    pub fn slept(&self) -> Duration {
        Duration::from_millis(self.recorder.lock().job.slept_ms)
    }

    pub(super) fn to_its_end<T>(&self, execute: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        for _ in 0..EXECUTIONS_MAX {
            if let Some(result) = self.one_execution(&execute) {
                return result;
            }
        }
        panic!("the handler was run {EXECUTIONS_MAX} times and came to no end");
    }

    /// `None`: it is to be run again.
    pub(crate) fn one_execution<T>(&self, execute: impl FnOnce() -> Result<T, Failure>) -> Option<Result<T, Failure>> {
        self.recorder.begin_execution();
        {
            let mut record = self.recorder.lock();
            record.executions += 1;
            record.effects = Effects::default();
            record.databases.end_execution();
        }
        let ended = catch_unwind(AssertUnwindSafe(execute));
        let mut record = self.recorder.lock();
        record.job.is_executing = false;
        record.databases.end_execution();
        if !matches!(ended, Ok(Ok(_))) {
            record.effects = Effects::default();
        }
        match ended {
            Ok(result) => Some(result),
            Err(panic) => match panic.downcast::<Ended>() {
                Ok(ended) => match *ended {
                    Ended::Crashed | Ended::Waited => None,
                },
                Err(panic) => {
                    drop(record);
                    resume_unwind(panic)
                }
            },
        }
    }
}
