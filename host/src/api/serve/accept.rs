//! Takes connections up to the bound, and lets them end in order when the host stops.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::answer::UnderWay;
use super::crowd::{Crowd, Open};
use super::standing::{Condemned, Patience, Standing};
use super::stream::{CoarseClock, Stream, Watched};
use super::tls::Tls;
use super::unread::Unread;
use crate::api::backup::remove_leftovers;
use crate::api::identity::Peer;
use crate::api::router::build;
use crate::api::state::ApiState;
use crate::shutdown::Shutdown;

/// How long requests under way may still take once the host stops, unless `shutdown_grace` is shorter.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Longest silence between two requests of one connection. Longer than the minute of most proxies and clients, which
/// then are the ones to close: a request is never sent to a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(75);
/// Longest time a client may leave an answer unread.
const UNREAD: Duration = Duration::from_mins(1);
/// Longest time between two looks at all connections, which is how exact the times above are.
const SWEEP_PERIOD_MAX: Duration = Duration::from_millis(250);
/// Looks at all connections within the shortest patience.
const SWEEPS_PER_PATIENCE: u32 = 8;
/// Pause after the system could not give a connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Open files that are not connections.
pub const OTHER_FILES_MAX: u64 = 256;

/// Serves until told to stop, then takes no new connection, ends waits, and lets requests under way finish, unless it
/// is told to hurry.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, state: ApiState, shutdown: Shutdown) -> io::Result<()> {
    remove_leftovers(&state.config.data_dir);
    let requests = state.config.requests;
    let drain = DRAIN_MAX.min(state.config.shutdown_grace);
    let patience = Patience { head: requests.head_timeout, idle: IDLE, answer: UNREAD };
    let connections_max = within_open_files(requests.connections_max);
    let router = build(state, connections_max, shutdown.stop.clone());
    let endpoint = Endpoint { listener, tls: tls.map(Arc::new), router };
    serve_router(endpoint, connections_max, patience, drain, shutdown).await;
    Ok(())
}

/// Where connections come from, and what answers on them.
struct Endpoint {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
}

async fn serve_router(
    endpoint: Endpoint,
    connections_max: usize,
    patience: Patience,
    drain: Duration,
    shutdown: Shutdown,
) {
    let Shutdown { stop, hurry } = shutdown;
    let free = Arc::new(Semaphore::new(connections_max));
    let watching = endpoint.tls.clone().map(|tls| tokio::spawn(async move { tls.watch().await }));
    let crowd = accept(endpoint, &free, patience, &stop).await;
    if let Some(watching) = watching {
        watching.abort();
    }
    tracing::info!("stopping; send the signal again to skip the drain");
    crowd.finish();
    let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
    tokio::select! {
        _ = free.acquire_many(all) => {}
        () = tokio::time::sleep(drain) => tracing::warn!("some requests did not end within {drain:?} of the stop"),
        () = hurry.cancelled() => {}
    }
}

/// Opens connections until told to stop, and closes those that do nothing.
async fn accept(endpoint: Endpoint, free: &Arc<Semaphore>, patience: Patience, stop: &CancellationToken) -> Crowd {
    let Endpoint { listener, tls, router } = endpoint;
    let began = Instant::now();
    let clock = CoarseClock::default();
    let protocol = Arc::new(protocol());
    let mut crowd = Crowd::default();
    let shortest = patience.head.min(patience.idle).min(patience.answer);
    let period = (shortest / SWEEPS_PER_PATIENCE).clamp(Duration::from_millis(1), SWEEP_PERIOD_MAX);
    let mut sweep = tokio::time::interval(period);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut permit: Option<OwnedSemaphorePermit> = None;
    let mut accept_from = None;
    loop {
        if permit.is_none() {
            permit = Arc::clone(free).try_acquire_owned().ok();
            if permit.is_none() {
                crowd.make_room(clock.now_ms());
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return crowd,
            // An idle host has nothing to look at, and sleeps.
            _ = sweep.tick(), if !crowd.is_empty() => {
                clock.set(whole_ms(began.elapsed()));
                crowd.close_overdue(clock.now_ms(), &patience);
            }
            given = Arc::clone(free).acquire_owned(), if permit.is_none() => permit = given.ok(),
            accepted = accept_one(&listener, accept_from), if permit.is_some() => match accepted {
                Ok((tcp, peer)) => if let Some(permit) = permit.take() {
                    clock.set(whole_ms(began.elapsed()));
                    let standing = Arc::new(Standing::new(clock.now_ms()));
                    let watched = Watched { standing, clock: clock.clone() };
                    let arrived = Arrived { tcp, peer: Peer(peer.ip()), watched, permit };
                    crowd.add(open(arrived, tls.clone(), patience.head, &protocol, &router));
                },
                // The client has gone again.
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; trying again");
                    crowd.make_room(clock.now_ms());
                    accept_from = Some(Instant::now() + ACCEPT_PAUSE);
                }
            },
        }
    }
}

