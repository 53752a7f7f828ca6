//! `wasi:http`, outgoing: each request is counted, and goes out as far as it is granted. See `sandbox::egress`.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use crate::job::{Clock, Grants, LogLevel, TenantName};
use crate::sandbox::attempt_log::SharedLog;
use crate::sandbox::denied::Denied;
use crate::sandbox::egress::{Egress, Sender, Transfer, is_hosts};

/// Bytes of one set of headers, as they lie in the host's memory.
pub(in crate::sandbox) const FIELDS_BYTES_MAX: usize = 16 << 10;
/// Bytes of one write to a request's body, of which the host keeps up to two.
const BODY_CHUNK_BYTES_MAX: usize = 8 << 10;

/// How long after the attempt's deadline a request still waits. The attempt ends by its own timeout, which takes the request
/// with it; one that gave up at the same moment would leave it to chance whether the guest is told of it first.
const PAST_THE_DEADLINE: Duration = Duration::from_secs(5);

/// The requests of one attempt.
#[derive(Default)]
pub(in crate::sandbox) struct OutgoingHttp {
    /// Requests the guest tried to make.
    pub(in crate::sandbox) requests: u64,
    /// Where they go. Nowhere, as long as no handler is run.
    pub(in crate::sandbox) way_out: Option<WayOut>,
}

/// What the requests of one attempt share.
pub(in crate::sandbox) struct WayOut {
    pub(in crate::sandbox) egress: Arc<Egress>,
    pub(in crate::sandbox) tenant: TenantName,
    pub(in crate::sandbox) grants: Arc<Grants>,
    pub(in crate::sandbox) places: Arc<Semaphore>,
    pub(in crate::sandbox) denied: Denied,
    pub(in crate::sandbox) log: SharedLog,
    pub(in crate::sandbox) clock: Arc<dyn Clock>,
    /// Of the attempt, by the monotonic clock.
    pub(in crate::sandbox) deadline: Duration,
}

type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transfer), Error>> + Send>;

impl WasiHttpHooks for OutgoingHttp {
    fn send_request(&mut self, request: Request<WasiBody>, options: Option<RequestOptions>, _body: Transfer) -> Sent {
        self.requests += 1;
        let Some(way_out) = &self.way_out else { return Box::new(async { Err(Error::HttpRequestDenied) }) };
        let WayOut { egress, tenant, grants, places, denied, log, clock, deadline } = way_out;
        let most = egress.requests_max();
        if self.requests > most {
            if self.requests == most + 1 {
                log.lock()
                    .line(LogLevel::Warn, &format!("http: the attempt made its {most} requests; further ones fail"));
            }
            return Box::new(async { Err(Error::ConnectionLimitReached) });
        }
        let sender = Sender {
            egress: Arc::clone(egress),
            grants: Arc::clone(grants),
            tenant: tenant.clone(),
            places: Arc::clone(places),
            denied: denied.clone(),
            log: Arc::clone(log),
            time_left: deadline.saturating_sub(clock.monotonic()).saturating_add(PAST_THE_DEADLINE),
        };
        Box::new(sender.send(request, options))
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_hosts)
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES_MAX
    }
}
