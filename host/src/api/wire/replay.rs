//! All it takes to run a job once more somewhere else, without its secrets.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::time::Instant;
use crate::job::step::Asked;
use crate::job::{
    Digest, JobId, KindName, LimitRequest, ModuleName, QueueName, SettingsWire, Step, StepType, TenantName, Timestamp,
};

/// The only form so far.
pub const FORMAT: u32 = 1;

/// The bundle of a replay.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Replay {
    /// Of the bundle: 1.
    pub format: u32,
    /// Whose run it is.
    pub job: ReplayedJob,
    /// As it was enqueued.
    #[schema(value_type = serde_json::Value)]
    pub payload: Box<RawValue>,
    /// What its last execution ran, or the next one would; its bytes are at `/v1/modules/{name}/versions/{digest}/wasm`.
    pub module: ReplayedModule,
    /// What the operator has set for the kind.
    pub settings: SettingsWire,
    /// What the job itself asks for.
    pub limits: ReplayedLimits,
    /// What the jobs returned that it runs after.
    pub parents: Vec<ReplayedParent>,
    /// What its executions recorded, in order.
    pub steps: Vec<ReplayedStep>,
}

/// The job of a replay.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayedJob {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// Whose.
    #[schema(value_type = String)]
    pub tenant: TenantName,
    /// What type of job.
    #[schema(value_type = String)]
    pub kind: KindName,
    /// Its lane.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// The attempt that is repeated, from 1.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// When it was enqueued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    pub run_at: Instant,
    /// The slot of the schedule that enqueued it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub slot_at: Option<Instant>,
}

/// The module of a replay.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayedModule {
    /// The module.
    #[schema(value_type = String)]
    pub name: ModuleName,
    /// The version.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// Limits that a job set itself.
#[derive(Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayedLimits {
    /// Wall time, ms.
    pub timeout_ms: Option<u64>,
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
}

impl From<&LimitRequest> for ReplayedLimits {
    fn from(limits: &LimitRequest) -> Self {
        let LimitRequest { fuel, timeout_ms, memory_bytes, .. } = *limits;
        Self { timeout_ms, fuel, memory_bytes }
    }
}

/// A job that had succeeded before this one began.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayedParent {
    /// Its name in their workflow, or its id.
    pub name: String,
    /// What it returned.
    #[schema(value_type = serde_json::Value)]
    pub output: Box<RawValue>,
}

/// A recorded step, sleep or wait.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayedStep {
    /// As its handler calls it; of a wait the type of the event.
    pub name: String,
    /// `step`, `sleep` or `event`.
    #[serde(rename = "type")]
    pub step_type: String,
    /// The how many-eth of its name, from 0.
    pub occurrence: u32,
    /// The type of its result, in the handler's words.
    pub shape: String,
    /// What the event is told apart by.
    pub correlation: Option<String>,
    /// What it returned, or the event brought.
    #[schema(value_type = Option<serde_json::Value>)]
    pub result: Option<Box<RawValue>>,
    /// The execution that recorded it.
    pub execution: i64,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Instant,
    /// When it was recorded, or the wait was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Instant>,
    /// When the sleep or the wait is over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Instant>,
    /// A step had failed before it in its execution.
    pub after_failure: bool,
}

/// Why a bundle can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Of another time.
    #[error("the bundle has format {0}, and this program knows {FORMAT}; take a newer one")]
    Format(u32),
    /// A step that is none.
    #[error("step {0} of the bundle is none: {1}")]
    Step(usize, String),
}

impl ReplayedStep {
    /// Of a step that was recorded.
    pub fn of(step: &Step) -> Result<Self, serde_json::Error> {
        let Step { index: _, asked, occurrence, result, execution, started_at, ended_at, until, after_failure } = step;
        let Asked { step_type, name, shape, correlation } = asked;
        Ok(Self {
            name: name.to_string(),
            step_type: step_type.as_str().to_owned(),
            occurrence: *occurrence,
            shape: shape.clone(),
            correlation: correlation.clone(),
            result: result.as_deref().map(serde_json::from_slice).transpose()?,
            execution: *execution,
            started_at: Instant(*started_at),
            ended_at: ended_at.map(Instant),
            until: until.map(Instant),
            after_failure: *after_failure,
        })
    }

    /// As it was recorded in this place.
    fn step(self, place: usize) -> Result<Step, ReplayError> {
        let wrong = |why: String| ReplayError::Step(place, why);
        let step_type = [StepType::Step, StepType::Sleep, StepType::Event]
            .into_iter()
            .find(|known| known.as_str() == self.step_type)
            .ok_or_else(|| wrong(format!("there is no type `{}`", self.step_type)))?;
        let name = self.name.parse().map_err(|error: crate::job::step::StepNameError| wrong(error.to_string()))?;
        Ok(Step {
            index: u32::try_from(place).unwrap_or(u32::MAX),
            asked: Asked { step_type, name, shape: self.shape, correlation: self.correlation },
            occurrence: self.occurrence,
            result: self.result.map(|result| String::from(Box::<str>::from(result)).into()),
            execution: self.execution,
            started_at: self.started_at.0,
            ended_at: self.ended_at.map(|at| at.0),
            until: self.until.map(|at| at.0),
            after_failure: self.after_failure,
        })
    }
}

impl Replay {
    /// Takes the steps out, in order.
    pub fn take_steps(&mut self) -> Result<Vec<Step>, ReplayError> {
        if self.format != FORMAT {
            return Err(ReplayError::Format(self.format));
        }
        std::mem::take(&mut self.steps).into_iter().enumerate().map(|(place, step)| step.step(place)).collect()
    }

    /// The slot it was enqueued for.
    pub fn slot_at(&self) -> Option<Timestamp> {
        self.job.slot_at.map(|at| at.0)
    }
}
