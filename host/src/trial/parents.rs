//! The jobs a job under trial runs after: those that were named for it, all of which have succeeded.

use bytes::Bytes;

use crate::job::{JobId, JobState, ParentOutput};
use crate::sandbox::{ParentFacts, Parents, Told};

/// A job that has succeeded, and what it returned.
#[derive(Clone, Debug)]
pub struct GivenParent {
    /// In the workflow there is not.
    pub name: String,
    /// JSON text.
    pub output: Bytes,
}

/// Those of one job.
#[derive(Debug)]
pub(super) struct GivenParents(Vec<(JobId, GivenParent)>);

impl GivenParents {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With an id each.
    pub(super) fn of(parents: Vec<GivenParent>, mut next_id: impl FnMut() -> JobId) -> Self {
        Self(parents.into_iter().map(|parent| (next_id(), parent)).collect())
    }
}

impl Parents for GivenParents {
    fn list(&self) -> Told<'_, Vec<ParentFacts>> {
        let facts = |(job, parent): &(JobId, GivenParent)| ParentFacts {
            job: *job,
            name: Some(parent.name.clone()),
            state: Some(JobState::Succeeded),
        };
        Box::pin(async move { Ok(self.0.iter().map(facts).collect()) })
    }

    fn output(&self, parent: String) -> Told<'_, ParentOutput> {
        let is_meant = |(job, known): &&(JobId, GivenParent)| known.name == parent || job.to_string() == parent;
        let known = self.0.iter().find(is_meant);
        let output = known.map_or(ParentOutput::None, |(_, known)| ParentOutput::Json(known.output.clone()));
        Box::pin(async move { Ok(output) })
    }
}
