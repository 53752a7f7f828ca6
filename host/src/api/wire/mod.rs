//! The shapes of requests and answers. Wire types only: converted to and from domain types in one place each.

pub(in crate::api) mod ceilings;
pub mod job;
pub mod kind;
pub mod module;
pub mod queue;
mod raw;
pub mod time;

pub use raw::Raw;
pub use time::Instant;

/// One page of a list.
#[derive(Debug, serde::Serialize)]
pub struct Listing<T> {
    /// The items; those of earlier pages are newer.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; `null` on the last.
    pub next_cursor: Option<String>,
}
