//! A job to be enqueued, with every option there is.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::object::{Object, quoted};
use super::{After, OnFailed, Reason, Refused, Retry, Unique};
use crate::Kind;
use crate::json::{self, JsonText};

/// What names a kind that takes payloads of type `P`: a [`Kind`], which takes one type, or text, which takes any.
#[diagnostic::on_unimplemented(
    message = "jobs of this kind do not have payloads of type `{P}`",
    note = "a `Kind<T>` takes payloads of type `T`; text (\"email.send\") names a kind that takes any"
)]
pub trait Takes<P: ?Sized> {
    /// The kind's name.
    fn into_name(self) -> String;
}

impl<P: ?Sized> Takes<P> for Kind<P> {
    fn into_name(self) -> String {
        self.into()
    }
}

impl<P: ?Sized> Takes<P> for &str {
    fn into_name(self) -> String {
        self.to_owned()
    }
}

impl<P: ?Sized> Takes<P> for String {
    fn into_name(self) -> String {
        self
    }
}

/// A job to be enqueued: the body of `POST /v1/jobs`, or one of many in a batch, a workflow or a schedule.
///
/// What is not said follows the kind's settings. What is said twice holds as it was said last, but for [`after`](Self::after),
/// which adds. Nothing is checked here but what types can: the host says what it refuses, and where.
///
/// ```
/// use std::time::Duration;
/// use serde::{Deserialize, Serialize};
/// use stoker_sdk::enqueue::{NewJob, OnConflict, Retry, Unique};
/// use stoker_sdk::{Context, Failure, JsonSchema, handler};
///
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct Invoice {
///     customer: String,
///     cents: u64,
/// }
///
/// #[handler(kind = "invoice.send")]
/// fn send(_context: &Context, invoice: Invoice) -> Result<(), Failure> {
///     stoker_sdk::info!("{} owes {}", invoice.customer, invoice.cents);
///     Ok(())
/// }
///
/// let job = NewJob::of(send::KIND, &Invoice { customer: "ada".into(), cents: 4_200 })?
///     .delay(Duration::from_secs(60))
///     .retry(Retry::fixed(Duration::from_secs(10)))
///     .unique(Unique::fields(["/customer"]).on_conflict(OnConflict::Debounce).max_wait(Duration::from_secs(600)));
/// assert_eq!(
///     job.to_json(),
///     concat!(
///         r#"{"kind":"invoice.send","payload":{"customer":"ada","cents":4200},"delay":"60s","#,
///         r#""retry":{"strategy":"fixed","delay":"10s"},"#,
///         r#""unique":{"fields":["/customer"],"on_conflict":"debounce","max_wait":"600s"}}"#,
///     )
/// );
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
///
/// A payload of another type does not compile:
///
/// ```compile_fail
/// # use stoker_sdk::Kind;
/// # use stoker_sdk::enqueue::NewJob;
/// const DOUBLE: Kind<u32> = Kind::new("double");
/// let job = NewJob::of(DOUBLE, &"four");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    pub(super) object: Object,
    pub(super) after: Vec<After>,
}

impl NewJob {
    /// A job of this kind. Refused where the payload is nothing that JSON can say, as a map whose keys are lists.
    ///
    /// ```
    /// # use stoker_sdk::enqueue::NewJob;
    /// // A kind by its name alone takes a payload of any type.
    /// let job = NewJob::of("double", &21)?;
    /// assert_eq!(job.to_json(), r#"{"kind":"double","payload":21}"#);
    /// # Ok::<(), stoker_sdk::enqueue::Refused>(())
    /// ```
    pub fn of<P: Serialize + ?Sized>(kind: impl Takes<P>, payload: &P) -> Result<Self, Refused> {
        let mut object = Object::default();
        object.set_text("kind", &kind.into_name());
        object.set("payload", json::print(payload).map_err(|error| Refused::payload(&error))?);
        Ok(Self { object, after: Vec::new() })
    }

