//! What is wrong with a payload or an output, and where. Built from the inside out: each level adds its step.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// Of text from a payload that a message repeats, bytes.
const QUOTED_BYTES_MAX: usize = 64;

/// Past every integer of 64 bits.
const INTEGER_END: f64 = 18_446_744_073_709_551_616.0;

/// A payload that does not fit its type, or an output that JSON cannot say.
#[derive(Debug)]
pub(crate) struct JsonError {
    message: String,
    /// The steps to the place, the innermost first.
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

impl JsonError {
    #[cold]
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), steps: Vec::new() }
    }

    #[cold]
    pub(super) fn below_key(mut self, key: String) -> Self {
        self.steps.push(Step::Key(key));
        self
    }

    #[cold]
    pub(super) fn below_index(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    /// `items[1].price`; empty for the whole.
    pub(crate) fn place(&self) -> String {
        let mut place = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Key(key) => {
                    if !place.is_empty() {
                        place.push('.');
                    }
                    place.push_str(key);
                }
                Step::Index(index) => {
                    place.push('[');
                    place.push_str(&index.to_string());
                    place.push(']');
                }
            }
        }
        place
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JsonError {}

impl serde::de::Error for JsonError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    // Not the ones of serde: those print floating point, 25 KB of code.
    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("invalid type: {}, expected {expected}", named(found)))
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("invalid value: {}, expected {expected}", named(found)))
    }
}

impl serde::ser::Error for JsonError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

fn named(found: Unexpected<'_>) -> String {
    let what = match found {
        Unexpected::Bool(true) => "boolean `true`",
        Unexpected::Bool(false) => "boolean `false`",
        Unexpected::Unsigned(value) => return format!("integer `{value}`"),
        Unexpected::Signed(value) => return format!("integer `{value}`"),
        Unexpected::Str(text) => return format!("string \"{}\"", beginning(text)),
        Unexpected::Float(value) if value.fract().abs() > 0.0 => "a number with a fraction",
        Unexpected::Float(value) if value.abs() < INTEGER_END => "a whole number written with a fraction or exponent",
        Unexpected::Float(_) => "a number out of the range of integers",
        Unexpected::Char(_) => "character",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::NewtypeStruct => "newtype struct",
        Unexpected::Seq => "array",
        Unexpected::Map => "object",
        Unexpected::Enum => "enum",
        Unexpected::UnitVariant => "a name without content",
        Unexpected::NewtypeVariant | Unexpected::TupleVariant | Unexpected::StructVariant => "a name with content",
        Unexpected::Other(what) => what,
    };
    what.to_owned()
}

pub(super) fn beginning(text: &str) -> String {
    if text.len() <= QUOTED_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = QUOTED_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}
