//! A reader of server-sent events: one thread that reads, a test that waits for what it found.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use crate::api::Api;
use crate::wait::DEADLINE;

/// An event, or a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentEvent {
    /// Its `id`, if it has one.
    pub id: Option<String>,
    /// Its name; of a comment `:`.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// An open stream.
#[derive(Debug)]
pub struct EventStream {
    events: Receiver<SentEvent>,
}

impl EventStream {
    /// Opens one that must be answered with 200.
    #[track_caller]
    pub fn open(api: &Api, path: &str, headers: &[(&str, &str)]) -> Self {
        let reader = api.open_stream(path, headers);
        let (sender, events) = channel();
        std::thread::spawn(move || {
            let mut event = SentEvent::default();
            for line in BufReader::new(reader).lines() {
                let Ok(line) = line else { return };
                if line.is_empty() {
                    let found = std::mem::take(&mut event);
                    if found != SentEvent::default() && sender.send(found).is_err() {
                        return;
                    }
                } else if let Some(value) = line.strip_prefix("id: ") {
                    event.id = Some(value.to_owned());
                } else if let Some(value) = line.strip_prefix("event: ") {
                    value.clone_into(&mut event.event);
                } else if let Some(value) = line.strip_prefix("data: ") {
                    event.data.push_str(value);
                } else if line.starts_with(':') {
                    ":".clone_into(&mut event.event);
                }
            }
        });
        Self { events }
    }

    /// The next event or comment; `None`: the stream has ended.
    #[track_caller]
    pub fn next_or_comment(&self) -> Option<SentEvent> {
        match self.events.recv_timeout(DEADLINE) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("waited {DEADLINE:?} in vain for an event"),
        }
    }

    /// The next event; `None`: the stream has ended.
    #[track_caller]
    pub fn next_event(&self) -> Option<SentEvent> {
        loop {
            match self.next_or_comment() {
                Some(comment) if comment.event == ":" => {}
                found => return found,
            }
        }
    }
}
