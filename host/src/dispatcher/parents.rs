//! The outputs of the jobs a job runs after: read by handlers when they ask, handed to plain commands as a variable.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::job::{Failure, FailureReason, JobId, JobState, ParentOutput};
use crate::sandbox::{ParentFacts, Parents, Told};
use crate::store::Store;

/// Where a plain command finds them: a JSON object by name or id.
pub(super) const VARIABLE: &str = "STOKER_PARENT_OUTPUTS";
/// Its size, bytes.
const VARIABLE_BYTES_MAX: usize = 64 << 10;

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

    /// What a plain command is handed.
    pub(super) async fn variable(&self) -> Result<String, Failure> {
        let unavailable = |why: String| {
            let message = "the outputs of the jobs it runs after could not be read";
            Failure::new(FailureReason::ModuleUnavailable, message).with_detail(why)
        };
        let mut text = String::from("{");
        for ParentFacts { job, name, state } in self.list().await.map_err(unavailable)? {
            // Of one that is gone it must be found out whether it would have been in here.
            if !matches!(state, None | Some(JobState::Succeeded)) {
                continue;
            }
            let output = match self.output(job.to_string()).await.map_err(unavailable)? {
                ParentOutput::Json(output) => output,
                ParentOutput::None => continue,
                ParentOutput::Gone(sentence) => {
                    let message = format!("{VARIABLE} can't be made: {sentence}");
                    return Err(Failure::new(FailureReason::InvalidPayload, message));
                }
            };
            let key = serde_json::to_string(&name.unwrap_or_else(|| job.to_string())).unwrap_or_default();
            let output: &RawValue = serde_json::from_slice(&output).map_err(|error| unavailable(error.to_string()))?;
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&key);
            text.push(':');
            text.push_str(output.get());
            if text.len() >= VARIABLE_BYTES_MAX {
                let message = format!(
                    "the jobs it runs after returned more than {VARIABLE_BYTES_MAX} bytes, which is the most {VARIABLE} holds; \
                     let them return less, or make this kind a handler, which reads them one by one"
                );
                return Err(Failure::new(FailureReason::InvalidPayload, message));
            }
        }
        text.push('}');
        Ok(text)
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
