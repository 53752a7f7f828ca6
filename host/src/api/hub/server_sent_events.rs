//! A connection over server-sent events. Its answer is made as it is read: of who does not read, nothing gathers, and the server
//! closes the connection in time.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;

use super::connections::Connected;
use super::conversation::{Conversation, Said};
use crate::api::notifications::event_stream;

/// Begins to send what the conversation says.
pub(super) fn open(connected: Connected, conversation: Conversation) -> Response {
    // A first piece: browsers take the connection for open when something comes.
    let begin = (Some(Bytes::from_static(b":\r\n\r\n")), Some((connected, conversation)));
    let pieces = stream::unfold(begin, |(begin, open)| async move {
        if let Some(begin) = begin {
            return Some((Ok::<_, Infallible>(begin), (None, open)));
        }
        let (mut connected, mut conversation) = open?;
        let Said { text, ends } = conversation.next(&mut connected).await;
        // JSON text of ours has no line breaks, and where it is none nothing is sent.
        let event = if text.is_empty() { Bytes::new() } else { Bytes::from(format!("data: {text}\r\n\r\n")) };
        Some((Ok(event), (None, ends.is_none().then_some((connected, conversation)))))
    });
    event_stream(Body::from_stream(pieces))
}
