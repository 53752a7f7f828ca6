//! SQL databases of tenants: their rows in the store, and those that are files, with all that runs in them.
//!
//! What a handler says is SQL of a stranger: it runs on a connection of its own kind (`connection.rs`) under rules (`rules.rs`), watched
//! and stopped in time (`watch.rs`; functions that nothing could stop are others here, `functions.rs`), on a bounded number of threads of its own (`threads.rs`), within bounds of memory and temporary files
//! (`bounds.rs`), in a file that grows no further than its tenant may (`room.rs`). Every transaction that writes for an attempt carries its lease (`fence.rs`).

mod bounds;
mod carried;
mod connection;
mod errors;
mod fence;
mod files;
mod functions;
mod held;
mod memory;
mod model;
mod operations;
mod room;
mod rows;
mod rules;
mod session;
mod statements;
mod temporary;
mod threads;
mod trial;
mod watch;

pub(super) use carried::{carried_bytes, pack, unpack};
pub(super) use files::SqliteFiles;
pub(super) use memory::is_bounded as bound_memory;
pub use model::*;
pub(super) use rows::{database_facts, has_databases};
pub use session::SqliteSession;
pub use trial::TrialFiles;
