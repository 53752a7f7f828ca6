//! The HTTP client all subcommands share: address, key, patience, bounds, and errors a person can act on.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, DefaultConnector};
use ureq::{Agent, AsSendBody, Body, SendBody};

use super::address;
use super::problem::Problem;
use super::terminal;
use super::transport::AnswerSeeker;
use super::wire::Page;
use crate::job::TenantName;
use crate::regular_file;

/// Longest time to find and reach the host.
const CONNECT_MS_MAX: u64 = 5_000;
/// Longest time an ordinary answer may take to begin.
const ANSWER_MS_MAX: u64 = 90_000;
/// Longest time such an answer may take to come whole, once it has begun.
const ANSWER_BODY_MS_MAX: u64 = 600_000;
/// Largest answer kept in memory, bytes. Backups are streamed and not bound by it.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// From this size on the host is asked whether it takes a body before it is sent, bytes.
const ASK_FIRST_BYTES_MIN: usize = 1 << 20;
/// Largest problem document read, bytes.
const PROBLEM_BYTES_MAX: u64 = 1 << 20;

/// In which tenant a request acts.
const TENANT_HEADER: &str = "stoker-tenant";
/// Largest file of certificates, bytes.
const CA_CERT_BYTES_MAX: u64 = 4 << 20;

/// Where a host listens unless it is told otherwise.
pub(super) const URL_DEFAULT: &str = "http://127.0.0.1:7700";

/// Which host, and who asks.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Connection {
    /// The host's address
    #[arg(long, env = "STOKER_URL", value_name = "URL", default_value = URL_DEFAULT)]
    url: String,
    /// Bearer token; from `STOKER_KEY`, else `STOKER_ADMIN_KEY`
    #[arg(long, env = "STOKER_KEY", value_name = "KEY", hide_env = true)]
    key: Option<String>,
    /// The tenant to act in; for admins, others act in their own [default: default]
    #[arg(long, env = "STOKER_TENANT", value_name = "NAME")]
    tenant: Option<TenantName>,
    /// File of certificates, as PEM, one of which an `https` host's must follow from [default: those everybody trusts]
    #[arg(long, env = "STOKER_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Print the host's answer as JSON on standard output, and nothing else
    #[arg(long)]
    pub(super) json: bool,
}

/// A request that brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The address can't be used.
    #[error("`{url}` is not an address of a host: {message}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// What is to be trusted can't be read.
    #[error("`--ca-cert`: {}: {message}", path.display())]
    CaCert {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Nobody answers there.
    #[error("no Stoker host answers at {0}; start one with `stoker serve`, or name another with --url or STOKER_URL")]
    Refused(String),
    /// The answer did not come, or broke off.
    #[error("the request to {url} failed: {message}")]
    Transport {
        /// The host's address.
        url: String,
        /// What happened.
        message: String,
    },
    /// The host said no.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The host said something else than expected.
    #[error("the answer of {url} can't be understood ({message}); is it a Stoker host of this version?")]
    Answer {
        /// The host's address.
        url: String,
        /// What is wrong.
        message: String,
    },
}

/// A host to talk to.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    url: String,
    key: Option<String>,
    tenant: Option<TenantName>,
}

/// A host's answer: text that should be JSON.
#[derive(Debug)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) text: String,
    url: String,
}

impl Answer {
    /// The body as `T`.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ClientError> {
        serde_json::from_str(&self.text)
            .map_err(|error| ClientError::Answer { url: self.url.clone(), message: error.to_string() })
    }

    /// Prints the body as it came, which must be JSON.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        self.parse::<&RawValue>()?;
        Ok(terminal::print(&terminal::json(&self.text))?)
    }
}

/// A request being put together.
pub(super) struct Call<'a> {
    client: &'a Client,
    request: http::request::Builder,
    target: String,
    patience: Patience,
}

/// How long an answer may take.
#[derive(Clone, Copy)]
struct Patience {
    /// To begin, and then between two pieces.
    silence: Duration,
    /// To come whole, once it has begun.
    body: Option<Duration>,
}

impl Connection {
    /// Whether it says in which tenant to act.
    pub(super) fn names_tenant(&self) -> bool {
        self.tenant.is_some()
    }

    #[cfg(test)]
    pub(super) fn for_test(url: &str) -> Connection {
        Connection { url: url.to_owned(), key: Some("a-key".to_owned()), tenant: None, ca_cert: None, json: false }
    }

