//! Schemas of the types every crate has.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::spelling::Spelling;
use super::{JsonSchema, SchemaText};
use crate::text::{joined, printed};

macro_rules! plain {
    ($($members:literal: $($type:ty),+;)+) => {
        $($(
            impl JsonSchema for $type {
                fn write(schema: &mut SchemaText) {
                    schema.members($members);
                }
            }
        )+)+
    };
}

plain! {
    r#""type":"string""#: str, String, std::path::Path, std::path::PathBuf;
    r#""type":"string","minLength":1,"maxLength":1"#: char;
    r#""type":"string","format":"ip""#: std::net::IpAddr;
    r#""type":"string","format":"ipv4""#: std::net::Ipv4Addr;
    r#""type":"string","format":"ipv6""#: std::net::Ipv6Addr;
    "": serde_json::Value;
}

/// Types that are numbers or booleans as values, and text as the names of members, which have exactly the values of the type.
macro_rules! spelled {
    ($($members:literal or $name:literal: $($type:ty),+;)+) => {
        $($(
            impl JsonSchema for $type {
                fn write(schema: &mut SchemaText) {
                    schema.spelled($members, $name);
                }
            }
        )+)+
    };
}

spelled! {
    r#""type":"boolean""# or r#""enum":["true","false"]"#: bool;
    r#""type":"integer","format":"int8","minimum":-128,"maximum":127"#
        or r#""pattern":"^(0|-?([1-9][0-9]?|1[01][0-9]|12[0-7])|-128)$""#: i8;
    r#""type":"integer","format":"int16","minimum":-32768,"maximum":32767"#
        or r#""pattern":"^(0|-?([1-9][0-9]{0,3}|[12][0-9]{4}|3[01][0-9]{3}|32[0-6][0-9]{2}|327[0-5][0-9]|3276[0-7])|-32768)$""#: i16;
    r#""type":"integer","format":"int32","minimum":-2147483648,"maximum":2147483647"#
        or r#""pattern":"^(0|-?([1-9][0-9]{0,8}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}|21474[0-7][0-9]{4}|214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]|214748364[0-7])|-2147483648)$""#: i32;
    r#""type":"integer","format":"uint8","minimum":0,"maximum":255"# or r#""pattern":"^(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])$""#: u8;
    r#""type":"integer","format":"uint16","minimum":0,"maximum":65535"# or r#""pattern":"^(0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$""#: u16;
    r#""type":"integer","format":"uint32","minimum":0,"maximum":4294967295"#
        or r#""pattern":"^(0|[1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$""#: u32;
    r#""type":"integer","format":"uint32","minimum":1,"maximum":4294967295"#
        or r#""pattern":"^([1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$""#: std::num::NonZeroU32;
    r#""type":"number","format":"float""# or "": f32;
    r#""type":"number","format":"double""# or "": f64;
}

/// The same of those with more than 32 bits, whose smallest and largest value are given.
macro_rules! spelled_up_to {
    ($($members:literal from $least:literal to $most:literal: $type:ty;)+) => {
        $(
            impl JsonSchema for $type {
                fn write(schema: &mut SchemaText) {
                    const SPELLING: Spelling = Spelling::of($least, $most);
                    const BYTES: [u8; SPELLING.length()] = SPELLING.bytes();
                    // Digits and signs.
                    const NAME: &str = match std::str::from_utf8(&BYTES) {
                        Ok(name) => name,
                        Err(_) => "",
                    };
                    schema.spelled($members, NAME);
                }
            }
        )+
    };
}

spelled_up_to! {
    r#""type":"integer","format":"int64","minimum":-9223372036854775808,"maximum":9223372036854775807"#
        from "-9223372036854775808" to "9223372036854775807": i64;
    r#""type":"integer","format":"int128""#
        from "-170141183460469231731687303715884105728" to "170141183460469231731687303715884105727": i128;
    r#""type":"integer","format":"uint64","minimum":0,"maximum":18446744073709551615"#
        from "0" to "18446744073709551615": u64;
    r#""type":"integer","format":"uint128","minimum":0"# from "0" to "340282366920938463463374607431768211455": u128;
    r#""type":"integer","format":"uint64","minimum":1,"maximum":18446744073709551615"#
        from "1" to "18446744073709551615": std::num::NonZeroU64;
}

// As wide as where the handler runs.
#[cfg(target_pointer_width = "32")]
spelled! {
    r#""type":"integer","format":"int","minimum":-2147483648,"maximum":2147483647"#
        or r#""pattern":"^(0|-?([1-9][0-9]{0,8}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}|21474[0-7][0-9]{4}|214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]|214748364[0-7])|-2147483648)$""#: isize;
    r#""type":"integer","format":"uint","minimum":0,"maximum":4294967295"# or r#""pattern":"^(0|[1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$""#: usize;
}
#[cfg(not(target_pointer_width = "32"))]
spelled_up_to! {
    r#""type":"integer","format":"int","minimum":-9223372036854775808,"maximum":9223372036854775807"#
        from "-9223372036854775808" to "9223372036854775807": isize;
    r#""type":"integer","format":"uint","minimum":0,"maximum":18446744073709551615"#
        from "0" to "18446744073709551615": usize;
}

