//! Jobs: one file per action, and the rules all of them share (`request.rs`: what may be asked for; `view.rs`: how a
//! job is shown).

mod after;
mod batch;
mod batch_lines;
mod batch_reply;
mod cancel;
mod delete;
mod edit;
mod ends;
mod enqueue;
mod inspect;
mod limited;
mod list;
mod log_pieces;
mod logs;
mod many;
mod payload;
mod replay;
mod request;
mod retry;
mod run_now;
pub(super) mod unique_conflict;
mod view;
mod wait;
mod waiting;

pub(super) use after::{AfterRequest, unknown_parent};
pub(super) use batch::*;
pub(super) use cancel::*;
pub(super) use delete::*;
pub(super) use edit::*;
pub(super) use ends::check_on_failed;
pub(super) use enqueue::*;
pub(super) use inspect::*;
pub(super) use list::*;
pub(super) use logs::*;
pub(super) use many::{Refusals, check_many};
pub(super) use payload::check_thoroughly;
pub(super) use replay::*;
pub(super) use request::{
    JobRequest, Refused, Rules, RulesOf, Unfinished, alike, did_you_mean, payload_too_large, unknown_kind,
};
pub(super) use retry::*;
pub(super) use run_now::*;
pub(super) use view::{Bulk, View};
