//! Rows as Rust values, through serde: structs by the names of columns, tuples by their order, a single value of a single column.

use std::fmt;
use std::iter::zip;
use std::vec::IntoIter;

use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::{DatabaseError, Rows, Value};
use crate::text::{joined, printed};

/// All of them.
pub(super) fn read_all<Row: DeserializeOwned>(found: Rows) -> Result<Vec<Row>, DatabaseError> {
    let Rows { columns, rows } = found;
    rows.into_iter().map(|values| read(&columns, values)).collect()
}

/// The only one.
pub(super) fn read_one<Row: DeserializeOwned>(found: Rows) -> Result<Option<Row>, DatabaseError> {
    let Rows { columns, mut rows } = found;
    match (rows.pop(), rows.len()) {
        (None, _) => Ok(None),
        (Some(values), 0) => read(&columns, values).map(Some),
        (Some(_), more) => Err(DatabaseError::Mismatch(joined(&[
            "one row was expected, and there are ",
            &printed(&(more + 1)),
            "; use `query`, or LIMIT 1",
        ]))),
    }
}

fn read<Row: DeserializeOwned>(columns: &[String], values: Vec<Value>) -> Result<Row, DatabaseError> {
    Row::deserialize(RowOf { columns, values }).map_err(|Mismatch(what)| DatabaseError::Mismatch(what))
}

/// Why a row does not fit.
#[derive(Debug)]
struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mismatch(joined(&["a row does not fit: ", &printed(&message)]))
    }
}

struct RowOf<'a> {
    columns: &'a [String],
    values: Vec<Value>,
}

impl RowOf<'_> {
    fn only(mut self) -> Result<OneValue, Mismatch> {
        match (self.values.pop(), self.values.len()) {
            (Some(value), 0) => Ok(OneValue(value)),
            (_, more) => Err(Mismatch::custom(joined(&[
                "a single value was expected, and it has ",
                &printed(&(more + 1)),
                " columns; use a tuple or a struct",
            ]))),
        }
    }
}

macro_rules! of_the_only_column {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            self.only()?.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for RowOf<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if self.values.len() == 1 { self.only()?.deserialize_any(visitor) } else { self.deserialize_map(visitor) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let pairs = zip(self.columns.iter().map(String::as_str), self.values.into_iter().map(OneValue));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_seq(SeqDeserializer::new(self.values.into_iter().map(OneValue)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mismatch> {
        if length != self.values.len() {
            return Err(Mismatch::custom(joined(&[
                "it has ",
                &printed(&self.values.len()),
                " columns, and the tuple ",
                &printed(&length),
                " fields",
            ])));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    of_the_only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_identifier
    }
}

struct OneValue(Value);

impl IntoDeserializer<'_, Mismatch> for OneValue {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for OneValue {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(yes) => visitor.visit_bool(yes),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Real(number) => visitor.visit_f64(number),
            Value::Text(text) => visitor.visit_string(text),
            Value::Blob(bytes) => visitor.visit_byte_buf(bytes),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            // As SQLite has them.
            Value::Integer(number @ (0 | 1)) => visitor.visit_bool(number == 1),
            other => OneValue(other).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(OneValue(value)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            // `Vec<u8>` asks for a sequence.
            Value::Blob(bytes) => {
                let bytes: IntoIter<u8> = bytes.into_iter();
                visitor.visit_seq(SeqDeserializer::new(bytes))
            }
            other => OneValue(other).deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Text(text) => {
                let text: StringDeserializer<Mismatch> = text.into_deserializer();
                text.deserialize_enum(name, variants, visitor)
            }
            other => OneValue(other).deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map
        struct identifier
    }
}

/// So that values can be collected as they are.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl Visitor<'_> for AnyValue {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of SQL")
            }
            fn visit_unit<E: Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E: Error>(self, yes: bool) -> Result<Value, E> {
                Ok(Value::Boolean(yes))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Integer(number))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Real(number))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
                Ok(Value::Blob(bytes.to_vec()))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn rows(columns: &[&str], rows: Vec<Vec<Value>>) -> Rows {
        Rows { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows }
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Plan {
        Free,
        Paid,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Tenant {
        id: u32,
        name: String,
        plan: Plan,
        active: bool,
        share: f32,
        logo: Vec<u8>,
        note: Option<String>,
    }

    #[test]
    fn structs_go_by_names_and_tuples_by_order() {
        let columns = ["name", "id", "plan", "active", "share", "logo", "note", "more"];
        let values = || {
            let text = |text: &str| Value::Text(text.into());
            let (share, logo) = (Value::Real(0.5), Value::Blob(vec![1, 255]));
            vec![text("a"), Value::Integer(7), text("paid"), Value::Integer(1), share, logo, Value::Null, text("x")]
        };
        let found: Vec<Tenant> = read_all(rows(&columns, vec![values()])).unwrap();
        let expected = Tenant {
            id: 7,
            name: "a".into(),
            plan: Plan::Paid,
            active: true,
            share: 0.5,
            logo: vec![1, 255],
            note: None,
        };
        assert_eq!(found, [expected]);
        let pair = || rows(&["a", "b"], vec![vec![Value::Integer(1), Value::Boolean(true)]]);
        assert_eq!(read_all::<(u8, bool)>(pair()).unwrap(), [(1, true)]);
        assert_eq!(read_all::<Vec<Value>>(pair()).unwrap(), [vec![Value::Integer(1), Value::Boolean(true)]]);
        for said in [
            read_all::<(u8,)>(pair()).unwrap_err(),
            read_all::<u8>(pair()).unwrap_err(),
            read_all::<Tenant>(pair()).unwrap_err(),
            read_all::<u8>(rows(&["a"], vec![vec![Value::Integer(256)]])).unwrap_err(),
            read_all::<u8>(rows(&["a"], vec![vec![Value::Null]])).unwrap_err(),
        ] {
            assert!(
                matches!(&said, DatabaseError::Mismatch(what) if what.starts_with("a row does not fit: ")),
                "{said}"
            );
        }
    }

    #[test]
    fn one_row_is_one() {
        let of = |count: i64| rows(&["n"], (0..count).map(|n| vec![Value::Integer(n)]).collect());
        assert_eq!(read_one::<i64>(of(0)).unwrap(), None);
        assert_eq!(read_one::<Option<i64>>(of(1)).unwrap(), Some(Some(0)));
        assert_eq!(read_one::<Option<String>>(rows(&["n"], vec![vec![Value::Null]])).unwrap(), Some(None));
        assert!(read_one::<i64>(of(2)).unwrap_err().to_string().contains("there are 2"));
    }
}
