//! `wasi:http`, closed: linked, so that guests which import it start, and every request refused and counted.

use http::Request;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Bytes of one set of headers, as they lie in the host's memory.
pub(in crate::sandbox) const FIELDS_BYTES_MAX: usize = 8 << 10;
/// Bytes of one write to a request's body, of which the host keeps up to two.
const BODY_CHUNK_BYTES_MAX: usize = 8 << 10;

/// Refuses every outgoing request.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct ClosedHttp {
    /// Requests the guest tried to make.
    pub(in crate::sandbox) requests: u64,
}

type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transfer), Error>> + Send>;

impl WasiHttpHooks for ClosedHttp {
    fn send_request(&mut self, _request: Request<WasiBody>, _options: Option<RequestOptions>, _body: Transfer) -> Sent {
        self.requests += 1;
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES_MAX
    }
}
