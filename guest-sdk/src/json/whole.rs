//! Whole numbers, however they are written: to a JSON Schema `1.0` and `2e3` are integers as much as `1` and `2000`.

/// A number as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole<N> {
    Positive(N),
    /// Without its sign; not zero.
    Negative(N),
    TooLarge,
    Fraction,
}

/// Where an exponent makes no difference any more.
const EXPONENT_MAX: i64 = 1 << 40;

/// What is counted in: 64 bits, or 128 where a type has them.
pub(super) trait Magnitude: Copy + Default + PartialEq {
    /// Ten times as much, and a digit.
    fn with_digit(self, digit: u8) -> Option<Self>;
}

macro_rules! magnitudes {
    ($($type:ty)+) => {
        $(
            impl Magnitude for $type {
                fn with_digit(self, digit: u8) -> Option<Self> {
                    // Not `checked_mul`, which is more code.
                    if self > <$type>::MAX / 10 { None } else { (self * 10).checked_add(digit.into()) }
                }
            }
        )+
    };
}

magnitudes! { u64 u128 }

/// Of a number as JSON writes it. Works on its digits, so that nothing is lost and no floating point gets into the module.
pub(super) fn whole<N: Magnitude>(text: &str) -> Whole<N> {
    // Without the zeros at the end, which are counted: any number of them may follow.
    let mut significant = Some(N::default());
    let mut zeros = 0_i64;
    let mut exponent = 0_i64;
    let mut is_in_fraction = false;
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'-' => {}
            b'.' => is_in_fraction = true,
            b'0'..=b'9' => {
                exponent -= i64::from(is_in_fraction);
                zeros += 1;
                if byte != b'0' {
                    significant = shifted(significant, zeros - 1).and_then(|number| number.with_digit(byte - b'0'));
                    zeros = 0;
                }
            }
            _ => {
                exponent += written_exponent(&mut rest);
                break;
            }
        }
    }
    if significant == Some(N::default()) {
        return Whole::Positive(N::default());
    }
    exponent += zeros;
    if exponent < 0 {
        return Whole::Fraction;
    }
    match shifted(significant, exponent) {
        Some(number) if text.starts_with('-') => Whole::Negative(number),
        Some(number) => Whole::Positive(number),
        None => Whole::TooLarge,
    }
}

/// With so many zeros added; of zero there is only one.
fn shifted<N: Magnitude>(mut number: Option<N>, zeros: i64) -> Option<N> {
    for _ in 0..zeros {
        if number == Some(N::default()) {
            break;
        }
        number = Some(number?.with_digit(0)?);
    }
    number
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
            assert_eq!(whole::<u128>(text), expected, "{text}");
            let narrow = match expected {
                Positive(number) => u64::try_from(number).map_or(TooLarge, Positive),
                Negative(number) => u64::try_from(number).map_or(TooLarge, Negative),
                TooLarge => TooLarge,
                Fraction => Fraction,
            };
            assert_eq!(whole::<u64>(text), narrow, "{text}");
        }
        assert_eq!(whole::<u64>(&format!("1.{}", "0".repeat(100_000))), Positive(1));
        assert_eq!(whole::<u64>(&format!("1{}e-100000", "0".repeat(100_000))), Positive(1));
    }
}
