//! Which failures are alike: of the same kind, for the same reason, in the same words but for what differs from one job to the
//! next. What is alike has the same group.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::name::KindName;
use super::outcome::FailureReason;

/// Stands for what differs: numbers, ids, times.
const PLACEHOLDER: char = '#';
/// More of a message is not compared, characters.
pub const PATTERN_CHARS_MAX: usize = 200;
/// So much of a message is looked at, bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Hexadecimal digits, with a number among them, that are taken for an id.
const HEX_CHARS_MIN: usize = 8;
/// Letters and digits mixed that are taken for an id.
const MIXED_CHARS_MIN: usize = 16;
/// How a UUID is divided.
const UUID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];

/// Failures that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub [u8; 16]);

const PREFIX: &str = "group_";

impl GroupId {
    /// Of failures of this kind for this reason, in words of this pattern.
    pub fn of(kind: &KindName, reason: FailureReason, pattern: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update([reason.code()]);
        hash.update(kind.as_str());
        hash.update([0]);
        hash.update(pattern);
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(digest.split_at(16).0);
        Self(id)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for GroupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Not the name of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group of failures is named like group_0123456789abcdef0123456789abcdef; GET /v1/dead-letters lists them")]
pub struct ParseGroupError;

impl FromStr for GroupId {
    type Err = ParseGroupError;

    fn from_str(text: &str) -> Result<Self, ParseGroupError> {
        let digits = text.strip_prefix(PREFIX).ok_or(ParseGroupError)?;
        let is_plain = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(digits, 16).map_err(|_| ParseGroupError)?;
        if is_plain { Ok(Self(number.to_be_bytes())) } else { Err(ParseGroupError) }
    }
}

/// A message without what differs from one job to the next: numbers, ids and times are `#`, blanks are one.
pub fn pattern(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let mut rest = message.split_at(end).0;
    let mut pattern = String::new();
    while let Some(first) = rest.chars().next() {
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
        if length > 0 {
            let (run, after) = rest.split_at(length);
            if is_uuid(run) {
                pattern.push(PLACEHOLDER);
            } else {
                for (index, word) in run.split('-').enumerate() {
                    if index > 0 {
                        pattern.push('-');
                    }
                    push_word(&mut pattern, word);
                }
            }
            rest = after;
        } else if first.is_whitespace() || first.is_control() {
            pattern.push(' ');
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
        } else {
            pattern.push(first);
            rest = rest.split_at(first.len_utf8()).1;
        }
    }
    let joined = join_numbers(pattern.trim());
    let cut: String = joined.chars().take(PATTERN_CHARS_MAX).collect();
    cut.trim_end().to_owned()
}

fn is_uuid(run: &str) -> bool {
    run.split('-').map(str::len).eq(UUID_PARTS) && run.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// One word: letters and digits.
fn push_word(pattern: &mut String, word: &str) {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_id = has_digit
        && (word.len() >= MIXED_CHARS_MIN
            || (word.len() >= HEX_CHARS_MIN && is_hex(word))
            || word.strip_prefix("0x").is_some_and(is_hex));
    if is_id {
        pattern.push(PLACEHOLDER);
        return;
    }
    let mut in_number = false;
    for character in word.chars() {
        let is_digit = character.is_ascii_digit();
        if !is_digit {
            pattern.push(character);
        } else if !in_number {
            pattern.push(PLACEHOLDER);
        }
        in_number = is_digit;
    }
}

/// `#.#`, `#:#` and the like are one number, time or address.
fn join_numbers(pattern: &str) -> String {
    let mut joined = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        let joins = matches!(character, '.' | ',' | ':' | '-')
            && joined.ends_with(PLACEHOLDER)
            && characters.peek() == Some(&PLACEHOLDER);
        if joins {
            characters.next();
        } else {
            joined.push(character);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_from_job_to_job_is_left_out() {
        for (message, expected) in [
            ("", ""),
            ("no such user", "no such user"),
            ("user 42 not found", "user # not found"),
            ("attempt 3 fails on purpose", "attempt # fails on purpose"),
            ("timeout after 1,250.5 ms", "timeout after # ms"),
            ("order 550e8400-e29b-41d4-a716-446655440000 is paid", "order # is paid"),
            ("job_01ARZ3NDEKTSV4RRFFQ69G5FAV is gone", "job_# is gone"),
            ("blob deadbeef01 is damaged", "blob # is damaged"),
            ("at 0x1f in main", "at # in main"),
            ("10.0.0.7:5432: connection refused", "#: connection refused"),
            ("since 2026-11-22T08:15:30.123Z", "since #T#Z"),
            ("shard7 of worker-12a", "shard# of worker-#a"),
            ("  two\n\tlines\u{7} ", "two lines"),
            ("größe 7 zu groß", "größe # zu groß"),
            ("cafebabe is a word, so is decade", "cafebabe is a word, so is decade"),
        ] {
            assert_eq!(pattern(message), expected, "{message}");
        }
        assert_eq!(pattern(&"é ".repeat(10_000)).chars().count(), PATTERN_CHARS_MAX - 1);
    }

    #[test]
    fn groups_differ_by_kind_reason_and_words() {
        let (a, b): (KindName, KindName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let of = GroupId::of;
        let group = of(&a, FailureReason::Trap, "x");
        assert_eq!(group, of(&a, FailureReason::Trap, "x"));
        for other in
            [of(&b, FailureReason::Trap, "x"), of(&a, FailureReason::Timeout, "x"), of(&a, FailureReason::Trap, "")]
        {
            assert_ne!(group, other);
        }
        assert_eq!(group.to_string().parse(), Ok(group));
        assert_eq!(serde_json::from_str::<GroupId>(&serde_json::to_string(&group).unwrap()).unwrap(), group);
        assert!(serde_json::from_str::<GroupId>("\"group_1\"").is_err());
        let text = group.to_string();
        for wrong in [
            "",
            "group_",
            "group_1",
            &text.replace("group_", ""),
            &format!("{text}0"),
            &text.replace("group_", "group_+"),
        ] {
            assert_eq!(wrong.parse::<GroupId>(), Err(ParseGroupError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_is_its_own_pattern_and_has_no_digits(message in ".{0,400}") {
            let once = pattern(&message);
            prop_assert!(!once.bytes().any(|byte| byte.is_ascii_digit()));
            prop_assert!(once.chars().count() <= PATTERN_CHARS_MAX);
            prop_assert_eq!(pattern(&once), once);
        }

        #[test]
        fn numbers_make_no_difference(words in "[a-z ]{0,20}", one in 0u64.., other in 0u64..) {
            prop_assert_eq!(pattern(&format!("{words} {one}")), pattern(&format!("{words} {other}")));
        }
    }
}
