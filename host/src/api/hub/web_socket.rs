//! A connection over a WebSocket.

use std::time::Duration;

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::response::Response;
use tokio::time::timeout;
use tungstenite::Error;
use tungstenite::error::ProtocolError;

use super::conversation::{Conversation, Hearing, Said, Words};
use super::protocol::{Ending, RECORD_BYTES_MAX};

/// How long a client may take to take a message: one that reads nothing is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// How long is waited for a client's last word, so that it reads ours.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// What is read of one message: of those that are a little too large all, so that the client reads why they are refused.
const READ_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// What is kept of what a client has not taken yet, bytes: what is said at once, and no more.
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// Takes the connection over.
pub(super) fn open(upgrade: WebSocketUpgrade, conversation: Conversation) -> Response {
    upgrade
        .max_message_size(READ_BYTES_MAX)
        .max_frame_size(READ_BYTES_MAX)
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT_BYTES_MAX)
        .on_upgrade(move |socket| converse(socket, conversation))
}

/// What a client says.
struct Ears<'s>(&'s mut WebSocket);

impl Hearing for Ears<'_> {
    async fn hear(&mut self) -> Words {
        match self.0.recv().await {
            Some(Ok(Message::Text(text))) => Words::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => Words::Binary(bytes.to_vec()),
            // Signs of life.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Words::Text(String::new()),
            Some(Ok(Message::Close(_))) | None => Words::Gone,
            Some(Err(error)) => unread(error),
        }
    }
}

/// What a client says that can't be read.
fn unread(error: axum::Error) -> Words {
    let Ok(error) = error.into_inner().downcast::<Error>() else { return Words::Gone };
    match *error {
        Error::Capacity(_) => Words::Unreadable(Ending::TooLarge),
        Error::Utf8(_) => Words::Unreadable(Ending::NotUtf8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Words::Gone,
        Error::Protocol(_) => Words::Unreadable(Ending::Malformed),
        _ => Words::Gone,
    }
}

fn close_code(ending: Ending) -> u16 {
    match ending {
        Ending::Normal => close_code::NORMAL,
        Ending::TooLarge => close_code::SIZE,
        Ending::Binary => close_code::UNSUPPORTED,
        Ending::NotUtf8 => close_code::INVALID,
        Ending::Malformed => close_code::PROTOCOL,
    }
}

async fn converse(mut socket: WebSocket, mut conversation: Conversation) {
    let ending = loop {
        let Said { text, ends } = conversation.next(&mut Ears(&mut socket)).await;
        if !text.is_empty() && !send(&mut socket, Message::text(text)).await {
            return;
        }
        if let Some(ending) = ends {
            break ending;
        }
    };
    let goodbye = CloseFrame { code: close_code(ending), reason: "".into() };
    // Not after a client's own: the answer to that goes with what is read next.
    let _told = send(&mut socket, Message::Close(Some(goodbye))).await;
    // Closing with unread words would reset the connection, and ours be lost.
    let _gone = timeout(GOODBYE_TIMEOUT, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(SEND_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}
