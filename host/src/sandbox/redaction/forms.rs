//! The spellings of a secret that are looked for.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

/// Longer secrets (chains of certificates) are not looked for in the encodings that make them several times as long.
const WIDE_FORMS_BYTES_MAX: usize = 4 << 10;
/// A line of a secret of several lines that is shorter is not looked for by itself.
const LINE_BYTES_MIN: usize = 16;
/// All but the unreserved characters of URLs.
const URL_RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// All but those and what the encoders of other languages leave as it is: `encodeURIComponent` of JavaScript, `quote` of Python,
/// `PathEscape` of Go, `encodeURI` of JavaScript.
static URL_RESERVED_ELSEWHERE: [AsciiSet; 4] = [
    URL_RESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*'),
    URL_RESERVED.remove(b'/'),
    URL_RESERVED.remove(b'$').remove(b'&').remove(b'+').remove(b':').remove(b'=').remove(b'@'),
    URL_RESERVED
        .remove(b'!')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b';')
        .remove(b',')
        .remove(b'/')
        .remove(b'?')
        .remove(b':')
        .remove(b'@')
        .remove(b'&')
        .remove(b'=')
        .remove(b'+')
        .remove(b'$')
        .remove(b'#'),
];
/// All but what the forms of web pages leave as it is, as `URLSearchParams` of JavaScript and `URLEncoder` of Java write them.
static FORM_RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
/// How quotes are written in HTML, each with each; where they do not end an attribute, as they are.
const HTML_QUOTES: [&str; 3] = ["\"", "&quot;", "&#34;"];
const HTML_APOSTROPHES: [&str; 4] = ["'", "&#39;", "&#x27;", "&#039;"];

/// One spelling.
pub(super) type Form = Zeroizing<Vec<u8>>;

/// Every spelling of a value. White space around it is left out: a handler may have left it out as well.
pub(super) fn forms_of(value: &[u8]) -> Vec<Form> {
    let value = value.trim_ascii();
    let mut forms: Vec<Form> = vec![Zeroizing::new(value.to_vec())];
    let mut add = |form: String| forms.push(Zeroizing::new(form.into_bytes()));
    for offset in 0..3 {
        let (standard, url_safe) = base64_within(value, offset);
        add(standard);
        add(url_safe);
    }
    if let Ok(text) = std::str::from_utf8(value) {
        let json = serde_json::to_string(text).unwrap_or_default();
        for json in [json.trim_matches('"').to_owned(), ascii_json(text)] {
            // As PHP writes it, and as Go does.
            add(json.replace('/', "\\/"));
            add(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
            add(json);
        }
        let html = Zeroizing::new(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
        for quote in HTML_QUOTES {
            let quoted = Zeroizing::new(html.replace('"', quote));
            for apostrophe in HTML_APOSTROPHES {
                add(quoted.replace('\'', apostrophe));
            }
        }
    }
    if value.len() <= WIDE_FORMS_BYTES_MAX {
        let percent = percent_encode(value, URL_RESERVED).to_string();
        add(lower_percent(&percent));
        add(percent.replace("%20", "+"));
        add(percent);
        add(percent_encode(value, FORM_RESERVED).to_string().replace("%20", "+"));
        for reserved in &URL_RESERVED_ELSEWHERE {
            add(percent_encode(value, reserved).to_string());
        }
        let hex = value.iter().fold(String::new(), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        });
        add(hex.to_uppercase());
        add(hex);
    }
    let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    if lines.len() > 1 {
        forms
            .extend(lines.iter().filter(|line| line.len() >= LINE_BYTES_MIN).map(|line| Zeroizing::new(line.to_vec())));
    }
    // A text that ends in a quote has lost it above.
    forms.retain(|form| form.len() >= crate::secrets::SECRET_BYTES_MIN);
    // Most are the same where there is nothing to escape.
    forms.sort_unstable_by(|a, b| a.as_slice().cmp(b));
    forms.dedup_by(|a, b| a.as_slice() == b.as_slice());
    forms
}

/// What is certain of the value's base64 when so many bytes (modulo 3) stand before it, whatever stands around it.
fn base64_within(value: &[u8], offset: usize) -> (String, String) {
    let mut bytes = Zeroizing::new(vec![0; offset]);
    bytes.extend_from_slice(value);
    // A character is six bits: those that share bits with what is before or after can be any.
    let from = (offset * 8).div_ceil(6);
    let to = bytes.len() * 8 / 6;
    let cut = |encoded: String| Zeroizing::new(encoded)[from..to].to_owned();
    (cut(STANDARD_NO_PAD.encode(&*bytes)), cut(URL_SAFE_NO_PAD.encode(&*bytes)))
}

/// As JSON that holds only ASCII.
fn ascii_json(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap_or_default();
    let mut ascii = String::with_capacity(json.len());
    for unit in json.trim_matches('"').chars() {
        if unit.is_ascii() {
            ascii.push(unit);
        } else {
            for half in unit.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(ascii, "\\u{half:04x}");
            }
        }
    }
    ascii
}

