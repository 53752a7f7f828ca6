//! The ways in which programs write a secret by accident: none of them may be found in what a host shows or keeps.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A secret as it is, and as it is usually encoded.
pub fn spellings_of(secret: &str) -> Vec<String> {
    let (mut hex, mut percent) = (String::new(), String::new());
    for byte in secret.bytes() {
        write!(hex, "{byte:02x}").expect("writing to a string");
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => percent.push(char::from(byte)),
            _ => write!(percent, "%{byte:02X}").expect("writing to a string"),
        }
    }
    let json = serde_json::to_string(secret).expect("text");
    let mut spellings = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        // In a JSON text inside of a JSON text.
        serde_json::to_string(&json).expect("text").trim_matches(['"', '\\']).to_owned(),
        hex.to_uppercase(),
        hex,
        percent,
    ];
    for before in 0..3 {
        let text = [vec![b':'; before], secret.as_bytes().to_vec()].concat();
        // What shares its characters with what is before or behind can be anything.
        let sure = (before * 8).div_ceil(6)..text.len() * 8 / 6;
        spellings.extend([STANDARD.encode(&text), URL_SAFE.encode(&text)].map(|text| text[sure.clone()].to_owned()));
    }
    spellings
}

/// The first spelling of a secret that a text holds.
pub fn spelling_in(text: &[u8], secret: &str) -> Option<String> {
    let holds = |spelling: &String| text.windows(spelling.len()).any(|window| window == spelling.as_bytes());
    spellings_of(secret).into_iter().find(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_found() {
        let secret = "sk/4eC\"39 Hq+Lyj";
        let basic = STANDARD.encode(format!("user:{secret}"));
        let json = r#"{"a":"sk/4eC\"39 Hq+Lyj"}"#;
        for text in [secret, json, "736b2f3465432233392048712b4c796a", "sk%2F4eC%2239%20Hq%2BLyj", &basic] {
            assert!(spelling_in(format!("<{text}>").as_bytes(), secret).is_some(), "{text}");
        }
        assert_eq!(spelling_in(b"[secret api-key]", secret), None);
    }
}
