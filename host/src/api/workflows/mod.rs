//! Workflows: named jobs that wait for each other, made in one request.

mod cancel;
mod graph;
mod inspect;
mod submit;

pub(super) use cancel::*;
pub(super) use inspect::*;
pub(super) use submit::*;

use super::error::{ApiError, ProblemCode};
use crate::job::WorkflowId;

fn workflow_not_found(workflow: WorkflowId) -> ApiError {
    ApiError::new(
        ProblemCode::WorkflowNotFound,
        format!("there is no workflow `{workflow}`; GET /v1/workflows lists them, GET /v1/batches lists batches"),
    )
}
