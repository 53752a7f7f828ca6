//! What every request is made of: an object of the API, member by member as JSON text.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::instant;
use crate::failure::whole_ms;
use crate::json::escape_into;
use crate::text::{add, joined};

/// An object. A member that is set again is replaced.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Object(Vec<(&'static str, String)>);

impl Object {
    /// Sets a member to JSON text.
    pub(super) fn set(&mut self, name: &'static str, json: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = json,
            None => self.0.push((name, json)),
        }
    }

    /// … to a string.
    pub(super) fn set_text(&mut self, name: &'static str, text: &str) {
        self.set(name, quoted(text));
    }

    /// … to a whole number.
    pub(super) fn set_number(&mut self, name: &'static str, number: u64) {
        self.set(name, number.to_string());
    }

    /// … to a length of time.
    pub(super) fn set_span(&mut self, name: &'static str, span: Duration) {
        self.set(name, quoted_span(span));
    }

    /// … to a moment.
    pub(super) fn set_instant(&mut self, name: &'static str, at: SystemTime) {
        self.set_text(name, &instant::text(at));
    }

    /// … to an array of JSON texts.
    pub(super) fn set_array(&mut self, name: &'static str, items: impl IntoIterator<Item = String>) {
        self.set(name, array(items));
    }

    /// Whether it is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// As JSON text.
    pub(super) fn to_json(&self) -> String {
        object(self.0.iter().map(|(name, json)| (*name, json.as_str())))
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// An object of members whose values are JSON text.
pub(super) fn object<'m>(members: impl IntoIterator<Item = (&'m str, &'m str)>) -> String {
    let mut text = String::from("{");
    for (name, json) in members {
        if text.len() > 1 {
            add(&mut text, ",");
        }
        escape_into(&mut text, name);
        add(&mut text, ":");
        add(&mut text, json);
    }
    add(&mut text, "}");
    text
}

/// An array of JSON texts.
pub(super) fn array(items: impl IntoIterator<Item = String>) -> String {
    let mut text = String::from("[");
    for item in items {
        if text.len() > 1 {
            add(&mut text, ",");
        }
        add(&mut text, &item);
    }
    add(&mut text, "]");
    text
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    escape_into(&mut quoted, text);
    quoted
}

/// A length of time, cut to whole milliseconds: `"90s"` or `"1500ms"`.
pub(super) fn quoted_span(span: Duration) -> String {
    let ms = whole_ms(span);
    if ms.is_multiple_of(1_000) {
        joined(&["\"", &(ms / 1_000).to_string(), "s\""])
    } else {
        joined(&["\"", &ms.to_string(), "ms\""])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_place_and_take_the_last_value() {
        let mut object = Object::default();
        object.set_text("a", "x\"");
        object.set_number("b", 1);
        object.set_span("c", Duration::from_millis(1_500));
        object.set_text("a", "y");
        object.set_array("d", ["1".to_owned(), quoted("z")]);
        object.set_span("e", Duration::from_secs(90));
        assert_eq!(object.to_json(), r#"{"a":"y","b":1,"c":"1500ms","d":[1,"z"],"e":"90s"}"#);
        assert_eq!(Object::default().to_json(), "{}");
        assert!(object.has("e") && !object.has("f"));
    }
}
