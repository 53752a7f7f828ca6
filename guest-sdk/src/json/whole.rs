//! Whole numbers, however they are written: to a JSON Schema `1.0` and `2e3` are integers as much as `1` and `2000`.

/// A number as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Positive(u128),
    /// Without its sign; not zero.
    Negative(u128),
    /// Of more than 128 bits.
    TooLarge,
    Fraction,
}

/// Where an exponent makes no difference any more.
const EXPONENT_MAX: i64 = 1 << 40;

/// Ten times a number, and a digit.
fn with_digit(number: u128, digit: u8) -> Option<u128> {
    number.checked_mul(10)?.checked_add(digit.into())
}

/// Of a number as JSON writes it. Works on its digits, so that nothing is lost and no floating point gets into the module.
#[cold]
pub(super) fn whole(text: &str) -> Whole {
    // Without the zeros at the end, which are counted: any number of them may follow.
    let mut significant = Some(0_u128);
    let mut zeros = 0_i64;
    let mut exponent = 0_i64;
    let mut is_negative = false;
    let mut is_in_fraction = false;
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'-' => is_negative = true,
            b'.' => is_in_fraction = true,
            b'0'..=b'9' => {
                exponent -= i64::from(is_in_fraction);
                if byte == b'0' {
                    zeros += 1;
                    continue;
                }
                // None are significant at the beginning.
                while significant != Some(0) && significant.is_some() && zeros > 0 {
                    significant = significant.and_then(|number| with_digit(number, 0));
                    zeros -= 1;
                }
                zeros = 0;
                significant = significant.and_then(|number| with_digit(number, byte - b'0'));
            }
            _ => {
                exponent += written_exponent(&mut rest);
                break;
            }
        }
    }
    if significant == Some(0) {
        return Whole::Positive(0);
    }
    exponent += zeros;
    if exponent < 0 {
        return Whole::Fraction;
    }
    while exponent > 0 && significant.is_some() {
        significant = significant.and_then(|number| with_digit(number, 0));
        exponent -= 1;
    }
    match significant {
        Some(number) if is_negative => Whole::Negative(number),
        Some(number) => Whole::Positive(number),
        None => Whole::TooLarge,
    }
}

fn written_exponent(text: &mut std::str::Bytes<'_>) -> i64 {
    let mut exponent = 0_i64;
    let mut is_negative = false;
    for byte in text {
        match byte {
            b'-' => is_negative = true,
            b'0'..=b'9' => exponent = EXPONENT_MAX.min(exponent * 10 + i64::from(byte - b'0')),
            _ => {}
        }
    }
    if is_negative { -exponent } else { exponent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_out() {
        use Whole::{Fraction, Negative, Positive, TooLarge};
        for (text, expected) in [
            ("7", Positive(7)),
            ("1020", Positive(1_020)),
            ("-9223372036854775809", Negative(9_223_372_036_854_775_809)),
            ("-0", Positive(0)),
            ("-0.0", Positive(0)),
            ("0e99999999999999999999", Positive(0)),
            ("1.0", Positive(1)),
            ("100.00", Positive(100)),
            ("-1.50e2", Negative(150)),
            ("1e3", Positive(1_000)),
            ("1E+3", Positive(1_000)),
            ("1200e-2", Positive(12)),
            ("0.0012e4", Positive(12)),
            ("10.00e-1", Positive(1)),
            ("18446744073709551615.0", Positive(u64::MAX.into())),
            ("1.8446744073709551615e19", Positive(u64::MAX.into())),
            ("340282366920938463463374607431768211455", Positive(u128::MAX)),
            ("340282366920938463463374607431768211456", TooLarge),
            ("1e38", Positive(10_u128.pow(38))),
            ("1e39", TooLarge),
            ("1e400000000", TooLarge),
            ("1e99999999999999999999", TooLarge),
            ("1.5", Fraction),
            ("1.05", Fraction),
            ("-0.1", Fraction),
            ("1e-1", Fraction),
            ("1200e-3", Fraction),
            ("1e-99999999999999999999", Fraction),
            ("1234567890123456789012345678901234567890.5", Fraction),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
        assert_eq!(whole(&format!("1.{}", "0".repeat(100_000))), Positive(1));
        assert_eq!(whole(&format!("1{}e-100000", "0".repeat(100_000))), Positive(1));
    }
}
