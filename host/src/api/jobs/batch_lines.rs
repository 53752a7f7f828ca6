//! Takes a batch apart and checks each job. A bad line spoils itself only.

use bytes::Bytes;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::request::{JobRequest, Refused, Rules};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{Start, parse_json, parse_json_at, refuse_json};
use crate::store::NewJob;

/// How the batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A JSON array.
    Array,
    /// One JSON document a line; blank lines are skipped.
    Lines,
}

/// Where a job stood in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the array, from 0.
    Index(usize),
    /// The line, from 1, blank ones counted.
    Line(usize),
}

/// One job of the batch.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) checked: Result<NewJob, Refused>,
}

/// Every job of a batch, in order. An error concerns the batch as a whole.
pub(super) fn check_lines(
    rules: &mut Rules<'_>,
    format: Format,
    body: &Bytes,
    jobs_max: usize,
) -> Result<Vec<Line>, ApiError> {
    let mut check = |request: Result<JobRequest<'_>, ApiError>| {
        request.map_err(Refused::from).and_then(|request| rules.check_next(request, body))
    };
    match format {
        Format::Array => {
            let items = parse_items(body, jobs_max)?;
            Ok(items
                .iter()
                .enumerate()
                .map(|(index, item)| Line {
                    place: Place::Index(index),
                    checked: check(parse_json(item.get().as_bytes())),
                })
                .collect())
        }
        Format::Lines => {
            let mut lines = Vec::new();
            for (index, whole) in body.split(|byte| *byte == b'\n').enumerate() {
                let text = whole.trim_ascii();
                if text.is_empty() {
                    continue;
                }
                if lines.len() == jobs_max {
                    return Err(too_many(jobs_max));
                }
                let start = Start { line: index + 1, columns: whole.len() - whole.trim_ascii_start().len() };
                let checked = check(parse_json_at(text, start));
                lines.push(Line { place: Place::Line(start.line), checked });
            }
            Ok(lines)
        }
    }
}

fn too_many(jobs_max: usize) -> ApiError {
    ApiError::new(ProblemCode::BatchTooLarge, format!("a batch may have at most {jobs_max} jobs; send several"))
        .with("jobs_max", jobs_max)
}

/// Splits the array without looking into its items, up to the bound.
fn parse_items(body: &[u8], jobs_max: usize) -> Result<Vec<&RawValue>, ApiError> {
    let mut items = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = deserializer.deserialize_seq(UpTo { items: &mut items, jobs_max }).and_then(|()| deserializer.end());
    match parsed {
        Ok(()) => Ok(items),
        Err(_) if items.len() > jobs_max => Err(too_many(jobs_max)),
        Err(error) => Err(refuse_json(&error)),
    }
}

/// Collects up to one item more than the bound, then stops.
struct UpTo<'v, 'de> {
    items: &'v mut Vec<&'de RawValue>,
    jobs_max: usize,
}

impl<'de> Visitor<'de> for UpTo<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of jobs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(item) = access.next_element::<&'de RawValue>()? {
            self.items.push(item);
            if self.items.len() > self.jobs_max {
                return Err(A::Error::custom("too many jobs"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn arrays_are_split_up_to_the_bound() {
        let items = parse_items(br#" [{"a": [1, 2]}, "x" , 3] "#, 3).unwrap();
        assert_eq!(items.iter().map(|item| item.get()).collect::<Vec<_>>(), [r#"{"a": [1, 2]}"#, "\"x\"", "3"]);
        for (body, status) in
            [("[1, 2, 3, 4", 413), ("[1, 2, 3", 400), ("[1 2]", 400), ("{}", 422), ("[] x", 400), ("", 400)]
        {
            assert_eq!(parse_items(body.as_bytes(), 3).unwrap_err().code().status(), status, "{body}");
        }
    }
}