/// `%2F` as `%2f`; what is not encoded stays.
fn lower_percent(percent: &str) -> String {
    let mut digits = 0;
    let lower = |character: char| {
        if character == '%' {
            digits = 2;
            return character;
        }
        if digits > 0 {
            digits -= 1;
            return character.to_ascii_lowercase();
        }
        character
    };
    percent.chars().map(lower).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn base64_is_found_wherever_it_stands() {
        for value in ["12345678", "p@ss wörd/+?", "0123456789abcdefg"] {
            for before in 0..7 {
                for after in 0..4 {
                    let text = [&b"user:xx"[..before], value.as_bytes(), &b"!end"[..after]].concat();
                    let encoded = STANDARD.encode(text);
                    let (form, _) = base64_within(value.as_bytes(), before % 3);
                    assert!(encoded.contains(&form), "{value} {before} {after}: {form} in {encoded}");
                    assert!(form.len() * 6 + 12 > value.len() * 8, "{form}");
                }
            }
        }
    }

    #[test]
    fn the_usual_spellings_are_known() {
        let forms: Vec<String> = forms_of(" a\"b/c dé\u{1f600}\n".as_bytes())
            .iter()
            .map(|form| String::from_utf8(form.to_vec()).unwrap())
            .collect();
        for expected in [
            "a\"b/c dé\u{1f600}",
            "a\\\"b/c dé\u{1f600}",
            "a\\\"b/c d\\u00e9\\ud83d\\ude00",
            "a%22b%2Fc%20d%C3%A9%F0%9F%98%80",
            "a%22b%2fc%20d%c3%a9%f0%9f%98%80",
            "a%22b%2Fc+d%C3%A9%F0%9F%98%80",
            "6122622f632064c3a9f09f9880",
            "6122622F632064C3A9F09F9880",
        ] {
            assert!(forms.iter().any(|form| form == expected), "{expected} in {forms:?}");
        }
        let forms: Vec<String> =
            forms_of(b"a+b/<'c d'>&(e)").iter().map(|form| String::from_utf8(form.to_vec()).unwrap()).collect();
        for expected in [
            "a+b\\/<'c d'>&(e)",
            "a+b/\\u003c'c d'\\u003e\\u0026(e)",
            "a%2Bb%2F%3C'c%20d'%3E%26(e)",
            "a%2Bb/%3C%27c%20d%27%3E%26%28e%29",
            "a+b%2F%3C%27c%20d%27%3E&%28e%29",
            "a+b/%3C'c%20d'%3E&(e)",
            "a+b/&lt;&#39;c d&#39;&gt;&amp;(e)",
            "a+b/&lt;&#x27;c d&#x27;&gt;&amp;(e)",
        ] {
            assert!(forms.iter().any(|form| form == expected), "{expected} in {forms:?}");
        }
        let forms: Vec<String> =
            forms_of(b"a~b*c d\"e'f<g").iter().map(|form| String::from_utf8(form.to_vec()).unwrap()).collect();
        for expected in [
            "a%7Eb*c+d%22e%27f%3Cg",
            "a~b*c d&quot;e&#x27;f&lt;g",
            "a~b*c d&#34;e&#39;f&lt;g",
            "a~b*c d&quot;e&#039;f&lt;g",
            "a~b*c d\"e'f&lt;g",
        ] {
            assert!(forms.iter().any(|form| form == expected), "{expected} in {forms:?}");
        }
        let lines = forms_of(b"-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nshort\n-----END KEY-----\n");
        assert!(lines.iter().any(|form| form.as_slice() == b"MIIEvQIBADANBgkqhkiG"));
        assert!(!lines.iter().any(|form| form.as_slice() == b"short"));
    }
}
