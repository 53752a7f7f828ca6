//! What is wrong with a payload or an output, and where. Built from the inside out: each level adds its step.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::text::{add, joined, printed};

/// Of text from a payload that a message repeats, bytes.
const QUOTED_BYTES_MAX: usize = 64;

/// Past every integer of 64 bits.
const INTEGER_END: f64 = 18_446_744_073_709_551_616.0;

/// A payload that does not fit its type, or an output that JSON cannot say.
///
/// One pointer: what carries it is in every function a type is read by, and there are many.
#[derive(Debug)]
pub(crate) struct JsonError(Box<Fault>);

#[derive(Debug)]
struct Fault {
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
    pub(crate) fn new(message: &str) -> Self {
        Self::of(message.to_owned())
    }

    #[cold]
    #[inline(never)]
    pub(super) fn of(message: String) -> Self {
        Self(Box::new(Fault { message, steps: Vec::new() }))
    }

    #[cold]
    #[inline(never)]
    fn unexpected(what: &str, found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(joined(&[what, &named(found), ", expected ", &printed(&expected)]))
    }

    #[cold]
    pub(super) fn below_key(self, key: String) -> Self {
        self.below(Step::Key(key))
    }

    #[cold]
    pub(super) fn below_index(self, index: usize) -> Self {
        self.below(Step::Index(index))
    }

    #[cold]
    #[inline(never)]
    fn below(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    /// Without the place.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// `items[1].price`; empty for the whole.
    pub(crate) fn place(&self) -> String {
        let mut place = String::new();
        for step in self.0.steps.iter().rev() {
            match step {
                Step::Key(key) => {
                    if !place.is_empty() {
                        add(&mut place, ".");
                    }
                    add(&mut place, key);
                }
                Step::Index(index) => {
                    for part in ["[", &index.to_string(), "]"] {
                        add(&mut place, part);
                    }
                }
            }
        }
        place
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for JsonError {}

impl serde::de::Error for JsonError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(printed(&message))
    }

    // Not the ones of serde: those print floating point, 25 KB of code.
    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected("invalid type: ", found, expected)
    }

    #[cold]
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected("invalid value: ", found, expected)
    }
}

impl serde::ser::Error for JsonError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(printed(&message))
    }
}

fn named(found: Unexpected<'_>) -> String {
    let what = match found {
        Unexpected::Bool(true) => "boolean `true`",
        Unexpected::Bool(false) => "boolean `false`",
        Unexpected::Unsigned(value) => return joined(&["integer `", &printed(&value), "`"]),
        Unexpected::Signed(value) => return joined(&["integer `", &printed(&value), "`"]),
        Unexpected::Str(text) => return joined(&["string \"", &beginning(text), "\""]),
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
    joined(&[text.get(..end).unwrap_or_default(), "…"])
}
