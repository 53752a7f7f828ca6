//! Identifiers: 128-bit, time-ordered, shown with a prefix that says what they name (`job_01…`).

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

use super::clock::Timestamp;

/// Text that is not an identifier of the expected type.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not an id of the form {prefix}01ARZ3NDEKTSV4RRFFQ69G5FAV")]
pub struct ParseIdError {
    text: String,
    prefix: &'static str,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What the textual form begins with.
            pub const PREFIX: &'static str = $prefix;
            /// Below the milliseconds lie so many bits.
            pub const MS_SHIFT: u32 = 80;

            /// From the 128-bit value; the upper 48 bits are milliseconds since the epoch.
            pub const fn from_u128(value: u128) -> Self {
                Self(value)
            }
            /// The 128-bit value.
            pub const fn as_u128(self) -> u128 {
                self.0
            }
            /// Big-endian bytes, so that byte order is time order.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }
            /// From big-endian bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }
            /// When the id was made.
            pub fn created_at(self) -> Timestamp {
                Timestamp(i64::try_from(self.0 >> Self::MS_SHIFT).unwrap_or(i64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(Ulid(self.0).array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix($prefix)
                    // 26 digits of five bits have two more than there are: an id has one spelling.
                    .filter(|rest| rest.as_bytes().first().is_some_and(|first| *first <= b'7'))
                    .and_then(|rest| Ulid::from_string(rest).ok())
                    .map(|ulid| Self(ulid.0))
                    .ok_or_else(|| ParseIdError { text: text.chars().take(64).collect(), prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type!(
    /// Names one job for ever.
    JobId,
    "job_"
);
id_type!(
    /// Names one batch.
    BatchId,
    "batch_"
);
id_type!(
    /// Names one workflow.
    WorkflowId,
    "workflow_"
);
id_type!(
    /// Names one run of a host process; a restart is a new host.
    HostId,
    "host_"
);

id_type!(
    /// Names one key of the API.
    KeyId,
    "key_"
);

id_type!(
    /// Names one notification. Drawn from the sequence of job ids.
    NotificationId,
    "ntf_"
);

id_type!(
    /// Names one action on many jobs. Drawn from the sequence of job ids: jobs younger than it have greater ones.
    OperationId,
    "op_"
);

id_type!(
    /// Names one mail.
    MailId,
    "mail_"
);

/// Hands out strictly increasing ids, whatever the clock does.
///
/// Within one millisecond ids count up from a random start, so that a batch keeps its order and ids of different
/// processes do not meet.
#[derive(Debug)]
pub struct IdSequence {
    last: u128,
}

/// The random start leaves this many bits of room to count within one millisecond.
const COUNTER_BITS: u32 = 32;

impl IdSequence {
    /// Continues after `last` (0 when there is none).
    pub fn after(last: u128) -> Self {
        Self { last }
    }

    /// The next 128-bit value at `now`; `random` decides the start when the millisecond is new.
    pub fn next(&mut self, now: Timestamp, random: u64) -> u128 {
        let ms = u128::from(u64::try_from(now.as_ms()).unwrap_or(0)) & ((1 << 48) - 1);
        let fresh = (ms << 80) | (u128::from(random & 0xffff_ffff_ffff) << COUNTER_BITS);
        self.last = fresh.max(self.last + 1);
        self.last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id: JobId = "job_01M842Z0000000000000000000".parse().unwrap();
        assert_eq!(id.to_string(), "job_01M842Z0000000000000000000");
        assert!("job_7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<JobId>().is_ok());
        for other in ["job_81M842Z0000000000000000000", "job_ZZZZZZZZZZZZZZZZZZZZZZZZZZ", "job_", "job_\u{e9}"] {
            assert!(other.parse::<JobId>().is_err(), "{other}");
        }
    }

    #[test]
    fn ids_increase_when_the_clock_stands_still_or_goes_back() {
        let mut sequence = IdSequence::after(0);
        let mut last = 0;
        for (ms, random) in [(1_000, 5), (1_000, 5), (1_000, 1), (999, 9), (1_001, 0)] {
            let id = sequence.next(Timestamp(ms), random);
            assert!(id > last, "{id} after {last} at {ms}");
            last = id;
        }
        assert_eq!(JobId::from_u128(last).created_at(), Timestamp(1_001));
    }

    #[test]
    fn text_round_trips_and_wrong_prefixes_are_refused() {
        let id = JobId::from_u128(IdSequence::after(0).next(Timestamp(1_800_000_000_000), 77));
        let text = id.to_string();
        assert!(text.starts_with("job_01"), "{text}");
        assert_eq!(text.parse::<JobId>(), Ok(id));
        for wrong in ["", "job_", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "host_01ARZ3NDEKTSV4RRFFQ69G5FAV", "job_!!"] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
    }
}
