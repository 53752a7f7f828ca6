//! TLS on accepted connections: the certificate's files, read again when they change, and the handshake, which may take no
//! longer than the head of a request, and of which only some are made at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;
use crate::regular_file;

/// Handshakes made at once: each costs a signature. Others wait for their turn as part of their time.
const HANDSHAKES_MAX: usize = 64;
/// How soon a changed file is noticed.
const WATCH_PERIOD: Duration = Duration::from_secs(2);
/// Largest file, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What is spoken over it, the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS can't be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("`{setting}`: {} can't be read: {message}", path.display())]
    Unreadable {
        /// As it stands in `stoker.toml`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// It holds something else.
    #[error("`{setting}`: {} holds no {expected} as PEM: {message}", path.display())]
    Content {
        /// As it stands in `stoker.toml`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The two do not go together.
    #[error("the certificate in {} and the key in {} can't be used: {message}", cert.display(), key.display())]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        message: String,
    },
}

/// When a file was written, and how long it is.
type Mark = Option<(SystemTime, u64)>;

/// See the file's head.
pub struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    handshakes: Semaphore,
    /// Of the files in use.
    loaded: [Mark; 2],
}

impl Tls {
    /// Reads both files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        // Before they are read: what changes meanwhile is noticed.
        let loaded = marks(&files);
        let config = RwLock::new(configure(&files)?);
        Ok(Self { files, config, handshakes: Semaphore::new(HANDSHAKES_MAX), loaded })
    }

    /// The handshake, unless it takes too long or the host stops.
    pub(super) async fn greet<I: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: I,
        timeout: Duration,
        finishing: &mut oneshot::Receiver<()>,
    ) -> io::Result<TlsStream<I>> {
        let shake = async {
            let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
            let acceptor = TlsAcceptor::from(Arc::clone(&self.config.read()));
            acceptor.accept(stream).await
        };
        tokio::select! {
            shaken = tokio::time::timeout(timeout, shake) => shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            _ = finishing => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    /// Reads the files again whenever they have changed; what can't be used leaves in force what was.
    pub(super) async fn watch(&self) {
        let mut known = self.loaded;
        loop {
            tokio::time::sleep(WATCH_PERIOD).await;
            let files = self.files.clone();
            let look = move || {
                let found = marks(&files);
                (found != known).then(|| (found, configure(&files)))
            };
            let Ok(Some((found, config))) = tokio::task::spawn_blocking(look).await else { continue };
            known = found;
            match config {
                Ok(config) => {
                    *self.config.write() = config;
                    tracing::info!("the certificate was read again");
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate has changed and can't be used; the old one stays");
                }
            }
        }
    }
}

fn marks(files: &TlsFiles) -> [Mark; 2] {
    [&files.cert, &files.key].map(|path| {
        let facts = fs::metadata(path).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    })
}

fn configure(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let TlsFiles { cert, key } = files;
    let content = |setting, path: &Path, expected, message: String| TlsError::Content {
        setting,
        path: path.to_owned(),
        expected,
        message,
    };
    let text = read("tls_cert", cert)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| content("tls_cert", cert, "certificate", error.to_string()))?;
    if chain.is_empty() {
        return Err(content("tls_cert", cert, "certificate", "there is none in it".to_owned()));
    }
    let text = read("tls_key", key)?;
    let private = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| content("tls_key", key, "private key", error.to_string()))?;
    let pair =
        |error: rustls::Error| TlsError::Pair { cert: cert.clone(), key: key.clone(), message: error.to_string() };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    use io::Read as _;
    let unreadable = |message: String| TlsError::Unreadable { setting, path: path.to_owned(), message };
    let file = regular_file::open_to_read(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable("it is larger than a certificate can be".to_owned()));
    }
    Ok(text)
}
