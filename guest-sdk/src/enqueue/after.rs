//! A job to run after.

use super::Wanted;
use super::object::{object, quoted};

/// A job to run after, and the end it is to come to. If it ends otherwise, the job that waits for it is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    pub(super) job: String,
    on: Wanted,
}

impl After {
    /// Once it has succeeded: what a name alone means.
    pub fn succeeded(job: impl Into<String>) -> Self {
        Self { job: job.into(), on: Wanted::Succeeded }
    }

    /// Once it has failed, or was cancelled.
    pub fn failed(job: impl Into<String>) -> Self {
        Self { job: job.into(), on: Wanted::Failed }
    }

    /// Once it has ended, whichever way.
    pub fn finished(job: impl Into<String>) -> Self {
        Self { job: job.into(), on: Wanted::Finished }
    }

    /// Once it has come to this end.
    pub fn ending(job: impl Into<String>, on: Wanted) -> Self {
        Self { job: job.into(), on }
    }

    pub(super) fn to_json(&self) -> String {
        let job = quoted(&self.job);
        match self.on {
            Wanted::Succeeded => job,
            Wanted::Failed | Wanted::Finished => object([("job", job.as_str()), ("on", &quoted(self.on.as_str()))]),
        }
    }
}

impl From<&str> for After {
    fn from(job: &str) -> Self {
        Self::succeeded(job)
    }
}

impl From<String> for After {
    fn from(job: String) -> Self {
        Self::succeeded(job)
    }
}