    /// The lane.
    #[must_use]
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.object.set_text("queue", queue.as_ref());
        self
    }

    /// 0 to 9, lower first.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.object.set_number("priority", priority.into());
        self
    }

    /// How long to wait before it may run; where it runs after others, from when those have ended. Not together with `run_at`.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.object.set_span("delay", delay);
        self
    }

    /// When it may run.
    #[must_use]
    pub fn run_at(mut self, run_at: SystemTime) -> Self {
        self.object.set_instant("run_at", run_at);
        self
    }

    /// Attempts in all: 1 to 1000.
    #[must_use]
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.object.set_number("max_attempts", max_attempts.into());
        self
    }

    /// Delays between attempts.
    #[must_use]
    pub fn retry(mut self, retry: impl Into<Retry>) -> Self {
        self.object.set("retry", retry.into().to_json());
        self
    }

    /// Which reasons are tried again, in place of the kind's; none of them where there are none.
    ///
    /// ```
    /// # use stoker_sdk::enqueue::{NewJob, Reason};
    /// let job = NewJob::of("double", &21)?.retry_on([Reason::Timeout, Reason::Trap]);
    /// assert!(job.to_json().ends_with(r#""retry_on":["timeout","trap"]}"#));
    /// # Ok::<(), stoker_sdk::enqueue::Refused>(())
    /// ```
    #[must_use]
    pub fn retry_on(mut self, reasons: impl IntoIterator<Item = Reason>) -> Self {
        self.object.set_array("retry_on", reasons.into_iter().map(|reason| quoted(reason.as_str())));
        self
    }

    /// It is cancelled, as `deadline_expired`, if it has not begun by then. Not together with `expires_in`.
    #[must_use]
    pub fn expires_at(mut self, expires_at: SystemTime) -> Self {
        self.object.set_instant("expires_at", expires_at);
        self
    }

    /// The same, counted from when it is enqueued.
    #[must_use]
    pub fn expires_in(mut self, expires_in: Duration) -> Self {
        self.object.set_span("expires_in", expires_in);
        self
    }

    /// What is enqueued, with what is known of the failure, when it has failed for good.
    #[must_use]
    pub fn on_failed(mut self, on_failed: OnFailed) -> Self {
        self.object.set("on_failed", on_failed.to_json());
        self
    }

    /// Wall time of an attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.object.set_span("timeout", timeout);
        self
    }

    /// Units of fuel of an attempt.
    #[must_use]
    pub fn fuel(mut self, fuel: u64) -> Self {
        self.object.set_number("fuel", fuel);
        self
    }

    /// Memory of an attempt, bytes.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.object.set_number("memory", bytes);
        self
    }

    /// Jobs of a kind with the same key share the limits its settings have for keys.
    #[must_use]
    pub fn concurrency_key(mut self, key: impl AsRef<str>) -> Self {
        self.object.set_text("concurrency_key", key.as_ref());
        self
    }

    /// Labels for finding it again: at most 16.
    #[must_use]
    pub fn tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.object.set_array("tags", tags.into_iter().map(|tag| quoted(tag.as_ref())));
        self
    }

    /// Runs after another job, too: one of a workflow by its name, any other by its id. At most 100.
    ///
    /// ```
    /// # use stoker_sdk::enqueue::{After, NewJob};
    /// let job = NewJob::of("report", &())?.after("fetch").after(After::finished("warm-up"));
    /// assert!(job.to_json().ends_with(r#""after":["fetch",{"job":"warm-up","on":"finished"}]}"#));
    /// # Ok::<(), stoker_sdk::enqueue::Refused>(())
    /// ```
    #[must_use]
    pub fn after(mut self, job: impl Into<After>) -> Self {
        self.after.push(job.into());
        self
    }

    /// The batch it is of, by its id, while that takes jobs.
    #[must_use]
    pub fn batch(mut self, batch: impl AsRef<str>) -> Self {
        self.object.set_text("batch", batch.as_ref());
        self
    }

    /// Makes the request repeatable: the same key and request within a day is the same job.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl AsRef<str>) -> Self {
        self.object.set_text("idempotency_key", key.as_ref());
        self
    }

    /// There is to be no other one like it.
    #[must_use]
    pub fn unique(mut self, unique: Unique) -> Self {
        self.object.set("unique", unique.to_json());
        self
    }

    /// The body of `POST /v1/jobs`, one line.
    pub fn to_json(&self) -> String {
        self.whole().to_json()
    }

    /// With what it runs after.
    pub(super) fn whole(&self) -> Object {
        let mut object = self.object.clone();
        if !self.after.is_empty() {
            object.set_array("after", self.after.iter().map(After::to_json));
        }
        object
    }
}

impl Serialize for NewJob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JsonText(&self.to_json()).serialize(serializer)
    }
}
