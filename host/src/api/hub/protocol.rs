//! The JSON protocol of SignalR: records of JSON text, each with a mark at its end; a greeting first. Pure.
//!
//! <https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md>

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::job::cut;
use crate::store::NotificationRow;

/// Ends every record.
const RECORD_END: char = '\u{1e}';
/// Largest record a client may send, bytes.
pub(super) const RECORD_BYTES_MAX: usize = 32 << 10;
/// What is quoted of a client's own words, bytes.
const QUOTED_BYTES_MAX: usize = 100;
/// The only protocol, and its version.
const PROTOCOL: &str = "json";
const VERSION: u32 = 1;
/// What clients register for.
const TARGET: &str = "ReceiveNotification";

const INVOCATION: u32 = 1;
const COMPLETION: u32 = 3;
const STREAM_INVOCATION: u32 = 4;
const PING: u32 = 6;
const CLOSE: u32 = 7;

/// What has been said on one connection.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// The beginning of a record.
    rest: String,
    is_greeted: bool,
}

/// Why a connection ends, for what carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All is said.
    Normal,
    /// The client's message is too large.
    TooLarge,
    /// It is binary, where the protocol is one of text.
    Binary,
    /// It is to be text, and is not UTF-8.
    NotUtf8,
    /// Its frames are none.
    Malformed,
}

impl Ending {
    fn sentence(self) -> String {
        match self {
            Ending::Normal => "the connection ends".to_owned(),
            Ending::TooLarge => format!("a message may have at most {RECORD_BYTES_MAX} bytes"),
            Ending::Binary => format!("the protocol `{PROTOCOL}` is one of text: send messages as text, not as binary"),
            Ending::NotUtf8 => "a message of text must be UTF-8".to_owned(),
            Ending::Malformed => "this is no frame of a WebSocket".to_owned(),
        }
    }
}

/// What follows from what was heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Records to send.
    pub(super) answers: String,
    /// After them the connection ends.
    pub(super) ends: Option<Ending>,
}

#[derive(Deserialize)]
struct Greeting {
    protocol: String,
    version: u32,
}

/// A client's message: what is read of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    r#type: u32,
    #[serde(default)]
    invocation_id: Option<String>,
    #[serde(default)]
    target: Option<String>,
}

impl Talk {
    /// Whether messages may be sent.
    pub(super) fn is_greeted(&self) -> bool {
        self.is_greeted
    }

    /// A piece of what the client says.
    pub(super) fn hear(&mut self, piece: &str) -> Heard {
        let mut heard = Heard::default();
        let mut pieces = piece.split(RECORD_END).peekable();
        while let Some(part) = pieces.next() {
            if self.rest.len() + part.len() > RECORD_BYTES_MAX {
                return self.refuse(heard, Ending::TooLarge, &Ending::TooLarge.sentence());
            }
            self.rest.push_str(part);
            if pieces.peek().is_none() {
                break;
            }
            let record = std::mem::take(&mut self.rest);
            heard = if self.is_greeted { self.message(&record, heard) } else { self.greet(&record) };
            if heard.ends.is_some() {
                break;
            }
        }
        heard
    }

    fn greet(&mut self, record: &str) -> Heard {
        let refused =
            |sentence: &str| Heard { answers: written(&json!({"error": sentence})), ends: Some(Ending::Normal) };
        let greeting: Greeting = match serde_json::from_str(record) {
            Ok(greeting) => greeting,
            Err(_) => {
                return refused("the first message must be a handshake, like {\"protocol\":\"json\",\"version\":1}");
            }
        };
        let Greeting { protocol, version } = greeting;
        if protocol != PROTOCOL {
            let protocol = cut(protocol, QUOTED_BYTES_MAX);
            return refused(&format!("the protocol `{protocol}` is not spoken here; connect with `{PROTOCOL}`"));
        }
        if version != VERSION {
            return refused(&format!("version {version} of the protocol is not spoken here; connect with {VERSION}"));
        }
        self.is_greeted = true;
        Heard { answers: written(&json!({})), ends: None }
    }

    /// The client says something that can't be read.
    pub(super) fn unreadable(&self, ending: Ending) -> Heard {
        self.refuse(Heard::default(), ending, &ending.sentence())
    }

