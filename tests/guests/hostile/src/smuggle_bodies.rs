//! Sends bodies that are longer and shorter than they were said to be, with another request in what is too much.

use stoker_sdk::{Context, Failure, handler};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingBody};

use crate::{To, outgoing, sent};

const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nhost: inner.test\r\n\r\n";

#[handler(kind = "smuggle-bodies")]
pub fn smuggle_bodies(_context: &Context, input: To) -> Result<(), Failure> {
    let too_much = [&b"12345"[..], SMUGGLED].concat();
    // What is announced, what is written, and whether that is said to be all.
    let bodies: [(&str, &[&[u8]], bool); 6] = [
        ("5", &[&too_much], true),
        ("5", &[b"12345", SMUGGLED], true),
        ("5", &[b"12345", SMUGGLED], false),
        ("100", &[b"12345"], true),
        ("100", &[b"12345"], false),
        ("0", &[SMUGGLED], true),
    ];
    for (length, pieces, is_finished) in bodies {
        let fields = Fields::new();
        let _ = fields.append("content-length", length.as_bytes());
        let request = outgoing(fields, &input.to, "/");
        let _ = request.set_method(&Method::Post);
        let Ok(body) = request.body() else { continue };
        let Ok(answer) = handle(request, None) else { continue };
        if let Ok(stream) = body.write() {
            for piece in pieces {
                let _ = stream.blocking_write_and_flush(piece);
            }
        }
        if is_finished {
            let _ = OutgoingBody::finish(body, None);
        } else {
            drop(body);
        }
        answer.subscribe().block();
    }
    // Said, and not even begun.
    let fields = Fields::new();
    let _ = fields.append("content-length", b"100");
    sent(outgoing(fields, &input.to, "/"));
    Ok(())
}
