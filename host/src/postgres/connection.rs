//! One connection to a server: made to an address that was checked, driven by a task that ends with it, tidied up before somebody else
//! gets it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, NoTls};

use super::address::Address;
use super::errors::{not_connected, told, unavailable};
use super::tls::Shake;
use super::wire::{Bounded, Wire};
use crate::job::database::STATEMENT_TIME_MAX;
use crate::job::{DatabaseError, TenantName};
use crate::sandbox::WayToServers;

/// From the look-up of a name to the server's word that it may be used.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// What the execution before may have set, and what this one has.
const TIDY: &str = "RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); \
     DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES; ";

/// What differs from version to version: a server from 14 on looks now and then whether anybody waits for what it does. One whose host
/// has vanished without a word finds that out as well, and lets go of its locks.
const VANISHED: &str = "SELECT set_config(name, value, false) FROM (VALUES ('client_connection_check_interval', '1000'),
    ('tcp_keepalives_idle', '60'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '6')) AS wanted (name, value)
    WHERE current_setting(name, true) IS NOT NULL";
/// A transaction in which nothing is said outlives the longest attempt by so much.
const IDLE_MARGIN: Duration = Duration::from_mins(1);
/// Largest number that a setting takes, ms.
const SETTING_MS_MAX: u128 = i32::MAX as u128;

/// See the file's head.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) server: Server,
    /// What comes over it.
    pub(super) wire: Arc<Wire>,
    driver: AbortHandle,
}

/// Where a connection leads, to ask there for what runs on it to be cancelled.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) socket: SocketAddr,
    pub(super) tls: Option<Shake>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects on the runtime where connections live.
    pub(super) async fn open(
        runtime: &Handle,
        way: WayToServers,
        tenant: TenantName,
        address: Address,
        inner: Vec<SocketAddr>,
    ) -> Result<Self, DatabaseError> {
        let driven = runtime.clone();
        let connecting = runtime.spawn(async move {
            let opened = connect(&driven, &way, &tenant, &address, &inner);
            tokio::time::timeout(CONNECT_TIME_MAX, opened)
                .await
                .map_err(|_| unavailable(&format!("it did not answer within {} s", CONNECT_TIME_MAX.as_secs())))?
        });
        connecting.await.map_err(|error| DatabaseError::Unavailable(error.to_string()))?
    }

    /// Makes it as good as new, for attempts that take so long at most.
    pub(super) async fn tidy(&self, attempt_time_max: Duration) -> Result<(), DatabaseError> {
        // What others do to a type is seen, and what is known of types has an end.
        self.client.clear_type_cache();
        self.wire.begins();
        let (most, idle) = (STATEMENT_TIME_MAX.as_millis(), (attempt_time_max + IDLE_MARGIN).as_millis());
        let idle = idle.min(SETTING_MS_MAX);
        let settings = format!(
            "{TIDY}SET standard_conforming_strings = on; SET statement_timeout = {most}; \
             SET idle_in_transaction_session_timeout = {idle}; {VANISHED}"
        );
        let tidied = tokio::time::timeout(CONNECT_TIME_MAX, self.client.batch_execute(&settings)).await;
        tidied.map_err(|_| unavailable("it does not answer"))?.map_err(|error| told(&error))
    }
}

async fn connect(
    runtime: &Handle,
    way: &WayToServers,
    tenant: &TenantName,
    address: &Address,
    inner: &[SocketAddr],
) -> Result<Connection, DatabaseError> {
    let Address { host, port, is_tls, config } = address;
    let (stream, socket) = way.connect(tenant, (host, *port), inner, *is_tls).await.map_err(|why| unavailable(&why))?;
    // A statement is small and waited for.
    let _slower_without = stream.set_nodelay(true);
    let wire = Arc::<Wire>::default();
    let (client, driver, tls) = if *is_tls {
        let (connector, name) = way.tls(host).ok_or_else(|| unavailable("its name can't be in a certificate"))?;
        let shake = Shake { connector, name, wire: Arc::clone(&wire) };
        let (client, driver) =
            config.connect_raw(stream, shake.clone()).await.map_err(|error| not_connected(&error))?;
        (client, runtime.spawn(drive(driver)).abort_handle(), Some(shake))
    } else {
        let stream = Bounded::new(stream, Arc::clone(&wire));
        let (client, driver) = config.connect_raw(stream, NoTls).await.map_err(|error| not_connected(&error))?;
        (client, runtime.spawn(drive(driver)).abort_handle(), None)
    };
    Ok(Connection { client, server: Server { socket, tls }, wire, driver })
}

/// Until the server or the host is done with it; whoever uses the client hears of an end there. Notices are a handler's, and nobody's
/// to read here.
async fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
        if let Err(error) = message {
            tracing::debug!(%error, "a connection to a database's server ended");
            return;
        }
    }
}
