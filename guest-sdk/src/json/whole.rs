//! Whole numbers, however they are written: to a JSON Schema `1.0` and `2e3` are integers as much as `1` and `2000`.

use std::borrow::Cow;

use super::scan::NumberText;

/// Digits of the largest integer there is a type for, of 128 bits.
const DIGITS_MAX: usize = 39;

/// A number as an integer.
pub(super) enum Whole<'n> {
    /// Sign and digits.
    Digits(Cow<'n, str>),
    TooLarge,
    Fraction,
}

/// Works on the text, so that nothing is lost and no floating point number gets into the module.
pub(super) fn whole(number: NumberText<'_>) -> Whole<'_> {
    if number.is_whole {
        // Of integers there is one zero.
        return Whole::Digits(Cow::Borrowed(if number.text == "-0" { "0" } else { number.text }));
    }
    let (sign, text) = number.text.strip_prefix('-').map_or(("", number.text), |rest| ("-", rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = String::with_capacity(mantissa.len());
    digits.push_str(before);
    digits.push_str(after);
    let kept = digits.trim_end_matches('0').len();
    let zeros = digits.len() - kept;
    digits.truncate(kept);
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Whole::Digits(Cow::Borrowed("0"));
    }
    // Digits of the fraction that are not zero, or zeros to add.
    let shift = exponent.parse::<i64>().ok().and_then(|exponent| {
        exponent.checked_add(i64::try_from(zeros).ok()?)?.checked_sub(i64::try_from(after.len()).ok()?)
    });
    let Some(shift) = shift else {
        return if exponent.starts_with('-') { Whole::Fraction } else { Whole::TooLarge };
    };
    let Ok(shift) = usize::try_from(shift) else { return Whole::Fraction };
    if significant.len().saturating_add(shift) > DIGITS_MAX {
        return Whole::TooLarge;
    }
    let mut spelled_out = String::from(sign);
    spelled_out.push_str(significant);
    spelled_out.extend(std::iter::repeat_n('0', shift));
    Whole::Digits(Cow::Owned(spelled_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_out() {
        for (text, expected) in [
            ("7", "7"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e99999999999999999999", "0"),
            ("1.0", "1"),
            ("-1.50e2", "-150"),
            ("1e3", "1000"),
            ("1E+3", "1000"),
            ("1200e-2", "12"),
            ("0.0012e4", "12"),
            ("10.00e-1", "1"),
            ("18446744073709551615.0", "18446744073709551615"),
            ("1.8446744073709551615e19", "18446744073709551615"),
            ("1e38", "100000000000000000000000000000000000000"),
            ("1e39", "too large"),
            ("1e400000000", "too large"),
            ("1e99999999999999999999", "too large"),
            ("1.5", "fraction"),
            ("-0.1", "fraction"),
            ("1e-1", "fraction"),
            ("1200e-3", "fraction"),
            ("1e-99999999999999999999", "fraction"),
        ] {
            let is_whole = !text.contains(['.', 'e', 'E']);
            let found = match whole(NumberText { text, is_whole }) {
                Whole::Digits(digits) => digits.into_owned(),
                Whole::TooLarge => "too large".to_owned(),
                Whole::Fraction => "fraction".to_owned(),
            };
            assert_eq!(found, expected, "{text}");
        }
    }
}
