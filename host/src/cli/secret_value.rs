//! A secret as it is given to the command line: in a file or on standard input, never as an argument.

use std::io::Read;

use anyhow::{Context, ensure};
use zeroize::Zeroizing;

use crate::regular_file;
use crate::secrets::{SECRET_BYTES_MAX, SecretValue};

/// The value in a file, without the end of its last line.
pub(super) fn of_file(path: &str) -> anyhow::Result<SecretValue> {
    let file =
        regular_file::open_to_read(path.as_ref()).with_context(|| format!("cannot read the secret from {path}"))?;
    of(file, path)
}

/// The value on standard input, without the end of its last line.
pub(super) fn of_stdin() -> anyhow::Result<SecretValue> {
    of(std::io::stdin().lock(), "standard input")
}

fn of(source: impl Read, name: &str) -> anyhow::Result<SecretValue> {
    // One more than there may be, and the end of a line.
    let bytes_max = SECRET_BYTES_MAX + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max));
    let read = source.take(bytes_max as u64).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read the secret from {name}"))?;
    let end = [&b"\r\n"[..], b"\n"].into_iter().find(|end| bytes.ends_with(end)).map_or(0, <[u8]>::len);
    let length = bytes.len() - end;
    bytes.truncate(length);
    ensure!(!bytes.is_empty(), "there is nothing in {name}");
    SecretValue::new(std::mem::take(&mut *bytes)).with_context(|| format!("what is in {name} can't be a secret"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_end_of_a_line_is_left_out() {
        for (text, expected) in [
            ("12345678", "12345678"),
            ("12345678\n", "12345678"),
            ("12345678\r\n", "12345678"),
            ("12345678\n\n", "12345678\n"),
        ] {
            assert_eq!(of(text.as_bytes(), "x").unwrap().reveal(), expected.as_bytes());
        }
        for (text, said) in [("", "nothing"), ("\n", "nothing"), ("1234567\n", "can't be a secret")] {
            assert!(of(text.as_bytes(), "x").unwrap_err().to_string().contains(said), "{text:?}");
        }
        assert!(of(&vec![b'x'; SECRET_BYTES_MAX][..], "x").is_ok());
        assert!(of(&vec![b'x'; SECRET_BYTES_MAX + 1][..], "x").is_err());
    }
}
