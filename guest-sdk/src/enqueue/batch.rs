//! Jobs with a common end.

use serde::{Serialize, Serializer};

use super::object::{Object, array};
use super::{Close, NewJob};
use crate::json::JsonText;

/// Jobs that are counted together, and what follows when they have ended: the body of `POST /v1/batches`.
///
/// ```
/// use stoker_sdk::enqueue::{Batch, Close, NewJob};
///
/// let mut import = Batch::new().name("import").close(Close::WhenDone).on_finish(NewJob::of("tell", &"everybody")?);
/// for file in ["a.csv", "b.csv"] {
///     import = import.job(NewJob::of("import", &file)?);
/// }
/// assert!(import.to_json().starts_with(r#"{"name":"import","close":"when_done","on_finish":{"kind":"tell""#));
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    object: Object,
    jobs: Vec<NewJob>,
}

impl Batch {
    /// One without jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// For people: 1 to 128 bytes.
    #[must_use]
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.object.set_text("name", name.as_ref());
        self
    }

    /// When it takes no more jobs; by default at once if it has some, else on request.
    #[must_use]
    pub fn close(mut self, close: Close) -> Self {
        self.object.set_text("close", close.as_str());
        self
    }

    /// Adds a job: at most 10,000.
    #[must_use]
    pub fn job(mut self, job: NewJob) -> Self {
        self.jobs.push(job);
        self
    }

    /// Adds jobs.
    #[must_use]
    pub fn jobs(mut self, jobs: impl IntoIterator<Item = NewJob>) -> Self {
        self.jobs.extend(jobs);
        self
    }

    /// Enqueued when all have succeeded.
    #[must_use]
    pub fn on_success(mut self, job: NewJob) -> Self {
        self.object.set("on_success", job.to_json());
        self
    }

    /// Enqueued when the first has failed for good.
    #[must_use]
    pub fn on_failure(mut self, job: NewJob) -> Self {
        self.object.set("on_failure", job.to_json());
        self
    }

    /// Enqueued when all have ended.
    #[must_use]
    pub fn on_finish(mut self, job: NewJob) -> Self {
        self.object.set("on_finish", job.to_json());
        self
    }

    /// The body of `POST /v1/batches`.
    pub fn to_json(&self) -> String {
        let mut object = self.object.clone();
        if !self.jobs.is_empty() {
            object.set("jobs", array(self.jobs.iter().map(NewJob::to_json)));
        }
        object.to_json()
    }
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JsonText(&self.to_json()).serialize(serializer)
    }
}