    /// The host's address.
    pub(super) fn url(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// The same options for a host at another address.
    pub(super) fn at(&self, url: &str) -> Connection {
        Connection { url: url.to_owned(), ..self.clone() }
    }

    /// The same options without a key, also where the environment has one.
    pub(super) fn without_key(&self) -> Connection {
        Connection { key: Some(String::new()), ..self.clone() }
    }

    /// The client for these options.
    pub(super) fn client(&self) -> Result<Client, ClientError> {
        let url = self.url().to_owned();
        let host =
            address::host_of(&url).map_err(|message| ClientError::Address { url: address::shown(&url), message })?;
        let loopback = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_millis(CONNECT_MS_MAX)))
            .user_agent(concat!("stoker/", env!("CARGO_PKG_VERSION")));
        if loopback {
            // A proxy of the environment is for the world outside; this machine is not there.
            config = config.proxy(None);
        }
        if let Some(path) = &self.ca_cert {
            config = config.tls_config(TlsConfig::builder().root_certs(read_certificates(path)?).build());
        }
        let from_environment = || std::env::var("STOKER_ADMIN_KEY").ok();
        let key = self.key.clone().or_else(from_environment).filter(|key| !key.is_empty());
        let connector = DefaultConnector::new().chain(AnswerSeeker);
        let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
        Ok(Client { agent, url, key, tenant: self.tenant.clone() })
    }
}

