//! Events that handlers emit. Guarantees: an event is committed with the success of its job, and whoever waits for it is woken
//! in the same transaction, or, where those are many, by upkeep; each job is given the events of a type and correlation in their
//! order, each once, from those that came since it was enqueued.

mod deliver;
mod emit;
mod prune;

pub(super) use deliver::{deliver_some, next_event};
pub(super) use emit::{bytes_of, emit};
pub(super) use prune::prune_emitted;
