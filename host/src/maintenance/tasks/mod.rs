//! The tasks, one file each.

mod heartbeat;
mod promote_due;
mod prune;
mod recover_expired;
mod unpark;

pub(super) use heartbeat::Heartbeat;
pub(super) use promote_due::PromoteDue;
pub(super) use prune::{PruneEvents, PruneIdempotencyKeys, PruneModuleChunks};
pub(super) use recover_expired::RecoverExpired;
pub(super) use unpark::Unpark;
