//! The shapes of requests and answers. Wire types only: converted to and from domain types in one place each.

pub mod duration;
pub mod job;
pub mod kind;
pub mod module;
pub mod queue;
mod raw;
pub mod retry;
pub mod settings;
pub mod size;
pub mod time;

pub use duration::Millis;
pub use raw::Raw;
pub use size::ByteSize;
pub use time::Instant;

/// A list that is always given as a whole.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
}

/// One page of a list.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Listing<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; `null` on the last.
    pub next_cursor: Option<String>,
}
