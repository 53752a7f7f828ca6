//! One request and its response: checked against the grants, resolved, connected, sent, all within its time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::body::{Download, Upload};
use super::connect::{Stream, addresses, connect};
use super::places::{Place, Places, of_attempt};
use super::request::{declared_bytes, prepared, target_of};
use super::resolver::Names;
use super::tls;
use crate::job::egress::{EgressBounds, EgressOptions};
use crate::job::{Grants, HttpTarget, LogLevel, TenantName};
use crate::sandbox::attempt_log::SharedLog;
use crate::sandbox::denied::Denied;

/// Most lines in the head of a response.
const RESPONSE_HEADERS_MAX: usize = 128;
/// hyper reads no smaller pieces.
const READ_BYTES_MIN: usize = 8 << 10;
/// Of a method in the log; a guest can make one up.
const METHOD_CHARS_SHOWN: usize = 16;

/// The way out of this host, for all attempts.
pub(in crate::sandbox) struct Egress {
    bounds: EgressBounds,
    names: Names,
    tls: TlsConnector,
    /// For what is not HTTP.
    plain_tls: TlsConnector,
    places: Places,
}

impl Egress {
    /// Reads the operator's certificates; the error is a sentence.
    pub(in crate::sandbox) fn new(options: &EgressOptions) -> Result<Self, String> {
        let EgressOptions { bounds, dns, ca_file } = options;
        Ok(Self {
            bounds: *bounds,
            names: Names::new(dns, bounds.dns_timeout),
            tls: tls::connector(ca_file.as_deref(), &[b"http/1.1"])?,
            plain_tls: tls::connector(ca_file.as_deref(), &[])?,
            places: Places::new(bounds),
        })
    }

    /// The most one attempt may make.
    pub(in crate::sandbox) fn requests_max(&self) -> u64 {
        self.bounds.requests
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn plain_tls(&self) -> TlsConnector {
        self.plain_tls.clone()
    }

    /// Places for the connections of one attempt.
    pub(in crate::sandbox) fn places_of_attempt(&self) -> Arc<Semaphore> {
        of_attempt(&self.bounds)
    }
}

/// An attempt's own part in it.
pub(in crate::sandbox) struct Sender {
    pub(in crate::sandbox) egress: Arc<Egress>,
    pub(in crate::sandbox) grants: Arc<Grants>,
    pub(in crate::sandbox) tenant: TenantName,
    pub(in crate::sandbox) places: Arc<Semaphore>,
    pub(in crate::sandbox) denied: Denied,
    pub(in crate::sandbox) log: SharedLog,
    /// What is left of the attempt's time.
    pub(in crate::sandbox) time_left: Duration,
}

/// Drives a connection until all has been sent and read.
pub(in crate::sandbox) type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Sender {
    /// The response, and what moves its body. Who is told no finds it in the log, with the host and nothing else: paths,
    /// queries and headers hold secrets.
    pub(in crate::sandbox) async fn send(
        self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<(Response<WasiBody>, Transfer), Error> {
        let method: String = request.method().as_str().chars().take(METHOD_CHARS_SHOWN).collect();
        let target = target_of(request.uri())?;
        let log = Arc::clone(&self.log);
        let sent = self.exchange(request, &target, options.unwrap_or_default()).await;
        let said = match &sent {
            Ok((response, _)) => response.status().as_u16().to_string(),
            Err(error) => error.to_string(),
        };
        log.lock().line(LogLevel::Debug, &format!("{target} {method}: {said}"));
        sent
    }

    async fn exchange(
        self,
        request: Request<WasiBody>,
        target: &HttpTarget,
        options: RequestOptions,
    ) -> Result<(Response<WasiBody>, Transfer), Error> {
        let Sender { egress, grants, tenant, places, denied, log: _, time_left } = self;
        let EgressBounds { request_bytes, response_bytes, connect_timeout, .. } = egress.bounds;
        let until = Instant::now() + egress.bounds.total_timeout.min(time_left);
        if !grants.allows_http(target) {
            denied.note(&target.to_string());
            return Err(Error::HttpRequestDenied);
        }
        let request = prepared(request, target, request_bytes)?;
        let in_time = async {
            let place = egress.places.take(&places, &tenant).await?;
            let found = addresses(&egress.names, &tenant, target, &grants, &denied).await?;
            let patience = shorter(options.connect_timeout, connect_timeout);
            let stream = connect(&found, target, &egress.tls, until.min(Instant::now() + patience)).await?;
            Ok::<_, Error>((place, stream))
        };
        let (place, stream) = timeout_at(until, in_time).await.map_err(|_elapsed| Error::ConnectionTimeout)??;
        let first_byte = shorter(options.first_byte_timeout, egress.bounds.first_byte_timeout);
        let between_bytes = shorter(options.between_bytes_timeout, egress.bounds.between_bytes_timeout);
        let is_head = request.method() == Method::HEAD;
        let (response, transfer) = answered(stream, request, place, &egress.bounds, first_byte, until).await?;
        if !is_head && declared_bytes(response.headers())?.is_some_and(|bytes| bytes > response_bytes) {
            return Err(Error::HttpResponseBodySize(Some(response_bytes)));
        }
        let body = |body| Download::new(body, response_bytes, between_bytes, until).boxed_unsync();
        Ok((response.map(body), transfer))
    }
}

/// A guest may be less patient than the host.
fn shorter(asked: Option<Duration>, most: Duration) -> Duration {
    asked.map_or(most, |asked| asked.min(most))
}

/// Sends the request over a connection of its own; the head of the response, and what is to be done for its body.
async fn answered(
    stream: Box<dyn Stream>,
    request: Request<WasiBody>,
    place: Place,
    bounds: &EgressBounds,
    first_byte: Duration,
    until: Instant,
) -> Result<(Response<hyper::body::Incoming>, Transfer), Error> {
    let too_large = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| Upload::new(body, bounds.request_bytes, Arc::clone(&too_large)));
    let told = |error: &hyper::Error| {
        if too_large.load(Ordering::Relaxed) {
            Error::HttpRequestBodySize(Some(bounds.request_bytes))
        } else {
            of_hyper(error)
        }
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(bounds.head_bytes.max(READ_BYTES_MIN)).max_headers(RESPONSE_HEADERS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
    let mut connection = Box::pin(connection);
    let mut is_over = false;
    let response = {
        let mut response = pin!(sender.send_request(request));
        let both = poll_fn(|context| {
            if let Poll::Ready(response) = response.as_mut().poll(context) {
                return Poll::Ready(response);
            }
            if !is_over {
                match connection.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => is_over = true,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                }
            }
            response.as_mut().poll(context)
        });
        let in_time = timeout(first_byte, both);
        let answered = timeout_at(until, in_time).await.map_err(|_elapsed| Error::HttpResponseTimeout)?;
        answered.map_err(|_elapsed| Error::ConnectionReadTimeout)?.map_err(|error| told(&error))?
    };
    let transfer = async move {
        // Held as long as the connection is.
        let _place = place;
        if !is_over {
            // Whoever reads the body learns of its end; there is nobody else to tell.
            let _told_by_the_body = timeout_at(until, connection).await;
        }
        Ok(())
    };
    Ok((response, Box::new(transfer)))
}

/// In the words of `wasi:http`.
pub(super) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_parse() {
        Error::HttpProtocolError
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else {
        Error::ConnectionTerminated
    }
}
