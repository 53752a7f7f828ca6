//! The jobs a job runs after, and their outputs, as the store has them.

use std::sync::Arc;

use crate::job::{JobId, ParentOutput};
use crate::sandbox::{ParentFacts, Parents, Told};
use crate::store::Store;

/// Those of one job.
#[derive(Debug)]
pub(super) struct StoredParents {
    store: Store,
    job: JobId,
}

impl StoredParents {
    pub(super) fn of(store: &Store, job: JobId) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), job })
    }
}

impl Parents for StoredParents {
    fn list(&self) -> Told<'_, Vec<ParentFacts>> {
        Box::pin(async {
            let rows = self.store.parents(self.job).await.map_err(|error| error.to_string())?;
            Ok(rows.into_iter().map(|row| ParentFacts { job: row.job, name: row.name, state: row.state }).collect())
        })
    }

    fn output(&self, parent: String) -> Told<'_, ParentOutput> {
        Box::pin(async { self.store.parent_output(self.job, parent).await.map_err(|error| error.to_string()) })
    }
}
