//! Measured numbers as people read them, and moments relative to others. Instants stay as the API writes them:
//! RFC 3339, UTC.

use std::time::Duration;

use jiff::Timestamp;

use crate::job::duration::in_words;
use crate::job::{ByteSize, RetryWire, SizeError};

/// `850 µs`, `3.1 ms`, `4.20 s`, `3m 5s`.
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        1_000_000..60_000_000 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => in_words(Duration::from_micros(us)),
    }
}

/// `12 B`, `118.3 KiB`, `4.0 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    scaled(bytes, 1_024, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// `812`, `1.2 M`.
pub(super) fn count(count: u64) -> String {
    scaled(count, 1_000, &["", "k", "M", "G", "T"])
}

/// One decimal once a unit is reached; the last unit takes whatever is left.
fn scaled(value: u64, step: u64, units: &[&str]) -> String {
    let mut unit_value = 1;
    let mut name = units.first().copied().unwrap_or_default();
    for unit in units.iter().skip(1) {
        if value / unit_value < step {
            break;
        }
        unit_value *= step;
        name = unit;
    }
    // In tenths; wide, because the largest values times ten pass 64 bits.
    let tenths = u128::from(value) * 10 / u128::from(unit_value);
    let number = if unit_value == 1 { value.to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) };
    if name.is_empty() { number } else { format!("{number} {name}") }
}

/// Time from one RFC 3339 instant to another, µs; `None` if one is unreadable or the second comes first.
pub(super) fn between_us(earlier: &str, later: &str) -> Option<u64> {
    let (earlier, later): (Timestamp, Timestamp) = (earlier.parse().ok()?, later.parse().ok()?);
    u64::try_from(later.duration_since(earlier).as_micros()).ok()
}

/// This instant, RFC 3339.
pub(super) fn now() -> String {
    Timestamp::now().to_string()
}

/// One WebAssembly page: no module that has memory has less.
const MEMORY_BYTES_MIN: u64 = 64 << 10;

/// A retry policy on the command line, as the API takes it.
pub(super) fn retry(text: &str) -> Result<RetryWire, String> {
    let example = r#"{"strategy":"fixed","delay":"30s"}"#;
    serde_json::from_str(text)
        .map_err(|error| format!("{error}; write it like {example}, with `fixed`, `exponential` or `list`"))
}

/// A size of memory on the command line. Who writes less than any module has forgot the unit.
pub(super) fn memory(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: SizeError| error.to_string())?;
    fits_memory(size.0).map(|()| size)
}

/// Whether so little memory can be meant.
pub(super) fn fits_memory(bytes: u64) -> Result<(), String> {
    if bytes >= MEMORY_BYTES_MIN {
        return Ok(());
    }
    Err(format!(
        "that is {} of memory, and no module runs with less than {}; write the unit, e.g. {}MiB",
        ByteSize(bytes),
        ByteSize(MEMORY_BYTES_MIN),
        bytes.clamp(1, 1_024)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (us, text) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (3_149, "3.1 ms"),
            (4_206_000, "4.20 s"),
            (185_000_000, "3m 5s"),
            (5_400_000_000, "1h 30m"),
        ] {
            assert_eq!(micros(us), text);
        }
        for (value, text) in
            [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (4 << 20, "4.0 MiB"), (u64::MAX, "16777215.9 TiB")]
        {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [(0, "0"), (999, "999"), (1_200_000, "1.2 M")] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn moments_are_compared_and_nonsense_is_nothing() {
        let early = "2026-11-21T09:00:00.000Z";
        assert_eq!(between_us(early, "2026-11-21T09:00:01.500Z"), Some(1_500_000));
        assert_eq!(between_us("2026-11-21T09:00:01.500Z", early), None);
        assert_eq!(between_us(early, "soon"), None);
    }
}
