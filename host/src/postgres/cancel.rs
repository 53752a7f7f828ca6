//! Asks a server to cancel what runs on a connection, if whoever waited for it is gone.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_postgres::{CancelToken, NoTls};

use super::connection::{Connection, Server};

/// It is asked as often, after such pauses: a request that comes before the statement has begun is forgotten by the server.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];
/// How long the server may take to hear of it.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(5);

/// Asks when it is dropped before it is disarmed.
pub(super) struct CancelOnDrop(Option<(CancelToken, Server, Handle)>);

impl CancelOnDrop {
    pub(super) fn of(connection: &Connection, runtime: &Handle) -> Self {
        Self(Some((connection.client.cancel_token(), connection.server.clone(), runtime.clone())))
    }

    /// It has ended by itself.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some((token, server, runtime)) = self.0.take() else { return };
        runtime.spawn(async move {
            for pause in PAUSES {
                tokio::time::sleep(pause).await;
                let asked = tokio::time::timeout(CANCEL_TIME_MAX, ask(&token, server.clone())).await;
                if !matches!(asked, Ok(true)) {
                    tracing::warn!(
                        "a database's server could not be asked to cancel a statement; its time limit ends it"
                    );
                    return;
                }
            }
        });
    }
}

async fn ask(token: &CancelToken, server: Server) -> bool {
    let Ok(stream) = TcpStream::connect(server.socket).await else { return false };
    match server.tls {
        Some(shake) => token.cancel_query_raw(stream, shake).await.is_ok(),
        None => token.cancel_query_raw(stream, NoTls).await.is_ok(),
    }
}
