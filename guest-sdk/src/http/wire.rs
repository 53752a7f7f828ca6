//! A request by `wasi:http`, from the module to the host and back.

use crate::granted::wasi::http::outgoing_handler::handle;
use crate::granted::wasi::http::types::{
    ErrorCode, Fields, HeaderError, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme, http_error_code,
};
use crate::granted::wasi::io::streams::StreamError;

use super::error::Error;
use super::request::Request;
use super::response::Response;
use super::url::Url;

/// Most that is handed to the host at once, bytes.
const PIECE_BYTES_MAX: usize = 4 << 10;
/// Most that is asked of the host at once, bytes.
const READ_BYTES_MAX: u64 = 64 << 10;

pub(super) fn send(request: &Request, url: &Url<'_>) -> Result<Response, Error> {
    let invalid = |what: &str| Error::Invalid(what.into());
    let told = |code: ErrorCode| of_code(code, url.authority);
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers.append(name, value.as_bytes()).map_err(of_header)?;
    }
    if !request.body.is_empty() {
        let length = crate::text::printed(&request.body.len());
        headers.append("content-length", length.as_bytes()).map_err(of_header)?;
    }
    let outgoing = OutgoingRequest::new(headers);
    outgoing.set_method(&method(&request.method)).map_err(|()| invalid("the method is none"))?;
    let scheme = if url.is_https { Scheme::Https } else { Scheme::Http };
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("the scheme is none"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| invalid("the host in the URL is none"))?;
    outgoing.set_path_with_query(Some(url.path)).map_err(|()| invalid("the path in the URL is none"))?;
    let body = if request.body.is_empty() { None } else { outgoing.body().ok() };
    let answer = handle(outgoing, options(request)).map_err(told)?;
    if let Some(body) = body {
        // Where it breaks off, the answer says why.
        let _broke_off = write(body, &request.body);
    }
    answer.subscribe().block();
    let none = || Error::Failed("the host gave no answer".into());
    let response = answer.get().ok_or_else(none)?.map_err(|()| none())?.map_err(told)?;
    let (status, headers) = (response.status(), response.headers().entries());
    let body = read(&response, request.body_bytes_max).map_err(|cut| match cut {
        Cut::TooLarge => Error::TooLarge("the response is larger than `body_max` of the request".into()),
        Cut::Code(code) => told(code),
        Cut::Unknown => Error::Incomplete("the response broke off".into()),
    })?;
    Ok(Response::read(status, headers, body))
}

fn method(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.into()),
    }
}

fn options(request: &Request) -> Option<RequestOptions> {
    let nanoseconds = u64::try_from(request.timeout?.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    // The host's own bounds hold where one of them is refused.
    let _refused = options.set_connect_timeout(Some(nanoseconds));
    let _refused = options.set_first_byte_timeout(Some(nanoseconds));
    let _refused = options.set_between_bytes_timeout(Some(nanoseconds));
    Some(options)
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Option<()> {
    {
        let stream = body.write().ok()?;
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            stream.blocking_write_and_flush(piece).ok()?;
        }
    }
    OutgoingBody::finish(body, None).ok()
}

enum Cut {
    TooLarge,
    Code(ErrorCode),
    Unknown,
}

fn read(response: &IncomingResponse, bytes_max: usize) -> Result<Vec<u8>, Cut> {
    let body: IncomingBody = response.consume().map_err(|()| Cut::Unknown)?;
    let stream = body.stream().map_err(|()| Cut::Unknown)?;
    let mut read = Vec::new();
    loop {
        match stream.blocking_read(READ_BYTES_MAX) {
            Ok(piece) if piece.len() > bytes_max - read.len() => return Err(Cut::TooLarge),
            Ok(piece) => read.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(read),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).map_or(Cut::Unknown, Cut::Code));
            }
        }
    }
}

fn of_header(error: HeaderError) -> Error {
    Error::Invalid(
        match error {
            HeaderError::InvalidSyntax => "a header has a name or a value that none can have",
            HeaderError::Forbidden => "a header is not a handler's to set",
            HeaderError::Immutable => "the headers are larger than the host takes",
        }
        .into(),
    )
}

#[allow(clippy::needless_pass_by_value)] // As it comes from the host.
fn of_code(code: ErrorCode, authority: &str) -> Error {
    let sized = |what: &str| Error::TooLarge(what.into());
    let failed = |what: &str| Error::Failed(crate::text::joined(&[authority, ": ", what]));
    let late = |what: &str| Error::Timeout(crate::text::joined(&[authority, ": ", what]));
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::Denied(authority.into()),
        ErrorCode::DnsTimeout => late("looking its name up took too long"),
        ErrorCode::ConnectionTimeout => late("connecting took too long"),
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            late("it took too long to answer")
        }
        ErrorCode::HttpRequestBodySize(_) => sized("the request is larger than the host allows"),
        ErrorCode::HttpResponseBodySize(_) => sized("the response is larger than the host allows"),
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_) => {
            sized("the head of the response is larger than the host allows")
        }
        ErrorCode::HttpRequestMethodInvalid | ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong => {
            Error::Invalid("the host sends no request with such a method or URL".into())
        }
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => failed("there is no such name"),
        ErrorCode::ConnectionRefused | ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            failed("nobody answers there")
        }
        ErrorCode::ConnectionLimitReached => failed("the attempt, or the host, has made all the requests it may"),
        ErrorCode::TlsCertificateError => failed("its certificate can't be trusted"),
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => failed("TLS could not be agreed on"),
        ErrorCode::HttpResponseIncomplete | ErrorCode::ConnectionTerminated => {
            Error::Incomplete(crate::text::joined(&[authority, ": the response broke off"]))
        }
        ErrorCode::HttpProtocolError => failed("what it says is not HTTP"),
        _ => failed("the request failed"),
    }
}
