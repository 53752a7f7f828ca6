//! Where a server is, from the URL in its secret: one host, over TCP. Nothing of the URL is ever shown.

use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host as ServerHost, SslMode, SslNegotiation};

use crate::job::DatabaseError;
use crate::job::grants::Host;
use crate::secrets::SecretValue;

const PORT: u16 = 5_432;
const NAME: &str = "stoker";

/// A server, and what is said to it.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    pub(super) config: Config,
}

impl Address {
    /// Of a URL. The error names what is wrong with it, and not what it says.
    pub(super) fn parse(url: &SecretValue) -> Result<Self, DatabaseError> {
        let wrong = |why: &str| {
            DatabaseError::refused(format!(
                "the secret that holds the URL of the database's server {why}; write it as \
                 postgres://user:password@host:5432/name?sslmode=require"
            ))
        };
        let text = std::str::from_utf8(url.reveal()).map_err(|_| wrong("is not text"))?;
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(wrong("is no URL of PostgreSQL"));
        }
        let mut config = Config::from_str(text.trim_end()).map_err(|_| wrong("can't be understood"))?;
        if !config.get_hostaddrs().is_empty() {
            return Err(wrong("names an address beside its host (`hostaddr`)"));
        }
        let host = match config.get_hosts() {
            [ServerHost::Tcp(host)] => host.clone(),
            [] => return Err(wrong("names no host")),
            [_] => return Err(wrong("names a socket, and only TCP is spoken")),
            [_, ..] => return Err(wrong("names several hosts, and one is needed")),
        };
        let host = host.parse::<std::net::IpAddr>().map(Host::Address).or_else(|_| Host::parse(&host));
        let host = host.map_err(|_| wrong("names a host that can't be one"))?;
        let is_tls = config.get_ssl_mode() == SslMode::Require;
        if config.get_user().is_none() {
            return Err(wrong("names no user"));
        }
        let port = config.get_ports().first().copied().unwrap_or(PORT);
        // What is not asked for is not tried: a server that could choose would be asked by whoever stands in between.
        config.ssl_mode(if is_tls { SslMode::Require } else { SslMode::Disable });
        config.ssl_negotiation(SslNegotiation::Postgres);
        config.application_name(NAME);
        Ok(Self { host, port, is_tls, config })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(url: &str) -> Result<Address, DatabaseError> {
        Address::parse(&SecretValue::new(url.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn one_host_over_tcp() {
        let address = parse("postgres://u:p@db.example.com/app?sslmode=require").unwrap();
        assert_eq!((address.host.to_string().as_str(), address.port, address.is_tls), ("db.example.com", 5_432, true));
        let address = parse("postgresql://u:p@[::1]:77/app").unwrap();
        assert_eq!((address.host.to_string().as_str(), address.port, address.is_tls), ("[::1]", 77, false));
        for (url, said) in [
            ("host=/run user=me", "no URL"),
            ("postgres://u:hunter22@%2Frun/app", "names a socket"),
            ("postgres://u:hunter22@a,b/app", "several hosts"),
            ("postgres:///app?user=u", "no host"),
            ("postgres://a.example/app", "no user"),
            ("postgres://u:hunter22@a?hostaddr=10.0.0.1", "beside its host"),
            ("postgres://u:hunter22@a?nonsense=1", "can't be understood"),
        ] {
            let refused = parse(url).err().unwrap().to_string();
            assert!(refused.contains(said) && !refused.contains("hunter22"), "{url}: {refused}");
        }
    }
}
