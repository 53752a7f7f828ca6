//! Jobs: one file per action, and the rules all of them share (`request.rs`: what may be asked for; `view.rs`: how a
//! job is shown).

mod batch;
mod batch_lines;
mod batch_reply;
mod cancel;
mod delete;
mod enqueue;
mod inspect;
mod list;
mod log_pieces;
mod logs;
mod payload;
mod request;
mod retry;
mod view;
mod wait;
mod waiting;

pub(super) use batch::*;
pub(super) use cancel::*;
pub(super) use delete::*;
pub(super) use enqueue::*;
pub(super) use inspect::*;
pub(super) use list::*;
pub(super) use logs::*;
pub(super) use payload::check_thoroughly;
pub(super) use request::{alike, did_you_mean, payload_too_large, unknown_kind};
pub(super) use retry::*;
