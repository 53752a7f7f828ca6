//! Jobs with a common end: batches, and workflows, which are batches whose jobs have names. Counts are kept in the
//! transaction of each change, and what is to be enqueued when all have ended is enqueued in the one that ends the last.

mod callbacks;
mod cancel;
mod create;
mod inspect;
mod keep;
mod members;
pub(super) mod model;
mod prune;
mod whole;

pub(super) use cancel::{cancel_batch, cancel_further};
pub(super) use create::{close_batch, create_batch};
pub(super) use inspect::{batch, batches, graph, jobs_of, membership_of};
pub(super) use keep::{OfBatch, of_batch};
pub(super) use members::{TieCheck, job_ended, job_goes, job_reopened, join, recount_skipped, tie_refusal};
pub(super) use prune::prune_batches;
pub(super) use whole::{Whole, ends_with_its_whole, tie_to_whole};
