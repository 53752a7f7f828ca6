//! Databases on `PostgreSQL` servers that operators named: reached at addresses that were checked, pooled per database, run under the
//! same calls, bounds and leases as those that are files. The only code that names `tokio_postgres`.
//!
//! A connection is kept only where nothing is open on it and nothing was broken off; else it is closed, and the server is asked to
//! cancel what runs. A server that is down is an error of the call.

mod address;
mod calls;
mod cancel;
mod connection;
mod errors;
mod held;
mod rules;
mod script;
mod servers;
mod session;
mod tls;
mod values;
mod wire;

pub use servers::Servers;
pub use session::PostgresSession;