/// The certificates in a file, which are trusted and no others.
fn read_certificates(path: &Path) -> Result<RootCerts, ClientError> {
    let wrong = |message: String| ClientError::CaCert { path: path.to_owned(), message };
    let file = regular_file::open_to_read(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = Vec::new();
    file.take(CA_CERT_BYTES_MAX).read_to_end(&mut text).map_err(|error| wrong(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong("there is no certificate as PEM in it".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

impl Client {
    /// The host's address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it says who it is.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Begins a request. `path` holds only characters that stand in a path as they are: ids, and names as [`segment`]s.
    pub(super) fn call(&self, method: Method, path: &str) -> Call<'_> {
        let mut request = Request::builder().method(method);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        if let Some(tenant) = &self.tenant {
            request = request.header(TENANT_HEADER, tenant.as_str());
        }
        Call {
            client: self,
            request,
            target: format!("{}{path}", self.url),
            patience: Patience {
                silence: Duration::from_millis(ANSWER_MS_MAX),
                body: Some(Duration::from_millis(ANSWER_BODY_MS_MAX)),
            },
        }
    }

    /// `GET path`.
    pub(super) fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    /// That a host is there and takes the key, before something is done that takes long.
    pub(super) fn see(&self) -> Result<(), ClientError> {
        self.get("/v1/modules").query("limit", Some("1")).send().map(drop)
    }

    /// A list that comes in pages of at most `limit`, as one page; what is past `pages_max` of them is left for its cursor.
    pub(super) fn pages(&self, path: &str, limit: usize, pages_max: usize) -> Result<Page<Box<RawValue>>, ClientError> {
        self.pages_of(path, &[], limit, pages_max)
    }

    /// The same, of what is asked for.
    pub(super) fn pages_of(
        &self,
        path: &str,
        asked: &[(&str, Option<&str>)],
        limit: usize,
        pages_max: usize,
    ) -> Result<Page<Box<RawValue>>, ClientError> {
        let mut all: Page<Box<RawValue>> = Page { items: Vec::new(), next_cursor: None };
        for _ in 0..pages_max {
            let call = self.get(path).query("limit", Some(&limit.to_string()));
            let call = asked.iter().fold(call, |call, (name, value)| call.query(name, *value));
            let mut page: Page<Box<RawValue>> = call.query("cursor", all.next_cursor.as_deref()).send()?.parse()?;
            all.items.append(&mut page.items);
            all.next_cursor = page.next_cursor;
            if all.next_cursor.is_none() {
                break;
            }
        }
        Ok(all)
    }

    /// `POST path`.
    pub(super) fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    fn run(&self, request: Request<impl AsSendBody>, patience: Patience) -> Result<Response<Body>, ClientError> {
        let request = self
            .agent
            .configure_request(request)
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .timeout_recv_body(patience.body)
            .build();
        self.agent.run(request).map_err(|error| self.describe(&error))
    }

    fn describe(&self, error: &ureq::Error) -> ClientError {
        let url = self.url.clone();
        match error {
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => ClientError::Refused(url),
            ureq::Error::ConnectionFailed => ClientError::Refused(url),
            other => ClientError::Transport { url, message: other.to_string() },
        }
    }
}

impl Call<'_> {
    /// With a header.
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With a parameter in the query string, where there is one.
    pub(super) fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.target.push(if self.target.contains('?') { '&' } else { '?' });
            self.target.push_str(name);
            self.target.push('=');
            percent_encode(value, &mut self.target);
        }
        self
    }

    /// Waits this long for the answer to begin, and to go on.
    pub(super) fn patience(mut self, silence: Duration) -> Self {
        self.patience.silence = silence;
        self
    }

    /// The answer is large: it may take any time to come whole, as long as it goes on.
    pub(super) fn streamed(mut self) -> Self {
        self.patience.body = None;
        self
    }

    /// Sends it without a body.
    pub(super) fn send(self) -> Result<Answer, ClientError> {
        self.send_body("application/json", Vec::new())
    }

    /// Sends it with a body.
    pub(super) fn send_body(self, content_type: &str, body: Vec<u8>) -> Result<Answer, ClientError> {
        let url = self.client.url.clone();
        let response = self.begin(content_type, body)?;
        read_whole(url, response)
    }

    /// The same, counting in `sent` the bytes of the body that were given to the connection.
    pub(super) fn send_counted(
        self,
        content_type: &str,
        body: Vec<u8>,
        sent: Arc<AtomicU64>,
    ) -> Result<Answer, ClientError> {
        let url = self.client.url.clone();
        let length = body.len();
        let mut counted = Counted { body: Cursor::new(body), sent };
        let call = self.header(CONTENT_LENGTH.as_str(), &length.to_string());
        let response = call.begin_with(content_type, length, SendBody::from_reader(&mut counted))?;
        read_whole(url, response)
    }

    /// Sends it and leaves the body of a success to be read.
    pub(super) fn begin(self, content_type: &str, body: Vec<u8>) -> Result<Response<Body>, ClientError> {
        let length = body.len();
        self.begin_with(content_type, length, body)
    }

    fn begin_with(
        self,
        content_type: &str,
        length: usize,
        body: impl AsSendBody,
    ) -> Result<Response<Body>, ClientError> {
        let client = self.client;
        let mut request = self.request.uri(&self.target);
        if length > 0 {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if length >= ASK_FIRST_BYTES_MIN {
            request = request.header(EXPECT, "100-continue");
        }
        // A GET with a body, be it empty, is something else to many a server.
        let is_get = request.method_ref() == Some(&Method::GET);
        let address =
            |error: http::Error| ClientError::Address { url: self.target.clone(), message: error.to_string() };
        let sent = if is_get {
            client.run(request.body(()).map_err(address)?, self.patience)
        } else {
            client.run(request.body(body).map_err(address)?, self.patience)
        };
        let mut response = sent?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // A problem document that breaks off still has a status to tell.
        let body = response.body_mut().with_config().limit(PROBLEM_BYTES_MAX).read_to_vec().unwrap_or_default();
        Err(Problem::from_body(status.as_u16(), &body).into())
    }
}

fn read_whole(url: String, mut response: Response<Body>) -> Result<Answer, ClientError> {
    let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    let text = String::from_utf8(bytes.map_err(|error| ClientError::Transport {
        url: url.clone(),
        message: format!("the answer broke off: {error}"),
    })?)
    .map_err(|error| ClientError::Answer { url: url.clone(), message: error.to_string() })?;
    Ok(Answer { status: response.status().as_u16(), text, url })
}

/// A body being sent.
struct Counted {
    body: Cursor<Vec<u8>>,
    sent: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.body.read(buffer)?;
        self.sent.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A name as one segment of a path, whatever is in it: the kind `mail/send` is one, not two.
pub(super) fn segment(name: impl AsRef<str>) -> String {
    let mut segment = String::new();
    percent_encode(name.as_ref(), &mut segment);
    segment
}

/// RFC 3986: everything but unreserved characters is written as `%XX`.
fn percent_encode(text: &str, target: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            target.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _infallible = write!(target, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::cli::fake_host::{Prepared, answer_each};

    #[test]
    fn a_name_is_one_segment() {
        for (name, expected) in [
            ("greet.v2_x-y~", "greet.v2_x-y~"),
            ("mail/send:now", "mail%2Fsend%3Anow"),
            ("50% of a?b#c", "50%25%20of%20a%3Fb%23c"),
            ("größe", "gr%C3%B6%C3%9Fe"),
        ] {
            assert_eq!(segment(name), expected);
        }
    }

    #[test]
    fn a_request_carries_key_and_encoded_query() {
        let (url, server) = answer_each(vec![Prepared("200 OK", "{\"items\":[]}")]);
        let client = Connection::for_test(&url).client().unwrap();
        let answer = client.get("/v1/jobs").query("tag", Some("a b&c=ü")).query("kind", None).send().unwrap();
        let request = server.join().unwrap().concat();
        assert!(request.starts_with("GET /v1/jobs?tag=a%20b%26c%3D%C3%BC HTTP/1.1\r\n"), "{request}");
        assert!(request.to_ascii_lowercase().contains("authorization: bearer a-key"), "{request}");
        assert_eq!((answer.status, answer.text.as_str()), (200, "{\"items\":[]}"));
    }

    #[test]
    fn a_refusal_becomes_the_problem() {
        let body = "{\"title\":\"No such job\",\"code\":\"not_here\"}";
        let (url, server) = answer_each(vec![Prepared("404 Not Found", body)]);
        let refused = Connection::for_test(&url).client().unwrap().get("/v1/jobs/x").send().unwrap_err();
        server.join().unwrap();
        assert_eq!(refused.to_string(), "No such job (404 not_here)");
    }

    /// A server that says this once it has seen a head, then that after a part of the body, and closes the connection.
    fn closing_early(first: &'static str, then: &'static str) -> (String, std::thread::JoinHandle<()>) {
        use std::io::{Read as _, Write as _};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend_from_slice(&byte);
            }
            stream.write_all(first.as_bytes()).unwrap();
            if !then.is_empty() {
                stream.read_exact(&mut [0; 1 << 10]).unwrap();
                stream.write_all(then.as_bytes()).unwrap();
            }
        });
        (url, server)
    }

    const LARGE_BYTES: usize = 32 << 20;
    const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    const REFUSAL: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn an_answer_in_the_middle_of_a_request_is_seen() {
        for (first, then) in [(REFUSAL, ""), (GO_ON, REFUSAL)] {
            let (url, server) = closing_early(first, then);
            let client = Connection::for_test(&url).client().unwrap();
            let refused = client.call(Method::PUT, "/v1/modules/x").send_body("application/wasm", vec![0; LARGE_BYTES]);
            server.join().unwrap();
            let refused = refused.unwrap_err();
            assert!(matches!(&refused, ClientError::Problem(problem) if problem.status == 401), "{refused:?}");
        }
    }

    #[test]
    fn a_request_that_breaks_off_without_an_answer_says_so() {
        let (url, server) = closing_early(GO_ON, " ");
        let client = Connection::for_test(&url).client().unwrap();
        let failed = client.call(Method::PUT, "/v1/modules/x").send_body("application/wasm", vec![0; LARGE_BYTES]);
        server.join().unwrap();
        assert!(matches!(failed, Err(ClientError::Transport { .. })), "{failed:?}");
    }

    #[test]
    fn an_answer_that_stops_in_its_middle_is_given_up() {
        use std::io::{Read as _, Write as _};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").unwrap();
                // Until the client has gone: it is not the end of the connection that ends the wait.
                let _ = stream.read_to_end(&mut Vec::new());
            }
        });
        let client = Connection::for_test(&url).client().unwrap();
        let soon = Duration::from_millis(50);
        let refused = client.get("/v1/jobs").patience(soon).send().unwrap_err();
        assert!(matches!(refused, ClientError::Transport { .. }), "{refused:?}");
        let mut begun = client.get("/v1/backup").patience(soon).streamed().begin("", Vec::new()).unwrap();
        begun.body_mut().read_to_vec().unwrap_err();
        drop((begun, client));
        server.join().unwrap();
    }

    #[test]
    fn nobody_there_says_how_to_start_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let refused = Connection::for_test(&url).client().unwrap().get("/v1/jobs").send().unwrap_err();
        assert!(matches!(refused, ClientError::Refused(_)), "{refused:?}");
        assert!(refused.to_string().contains("stoker serve"), "{refused}");
    }

    #[test]
    fn an_address_that_can_not_work_is_refused_without_its_secrets() {
        let refused = Connection::for_test("http://ada:secret@127.0.0.1:1").client().unwrap_err().to_string();
        assert!(refused.starts_with("`http://…@127.0.0.1:1` is not an address of a host: "), "{refused}");
        assert_eq!(Connection::for_test("http://127.0.0.1:1/").client().unwrap().url, "http://127.0.0.1:1");
    }
}
