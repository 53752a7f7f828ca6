//! Steps of jobs. Guarantees: a step is on the disk before its handler goes on, and is refused once the attempt's lease is not
//! the job's; with its first step a job stays on the module version that recorded it; what a suspended job waits for, and that it
//! waits, are written in one transaction.

mod operations;
mod pinned;
mod read;
mod record;
mod removal;
mod suspend;
mod wake;

pub use operations::{ReceiveEventResult, RecordStepResult};
pub(super) use pinned::{PinnedKinds, is_needed};
pub(super) use read::steps_of;
pub(super) use removal::{DELETE_STEPS, DELETE_WAIT, forget_wait};
pub(super) use suspend::{put_to_sleep, receive, wait_for_event};
pub(super) use wake::{Woken, ends_at, next_wake, time_out_waits, wake, wake_by_hand};
