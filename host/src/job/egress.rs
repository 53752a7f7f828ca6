//! What requests of handlers may take at most, and how a host looks names up and trusts servers for them. Pure values; the
//! sandbox keeps them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Bounds of requests. All of them hold beside the limits of the attempt, whose time is the end of each request of its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressBounds {
    /// Requests of one attempt.
    pub requests: u64,
    /// Connections an attempt has open at once.
    pub attempt_connections: u32,
    /// Connections all attempts of a tenant have open at once, on this host.
    pub tenant_connections: u32,
    /// Connections this host has open at once.
    pub host_connections: u32,
    /// Body of a request, bytes.
    pub request_bytes: u64,
    /// Body of a response, bytes.
    pub response_bytes: u64,
    /// Head of a response, bytes.
    pub head_bytes: usize,
    /// Looking a name up.
    pub dns_timeout: Duration,
    /// From the first packet to the end of the TLS handshake, over all addresses of a name.
    pub connect_timeout: Duration,
    /// From the connection to the head of the response.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a response.
    pub between_bytes_timeout: Duration,
    /// All of a request.
    pub total_timeout: Duration,
}

impl Default for EgressBounds {
    fn default() -> Self {
        Self {
            requests: 1_000,
            attempt_connections: 16,
            tenant_connections: 256,
            host_connections: 1_024,
            request_bytes: 16 << 20,
            response_bytes: 16 << 20,
            head_bytes: 32 << 10,
            dns_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(30),
            between_bytes_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(5),
        }
    }
}

/// How requests leave this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressOptions {
    /// What they may take.
    pub bounds: EgressBounds,
    /// Servers that look names up; empty: the system's.
    pub dns: Vec<SocketAddr>,
    /// Certificates (PEM) trusted beside those of the public authorities.
    pub ca_file: Option<PathBuf>,
}
