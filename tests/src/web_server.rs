//! Servers that handlers make requests to: what a test wants to be said, however ill-mannered, with TLS or without.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::child::workspace_root;

/// A free port of the usual address.
const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// Longest head of a request that is read.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Both directions of a connection.
pub trait Connection: Read + Write {}

impl<T: Read + Write> Connection for T {}

/// The head of a request, and what of its body came with it.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// As it came, without the empty line.
    pub head: String,
    /// What followed.
    pub rest: Vec<u8>,
}

/// Answers until the test's process ends.
#[derive(Clone, Debug)]
pub struct WebServer {
    address: SocketAddr,
    scheme: &'static str,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

type Answer = dyn Fn(&ReceivedRequest, &mut dyn Connection) -> std::io::Result<()> + Send + Sync;

impl WebServer {
    /// Plain, on loopback; the closure writes what is answered, and the connection closes behind it.
    pub fn start(
        answer: impl Fn(&ReceivedRequest, &mut dyn Connection) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> WebServer {
        Self::listen(ANYWHERE, None, Arc::new(answer))
    }

    /// With TLS: a certificate of the tests' own authority, for `inner.test` and 127.0.0.1.
    pub fn start_tls(
        answer: impl Fn(&ReceivedRequest, &mut dyn Connection) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> WebServer {
        let folder = workspace_root().join("tests/certificates/egress");
        let chain = CertificateDer::pem_file_iter(folder.join("server.pem")).expect("a certificate");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate with its key");
        Self::listen(ANYWHERE, Some(Arc::new(config)), Arc::new(answer))
    }

    /// The authority whose certificate [`WebServer::start_tls`] has.
    pub fn authority_file() -> std::path::PathBuf {
        workspace_root().join("tests/certificates/egress/ca.pem")
    }

    /// Says this with 200, and how long it is.
    pub fn saying(body: &'static str) -> WebServer {
        Self::start(move |_, connection| respond(connection, "200 OK", "", body))
    }

    /// Says this on another address of the loopback network, on a port that is another server's on the usual one; `None`:
    /// that port is taken there.
    pub fn saying_at(address: Ipv4Addr, port: u16, body: &'static str) -> Option<WebServer> {
        let listener = TcpListener::bind((address, port)).ok()?;
        let answer =
            move |_: &ReceivedRequest, connection: &mut dyn Connection| respond(connection, "200 OK", "", body);
        Some(Self::serve_on(listener, None, Arc::new(answer)))
    }

    fn listen(address: (Ipv4Addr, u16), tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> WebServer {
        Self::serve_on(TcpListener::bind(address).expect("a port"), tls, answer)
    }

    fn serve_on(listener: TcpListener, tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> WebServer {
        let server = WebServer {
            address: listener.local_addr().expect("an address"),
            scheme: if tls.is_some() { "https" } else { "http" },
            connections: Arc::default(),
            open: Arc::default(),
            requests: Arc::default(),
        };
        let told = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                told.connections.fetch_add(1, Ordering::SeqCst);
                told.open.fetch_add(1, Ordering::SeqCst);
                let (answer, told, tls) = (Arc::clone(&answer), told.clone(), tls.clone());
                std::thread::spawn(move || {
                    match tls {
                        None => told.serve(stream, &*answer),
                        Some(tls) => {
                            let connection = ServerConnection::new(tls).expect("a session");
                            told.serve(StreamOwned::new(connection, stream), &*answer)
                        }
                    };
                    told.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    fn serve(&self, mut connection: impl Connection, answer: &Answer) -> Option<()> {
        let request = read_head(&mut connection)?;
        self.requests.lock().expect("sound").push(request.clone());
        // A client that goes away is none of the test's concern.
        answer(&request, &mut connection).ok()?;
        connection.flush().ok()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// By address.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// By a name.
    pub fn url_by(&self, name: &str, path: &str) -> String {
        format!("{}://{name}:{}{path}", self.scheme, self.port())
    }

    /// As it is granted: the scheme, the address and the port.
    pub fn grant(&self) -> String {
        self.url("")
    }

    /// Connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Requests that came, in their order.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().expect("sound").clone()
    }
}

/// A whole answer, with the length of its body; `headers` end in line breaks.
pub fn respond(connection: &mut dyn Connection, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    write!(connection, "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Reads until the other side goes away.
pub fn wait_for_the_end(connection: &mut dyn Connection) {
    let mut buffer = [0; 4_096];
    while connection.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

fn read_head(connection: &mut impl Connection) -> Option<ReceivedRequest> {
    let mut received = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            return Some(ReceivedRequest { head, rest: received[end + 4..].to_vec() });
        }
        let read = connection.read(&mut buffer).ok().filter(|read| *read > 0)?;
        received.extend_from_slice(&buffer[..read]);
        if received.len() > HEAD_BYTES_MAX {
            return None;
        }
    }
}

/// Accepts connections and says nothing, ever.
#[derive(Debug)]
pub struct SilentServer {
    address: SocketAddr,
}

impl SilentServer {
    /// On loopback.
    pub fn start() -> SilentServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let mut kept: Vec<TcpStream> = Vec::new();
            kept.extend(listener.incoming().flatten());
        });
        SilentServer { address }
    }

    /// Where.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
