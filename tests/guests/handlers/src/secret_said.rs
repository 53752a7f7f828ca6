//! Says a secret in every way there is, in pieces and in encodings, and then fails with it or returns it.

use std::io::Write;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler, secrets};

#[derive(Deserialize, JsonSchema)]
pub struct Said {
    #[serde(default)]
    name: String,
    /// `panic`, `fail`, or else it is returned.
    #[serde(default)]
    end: String,
}

#[handler(kind = "secret-said")]
pub fn secret_said(context: &Context, input: Said) -> Result<serde_json::Value, Failure> {
    let secret = secrets::get(&input.name)?;
    let text = secret.text()?;
    let (first, second) = text.split_at(text.len() / 2);
    let mut stdout = std::io::stdout().lock();
    for piece in ["in two: ", first, second, "; "] {
        write!(stdout, "{piece}")?;
        stdout.flush()?;
    }
    for byte in text.bytes() {
        stdout.write_all(&[byte])?;
        stdout.flush()?;
    }
    writeln!(stdout)?;
    drop(stdout);
    eprintln!("on stderr: {text}");
    let hex = text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    eprintln!("hex: {hex}");
    stoker_sdk::info!("logged: {text}, escaped: {}", serde_json::to_string(text)?);
    stoker_sdk::warn!("basic: {}", base64(format!("user:{text}").as_bytes()));
    stoker_sdk::warn!("plain base64: {}", base64(text.as_bytes()));
    context.progress(1, 2, Some(&format!("working with {text}")));
    match input.end.as_str() {
        "panic" => panic!("cannot go on with {text}"),
        "fail" => Err(Failure::fatal(format!("{}{text} is refused", "x".repeat(4_080)))),
        _ => Ok(serde_json::json!({"token": text, text: [format!("Bearer {text}"), base64(text.as_bytes())]})),
    }
}

/// By hand: it is all the base64 there is here.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
        }
        text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    text
}
