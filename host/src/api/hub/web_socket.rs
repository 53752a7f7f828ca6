//! A connection over a WebSocket.

use std::time::Duration;

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::response::Response;
use tokio::time::timeout;

use super::conversation::{Conversation, Hearing, Said};
use super::protocol::RECORD_BYTES_MAX;

/// How long a client may take to take a message: one that reads nothing is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// How long is waited for a client's last word, so that it reads ours.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
/// What is kept of what a client has not taken yet, bytes: what is said at once, and no more.
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// Takes the connection over.
pub(super) fn open(upgrade: WebSocketUpgrade, conversation: Conversation) -> Response {
    upgrade
        .max_message_size(RECORD_BYTES_MAX)
        .max_frame_size(RECORD_BYTES_MAX)
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT_BYTES_MAX)
        .on_upgrade(move |socket| converse(socket, conversation))
}

/// What a client says.
struct Ears<'s>(&'s mut WebSocket);

impl Hearing for Ears<'_> {
    async fn hear(&mut self) -> Option<String> {
        match self.0.recv().await? {
            Ok(Message::Text(text)) => Some(text.as_str().to_owned()),
            // What speaks a binary protocol greets in one: the greeting is text all the same.
            Ok(Message::Binary(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            // Signs of life.
            Ok(Message::Ping(_) | Message::Pong(_)) => Some(String::new()),
            Ok(Message::Close(_)) | Err(_) => None,
        }
    }
}

async fn converse(mut socket: WebSocket, mut conversation: Conversation) {
    loop {
        let Said { text, is_over } = conversation.next(&mut Ears(&mut socket)).await;
        if !text.is_empty() && !send(&mut socket, Message::text(text)).await {
            return;
        }
        if is_over {
            break;
        }
    }
    let goodbye = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    if send(&mut socket, Message::Close(Some(goodbye))).await {
        // Closing with unread words would reset the connection, and ours be lost.
        let _gone = timeout(GOODBYE_TIMEOUT, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(SEND_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}
