//! Values of SQL, and what becomes one.

use super::DatabaseError;

/// One value of a row, or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// Yes or no; 1 or 0 in `SQLite`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating one.
    Real(f64),
    /// Text; also decimal numbers, dates and times, UUIDs and JSON of `PostgreSQL`.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What a parameter can be.
pub trait ToValue {
    /// As SQL has it.
    fn to_value(&self) -> Result<Value, DatabaseError>;
}

/// The parameters of a statement: a tuple, `()` for none, or values.
///
/// ```
/// use stoker_sdk::database::{Parameters, Value};
///
/// assert_eq!((7, "x", None::<f64>).into_values()?, [Value::Integer(7), Value::Text("x".into()), Value::Null]);
/// assert_eq!(vec![Value::Integer(7)].into_values()?, [Value::Integer(7)]);
/// assert!((u64::MAX,).into_values().is_err());
/// # Ok::<(), stoker_sdk::database::DatabaseError>(())
/// ```
pub trait Parameters {
    /// In their order.
    fn into_values(self) -> Result<Vec<Value>, DatabaseError>;
}

impl ToValue for Value {
    fn to_value(&self) -> Result<Value, DatabaseError> {
        Ok(self.clone())
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Result<Value, DatabaseError> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Result<Value, DatabaseError> {
        self.as_ref().map_or(Ok(Value::Null), ToValue::to_value)
    }
}

macro_rules! values {
    ($($type:ty as $own:ident => $value:expr,)*) => {
        $(impl ToValue for $type {
            fn to_value(&self) -> Result<Value, DatabaseError> {
                let $own = self;
                Ok($value)
            }
        })*
    };
}

values! {
    bool as own => Value::Boolean(*own),
    i8 as own => Value::Integer(i64::from(*own)),
    i16 as own => Value::Integer(i64::from(*own)),
    i32 as own => Value::Integer(i64::from(*own)),
    i64 as own => Value::Integer(*own),
    u8 as own => Value::Integer(i64::from(*own)),
    u16 as own => Value::Integer(i64::from(*own)),
    u32 as own => Value::Integer(i64::from(*own)),
    f32 as own => Value::Real(f64::from(*own)),
    f64 as own => Value::Real(*own),
    str as own => Value::Text(own.to_owned()),
    String as own => Value::Text(own.clone()),
    [u8] as own => Value::Blob(own.to_owned()),
    Vec<u8> as own => Value::Blob(own.clone()),
}

impl<const LENGTH: usize> ToValue for [u8; LENGTH] {
    fn to_value(&self) -> Result<Value, DatabaseError> {
        Ok(Value::Blob(self.to_vec()))
    }
}

/// SQL's whole numbers have a sign.
impl ToValue for u64 {
    fn to_value(&self) -> Result<Value, DatabaseError> {
        i64::try_from(*self).map(Value::Integer).map_err(|_| {
            DatabaseError::Mismatch("a number is larger than SQL's whole numbers; send it as text".to_owned())
        })
    }
}

impl ToValue for usize {
    fn to_value(&self) -> Result<Value, DatabaseError> {
        (*self as u64).to_value()
    }
}

impl Parameters for () {
    fn into_values(self) -> Result<Vec<Value>, DatabaseError> {
        Ok(Vec::new())
    }
}

impl<T: ToValue> Parameters for Vec<T> {
    fn into_values(self) -> Result<Vec<Value>, DatabaseError> {
        self.iter().map(ToValue::to_value).collect()
    }
}

impl<T: ToValue> Parameters for &[T] {
    fn into_values(self) -> Result<Vec<Value>, DatabaseError> {
        self.iter().map(ToValue::to_value).collect()
    }
}

macro_rules! tuples {
    ($($($name:ident)+,)*) => {
        $(impl<$($name: ToValue),+> Parameters for ($($name,)+) {
            #[allow(non_snake_case)]
            fn into_values(self) -> Result<Vec<Value>, DatabaseError> {
                let ($($name,)+) = self;
                Ok(vec![$($name.to_value()?),+])
            }
        })*
    };
}

tuples! {
    A, A B, A B C, A B C D, A B C D E, A B C D E F, A B C D E F G, A B C D E F G H, A B C D E F G H I, A B C D E F G H I J,
    A B C D E F G H I J K, A B C D E F G H I J K L, A B C D E F G H I J K L M, A B C D E F G H I J K L M N,
    A B C D E F G H I J K L M N O, A B C D E F G H I J K L M N O P,
}
