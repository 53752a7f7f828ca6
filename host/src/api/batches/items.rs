//! The jobs of a batch as they stand in its body: split up to a bound, without looking into them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Jobs a batch may begin with; more can be added while it is open.
pub(super) const BATCH_JOBS_MAX: usize = 10_000;

/// Jobs, not looked at.
#[derive(Debug, Default)]
pub(super) struct Items<'a>(pub(super) Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UpTo;
        impl<'de> Visitor<'de> for UpTo {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of jobs")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element::<&'de RawValue>()? {
                    if items.len() == BATCH_JOBS_MAX {
                        let more = "enqueue the others with `\"batch\": ID` while it is open";
                        return Err(A::Error::custom(format!(
                            "a batch begins with at most {BATCH_JOBS_MAX} jobs; {more}"
                        )));
                    }
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(UpTo)
    }
}
