//! From a target to a connection: every address is checked, and what was checked is what is connected to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::resolver::Names;
use super::tls::server_name;
use crate::job::grants::{AddressClass, Host, class_of};
use crate::job::{Grants, HttpScheme, HttpTarget, TenantName};
use crate::sandbox::denied::Denied;

/// Addresses of one name that are tried, one after the other.
const ADDRESSES_TRIED_MAX: usize = 4;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The addresses a request may go to. One that is refused refuses the name: an answer that mixes the inside with the outside
/// is no honest one.
pub(super) async fn addresses(
    names: &Names,
    tenant: &TenantName,
    target: &HttpTarget,
    grants: &Grants,
    denied: &Denied,
) -> Result<Vec<SocketAddr>, Error> {
    let found = match &target.host {
        Host::Name(name) => names.addresses(name, tenant).await?,
        Host::Address(address) => vec![*address],
    };
    if let Some(class) = found.iter().find_map(|address| refused(*address, target, grants)) {
        // The class and not the address: whoever reads it must not learn what lies inside.
        denied.note(&format!("{target} ({})", class.with_article()));
        return Err(Error::DestinationIpProhibited);
    }
    Ok(found.into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
}

/// Why an address may not be connected to.
fn refused(address: IpAddr, target: &HttpTarget, grants: &Grants) -> Option<AddressClass> {
    let class = class_of(address);
    let is_named = || grants.http.iter().any(|grant| grant.allows_address(address, target.scheme, target.port));
    (class != AddressClass::Public && !is_named()).then_some(class)
}

/// Connects to one of the addresses, and shakes hands where the scheme asks for it.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    target: &HttpTarget,
    tls: &TlsConnector,
    until: Instant,
) -> Result<Box<dyn Stream>, Error> {
    let stream = first_of(addresses, until).await?;
    // Requests are written whole; what is small must not wait for more.
    let _slower_without = stream.set_nodelay(true);
    match target.scheme {
        HttpScheme::Http => Ok(Box::new(stream)),
        HttpScheme::Https => {
            let name = server_name(&target.host).ok_or(Error::HttpRequestUriInvalid)?;
            let shaken = timeout_at(until, tls.connect(name, stream)).await;
            let stream = shaken.map_err(|_elapsed| Error::ConnectionTimeout)?.map_err(|error| of_tls(&error))?;
            Ok(Box::new(stream))
        }
    }
}

async fn first_of(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, Error> {
    let tried = &addresses[..addresses.len().min(ADDRESSES_TRIED_MAX)];
    let mut failed = Error::DestinationUnavailable;
    for (index, address) in tried.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let others = u32::try_from(tried.len() - index).unwrap_or(1);
        let share: Duration = left / others.max(1);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = of_connect(&error),
            Err(_elapsed) => failed = Error::ConnectionTimeout,
        }
    }
    Err(failed)
}

fn of_connect(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        std::io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        std::io::ErrorKind::NetworkUnreachable | std::io::ErrorKind::HostUnreachable => Error::DestinationIpUnroutable,
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::ConnectionAborted => Error::ConnectionTerminated,
        _ => Error::DestinationUnavailable,
    }
}

fn of_tls(error: &std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: None }
        }
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_inside_is_reached_where_it_is_named() {
        let grants: Grants =
            serde_json::from_str(r#"{"http":["inner.example:8080","127.0.0.1:8080","*.example.com:8080"]}"#)
                .expect("grants");
        let target =
            HttpTarget { scheme: HttpScheme::Http, host: Host::parse("inner.example").expect("a host"), port: 8080 };
        let refused = |address: &str| refused(address.parse().expect("an address"), &target, &grants);
        assert_eq!(refused("127.0.0.1"), None);
        assert_eq!(refused("::ffff:127.0.0.1"), None);
        assert_eq!(refused("8.8.8.8"), None);
        assert_eq!(refused("127.0.0.2"), Some(AddressClass::Loopback));
        assert_eq!(refused("::1"), Some(AddressClass::Loopback));
        assert_eq!(refused("169.254.169.254"), Some(AddressClass::Metadata));
        let elsewhere = HttpTarget { port: 81, ..target.clone() };
        assert_eq!(
            super::refused("127.0.0.1".parse().expect("an address"), &elsewhere, &grants),
            Some(AddressClass::Loopback)
        );
    }
}
