//! A payload as it is given on the command line: JSON, `@file`, `-`, or plain text.

use std::io::Read;

use anyhow::{Context, bail};
use serde_json::value::RawValue;

use super::quantities;

/// Largest payload that is read at all, bytes; the host has its own, lower limit.
const PAYLOAD_BYTES_MAX: u64 = 256 << 20;
/// Of a job that needs none.
const PAYLOAD_DEFAULT: &str = "{}";

/// How what was given is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// As JSON.
    Json,
    /// As text, which becomes one JSON string.
    Text,
}

/// The payload as JSON text.
pub(super) fn read(argument: Option<&str>, given: Given) -> anyhow::Result<Box<RawValue>> {
    let text = text(argument.unwrap_or(PAYLOAD_DEFAULT))?;
    let json = if given == Given::Text { serde_json::to_string(&text)? } else { text };
    RawValue::from_string(json).map_err(|error| {
        anyhow::anyhow!("the payload is not JSON: {error}; mind the shell's quotes, or use --text to send plain text")
    })
}

/// What was given, `@file` and `-` read.
pub(super) fn text(argument: &str) -> anyhow::Result<String> {
    let Some((mut source, name)) = source(argument, "payload")? else { return Ok(argument.to_owned()) };
    let mut text = String::new();
    let read = source.by_ref().take(PAYLOAD_BYTES_MAX + 1).read_to_string(&mut text);
    let read = read.with_context(|| format!("cannot read the payload from {name}"))?;
    if read as u64 > PAYLOAD_BYTES_MAX {
        bail!("the payload from {name} is larger than {}", quantities::bytes(PAYLOAD_BYTES_MAX));
    }
    Ok(text)
}

/// The same of what need not be text; `what` it is stands in errors.
pub(super) fn bytes(argument: &str, what: &str) -> anyhow::Result<Vec<u8>> {
    let Some((mut source, name)) = source(argument, what)? else { return Ok(argument.as_bytes().to_vec()) };
    let mut bytes = Vec::new();
    let read = source.by_ref().take(PAYLOAD_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.with_context(|| format!("cannot read the {what} from {name}"))?;
    if read as u64 > PAYLOAD_BYTES_MAX {
        bail!("the {what} from {name} is larger than {}", quantities::bytes(PAYLOAD_BYTES_MAX));
    }
    Ok(bytes)
}

/// Where an argument is to be read from, and how that is called; `None`: it is meant as it stands.
fn source<'a>(argument: &'a str, what: &str) -> anyhow::Result<Option<(Box<dyn Read>, &'a str)>> {
    if argument == "-" {
        return Ok(Some((Box::new(std::io::stdin().lock()), "standard input")));
    }
    let Some(path) = argument.strip_prefix('@') else { return Ok(None) };
    let file = std::fs::File::open(path).with_context(|| format!("cannot read the {what} from {path}"))?;
    Ok(Some((Box::new(file), path)))
}
