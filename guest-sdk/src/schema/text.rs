//! The text a schema becomes. Owns commas, references to named types and their definitions. Nothing here is generic.
//! The members of objects are `object.rs`'s.

use super::object::{Object, Place};
use crate::json::escape_into;
use crate::text::{add, joined, printed};

/// What a plain type's members begin with.
const TYPE: &str = "\"type\":\"";
/// Types flattened one into the other.
const INLINED_MAX: u8 = 8;

/// Whose side a schema is of; the two differ where serde reads and writes differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is read: a payload.
    Input,
    /// What is written: an output.
    Output,
}

/// A type's schema under its name.
#[derive(Debug)]
pub(super) struct Definition {
    /// The type's whole path, with parameters.
    id: &'static str,
    pub(super) name: String,
    /// The members of its schema.
    pub(super) members: String,
    pub(super) references: usize,
}

/// The member that refers to a definition.
pub(super) fn reference_to(name: &str) -> String {
    joined(&["\"$ref\":\"#/$defs/", name, "\""])
}

/// Where one text begins in another; less code than the standard library's.
fn find(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window == wanted.as_bytes())
}

/// Writes the schema of a type.
pub(super) type Write = fn(&mut SchemaText);

/// A JSON Schema being written; see [`JsonSchema::write`](crate::JsonSchema::write).
#[derive(Debug)]
pub struct SchemaText {
    pub(super) text: String,
    pub(super) definitions: Vec<Definition>,
    side: Side,
    pub(super) place: Place,
    /// The object whose members are being written.
    pub(super) object: Object,
    /// What every alternative so far says of the members nobody names; empty if they differ or say nothing.
    pub(super) common_rest: Option<String>,
    /// Types written where they stand instead of referred to, one in the other.
    inlined: u8,
}

