//! Steps of a job: parts whose results are kept, sleeps and waits for events. What an execution asks for is compared with what
//! earlier ones recorded. Pure.

mod ledger;
mod model;

pub use ledger::{Begun, Ledger, StepError};
pub use model::{
    Asked, CORRELATION_BYTES_MAX, EventName, STEP_RESULT_BYTES_MAX, STEPS_BYTES_MAX, STEPS_MAX, Step, StepName,
    StepNameError, StepType, WAIT_MAX,
};
