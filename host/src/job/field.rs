//! What is wrong with one field of what somebody sent, and the checks of fields that several forms share.
//! Everything wrong is collected, so that it can be said at once.

use serde::Serialize;

use super::text::cut;

/// Longest pointer or message, bytes.
pub const FIELD_ERROR_BYTES_MAX: usize = 512;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error, utoipa::ToSchema)]
#[error("{pointer}{}{message}", if pointer.is_empty() { "" } else { ": " })]
pub struct FieldError {
    /// JSON pointer into the request.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

impl FieldError {
    /// Cut to a bounded length, since both parts may quote the request.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: cut(pointer.into(), FIELD_ERROR_BYTES_MAX),
            message: cut(message.into(), FIELD_ERROR_BYTES_MAX),
        }
    }
}

/// `value`, where it is between `first` and `last`.
pub fn ranged<T: TryFrom<i64>>(
    pointer: &str,
    value: Option<i64>,
    first: i64,
    last: i64,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let value = value?;
    if (first..=last).contains(&value) {
        T::try_from(value).ok()
    } else {
        errors.push(FieldError::new(pointer, format!("must be {first} to {last}")));
        None
    }
}

/// `value`, where it is more than nothing.
pub fn positive(pointer: &str, value: Option<u64>, errors: &mut Vec<FieldError>) -> Option<u64> {
    if value == Some(0) {
        errors.push(FieldError::new(pointer, "must be more than 0"));
        return None;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_of_the_request_are_cut_at_a_character() {
        let error = FieldError::new("", "ü".repeat(10_000));
        assert!(error.message.len() <= FIELD_ERROR_BYTES_MAX && error.message.ends_with('…'));
        assert_eq!(FieldError::new("/a", "no").to_string(), "/a: no");
    }

    #[test]
    fn bounds_are_inclusive() {
        for (value, kept) in [(None, None), (Some(0), None), (Some(1), Some(1)), (Some(9), Some(9)), (Some(10), None)] {
            let mut errors = Vec::new();
            assert_eq!(ranged::<u8>("/x", value, 1, 9, &mut errors), kept);
            assert_eq!(errors.is_empty(), value.is_none() || kept.is_some());
        }
    }
}
