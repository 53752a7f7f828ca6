//! What a plain command is told of the jobs its job runs after. (A handler asks for itself.)

use serde_json::value::RawValue;

use crate::job::{Failure, FailureReason, JobState, ParentOutput};
use crate::sandbox::{ParentFacts, Parents};

/// Where a plain command finds what they returned: a JSON object by name or id.
pub const PARENT_OUTPUTS: &str = "STOKER_PARENT_OUTPUTS";
/// Its size, bytes.
const PARENT_OUTPUTS_BYTES_MAX: usize = 64 << 10;

/// The value of the variable. A failure is `module_unavailable` where this host can't tell, `invalid_payload` where it would be
/// too large, or one of them is gone.
pub async fn parent_outputs(parents: &dyn Parents) -> Result<String, Failure> {
    let unavailable = |why: String| {
        let message = "the outputs of the jobs it runs after could not be read";
        Failure::new(FailureReason::ModuleUnavailable, message).with_detail(why)
    };
    let mut text = String::from("{");
    for ParentFacts { job, name, state } in parents.list().await.map_err(unavailable)? {
        // Of one that is gone it must be found out whether it would have been in here.
        if !matches!(state, None | Some(JobState::Succeeded)) {
            continue;
        }
        let output = match parents.output(job.to_string()).await.map_err(unavailable)? {
            ParentOutput::Json(output) => output,
            ParentOutput::None => continue,
            ParentOutput::Gone(sentence) => {
                let message = format!("{PARENT_OUTPUTS} can't be made: {sentence}");
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
        if text.len() >= PARENT_OUTPUTS_BYTES_MAX {
            let message = format!(
                "the jobs it runs after returned more than {PARENT_OUTPUTS_BYTES_MAX} bytes, which is the most {PARENT_OUTPUTS} \
                 holds; let them return less, or make this kind a handler, which reads them one by one"
            );
            return Err(Failure::new(FailureReason::InvalidPayload, message));
        }
    }
    text.push('}');
    Ok(text)
}