impl JsonSchema for () {
    fn write(schema: &mut SchemaText) {
        schema.nothing();
    }
}

impl JsonSchema for std::time::Duration {
    fn write(schema: &mut SchemaText) {
        schema.object(|schema| {
            // What serde can count, with the seconds that nanoseconds can hold.
            schema.property("\"secs\"", true, |schema| {
                schema.members(r#""type":"integer","format":"uint64","minimum":0,"maximum":18446744073709551611"#);
            });
            schema.property("\"nanos\"", true, u32::write);
            schema.deny_unknown(false);
        });
    }
}

impl JsonSchema for std::time::SystemTime {
    fn write(schema: &mut SchemaText) {
        schema.object(|schema| {
            // What serde can count, with the seconds that nanoseconds can hold.
            schema.property("\"secs_since_epoch\"", true, |schema| {
                schema.members(r#""type":"integer","format":"uint64","minimum":0,"maximum":9223372036854775803"#);
            });
            schema.property("\"nanos_since_epoch\"", true, u32::write);
            schema.deny_unknown(false);
        });
    }
}

/// Serde asks for both ends, also where an end can be null.
macro_rules! ranges {
    ($($type:ident)+) => {
        $(
            impl<T: JsonSchema> JsonSchema for std::ops::$type<T> {
                fn write(schema: &mut SchemaText) {
                    schema.object(|schema| {
                        schema.property("\"start\"", true, T::write);
                        schema.property("\"end\"", true, T::write);
                        schema.deny_unknown(false);
                    });
                }
            }
        )+
    };
}

ranges! { Range RangeInclusive }

impl JsonSchema for serde_json::Map<String, serde_json::Value> {
    fn write(schema: &mut SchemaText) {
        schema.map(String::write, serde_json::Value::write);
    }
}

macro_rules! as_inner {
    ($($type:ty),+) => {
        $(
            impl<T: JsonSchema + ?Sized> JsonSchema for $type {
                const CAN_BE_ABSENT: bool = T::CAN_BE_ABSENT;
                const LEAVES_MEMBERS: bool = T::LEAVES_MEMBERS;

                fn write(schema: &mut SchemaText) {
                    T::write(schema);
                }
            }
        )+
    };
}

as_inner! { &T, Box<T>, Rc<T>, Arc<T> }

impl<T: JsonSchema + ToOwned + ?Sized> JsonSchema for Cow<'_, T> {
    fn write(schema: &mut SchemaText) {
        T::write(schema);
    }
}

impl<T: JsonSchema> JsonSchema for Option<T> {
    const CAN_BE_ABSENT: bool = true;
    const LEAVES_MEMBERS: bool = T::LEAVES_MEMBERS;

    fn write(schema: &mut SchemaText) {
        schema.optional(T::write);
    }
}

fn list(schema: &mut SchemaText, members: &str, item: fn(&mut SchemaText)) {
    schema.members(members);
    schema.nested("\"items\":{", item);
}

impl<T: JsonSchema> JsonSchema for [T] {
    fn write(schema: &mut SchemaText) {
        list(schema, "\"type\":\"array\"", T::write);
    }
}

impl<T: JsonSchema> JsonSchema for Vec<T> {
    fn write(schema: &mut SchemaText) {
        <[T]>::write(schema);
    }
}

impl<T: JsonSchema> JsonSchema for VecDeque<T> {
    fn write(schema: &mut SchemaText) {
        <[T]>::write(schema);
    }
}

impl<T: JsonSchema, const N: usize> JsonSchema for [T; N] {
    fn write(schema: &mut SchemaText) {
        list(schema, &of_length(N), T::write);
    }
}

impl<T: JsonSchema> JsonSchema for BTreeSet<T> {
    fn write(schema: &mut SchemaText) {
        list(schema, "\"type\":\"array\",\"uniqueItems\":true", T::write);
    }
}

impl<T: JsonSchema, S> JsonSchema for HashSet<T, S> {
    fn write(schema: &mut SchemaText) {
        list(schema, "\"type\":\"array\",\"uniqueItems\":true", T::write);
    }
}

impl<K: JsonSchema, V: JsonSchema> JsonSchema for BTreeMap<K, V> {
    fn write(schema: &mut SchemaText) {
        schema.map(K::write, V::write);
    }
}

impl<K: JsonSchema, V: JsonSchema, S> JsonSchema for HashMap<K, V, S> {
    fn write(schema: &mut SchemaText) {
        schema.map(K::write, V::write);
    }
}

fn of_length(count: usize) -> String {
    let count = printed(&count);
    joined(&["\"type\":\"array\",\"minItems\":", &count, ",\"maxItems\":", &count])
}

/// An array with a schema for each place.
fn places(schema: &mut SchemaText, items: &[fn(&mut SchemaText)]) {
    schema.members(&of_length(items.len()));
    schema.raw(",\"prefixItems\":[");
    for item in items {
        schema.nested("{", *item);
    }
    schema.raw("]");
}

macro_rules! tuples {
    ($(($($item:ident)+))+) => {
        $(
            impl<$($item: JsonSchema),+> JsonSchema for ($($item,)+) {
                fn write(schema: &mut SchemaText) {
                    places(schema, &[$($item::write),+]);
                }
            }
        )+
    };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
