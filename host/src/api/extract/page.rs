//! `?limit=` and `?cursor=` of lists, the same for all of them.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;

use crate::api::error::{ApiError, ProblemCode};

/// Items of a page where the request does not say.
const LIMIT_DEFAULT: usize = 50;
/// Items of a page, whatever the request says.
const LIMIT_MAX: usize = 500;

/// Parameters of a list that has no others.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PageParameters {
    limit: Option<String>,
    cursor: Option<String>,
}

impl PageParameters {
    /// How many items, and the key after which they begin.
    pub(in crate::api) fn parse<K: FromStr<Err: Display>>(self) -> Result<(usize, Option<K>), ApiError> {
        Ok((parse_limit(self.limit)?, parse_parameter("cursor", self.cursor)?))
    }
}

/// 1 to `LIMIT_MAX`.
pub(in crate::api) fn parse_limit(limit: Option<String>) -> Result<usize, ApiError> {
    match limit.map(|limit| limit.parse()) {
        None => Ok(LIMIT_DEFAULT),
        Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(refuse_parameter("limit", format!("must be 1 to {LIMIT_MAX}"))),
    }
}

/// A parameter as `T`, where it is given.
pub(in crate::api) fn parse_parameter<T: FromStr<Err: Display>>(
    name: &str,
    value: Option<String>,
) -> Result<Option<T>, ApiError> {
    value.map(|value| value.parse().map_err(|error: T::Err| refuse_parameter(name, error))).transpose()
}

/// The refusal of one parameter.
pub(in crate::api) fn refuse_parameter(name: &str, error: impl Display) -> ApiError {
    ApiError::new(ProblemCode::InvalidQuery, format!("`{name}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::QueueName;

    #[test]
    fn limits_and_cursors_are_checked() {
        let parse = |limit: Option<&str>, cursor: Option<&str>| {
            let parameters = PageParameters { limit: limit.map(str::to_owned), cursor: cursor.map(str::to_owned) };
            let parsed = parameters.parse::<QueueName>();
            parsed.map(|(limit, cursor)| (limit, cursor.is_some())).map_err(|error| error.code())
        };
        assert_eq!(parse(None, None), Ok((LIMIT_DEFAULT, false)));
        assert_eq!(parse(Some("500"), Some("side")), Ok((500, true)));
        for (limit, cursor) in [("0", "a"), ("501", "a"), ("-1", "a"), ("x", "a"), ("", "a"), ("1", ""), ("1", "a b")] {
            assert_eq!(parse(Some(limit), Some(cursor)), Err(ProblemCode::InvalidQuery), "{limit} {cursor}");
        }
    }
}
