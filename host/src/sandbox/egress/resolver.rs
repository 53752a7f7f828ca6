//! Names to addresses. A lookup is a future: one that nobody answers holds a place among a few, and no thread.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::Error;

use crate::each_tenant::EachTenant;
use crate::job::TenantName;

/// Lookups under way at once on this host; further ones wait within their time.
const LOOKUPS_MAX: usize = 64;
/// The same of one tenant: names that nobody answers for hold up those of their tenant alone.
const LOOKUPS_OF_TENANT_MAX: usize = 16;
/// Questions to one server before the next is asked.
const TRIES: usize = 2;
/// Most addresses of one name that are looked at. A name with more is refused: it would be a list, not a host.
const ADDRESSES_MAX: usize = 64;

pub(super) struct Names {
    /// `None`: the system says no server, or none that can be understood.
    resolver: Option<TokioResolver>,
    turns: Semaphore,
    turns_of_tenants: EachTenant<TenantName>,
    timeout: Duration,
}

impl Names {
    /// Over these servers, or over the system's where there are none.
    pub(super) fn new(servers: &[SocketAddr], timeout: Duration) -> Self {
        let resolver = if servers.is_empty() { of_system(timeout) } else { of_servers(servers, timeout) };
        let resolver = resolver
            .inspect_err(
                |error| tracing::warn!(%error, "names can't be looked up for handlers: requests by name will fail"),
            )
            .ok();
        let turns_of_tenants = EachTenant::with(LOOKUPS_OF_TENANT_MAX);
        Self { resolver, turns: Semaphore::new(LOOKUPS_MAX), turns_of_tenants, timeout }
    }

    /// Every address of a name, asked for anew each time: what is checked now is what is used now.
    pub(super) async fn addresses(&self, name: &str, tenant: &TenantName) -> Result<Vec<IpAddr>, Error> {
        let Some(resolver) = &self.resolver else { return Err(unanswered()) };
        let looked_up = async {
            let own = self.turns_of_tenants.of(tenant).acquire_owned().await;
            let _own_turn = own.map_err(|_closed| Error::DnsTimeout)?;
            let _turn = self.turns.acquire().await.map_err(|_closed| Error::DnsTimeout)?;
            // With the dot at its end it is the name that was granted, and not one below a domain of the system's.
            match resolver.lookup_ip(format!("{name}.")).await {
                Ok(found) => Ok(found.iter().collect::<Vec<IpAddr>>()),
                Err(NetError::Timeout) => Err(Error::DnsTimeout),
                // What servers say stays here: it can tell of the inside of a network.
                Err(_error) => Err(unanswered()),
            }
        };
        let addresses = tokio::time::timeout(self.timeout, looked_up).await.map_err(|_elapsed| Error::DnsTimeout)??;
        if addresses.is_empty() || addresses.len() > ADDRESSES_MAX { Err(unanswered()) } else { Ok(addresses) }
    }
}

fn unanswered() -> Error {
    Error::DnsError { rcode: None, info_code: None }
}

fn of_servers(servers: &[SocketAddr], timeout: Duration) -> Result<TokioResolver, NetError> {
    let server = |address: &SocketAddr| {
        let at = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        NameServerConfig::new(address.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
    };
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    set(builder.options_mut(), timeout);
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.build()
}

fn of_system(timeout: Duration) -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder(TokioRuntimeProvider::default())?;
    set(builder.options_mut(), timeout);
    builder.build()
}

fn set(options: &mut ResolverOpts, timeout: Duration) {
    // An answer that is kept would tell one tenant what another one asked.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.attempts = TRIES;
    options.timeout = timeout / u32::try_from(TRIES).unwrap_or(1);
}
