//! Sets the headers that say how a request is framed, whom it is for and who sent it, and such as end early and begin others.

use stoker_sdk::{Context, Failure, handler};
use wasip2::http::types::Fields;

use crate::{To, outgoing, send_plain, sent};

const HEADERS: [(&str, &[u8]); 20] = [
    ("x-a", b"b\r\nx-smuggled: yes"),
    ("x-a", b"b\nx-smuggled: yes"),
    ("x-a", b"b\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("x-a", b"b\0c"),
    ("x-a\r\nx-smuggled", b"yes"),
    ("x-smuggled: yes\r\nx-a", b"b"),
    ("x-smuggled ", b"yes"),
    ("x-smuggled:", b"yes"),
    ("", b"x-smuggled: yes"),
    ("transfer-encoding", b"chunked"),
    ("Transfer-Encoding", b"chunked, identity"),
    ("host", b"inner.test"),
    ("HOST", b"inner.test"),
    ("connection", b"keep-alive, x-a"),
    ("keep-alive", b"timeout=1000"),
    ("upgrade", b"websocket"),
    ("te", b"trailers"),
    ("proxy-authorization", b"Basic eDp4"),
    ("proxy-connection", b"keep-alive"),
    ("http2-settings", b"AAMAAABkAAQAAP__"),
];

/// More than one at a time.
const PAIRS: [[(&str, &[u8]); 2]; 3] = [
    [("content-length", b"0"), ("transfer-encoding", b"chunked")],
    [("content-length", b"0"), ("content-length", b"30")],
    [("content-length", b"0, 30"), ("x-a", b"b")],
];

/// Those that were sent in spite of all.
#[handler(kind = "smuggle-headers")]
pub fn smuggle_headers(_context: &Context, input: To) -> Result<Vec<String>, Failure> {
    send_plain(&input.to)?;
    let sets = HEADERS.iter().map(std::slice::from_ref).chain(PAIRS.iter().map(|pair| &pair[..]));
    let mut taken = Vec::new();
    for set in sets {
        for fields in [one_by_one(set), all_at_once(set)].into_iter().flatten() {
            if sent(outgoing(fields, &input.to, "/")) {
                taken.push(format!("{set:?}"));
            }
        }
    }
    Ok(taken)
}

fn one_by_one(set: &[(&str, &[u8])]) -> Option<Fields> {
    let fields = Fields::new();
    set.iter().try_for_each(|(name, value)| fields.append(name, value).ok())?;
    Some(fields)
}

fn all_at_once(set: &[(&str, &[u8])]) -> Option<Fields> {
    let set: Vec<(String, Vec<u8>)> = set.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    Fields::from_list(&set).ok()
}
