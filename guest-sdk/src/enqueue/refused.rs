//! What can be told of a request before it is sent: that the host would refuse it.

use std::fmt;

use crate::json::JsonError;
use crate::text::joined;

/// What is wrong with a request, all of it. As an error of a handler (`?`) it means "again later": it is a mistake of the program,
/// so say [`fatal`](crate::Fallible::fatal).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(Vec<Fault>);

/// One thing that is wrong, as in the `errors` of the API's problem documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in the request: a JSON pointer.
    pub pointer: String,
    /// One sentence that says what to change.
    pub message: String,
}

impl Refused {
    /// Everything that is wrong; at least one thing.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    pub(super) fn payload(error: &JsonError) -> Self {
        let place = error.place();
        let place = if place.is_empty() { place } else { joined(&[" at `", &place, "`"]) };
        let message = joined(&["the payload cannot be written as JSON", &place, ": ", error.message()]);
        Self(vec![Fault { pointer: "/payload".to_owned(), message }])
    }

    /// `Err`, if anything is wrong.
    pub(super) fn unless_empty(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(&[&self.pointer, ": ", &self.message]))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
