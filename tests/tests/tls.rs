//! TLS: what is spoken, that a changed certificate is used, that a bad one is refused, and that half a handshake is not waited for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use stoker_tests::{HostBuilder, TestHost, cookie_of, eventually, log_in, run_stoker, workspace_root};

const ADMIN_KEY: &str = "the-admins-long-key";

fn certificates() -> PathBuf {
    workspace_root().join("tests/certificates")
}

/// Copies a certificate and its key to where the host looks for them.
fn put(name: &str, folder: &Path) {
    for ending in ["pem", "key"] {
        let copied = folder.join(format!("copy.{ending}"));
        std::fs::copy(certificates().join(format!("{name}.{ending}")), &copied).expect("a copy");
        std::fs::rename(copied, folder.join(format!("host.{ending}"))).expect("a rename");
    }
}

fn with_tls(folder: &Path) -> HostBuilder {
    TestHost::builder()
        .workers(0)
        .admin_key(ADMIN_KEY)
        .flag("--tls-cert", folder.join("host.pem").display())
        .flag("--tls-key", folder.join("host.key").display())
}

#[test]
fn requests_and_commands_go_over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    put("one", folder.path());
    let host = with_tls(folder.path()).start();
    assert!(host.url().starts_with("https://"), "{}", host.url());
    host.get("/v1/jobs").expect_status(200);
    let opened = log_in(&host, ADMIN_KEY).expect_status(303);
    assert!(opened.header("set-cookie").expect("a cookie").contains("; Secure"), "{opened}");
    host.with_key(None).request("GET", "/v1/jobs", &[("cookie", &cookie_of(&opened))], None).expect_status(200);

    let ca = certificates().join("ca.pem").display().to_string();
    let envs = [("STOKER_URL", host.url()), ("STOKER_KEY", ADMIN_KEY)];
    let keys = |more: &[&str]| run_stoker(&[&["keys", "list"], more].concat(), &envs, folder.path(), b"");
    keys(&["--ca-cert", &ca]).expect_success();
    // Not followed from what everybody trusts.
    keys(&[]).expect_failure(&["certificate"]);
    keys(&["--ca-cert", "nowhere.pem"]).expect_failure(&["--ca-cert", "nowhere.pem"]);
}

#[test]
fn a_changed_certificate_is_used_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    put("one", folder.path());
    let host = with_tls(folder.path()).start();
    std::fs::write(folder.path().join("host.pem"), "no certificate").expect("a file");
    eventually("the bad one is noticed", || host.log().contains("the old one stays").then_some(()));
    host.api().get("/v1/jobs").expect_status(200);
    put("two", folder.path());
    eventually("the new one is noticed", || host.log().contains("read again").then_some(()));
    host.with_key(None).get("/health/live").expect_status(200);
}

#[test]
fn files_that_can_not_be_used_refuse_to_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |ending: &str| folder.path().join(format!("host.{ending}"));
    let refused = |said: &str| {
        let (status, log) = with_tls(folder.path()).try_start().expect_err("it can't speak TLS");
        assert!(!status.success() && log.contains(said), "{said}: {log}");
    };
    refused("tls_cert");
    put("one", folder.path());
    std::fs::write(file("pem"), "").expect("a file");
    refused("tls_cert");
    put("one", folder.path());
    std::fs::write(file("key"), "").expect("a file");
    refused("tls_key");
    put("one", folder.path());
    std::fs::copy(certificates().join("two.key"), file("key")).expect("a copy");
    refused("can't be used");
}

#[test]
fn who_does_not_shake_hands_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    put("one", folder.path());
    let host = with_tls(folder.path()).flag("--request-head-timeout", "200ms").start();
    let mut silent = TcpStream::connect(host.authority()).expect("a connection");
    // The host closes it: nothing, or a reset.
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    host.get("/v1/jobs").expect_status(200);
}

