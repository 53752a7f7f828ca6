//! Serves the router on a listener, on connections that may not cost more than they are worth.
//!
//! Guarantees: the number of connections is bounded; one that sends no whole request head in time, lies idle, or
//! does not read its answers is closed; when all are taken, one that does nothing makes room for a new one, so that
//! `/health/*` can be reached; who is refused before its body was read gets to see the answer; and all end in order. No
//! timer and no clock is asked on behalf of a request: one sweep looks at all connections.

mod accept;
mod answer;
mod crowd;
mod standing;
mod stream;
mod tls;
mod unread;

pub use accept::{OTHER_FILES_MAX, serve};
pub use tls::Tls;
