//! Names, numbers, keys, and what functions read and write.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::json;
use stoker_sdk::{Context, Failure, handler};

use super::check;

types! {
    #[serde(tag = "type", rename_all = "lowercase")]
    enum TaggedOr {
        Known { a: u8 },
        #[serde(other)]
        Other,
    }

    #[serde(rename_all = "lowercase")]
    enum NameOr {
        Known,
        #[serde(other)]
        Other,
    }

    #[serde(tag = "t", content = "c", rename_all = "lowercase")]
    enum AdjacentOr {
        Known(u8),
        #[serde(other)]
        Other,
    }

    struct Bounds {
        #[serde(default)]
        i32: i32,
        #[serde(default)]
        u32: u32,
        #[serde(default)]
        i64: i64,
        #[serde(default)]
        u64: u64,
        #[serde(default)]
        usize: usize,
        #[serde(default)]
        at_least_one: Option<NonZeroU32>,
        #[serde(default)]
        #[schemars(range(min = 5))]
        narrow: Option<u32>,
    }

    #[derive(Eq, Hash, Ord, PartialOrd)]
    struct Id(u8);

    #[derive(Eq, Hash, Ord, PartialOrd)]
    #[serde(rename_all = "lowercase")]
    enum Key {
        X,
        Y,
    }

    struct Maps {
        #[serde(default)]
        by_key: BTreeMap<Key, u8>,
        #[serde(default)]
        by_number: BTreeMap<u8, u8>,
        #[serde(default)]
        by_sign: HashMap<i64, u8>,
        #[serde(default)]
        by_id: BTreeMap<Id, u8>,
        #[serde(default)]
        by_flag: BTreeMap<bool, u8>,
        #[serde(default)]
        by_letter: BTreeMap<char, u8>,
        #[serde(default)]
        by_name: BTreeMap<String, u8>,
    }

    struct Whole {
        number: u8,
        signed: i16,
        wide: u128,
    }

    enum Functions {
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        Number(u8),
    }

    struct Seconds {
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        count: u8,
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(super) fn serialize<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

as_serde!(
    other_tags,
    TaggedOr,
    [{"type": "known", "a": 1}, {"type": "new"}, {"type": "new", "b": 1}, {"type": "other"}],
    [{"type": "known"}, {"type": 1}, {}]
);
as_serde!(other_names, NameOr, ["known", "other", "new"], [1, {}]);
as_serde!(other_tags_with_content, AdjacentOr, [{"t": "known", "c": 1}, {"t": "new"}], [{"t": "known", "c": "x"}, {"c": 1}]);
as_serde!(
    integers_have_bounds,
    Bounds,
    [
        {"i32": i32::MAX, "u32": u32::MAX, "i64": i64::MAX, "u64": u64::MAX},
        {"i32": i32::MIN, "i64": i64::MIN, "usize": usize::MAX, "at_least_one": 1, "narrow": 5}, {"narrow": null},
    ],
    [
        {"i32": (i64::from(i32::MAX) + 1)}, {"i32": (i64::from(i32::MIN) - 1)}, {"u32": (u64::from(u32::MAX) + 1)},
        {"i64": (i64::MAX as u64 + 1)}, {"u64": (-1)}, {"u64": 18_446_744_073_709_551_616.0}, {"i64": -1e19},
        {"at_least_one": 0}, {"at_least_one": 4_294_967_296_u64}, {"narrow": 4_294_967_296_u64},
    ]
);
as_serde!(
    keys_of_maps,
    Maps,
    [
        {"by_key": {"x": 1, "y": 2}, "by_number": {"0": 1, "255": 1}, "by_sign": {"-5": 1, "0": 1}, "by_id": {"7": 1}},
        {"by_flag": {"true": 1}, "by_letter": {"é": 1}, "by_name": {"": 1, "x": 1}},
    ],
    [
        {"by_key": {"z": 1}}, {"by_number": {"x": 1}}, {"by_number": {"-1": 1}}, {"by_number": {"1000": 1}},
        {"by_sign": {"1.5": 1}}, {"by_id": {"x": 1}}, {"by_flag": {"yes": 1}}, {"by_letter": {"ab": 1}},
        {"by_name": {"x": 300}},
    ]
);
as_serde!(
    whole_numbers_however_written,
    Whole,
    [
        {"number": 1.0, "signed": -0.0, "wide": 1e20}, {"number": 2e2, "signed": -1e3, "wide": 0},
    ],
    [{"number": 1.5, "signed": 0, "wide": 0}, {"number": 256.0, "signed": 0, "wide": 0}, {"number": 1, "signed": 1, "wide": 0.5}]
);
as_serde!(variants_by_functions, Functions, [{"Number": "7"}], [{"Number": 7}]);
as_serde!(fields_by_functions, Seconds, [{"count": "7"}], [{"count": 7}, {}]);
