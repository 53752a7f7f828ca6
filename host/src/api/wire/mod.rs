//! The shapes of requests and answers. Wire types only: converted to and from domain types in one place each.

pub mod batch;
pub mod changes;
pub mod database;
pub mod dead_letter;
pub mod job;
pub mod key;
pub mod kind;
pub mod kv;
pub mod limits;
pub mod mail;
pub mod module;
pub mod notification;
pub mod operation;
pub mod queue;
mod raw;
pub mod replay;
pub mod schedule;
pub mod secret;
pub mod tenant;
pub mod time;
pub mod usage;

pub use raw::Raw;
pub use time::Instant;

/// Bytes as they are.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code)] // Only its schema is used.
pub struct Binary(Vec<u8>);

/// One page of a list.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; `null` on the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// A page of `limit` from rows of which one more was asked for than fits, to know whether there are more.
    pub fn of<'r, Row>(
        rows: &'r [Row],
        limit: usize,
        item: impl Fn(&'r Row) -> T,
        key: impl Fn(&'r Row) -> String,
    ) -> Self {
        let shown = &rows[..rows.len().min(limit)];
        let next_cursor = shown.last().filter(|_| rows.len() > limit).map(key);
        Self { items: shown.iter().map(item).collect(), next_cursor }
    }
}