impl SchemaText {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            text: String::new(),
            definitions: Vec::new(),
            side,
            place: Place::Whole,
            object: Object::default(),
            common_rest: None,
            inlined: 0,
        }
    }

    /// Whether the schema is of what is written; else of what is read.
    ///
    /// ```
    /// # use stoker_sdk::{JsonSchema, SchemaText};
    /// /// Reads seconds as a number or as text, writes the number.
    /// struct Seconds(u32);
    ///
    /// impl JsonSchema for Seconds {
    ///     fn write(schema: &mut SchemaText) {
    ///         schema.members(if schema.is_output() { r#""type":"integer""# } else { r#""type":["integer","string"]"# });
    ///     }
    /// }
    /// ```
    pub fn is_output(&self) -> bool {
        self.side == Side::Output
    }

    /// Adds members of the object it is in, as JSON.
    ///
    /// ```
    /// # use stoker_sdk::{JsonSchema, SchemaText};
    /// struct Short(String);
    ///
    /// impl JsonSchema for Short {
    ///     fn write(schema: &mut SchemaText) {
    ///         schema.members(r#""type":"string","maxLength":9"#);
    ///     }
    /// }
    /// ```
    pub fn members(&mut self, members: &str) {
        if !members.is_empty() {
            self.comma();
            add(&mut self.text, members);
        }
    }

    pub(super) fn comma(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            add(&mut self.text, ",");
        }
    }

    /// Adds text as it is.
    #[doc(hidden)]
    pub fn raw(&mut self, text: &str) {
        add(&mut self.text, text);
    }

    /// Adds title and description, unless the object is another type's as well.
    #[doc(hidden)]
    pub fn words(&mut self, members: &str) {
        if self.place == Place::Whole {
            self.members(members);
        }
    }

    /// Adds what is a number or boolean as a value, and text as a name.
    pub(super) fn spelled(&mut self, members: &str, name: &str) {
        self.members(if self.place == Place::Key { name } else { members });
    }

    /// Adds an element or member whose schema `write` says: `begin`, its members, `}`.
    #[doc(hidden)]
    pub fn nested(&mut self, begin: &str, write: Write) {
        self.comma();
        add(&mut self.text, begin);
        self.write_as(Place::Whole, write);
        add(&mut self.text, "}");
    }

    /// Writes what stands in such a place.
    pub(super) fn write_as(&mut self, place: Place, write: Write) {
        let outer = (self.place, self.inlined);
        self.place = place;
        if place == Place::Whole {
            self.inlined = 0;
        }
        write(self);
        (self.place, self.inlined) = outer;
    }

    /// Adds what `write` writes, with these members instead of its own of those names: a field can narrow its type.
    #[doc(hidden)]
    pub fn narrowed(&mut self, write: Write, extras: &[(&str, &str)]) {
        let mut members = self.aside(write);
        for (name, _) in extras {
            // Only numbers have bounds of their own, and those of a type stand at its end.
            let own = joined(&[",\"", name, "\":"]);
            let is_number = members.starts_with("\"type\":\"integer\"") || members.starts_with("\"type\":[\"integer\"");
            if is_number && let Some(start) = find(&members, &own) {
                let kept = members.get(..start).unwrap_or_default();
                let after = members.get(start + own.len()..).unwrap_or_default();
                let others = find(after, ",").and_then(|end| after.get(end..)).unwrap_or_default();
                members = joined(&[kept, others]);
            }
        }
        self.members(&members);
        for (name, value) in extras {
            self.comma();
            escape_into(&mut self.text, name);
            add(&mut self.text, ":");
            add(&mut self.text, value);
        }
    }

    /// Refers to a type by name, and defines it if that has not been done. What shares an object with others, or is the
    /// name of a member, is written where it stands instead.
    #[doc(hidden)]
    pub fn reference(&mut self, id: &'static str, name: &str, write: Write) {
        if self.place != Place::Whole {
            // One that flattens itself goes on for ever; what is known by then is enough.
            if self.inlined < INLINED_MAX {
                self.inlined += 1;
                write(self);
                self.inlined -= 1;
            }
            return;
        }
        let index = match self.definitions.iter().position(|definition| definition.id == id) {
            Some(index) => index,
            None => self.define(id, name, write),
        };
        if let Some(definition) = self.definitions.get_mut(index) {
            definition.references += 1;
            let reference = reference_to(&definition.name);
            self.members(&reference);
        }
    }

    fn define(&mut self, id: &'static str, name: &str, write: Write) -> usize {
        let mut unique = name.to_owned();
        let mut number = 1;
        while self.definitions.iter().any(|definition| definition.name == unique) {
            number += 1;
            name.clone_into(&mut unique);
            add(&mut unique, &printed(&number));
        }
        // Before it is written: it may refer to itself.
        let index = self.definitions.len();
        self.definitions.push(Definition { id, name: unique, members: String::new(), references: 0 });
        let members = self.aside(write);
        if let Some(definition) = self.definitions.get_mut(index) {
            definition.members = members;
        }
        index
    }

    /// What `write` writes, not added.
    pub(super) fn aside(&mut self, write: Write) -> String {
        let outer = std::mem::take(&mut self.text);
        write(self);
        std::mem::replace(&mut self.text, outer)
    }

    /// Adds the schema, or null.
    pub(super) fn optional(&mut self, write: Write) {
        match self.place {
            Place::Whole => {}
            Place::Shared => return self.choice_or_nothing(write),
            // It is there.
            Place::Beside | Place::Key => return write(self),
        }
        let members = self.aside(write);
        if members.is_empty() || members.starts_with("\"type\":[") {
            return self.members(&members);
        }
        // A plain type gets a second one; the rest of what is said about it does not concern null.
        if members.starts_with(TYPE)
            && find(&members, "\"enum\"").is_none()
            && let Some(named) = members.get(TYPE.len()..)
            && let Some(end) = find(named, "\"")
        {
            let [word, rest] = [named.get(..end), named.get(end + 1..)].map(Option::unwrap_or_default);
            return self.members(&joined(&["\"type\":[\"", word, "\",\"null\"]", rest]));
        }
        self.members(&joined(&["\"anyOf\":[{", &members, "},{\"type\":\"null\"}]"]));
    }
}
