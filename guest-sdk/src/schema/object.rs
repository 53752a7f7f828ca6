//! Objects, whose members may come from several types: fields of the type itself, of those flattened into it, and of
//! what stands beside a tag. Such types are written into one object, and only the whole says what other members there
//! may be: none of its parts knows the others'.

use super::JsonSchema;
use super::text::{SchemaText, Write};
use crate::text::{add, joined};

/// What a type's schema is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A value of its own.
    Whole,
    /// Some members of an object: those it asks for, as serde shows no others to a flattened struct.
    Shared,
    /// The members of an object that nobody took before, as serde shows them to what stands beside a tag.
    Beside,
    /// The name of a member.
    Key,
}

/// An object being written.
#[derive(Debug, Default)]
pub(super) struct Object {
    properties: String,
    required: String,
    /// Schemas that hold for it besides, and may name members of their own.
    also: String,
    /// Those that only say which of the members named there may be together.
    together: String,
    /// What any member must be that nobody names: `false` if there must be none, empty if it may be anything.
    rest: String,
}

const PROPERTIES: &str = "\"properties\":{";
const REQUIRED: &str = "\"required\":[";
const ALL_OF: &str = "\"allOf\":[";
/// Of other members.
const NONE: &str = "false";
/// What each name is.
const ANY_NAME: &str = "\"type\":\"string\"";

/// Adds an element to a list, which begins with its name.
fn append(list: &mut String, begin: &str, parts: &[&str]) {
    add(list, if list.is_empty() { begin } else { "," });
    for part in parts {
        add(list, part);
    }
}

impl Object {
    /// None at all is the last word; of two maps, each of which is shown what nobody took, the first stays.
    fn set_rest(&mut self, rest: &str) {
        if self.rest.is_empty() || rest == NONE {
            rest.clone_into(&mut self.rest);
        }
    }
}

impl SchemaText {
    /// Adds an object, or more members to the one this is a part of; `fill` says which.
    #[doc(hidden)]
    pub fn object(&mut self, fill: Write) {
        if matches!(self.place, Place::Shared | Place::Beside) {
            return fill(self);
        }
        let object = self.filled(fill);
        self.members("\"type\":\"object\"");
        self.write_members(&object);
        if !object.rest.is_empty() {
            // The first knows only what is named right beside it.
            self.members(if object.also.is_empty() {
                "\"additionalProperties\":"
            } else {
                "\"unevaluatedProperties\":"
            });
            add(&mut self.text, &object.rest);
        }
    }

    /// An object by itself.
    fn filled(&mut self, fill: Write) -> Object {
        let outer = std::mem::take(&mut self.object);
        fill(self);
        std::mem::replace(&mut self.object, outer)
    }

    /// Adds what is known of the members that have names.
    fn write_members(&mut self, object: &Object) {
        let mut also = object.also.clone();
        if !object.together.is_empty() {
            append(&mut also, ALL_OF, &[&object.together]);
        }
        for (list, end) in [(&object.properties, '}'), (&object.required, ']'), (&also, ']')] {
            if !list.is_empty() {
                self.members(list);
                self.text.push(end);
            }
        }
    }

    /// Adds a member to the object; the name is in quotes.
    #[doc(hidden)]
    pub fn property(&mut self, name: &str, is_required: bool, write: Write) {
        let value = self.placed(Place::Whole, write);
        append(&mut self.object.properties, PROPERTIES, &[name, ":{", &value, "}"]);
        if is_required {
            append(&mut self.object.required, REQUIRED, &[name]);
        }
    }

    /// Adds schemas, parted by commas, that only say which members there may be together.
    #[doc(hidden)]
    pub fn together(&mut self, schemas: &str) {
        append(&mut self.object.together, "", &[schemas]);
    }

    /// Adds the members of a flattened field to the object.
    #[doc(hidden)]
    pub fn flattened(&mut self, write: Write) {
        self.part(Place::Shared, write);
    }

    /// Adds the members of what stands beside a tag to the object.
    #[doc(hidden)]
    pub fn beside(&mut self, write: Write) {
        self.part(Place::Beside, write);
    }

    fn part(&mut self, place: Place, write: Write) {
        let members = self.placed(place, write);
        // What was written as if it were alone.
        if !members.is_empty() {
            append(&mut self.object.also, ALL_OF, &["{", &members, "}"]);
        }
    }

    /// What `write` writes in such a place, not added.
    fn placed(&mut self, place: Place, write: Write) -> String {
        let outer = std::mem::take(&mut self.text);
        self.write_as(place, write);
        std::mem::replace(&mut self.text, outer)
    }

