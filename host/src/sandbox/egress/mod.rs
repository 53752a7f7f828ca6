//! Requests on their way out of the sandbox: whom they may reach, how names are looked up, and what they may take.
//!
//! A connection is made to an address that was checked, and to nothing else; it serves one request. Nothing of it is shared
//! between attempts: no connection, no TLS session, no answer of DNS. Everything here is a future that ends when it is dropped.

mod body;
mod connect;
mod exchange;
mod places;
mod request;
mod resolver;
mod servers;
mod tls;

pub(super) use exchange::{Egress, Sender, Transfer};
pub(super) use request::is_hosts;
pub use servers::WayToServers;