    fn message(&self, record: &str, mut heard: Heard) -> Heard {
        let Ok(Message { r#type, invocation_id, target }) = serde_json::from_str(record) else {
            return self.refuse(heard, Ending::Normal, "a message must be a JSON object with a `type`");
        };
        match (r#type, invocation_id) {
            (INVOCATION | STREAM_INVOCATION, Some(invocation_id)) => {
                let target = cut(target.unwrap_or_default(), QUOTED_BYTES_MAX);
                let error = format!("the hub has no method `{target}`: it sends `{TARGET}`, and takes no calls");
                let completion = json!({"type": COMPLETION, "invocationId": invocation_id, "error": error});
                heard.answers.push_str(&written(&completion));
            }
            (CLOSE, _) => heard.ends = Some(Ending::Normal),
            // Calls nobody waits for, signs of life, and answers to what was never asked.
            _ => {}
        }
        heard
    }

    fn refuse(&self, mut heard: Heard, ending: Ending, sentence: &str) -> Heard {
        heard.answers.push_str(&if self.is_greeted {
            close(Some(sentence), false)
        } else {
            written(&json!({"error": sentence}))
        });
        Heard { ends: Some(ending), ..heard }
    }
}

/// `ReceiveNotification(type, message)`.
pub(super) fn invocation(row: &NotificationRow) -> String {
    #[derive(Serialize)]
    struct Invocation<'a> {
        r#type: u32,
        target: &'static str,
        arguments: [&'a str; 2],
    }
    written(&Invocation { r#type: INVOCATION, target: TARGET, arguments: [row.level.type_word(), &row.message] })
}

/// A sign of life.
pub(super) fn ping() -> String {
    written(&json!({"type": PING}))
}

/// The last word.
pub(super) fn close(error: Option<&str>, allow_reconnect: bool) -> String {
    let mut message = json!({"type": CLOSE, "allowReconnect": allow_reconnect});
    if let Some(error) = error {
        message["error"] = error.into();
    }
    written(&message)
}

fn written(record: &impl Serialize) -> String {
    // Texts and numbers: they serialise.
    let mut text = serde_json::to_string(record).unwrap_or_default();
    text.push(RECORD_END);
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::{JobId, NotificationId, NotificationLevel, Timestamp};

    const GREETING: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";

    fn greeted() -> Talk {
        let mut talk = Talk::default();
        assert_eq!(talk.hear(GREETING), Heard { answers: "{}\u{1e}".to_owned(), ends: None });
        talk
    }

    fn said(heard: &Heard) -> Vec<serde_json::Value> {
        let records = heard.answers.split_terminator(RECORD_END);
        records.map(|record| serde_json::from_str(record).unwrap()).collect()
    }

    #[test]
    fn a_greeting_may_come_in_pieces_and_with_what_follows() {
        let mut talk = Talk::default();
        for piece in ["", "{\"proto", "col\":\"json\",\"version\":1}"] {
            assert_eq!(talk.hear(piece), Heard::default());
            assert!(!talk.is_greeted());
        }
        let heard = talk.hear(
            "\u{1e}{\"type\":6}\u{1e}{\"type\":1,\"invocationId\":\"7\",\"target\":\"Send\",\"arguments\":[]}\u{1e}",
        );
        let said = said(&heard);
        assert!(talk.is_greeted() && heard.ends.is_none() && said.len() == 2, "{heard:?}");
        assert_eq!((&said[1]["type"], &said[1]["invocationId"]), (&3.into(), &"7".into()));
        assert!(said[1]["error"].as_str().unwrap().contains("no method `Send`"));
    }

    #[test]
    fn what_is_no_greeting_is_refused_with_what_would_be() {
        for (greeting, part) in [
            ("{\"protocol\":\"messagepack\",\"version\":1}", "`messagepack` is not spoken here; connect with `json`"),
            ("{\"protocol\":\"json\",\"version\":2}", "connect with 1"),
            ("{\"type\":6}", "handshake"),
            ("GET / HTTP/1.1", "handshake"),
        ] {
            let heard = Talk::default().hear(&format!("{greeting}\u{1e}"));
            let error = said(&heard)[0]["error"].as_str().unwrap().to_owned();
            assert!(heard.ends.is_some() && error.contains(part), "{greeting}: {error}");
        }
    }

    #[test]
    fn what_is_said_afterwards_is_bounded_and_answered() {
        for ignored in [
            "{\"type\":6}",
            "{\"type\":1,\"target\":\"x\"}",
            "{\"type\":99,\"more\":[]}",
            "{\"type\":3,\"invocationId\":\"1\"}",
        ] {
            assert_eq!(greeted().hear(&format!("{ignored}\u{1e}")), Heard::default(), "{ignored}");
        }
        assert!(greeted().hear("{\"type\":7}\u{1e}").ends.is_some());
        for wrong in ["[]", "{}", "{\"type\":\"1\"}", "{\"type\":-1}", "no JSON"] {
            let heard = greeted().hear(&format!("{wrong}\u{1e}{{\"type\":1,\"invocationId\":\"1\"}}\u{1e}"));
            let said = said(&heard);
            assert!(heard.ends.is_some() && said.len() == 1, "{wrong}: {said:?}");
            assert_eq!((&said[0]["type"], &said[0]["allowReconnect"]), (&7.into(), &false.into()));
        }
        let mut talk = greeted();
        assert_eq!(talk.hear(&"x".repeat(RECORD_BYTES_MAX)), Heard::default());
        assert_eq!(talk.hear("x").ends, Some(Ending::TooLarge));
        assert_eq!(Talk::default().hear(&"x".repeat(RECORD_BYTES_MAX + 1)).ends, Some(Ending::TooLarge));
    }

    #[test]
    fn what_can_not_be_read_is_told_in_the_words_of_the_moment() {
        for ending in [Ending::TooLarge, Ending::Binary, Ending::NotUtf8, Ending::Malformed] {
            let (before, after) = (Talk::default().unreadable(ending), greeted().unreadable(ending));
            assert_eq!((before.ends, after.ends), (Some(ending), Some(ending)));
            let (before, after) = (said(&before).remove(0), said(&after).remove(0));
            assert_eq!((before["type"].is_null(), &after["type"]), (true, &CLOSE.into()));
            assert_eq!((&before["error"], &after["allowReconnect"]), (&after["error"], &false.into()));
        }
    }

    #[test]
    fn what_is_sent_is_what_clients_know() {
        let row = NotificationRow {
            id: NotificationId::from_u128(7),
            user: "ann".parse().unwrap(),
            level: NotificationLevel::Success,
            message: "done \"well\"".to_owned(),
            data: None,
            job: JobId::from_u128(1),
            created_at: Timestamp(0),
            read_at: None,
        };
        assert_eq!(
            invocation(&row),
            "{\"type\":1,\"target\":\"ReceiveNotification\",\"arguments\":[\"Success\",\"done \\\"well\\\"\"]}\u{1e}"
        );
        assert_eq!(ping(), "{\"type\":6}\u{1e}");
        assert_eq!(close(None, true), "{\"allowReconnect\":true,\"type\":7}\u{1e}");
    }
}