    /// Refuses members of the object that nobody names. A type that is shown only what it asks for cannot; one that
    /// passes members on to others is shown all.
    #[doc(hidden)]
    pub fn close(&mut self, is_shown_all: bool) {
        if self.place != Place::Shared || is_shown_all {
            self.object.set_rest(NONE);
        }
    }

    /// The same, of what is read: what is written has only what it has, and may get more.
    #[doc(hidden)]
    pub fn deny_unknown(&mut self, is_shown_all: bool) {
        if !self.is_output() {
            self.close(is_shown_all);
        }
    }

    /// Adds alternatives. To choose, a type with a tag within or with none at all is shown every member.
    #[doc(hidden)]
    pub fn choices(&mut self, keyword: &str, is_shown_all: bool, write: Write) {
        if matches!(self.place, Place::Whole | Place::Key) {
            self.members(keyword);
            write(self);
            return add(&mut self.text, "]");
        }
        let place = if is_shown_all { Place::Beside } else { self.place };
        let outer = self.common_rest.take();
        let choices = self.placed(place, write);
        let common_rest = std::mem::replace(&mut self.common_rest, outer);
        append(&mut self.object.also, ALL_OF, &["{", keyword, &choices, "]}"]);
        // Only the whole can say it, and only if it holds for each of them.
        if let Some(rest) = common_rest.filter(|rest| !rest.is_empty()) {
            self.object.set_rest(&rest);
        }
    }

    /// Adds an alternative.
    #[doc(hidden)]
    pub fn choice(&mut self, write: Write) {
        self.comma();
        add(&mut self.text, "{");
        if matches!(self.place, Place::Whole | Place::Key) {
            write(self);
        } else {
            let object = self.filled(write);
            self.write_members(&object);
            self.common_rest = Some(match self.common_rest.take() {
                Some(common) if common != object.rest => String::new(),
                _ => object.rest,
            });
        }
        add(&mut self.text, "}");
    }

    /// Adds members that may be missing as a whole.
    pub(super) fn choice_or_nothing(&mut self, write: Write) {
        let outer = (std::mem::take(&mut self.text), self.common_rest.take());
        self.choice(write);
        let choice = std::mem::replace(&mut self.text, outer.0);
        self.common_rest = outer.1;
        append(&mut self.object.also, ALL_OF, &["{\"anyOf\":[", &choice, ",{}]}"]);
    }

    /// Adds a variant without content; the name is in quotes.
    #[doc(hidden)]
    pub fn name(&mut self, name: &str) {
        if matches!(self.place, Place::Whole | Place::Key) {
            self.members("\"type\":\"string\",\"const\":");
            return add(&mut self.text, name);
        }
        // The name of a member, as the others are.
        self.property(name, true, <()>::write);
        self.close(false);
    }

    /// Adds the variant for whatever no other is called; its name in quotes, and what other names are not.
    #[doc(hidden)]
    pub fn other_name(&mut self, name: &str, is_name: &str) {
        if matches!(self.place, Place::Whole | Place::Key) { self.members(is_name) } else { self.name(name) }
    }

    /// Adds an enum whose variants have no content; the names are in quotes.
    #[doc(hidden)]
    pub fn names(&mut self, names: &[&str]) {
        if matches!(self.place, Place::Whole | Place::Key) {
            self.members("\"type\":\"string\",\"enum\":[");
            for name in names {
                self.comma();
                add(&mut self.text, name);
            }
            return add(&mut self.text, "]");
        }
        let mut choices = String::new();
        for name in names {
            append(&mut choices, "", &["{\"properties\":{", name, ":{\"type\":\"null\"}},\"required\":[", name, "]}"]);
        }
        append(&mut self.object.also, ALL_OF, &["{\"oneOf\":[", &choices, "]}"]);
        self.close(false);
    }

    /// Adds nothing at all, which by itself is null.
    #[doc(hidden)]
    pub fn nothing(&mut self) {
        match self.place {
            Place::Whole | Place::Key => self.members("\"type\":\"null\""),
            Place::Shared => {}
            Place::Beside => self.close(false),
        }
    }

    /// Adds a map from names to values.
    pub(super) fn map(&mut self, name: Write, value: Write) {
        let value = joined(&["{", &self.placed(Place::Whole, value), "}"]);
        if matches!(self.place, Place::Shared | Place::Beside) {
            return self.object.set_rest(&value);
        }
        let name = self.placed(Place::Key, name);
        self.members("\"type\":\"object\"");
        if !name.is_empty() && name != ANY_NAME {
            self.members("\"propertyNames\":{");
            add(&mut self.text, &name);
            add(&mut self.text, "}");
        }
        self.members("\"additionalProperties\":");
        add(&mut self.text, &value);
    }
}
