//! Puts more than one request, or more than there belongs, into the method, the path and the host of a request.

use stoker_sdk::{Context, Failure, handler};
use wasip2::http::types::{Fields, Method, Scheme};

use crate::{To, outgoing, send_plain, sent};

const METHODS: [&str; 6] = [
    "GET /smuggled HTTP/1.1\r\nhost: inner.test\r\n\r\nGET",
    "GET\r\nx-smuggled: yes\r\n",
    "GET /smuggled",
    "G\0T",
    "",
    "CONNECT",
];
const PATHS: [&str; 7] = [
    "/ HTTP/1.1\r\nx-smuggled: yes\r\nx-a: b",
    "/\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "/a b",
    "/\0",
    "*",
    "http://inner.test/smuggled",
    "@inner.test/smuggled",
];
const AUTHORITIES: [&str; 5] = ["\r\nx-smuggled: yes", " inner.test", "/smuggled", "?smuggled", "@inner.test"];

/// Those that were sent in spite of all.
#[handler(kind = "smuggle-request-lines")]
pub fn smuggle_request_lines(_context: &Context, input: To) -> Result<Vec<String>, Failure> {
    send_plain(&input.to)?;
    let mut taken = Vec::new();
    let mut note = |what: &str, is_sent: bool| taken.extend(is_sent.then(|| what.to_owned()));
    for method in METHODS {
        let request = outgoing(Fields::new(), &input.to, "/");
        let is_set = request.set_method(&Method::Other(method.to_owned())).is_ok();
        note(method, is_set && sent(request));
    }
    let tunnel = outgoing(Fields::new(), &input.to, "/");
    let is_set = tunnel.set_method(&Method::Connect).is_ok();
    note("a tunnel", is_set && sent(tunnel));
    for path in PATHS {
        let request = outgoing(Fields::new(), &input.to, "/");
        let is_set = request.set_path_with_query(Some(path)).is_ok();
        note(path, is_set && sent(request));
    }
    for behind in AUTHORITIES {
        let request = outgoing(Fields::new(), &input.to, "/");
        let is_set = request.set_authority(Some(&format!("{}{behind}", input.to))).is_ok();
        note(behind, is_set && sent(request));
    }
    for scheme in ["gopher", "file", "http\r\n", ""] {
        let request = outgoing(Fields::new(), &input.to, "/");
        let is_set = request.set_scheme(Some(&Scheme::Other(scheme.to_owned()))).is_ok();
        note(scheme, is_set && sent(request));
    }
    Ok(taken)
}
