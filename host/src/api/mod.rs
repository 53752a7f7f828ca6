//! The HTTP API. `router.rs` shows every route on one page; one file per action.

mod state;

pub use state::ApiState;