/// HTTP/2 written by hand, as far as it takes to ask several things at once (RFC 9113 and 7541).
struct Http2 {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// What a connection said it speaks.
    protocol: Option<Vec<u8>>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Http2 {
    fn connect(authority: &str, protocols: &[&[u8]]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificates().join("ca.pem")).expect("a certificate")).expect("good");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("a session");
        let socket = TcpStream::connect(authority).expect("a connection");
        socket.set_read_timeout(Some(stoker_tests::DEADLINE)).expect("a timeout");
        let mut stream = StreamOwned::new(client, socket);
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        let protocol = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        Self { stream, protocol }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).expect("the host reads");
    }

    fn begin(&mut self) {
        self.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the host reads");
        self.frame(SETTINGS, 0, 0, &[]);
    }

    /// `GET`, with nothing but literals that nobody remembers, and names of the static table.
    fn get(&mut self, stream: u32, path: &str, key: Option<&str>) {
        let text = |prefix: &[u8], text: &str| {
            let length = u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short");
            [prefix, &[length], text.as_bytes()].concat()
        };
        // :method GET, :scheme https, :path, :authority, authorization
        let mut block = vec![0x82, 0x87];
        block.extend(text(&[0x04], path));
        block.extend(text(&[0x01], "localhost"));
        block.extend(key.map(|key| text(&[0x0f, 0x08], &format!("Bearer {key}"))).unwrap_or_default());
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
    }

    /// Frames until all these streams have ended; for each the first byte that says its status, and its body.
    fn answers(&mut self, streams: &[u32]) -> Vec<(u8, String)> {
        let mut answers = vec![(0, Vec::new()); streams.len()];
        let mut ended = 0;
        while ended < streams.len() {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).expect("a frame");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("short")];
            self.stream.read_exact(&mut payload).expect("a frame");
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (kind, streams.iter().position(|asked| *asked == stream)) {
                (SETTINGS, _) if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]),
                (PING, _) if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload),
                (HEADERS, Some(at)) => {
                    // Past a change of the table's size, if there is one.
                    answers[at].0 = payload.into_iter().find(|byte| byte & 0xe0 != 0x20).expect("a status");
                    ended += usize::from(flags & END_STREAM != 0);
                }
                (DATA, Some(at)) => {
                    answers[at].1.extend(payload);
                    ended += usize::from(flags & END_STREAM != 0);
                }
                _ => {}
            }
        }
        answers.into_iter().map(|(status, body)| (status, String::from_utf8(body).expect("text"))).collect()
    }
}

#[test]
fn http_2_is_spoken_over_tls_with_who_asks_for_it() {
    /// `:status: 200` of the static table.
    const OK: u8 = 0x88;
    let folder = tempfile::tempdir().expect("a folder");
    put("one", folder.path());
    let host = with_tls(folder.path()).start();
    let mut both = Http2::connect(host.authority(), &[b"http/1.1", b"h2"]);
    assert_eq!(both.protocol.as_deref(), Some(&b"h2"[..]), "the better one");
    both.begin();
    // Several at once on one connection, each with its own credential.
    both.get(1, "/v1/jobs", Some(ADMIN_KEY));
    both.get(3, "/v1/jobs", None);
    both.get(5, "/health/live", None);
    both.get(7, "/v1/tenants/default", Some(ADMIN_KEY));
    let answers = both.answers(&[1, 3, 5, 7]);
    assert_eq!((answers[0].0, answers[2].0, answers[3].0), (OK, OK, OK), "{answers:?}");
    assert!(answers[0].1.contains("\"items\":[]"), "{answers:?}");
    assert!(answers[1].0 != OK && answers[1].1.contains("\"status\":401"), "{answers:?}");
    assert!(answers[3].1.contains("\"name\":\"default\""), "{answers:?}");
    // It goes on.
    both.get(9, "/v1/queues", Some(ADMIN_KEY));
    assert_eq!(both.answers(&[9])[0].0, OK);
    // Who speaks only the older one is understood as well.
    let mut older = Http2::connect(host.authority(), &[b"http/1.1"]);
    assert_eq!(older.protocol.as_deref(), Some(&b"http/1.1"[..]));
    let head = "GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    older.stream.write_all(head.as_bytes()).expect("the host reads");
    let mut answer = String::new();
    older.stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
