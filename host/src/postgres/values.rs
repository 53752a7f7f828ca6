//! Values on their way to a server and back. Parameters go as text, which the server reads as what it needs; results come in the
//! server's own form, of which the usual types are read here. Others are to be cast to text.

use std::error::Error;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::job::database::SqlValue;

type Broken = Box<dyn Error + Sync + Send>;

/// Seconds from 1970 to the beginning of the server's time.
const SERVERS_EPOCH_S: i64 = 946_684_800;

/// A parameter.
#[derive(Debug)]
pub(super) struct Sent(pub(super) SqlValue);

impl ToSql for Sent {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Result<IsNull, Broken> {
        let text = match &self.0 {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Boolean(yes) => if *yes { "true" } else { "false" }.to_owned(),
            SqlValue::Integer(number) => number.to_string(),
            SqlValue::Real(number) if number.is_infinite() => {
                if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            SqlValue::Real(number) => number.to_string(),
            SqlValue::Text(text) => text.clone(),
            SqlValue::Blob(bytes) => bytes.iter().fold(String::from("\\x"), |mut hex, byte| {
                hex.extend([byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
                hex
            }),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_type: &Type) -> bool {
        true
    }

    fn encode_format(&self, _type: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// A value of a row.
pub(super) struct Received(pub(super) SqlValue);

impl<'row> FromSql<'row> for Received {
    fn from_sql(of: &Type, raw: &'row [u8]) -> Result<Self, Broken> {
        read(of, raw).map(Received)
    }

    fn from_sql_null(_type: &Type) -> Result<Self, Broken> {
        Ok(Received(SqlValue::Null))
    }

    fn accepts(_type: &Type) -> bool {
        true
    }
}

fn read(of: &Type, raw: &[u8]) -> Result<SqlValue, Broken> {
    let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).map(SqlValue::Text).map_err(Broken::from);
    Ok(match *of {
        Type::BOOL => SqlValue::Boolean(bool::from_sql(of, raw)?),
        Type::INT2 => SqlValue::Integer(i16::from_sql(of, raw)?.into()),
        Type::INT4 => SqlValue::Integer(i32::from_sql(of, raw)?.into()),
        Type::INT8 => SqlValue::Integer(i64::from_sql(of, raw)?),
        Type::OID => SqlValue::Integer(u32::from_sql(of, raw)?.into()),
        Type::FLOAT4 => SqlValue::Real(f32::from_sql(of, raw)?.into()),
        Type::FLOAT8 => SqlValue::Real(f64::from_sql(of, raw)?),
        Type::BYTEA => SqlValue::Blob(raw.to_vec()),
        Type::NUMERIC => SqlValue::Text(numeric(raw).ok_or("a `numeric` that can't be read")?),
        Type::UUID => SqlValue::Text(uuid(raw)),
        // A version stands before the text.
        Type::JSONB => text(raw.get(1..).unwrap_or_default())?,
        Type::TIMESTAMPTZ => SqlValue::Text(format!("{}Z", instant(i64_of(raw)?)?)),
        Type::TIMESTAMP => SqlValue::Text(instant(i64_of(raw)?)?),
        Type::DATE => {
            let days = i32::from_sql(&Type::INT4, raw)?;
            let day = date(2000, 1, 1).checked_add(SignedDuration::from_hours(i64::from(days) * 24))?;
            SqlValue::Text(day.to_string())
        }
        Type::TIME => {
            SqlValue::Text(instant(i64_of(raw)?)?.split_once('T').map_or_else(String::new, |(_, at)| at.to_owned()))
        }
        // SQL that gives nothing.
        Type::VOID => SqlValue::Null,
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::UNKNOWN
        | Type::JSON
        | Type::XML => text(raw)?,
        _ => match of.kind() {
            Kind::Enum(_) => text(raw)?,
            Kind::Domain(inner) => read(inner, raw)?,
            _ => {
                return Err(format!(
                    "a column is of type `{}`, which can't be read as it is; cast it: column::text",
                    named(of)
                )
                .into());
            }
        },
    })
}

/// As the server would write it.
fn named(of: &Type) -> String {
    match of.kind() {
        Kind::Array(inner) => format!("{}[]", named(inner)),
        _ => of.name().to_owned(),
    }
}

fn i64_of(raw: &[u8]) -> Result<i64, Broken> {
    i64::from_sql(&Type::INT8, raw)
}

/// Microseconds of the server's time, as ISO 8601 has it, without a zone.
fn instant(microseconds: i64) -> Result<String, Broken> {
    if microseconds == i64::MAX || microseconds == i64::MIN {
        return Ok(if microseconds > 0 { "infinity" } else { "-infinity" }.to_owned());
    }
    let unix = microseconds.checked_add(SERVERS_EPOCH_S * 1_000_000).ok_or("a time that is too late")?;
    Ok(Timestamp::from_microsecond(unix)?.to_zoned(TimeZone::UTC).datetime().to_string())
}

fn uuid(raw: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in raw.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend([byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    text
}

/// Groups of four decimal digits, the power of ten thousand of the first, a sign, and how many digits stand behind the point.
fn numeric(raw: &[u8]) -> Option<String> {
    let word = |place: usize| Some(u16::from_be_bytes([*raw.get(2 * place)?, *raw.get(2 * place + 1)?]));
    let (count, weight, sign, scale) = (word(0)?, word(1)?.cast_signed(), word(2)?, usize::from(word(3)?));
    match sign {
        0 | 0x4000 => {}
        0xd000 => return Some("Infinity".to_owned()),
        0xf000 => return Some("-Infinity".to_owned()),
        _ => return Some("NaN".to_owned()),
    }
    let group = |power: i32| {
        let place = i32::from(weight) - power;
        let place = usize::try_from(place).ok().filter(|place| *place < usize::from(count));
        place.map_or(Some(0), |place| word(4 + place))
    };
    let mut text = String::new();
    for power in (0..=i32::from(weight).max(0)).rev() {
        let digits = group(power)?;
        let group = if text.is_empty() { digits.to_string() } else { format!("{digits:04}") };
        text.push_str(&group);
    }
    if scale > 0 {
        let mut behind = String::new();
        let mut power = -1;
        while behind.len() < scale {
            let group = format!("{:04}", group(power)?);
            behind.push_str(&group);
            power -= 1;
        }
        behind.truncate(scale);
        text = format!("{text}.{behind}");
    }
    Some(if sign == 0x4000 { format!("-{text}") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_are_read_digit_by_digit() {
        let raw = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        for (words, text) in [
            (vec![0, 0, 0, 0], "0"),
            (vec![0, 0, 0, 2], "0.00"),
            (vec![2, 0, 0, 2, 12, 3400], "12.34"),
            (vec![3, 1, 0x4000, 3, 1, 2, 5000], "-10002.500"),
            (vec![1, u16::MAX, 0, 4, 42], "0.0042"),
            (vec![1, 2, 0, 0, 7], "700000000"),
            (vec![0, 0, 0xc000, 0], "NaN"),
        ] {
            assert_eq!(numeric(&raw(&words)).as_deref(), Some(text));
        }
        assert_eq!(numeric(&[0, 9]), None);
    }

    #[test]
    fn times_are_those_of_the_server() {
        assert_eq!(instant(0).ok().as_deref(), Some("2000-01-01T00:00:00"));
        assert_eq!(instant(-1).ok().as_deref(), Some("1999-12-31T23:59:59.999999"));
        assert_eq!(uuid(&[0xab; 16]), "abababab-abab-abab-abab-abababababab");
    }
}