fn whole_ms(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

async fn accept_one(listener: &TcpListener, from: Option<Instant>) -> io::Result<(TcpStream, SocketAddr)> {
    if let Some(from) = from.filter(|from| *from > Instant::now()) {
        tokio::time::sleep_until(from).await;
    }
    let (tcp, peer) = listener.accept().await?;
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    Ok((tcp, peer))
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

/// Longest head of a request, bytes; and what is read of a body at once.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Requests at once on one HTTP/2 connection: what each of them is answered may have to be held until it is read.
const STREAMS_MAX: u32 = 32;

type Protocol = Builder<TokioExecutor>;

/// HTTP/1.1, and HTTP/2 for clients that know.
fn protocol() -> Protocol {
    let mut protocol = Builder::new(TokioExecutor::new());
    protocol.http1().max_buf_size(HEAD_BYTES_MAX);
    protocol.http2().max_concurrent_streams(STREAMS_MAX);
    protocol
}

/// Serves one connection in a task of its own.
fn open(
    arrived: Arrived,
    tls: Option<Arc<Tls>>,
    handshake: Duration,
    protocol: &Arc<Protocol>,
    router: &Router,
) -> Open {
    let Arrived { tcp, peer, watched, permit } = arrived;
    let (finish, mut finishing) = oneshot::channel::<()>();
    let standing = Arc::clone(&watched.standing);
    let protocol = Arc::clone(protocol);
    let stream = Stream::new(tcp, watched.clone(), permit);
    let router = TowerToHyperService::new(router.clone());
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let begun = UnderWay::begin(&watched, request.version() == http::Version::HTTP_2);
        let answer = begun.map(|under_way| (under_way, router.call(Unread::of(request))));
        async move {
            let (under_way, answer) = answer?;
            let response = answer.await.unwrap_or_else(|never| match never {});
            Ok::<_, Condemned>(under_way.answer(response))
        }
    });
    let task = tokio::spawn(async move {
        match tls {
            None => converse(&protocol, stream, service, &mut finishing).await,
            Some(tls) => match tls.greet(stream, handshake, &mut finishing).await {
                Ok(stream) => converse(&protocol, stream, service, &mut finishing).await,
                Err(error) => tracing::trace!(%error, "a connection ended before TLS began"),
            },
        }
    });
    Open { standing, task: task.abort_handle(), _finish: finish }
}

/// A connection that was accepted.
struct Arrived {
    tcp: TcpStream,
    peer: Peer,
    watched: Watched,
    permit: OwnedSemaphorePermit,
}

/// Answers what is asked on a connection until it ends, or until what is under way is done and it is to end. One that is made
/// a WebSocket goes on without this: it counts as before, and whoever has it ends it.
async fn converse<I, S, B>(protocol: &Protocol, stream: I, service: S, finishing: &mut oneshot::Receiver<()>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: hyper::service::Service<http::Request<Incoming>, Response = http::Response<B>, Error = Condemned> + Send,
    S::Future: Send + 'static,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(protocol.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut is_finishing = false;
    poll_fn(|cx| {
        if !is_finishing && std::pin::Pin::new(&mut *finishing).poll(cx).is_ready() {
            is_finishing = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(|ended| {
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection ended");
            }
        })
    })
    .await;
}

