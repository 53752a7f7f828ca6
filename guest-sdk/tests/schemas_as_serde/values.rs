//! Names, numbers, keys, and what functions read and write.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::ops::{Range, RangeInclusive};
use std::time::{Duration, SystemTime};

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
        by_small_sign: BTreeMap<i8, u8>,
        #[serde(default)]
        by_port: BTreeMap<u16, u8>,
        #[serde(default)]
        by_height: BTreeMap<i16, u8>,
        #[serde(default)]
        by_count: BTreeMap<u32, u8>,
        #[serde(default)]
        by_one: BTreeMap<NonZeroU32, u8>,
        #[serde(default)]
        by_step: BTreeMap<i32, u8>,
        #[serde(default)]
        by_sign: HashMap<i64, u8>,
        #[serde(default)]
        by_long: BTreeMap<u64, u8>,
        #[serde(default)]
        by_longest: BTreeMap<u128, u8>,
        #[serde(default)]
        by_long_sign: BTreeMap<i128, u8>,
        #[serde(default)]
        by_long_one: BTreeMap<std::num::NonZeroU64, u8>,
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

    struct Standard {
        #[serde(default)]
        took: Duration,
        #[serde(default)]
        at: Option<SystemTime>,
        #[serde(default)]
        pages: Range<u8>,
        #[serde(default)]
        rows: Option<RangeInclusive<Option<i8>>>,
    }

    struct LaterPlaces(u8, #[serde(default)] u8, #[serde(default)] Option<bool>);

    #[derive(Default)]
    #[serde(default)]
    struct AllPlaces(u8, u8);

    #[serde(tag = "t", content = "c")]
    enum AdjacentOptions {
        Unit,
        Maybe(Option<u8>),
        Nothing(()),
        Places(u8, #[serde(default)] u8),
    }

    #[serde(tag = "t", content = "c", deny_unknown_fields)]
    enum ClosedAdjacentOptions {
        Unit,
        Maybe(Option<u8>),
    }

    #[serde(rename_all = "lowercase")]
    enum Renamed {
        #[serde(alias = "colour", alias = "tint")]
        Color,
        Plain,
    }

    enum RenamedContent {
        #[serde(alias = "Old")]
        New(u8),
        #[serde(alias = "None")]
        Empty,
    }

    #[serde(tag = "type")]
    enum RenamedTag {
        #[serde(alias = "Old")]
        New { a: u8 },
        #[serde(other)]
        Other,
    }

    #[serde(tag = "t", content = "c")]
    enum RenamedAdjacent {
        #[serde(alias = "Old")]
        New(u8),
        Plain,
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
        {"by_small_sign": {"127": 1, "-128": 1, "0": 1, "-9": 1, "99": 1}, "by_port": {"65535": 1, "9999": 1, "10000": 1}},
        {"by_count": {"4294967295": 1, "4000000000": 1, "999999999": 1, "1": 1}, "by_one": {"1": 1, "4294967295": 1}},
        {"by_step": {"2147483647": 1, "-2147483648": 1, "-1": 1}, "by_height": {"-32768": 1, "32767": 1}},
        {"by_flag": {"true": 1}, "by_letter": {"é": 1}, "by_name": {"": 1, "x": 1}},
        {"by_sign": {"9223372036854775807": 1, "-9223372036854775808": 1, "-9223372036854775799": 1, "999999999999999999": 1}},
        {"by_long": {"18446744073709551615": 1, "18446744073709551609": 1, "10000000000000000000": 1, "0": 1, "7": 1}},
        {"by_longest": {"340282366920938463463374607431768211455": 1}, "by_long_one": {"1": 1, "18446744073709551615": 1}},
        {"by_long_sign": {"170141183460469231731687303715884105727": 1, "-170141183460469231731687303715884105728": 1}},
    ],
    [
        {"by_key": {"z": 1}}, {"by_number": {"x": 1}}, {"by_number": {"-1": 1}}, {"by_number": {"1000": 1}}, {"by_number": {"300": 1}}, {"by_number": {"256": 1}},
        {"by_small_sign": {"128": 1}}, {"by_small_sign": {"-129": 1}}, {"by_port": {"65536": 1}}, {"by_count": {"4294967296": 1}},
        {"by_step": {"2147483648": 1}}, {"by_step": {"-2147483649": 1}}, {"by_height": {"-32769": 1}}, {"by_one": {"0": 1}},
        {"by_sign": {"9223372036854775808": 1}}, {"by_sign": {"-9223372036854775809": 1}}, {"by_sign": {"10000000000000000000": 1}},
        {"by_long": {"18446744073709551616": 1}}, {"by_long": {"20000000000000000000": 1}}, {"by_long": {"-1": 1}},
        {"by_longest": {"340282366920938463463374607431768211456": 1}}, {"by_long_one": {"0": 1}},
        {"by_long_sign": {"170141183460469231731687303715884105728": 1}}, {"by_long_sign": {"-170141183460469231731687303715884105729": 1}},
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
as_serde!(
    standard_structs,
    Standard,
    [
        {}, {"took": {"secs": 1, "nanos": 5}, "at": {"secs_since_epoch": 1, "nanos_since_epoch": 0}},
        {"pages": {"start": 1, "end": 9}, "rows": {"start": null, "end": 3}}, {"at": null},
    ],
    [
        {"took": {"secs": 1}}, {"took": {"secs": 1, "nanos": 0, "more": 1}}, {"took": {"secs": -1, "nanos": 0}}, {"took": 1},
        {"at": {"secs_since_epoch": 1, "nanos_since_epoch": 0, "more": 1}}, {"at": {"secs_since_epoch": 1}},
        {"pages": {"start": 1}}, {"pages": {"start": 1, "end": 2, "step": 1}}, {"pages": {"start": 1, "end": 300}},
        {"rows": {"start": 1}}, {"took": [1, 0]},
    ]
);
as_serde!(later_places, LaterPlaces, [[1], [1, 2], [1, 2, null], [1, 2, true]], [[], [1, 2, true, 3], ["x"], [1, "x"]]);
as_serde!(all_places, AllPlaces, [[], [1], [1, 2]], [[1, 2, 3], ["x"], {}]);
as_serde!(
    adjacent_options,
    AdjacentOptions,
    [
        {"t": "Unit"}, {"t": "Unit", "c": null}, {"t": "Maybe"}, {"t": "Maybe", "c": null}, {"t": "Maybe", "c": 1},
        {"t": "Nothing", "c": null}, {"t": "Places", "c": [1]}, {"t": "Places", "c": [1, 2]}, {"t": "Unit", "more": 1},
    ],
    [{"t": "Unit", "c": 1}, {"t": "Maybe", "c": "x"}, {"t": "Nothing"}, {"t": "Places", "c": []}, {"t": "Places"}, {"c": null}]
);
as_serde!(
    closed_adjacent_options,
    ClosedAdjacentOptions,
    [{"t": "Unit"}, {"t": "Unit", "c": null}, {"t": "Maybe"}],
    [{"t": "Unit", "c": 1}, {"t": "Unit", "more": 1}, {"t": "Maybe", "more": 1}]
);
as_serde!(renamed_variants, Renamed, ["color", "colour", "tint", "plain"], ["Color", "hue", {"color": 1}]);
as_serde!(
    renamed_variants_with_content,
    RenamedContent,
    [{"New": 1}, {"Old": 1}, "Empty", "None"],
    [{"New": 1, "Old": 2}, {"Older": 1}, "Old", {"Old": "x"}]
);
as_serde!(
    renamed_tags,
    RenamedTag,
    [{"type": "New", "a": 1}, {"type": "Old", "a": 1}, {"type": "Older"}],
    [{"type": "Old"}, {"type": "New", "a": "x"}]
);
as_serde!(
    renamed_adjacent_tags,
    RenamedAdjacent,
    [{"t": "New", "c": 1}, {"t": "Old", "c": 1}, {"t": "Plain"}],
    [{"t": "Old"}, {"t": "Older", "c": 1}]
);
