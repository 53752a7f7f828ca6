//! Named jobs that wait for each other.

use serde::{Serialize, Serializer};

use super::graph::check;
use super::object::{Object, object};
use super::{NewJob, Refused};
use crate::json::JsonText;

/// Named jobs that wait for each other: the body of `POST /v1/workflows`.
///
/// ```
/// use std::time::Duration;
/// use stoker_sdk::enqueue::{After, NewJob, Workflow};
///
/// let nightly = Workflow::of([
///     ("fetch", NewJob::of("fetch", &"https://example.org")?),
///     ("render", NewJob::of("render", &())?.after("fetch")),
///     ("send", NewJob::of("send", &"ada@example.org")?.after("render").delay(Duration::from_secs(5))),
///     ("complain", NewJob::of("send", &"ops@example.org")?.after(After::failed("render"))),
/// ])?
/// .name("nightly");
/// assert!(nightly.to_json().starts_with(r#"{"jobs":{"fetch":{"kind":"fetch""#));
///
/// // What the host would refuse is refused here, in its words.
/// let refused = Workflow::of([
///     ("hen", NewJob::of("lay", &())?.after("egg")),
///     ("egg", NewJob::of("hatch", &())?.after("hen")),
/// ]);
/// assert!(refused.unwrap_err().to_string().ends_with("none could ever run: hen → egg → hen"));
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    object: Object,
}

impl Workflow {
    /// 1 to 1,000 jobs by their names. Refused where a name is none or stands twice, where one runs after what is not there, and
    /// where they wait for each other in a circle.
    pub fn of<N: Into<String>>(jobs: impl IntoIterator<Item = (N, NewJob)>) -> Result<Self, Refused> {
        let jobs: Vec<(String, NewJob)> = jobs.into_iter().map(|(name, job)| (name.into(), job)).collect();
        check(&jobs)?;
        let texts: Vec<String> = jobs.iter().map(|(_, job)| job.to_json()).collect();
        let mut whole = Object::default();
        let members = jobs.iter().zip(&texts).map(|((name, _), text)| (name.as_str(), text.as_str()));
        whole.set("jobs", object(members));
        Ok(Self { object: whole })
    }

    /// For people: 1 to 128 bytes.
    #[must_use]
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.object.set_text("name", name.as_ref());
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

    /// The body of `POST /v1/workflows`.
    pub fn to_json(&self) -> String {
        self.object.to_json()
    }
}

impl Serialize for Workflow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JsonText(&self.to_json()).serialize(serializer)
    }
}
