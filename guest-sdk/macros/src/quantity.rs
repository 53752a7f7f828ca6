//! Durations (`"1h30m"`) and sizes (`"64MiB"`) as people write them.

use syn::{LitStr, Result};

/// Longest duration the host reads: ten years.
const DURATION_MS_MAX: u64 = 3_650 * DAY_MS;
/// Longest delay between two attempts that the host takes.
const RETRY_DELAY_MS_MAX: u64 = 30 * DAY_MS;
const DAY_MS: u64 = 24 * 3_600_000;

const DURATION_UNITS_MS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", DAY_MS)];

const SIZE_UNITS_BYTES: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Milliseconds of `"500ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"2d"`.
pub(crate) fn duration_ms(literal: &LitStr) -> Result<u64> {
    parse_duration_ms(&literal.value()).ok_or_else(|| {
        syn::Error::new(
            literal.span(),
            "write a duration like \"500ms\", \"30s\", \"5m\" or \"1h30m\" (at most ten years)",
        )
    })
}

/// The same, or the word `forever`, in the form the host reads.
pub(crate) fn keep_text(literal: &LitStr) -> Result<String> {
    const FOREVER: &str = "forever";
    let text = literal.value();
    if text == FOREVER {
        return Ok(text);
    }
    parse_duration_ms(&text).map(duration_text).ok_or_else(|| {
        let message = "write a duration like \"24h\" or \"30d\" (at most ten years), or \"forever\"";
        syn::Error::new(literal.span(), message)
    })
}

/// The same, as a delay between attempts.
pub(crate) fn delay_ms(literal: &LitStr) -> Result<u64> {
    match duration_ms(literal)? {
        ms if ms <= RETRY_DELAY_MS_MAX => Ok(ms),
        _ => {
            let message = format!("a delay between attempts must be at most {} days", RETRY_DELAY_MS_MAX / DAY_MS);
            Err(syn::Error::new(literal.span(), message))
        }
    }
}

/// Bytes of `"64MiB"`.
pub(crate) fn size_bytes(literal: &LitStr) -> Result<u64> {
    parse_size_bytes(&literal.value())
        .ok_or_else(|| syn::Error::new(literal.span(), "write a size like \"64MiB\", or a number of bytes"))
}

/// The form the host reads: whole seconds where they fit, else milliseconds.
pub(crate) fn duration_text(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{}s", ms / 1_000) } else { format!("{ms}ms") }
}

fn parse_duration_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let unit_length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, remaining) = after.split_at(unit_length);
        let (_, factor) = DURATION_UNITS_MS.iter().find(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(number.checked_mul(*factor)?)?;
        rest = remaining;
    }
    (!text.is_empty() && total_ms <= DURATION_MS_MAX).then_some(total_ms)
}

fn parse_size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    let (_, factor) = SIZE_UNITS_BYTES.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.checked_mul(*factor)
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("0s", 0),
            ("1s500ms", 1_500),
        ] {
            assert_eq!(parse_duration_ms(text), Some(ms), "{text}");
        }
        for wrong in ["", "5", "s", "-1s", "1 s", "1.5s", "1w", "99999999999999999999s", "100000d", "1s2"] {
            assert_eq!(parse_duration_ms(wrong), None, "{wrong}");
        }
        assert_eq!((duration_text(90_000), duration_text(1_500)), ("90s".into(), "1500ms".into()));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1 GiB", 1 << 30), ("10KB", 10_000), ("7B", 7)] {
            assert_eq!(parse_size_bytes(text), Some(bytes), "{text}");
        }
        for wrong in ["", "64", "MiB", "64mib", "1.5GiB", "-1B", "18446744073709551615KiB"] {
            assert_eq!(parse_size_bytes(wrong), None, "{wrong}");
        }
    }
}