/// As many connections as the process may have open files, having asked the system for more if need be.
fn within_open_files(connections_max: usize) -> usize {
    let wanted = u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_add(OTHER_FILES_MAX);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let mut files = current.unwrap_or(u64::MAX);
    if files < wanted {
        let raised = wanted.min(maximum.unwrap_or(u64::MAX));
        if setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok() {
            files = raised;
        }
    }
    if files >= wanted {
        return connections_max;
    }
    let fitting = usize::try_from(files.saturating_sub(OTHER_FILES_MAX)).unwrap_or(usize::MAX).max(1);
    tracing::warn!(
        "the system allows {files} open files: at most {fitting} connections instead of `connections_max` {connections_max}"
    );
    fitting.min(connections_max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Longer than anything here may take; a passing test never waits for it.
    const DEADLINE: Duration = Duration::from_mins(1);
    /// More than the system holds for a client that does not read.
    const LARGE_BYTES: usize = 32 << 20;
    const REQUEST: &str = "HTTP/1.1\r\nhost: localhost\r\n\r\n";

    struct Served {
        address: std::net::SocketAddr,
        shutdown: Shutdown,
        serving: tokio::task::JoinHandle<()>,
    }

    async fn served(connections_max: usize, patience: Patience) -> Served {
        let router = Router::new()
            .route("/small", get(async || "small"))
            .route("/large", get(async || vec![0_u8; LARGE_BYTES]))
            .route("/never", get(std::future::pending::<()>));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::default();
        let endpoint = Endpoint { listener, tls: None, router };
        let serving = serve_router(endpoint, connections_max, patience, DEADLINE, shutdown.clone());
        Served { address, shutdown, serving: tokio::spawn(serving) }
    }

    impl Served {
        async fn connect(&self, sent: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            stream
        }

        async fn get(&self, path: &str) -> TcpStream {
            self.connect(&format!("GET {path} {REQUEST}")).await
        }

        async fn stops(self) {
            self.shutdown.stop.cancel();
            tokio::time::timeout(DEADLINE, self.serving).await.unwrap().unwrap();
        }
    }

    /// Everything the host still sends until it closes.
    async fn rest(stream: &mut TcpStream) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await.unwrap();
        rest
    }

    async fn answer(stream: &mut TcpStream) {
        let mut answer = [0; 15];
        tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn half_sent_heads_are_given_up() {
        let host = served(10, Patience { head: SHORT, idle: LONG, answer: LONG }).await;
        for sent in ["", "GET /small HTTP/1.1\r\nhost: lo", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            let mut half = host.connect(sent).await;
            assert!(!rest(&mut half).await.starts_with(b"HTTP/1.1"), "{sent}");
        }
        let mut second = host.get("/small").await;
        answer(&mut second).await;
        second.write_all(b"GET /sm").await.unwrap();
        rest(&mut second).await;
        host.stops().await;
    }

    #[tokio::test]
    async fn idle_connections_are_closed_but_not_as_soon_as_half_sent_ones() {
        let host = served(10, Patience { head: SHORT, idle: SHORT * 20, answer: LONG }).await;
        let mut idle = host.get("/small").await;
        answer(&mut idle).await;
        let mut half = host.connect("GET /sm").await;
        rest(&mut half).await;
        idle.write_all(format!("GET /small {REQUEST}").as_bytes()).await.unwrap();
        let sent = String::from_utf8(rest(&mut idle).await).unwrap();
        assert!(sent.contains("HTTP/1.1 200 OK"), "{sent}");
        host.stops().await;
    }

    #[tokio::test]
    async fn who_does_not_read_is_given_up() {
        let host = served(1, Patience { head: LONG, idle: SHORT, answer: SHORT }).await;
        let unread = host.get("/large").await;
        // There is one connection only: this one comes when the other has been closed.
        let mut next = host.get("/small").await;
        answer(&mut next).await;
        drop(unread);
        host.stops().await;
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_what_is_not_under_way() {
        let host = served(10, Patience { head: LONG, idle: LONG, answer: LONG }).await;
        let _nothing = host.connect("").await;
        let _half = host.connect("GET /sm").await;
        let mut idle = host.get("/small").await;
        answer(&mut idle).await;
        let mut large = host.get("/large").await;
        answer(&mut large).await;
        let reading = tokio::spawn(async move { rest(&mut large).await.len() });
        host.stops().await;
        assert!(reading.await.unwrap() >= LARGE_BYTES);
    }

    #[tokio::test]
    async fn a_second_step_does_not_wait_for_requests_under_way() {
        let host = served(10, Patience { head: LONG, idle: LONG, answer: LONG }).await;
        let _never = host.get("/never").await;
        // Accepted in order: the one before has been, too.
        answer(&mut host.get("/small").await).await;
        host.shutdown.hurry.cancel();
        host.stops().await;
    }
}
