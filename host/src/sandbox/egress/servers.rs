//! The way to servers that operators named: looked up and checked as requests of handlers are, and connected to at what was checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::exchange::Egress;
use super::tls::server_name;
use crate::job::TenantName;
use crate::job::grants::{AddressClass, Host, class_of};

/// Addresses of one name that are tried, one after the other, and how long each.
const ADDRESSES_TRIED_MAX: usize = 4;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(4);

/// Cheap to clone.
#[derive(Clone)]
pub struct WayToServers(pub(in crate::sandbox) Arc<Egress>);

impl WayToServers {
    /// Connects to a server of a tenant: at a public address, or at one of the `inner` ones, address and port. What goes to the
    /// public goes encrypted. The error is a sentence that tells nothing of the inside.
    pub async fn connect(
        &self,
        tenant: &TenantName,
        (host, port): (&Host, u16),
        inner: &[SocketAddr],
        is_tls: bool,
    ) -> Result<(TcpStream, SocketAddr), String> {
        let found = match host {
            Host::Name(name) => {
                self.0.names().addresses(name, tenant).await.map_err(|_| "its name can't be looked up")?
            }
            Host::Address(address) => vec![*address],
        };
        let found: Vec<SocketAddr> = found.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        for address in &found {
            let is_public = class_of(address.ip()) == AddressClass::Public;
            if !is_public && !inner.contains(address) {
                return Err(format!(
                    "it is at {}, which an admin has to name among the database's `addresses`",
                    class_of(address.ip()).with_article()
                ));
            }
            if is_public && !is_tls {
                return Err(
                    "it is at a public address, to which nothing is sent in the clear; put `sslmode=require` into its \
                            URL"
                    .to_owned(),
                );
            }
        }
        for address in found.into_iter().take(ADDRESSES_TRIED_MAX) {
            if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await {
                return Ok((stream, address));
            }
        }
        Err("nobody answers there".to_owned())
    }

    /// What TLS is spoken with, and whose certificate it must be.
    pub fn tls(&self, host: &Host) -> Option<(TlsConnector, ServerName<'static>)> {
        Some((self.0.plain_tls(), server_name(host)?))
    }
}
