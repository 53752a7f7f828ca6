//! Sends a body that does not end.

use stoker_sdk::{Context, Failure, handler};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method};

use crate::{To, outgoing};

#[handler(kind = "upload-without-end")]
pub fn upload_without_end(_context: &Context, input: To) -> Result<bool, Failure> {
    let request = outgoing(Fields::new(), &input.to, "/");
    let _ = request.set_method(&Method::Post);
    let body = request.body().map_err(|()| Failure::fatal("a request has a body"))?;
    let answer = handle(request, None).map_err(|error| Failure::fatal(format!("{error:?}")))?;
    let stream = body.write().map_err(|()| Failure::fatal("a body can be written"))?;
    while stream.blocking_write_and_flush(&[b'x'; 4_096]).is_ok() {}
    answer.subscribe().block();
    // Whether it came to nothing.
    Ok(matches!(answer.get(), Some(Ok(Err(_)))))
}
