//! The outbox. Guarantees: a mail is committed with the success of its job; it is transmitted only by a host that has claimed it in a
//! commit of its own, one mail at a time, so that a host that dies leaves at most one mail of which nobody knows whether the server
//! has it; and what a transmission came to is written only by the host that still holds it.

mod act;
mod claim;
mod count;
mod model;
mod operations;
mod prune;
mod read;
mod settle;
mod write;

pub use model::*;
pub(super) use read::{mail_facts, mails_of_job};
pub(super) use write::{bytes_of, write};
