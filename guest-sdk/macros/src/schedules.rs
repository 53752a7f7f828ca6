//! `schedules = [schedule(name = "nightly", cron = "0 3 * * *"), …]`: what the module has its host enqueue again and again.
//! What the host alone can judge (expressions, zones) it judges at the upload.

use proc_macro2::Span;
use serde_json::{Map, Value};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Result, Token, bracketed, parenthesized, token};

use crate::forms::{expect, form, integer, separator, wrong};
use crate::names::checked_name;
use crate::quantity::{duration_ms, duration_text};

/// Most of them.
const SCHEDULES_MAX: usize = 32;
const MISFIRE: [&str; 3] = ["skip", "once", "all"];
const OVERLAP: [&str; 4] = ["allow", "skip", "queue_one", "cancel_running"];

const KNOWN: [&str; 11] = [
    "name",
    "cron",
    "every",
    "timezone",
    "jitter",
    "misfire",
    "overlap",
    "payload",
    "queue",
    "priority",
    "max_attempts",
];

/// The schedules in the form of the settings.
pub(crate) fn schedules(input: ParseStream<'_>) -> Result<Value> {
    if !input.peek(token::Bracket) {
        return Err(wrong(input, form("schedules")));
    }
    let items;
    let brackets = bracketed!(items in input);
    let mut schedules = Vec::new();
    while !items.is_empty() {
        schedules.push(schedule(&items)?);
        separator(&items)?;
    }
    if schedules.is_empty() || schedules.len() > SCHEDULES_MAX {
        let span: Span = brackets.span.join();
        return Err(Error::new(span, format!("`schedules` holds 1 to {SCHEDULES_MAX}; {}", form("schedules"))));
    }
    Ok(schedules.into())
}

fn schedule(input: ParseStream<'_>) -> Result<Value> {
    if !input.peek(Ident::peek_any) {
        return Err(wrong(input, form("schedules")));
    }
    let word = input.call(Ident::parse_any)?;
    if word != "schedule" || !input.peek(token::Paren) {
        return Err(Error::new(word.span(), form("schedules")));
    }
    let inner;
    parenthesized!(inner in input);
    let mut fields = Map::new();
    while !inner.is_empty() {
        if !inner.peek(Ident::peek_any) {
            return Err(wrong(&inner, form("schedules")));
        }
        let name = inner.call(Ident::parse_any)?;
        let field = name.to_string();
        if !KNOWN.contains(&field.as_str()) {
            let message = format!("`schedule` has no `{field}`; there are {}", KNOWN.join(", "));
            return Err(Error::new(name.span(), message));
        }
        inner.parse::<Token![=]>().map_err(|_| Error::new(name.span(), form("schedules")))?;
        let value = value(&inner, &field)?;
        if fields.insert(field.clone(), value).is_some() {
            return Err(Error::new(name.span(), format!("`{field}` is given twice")));
        }
        separator(&inner)?;
    }
    if !fields.contains_key("name") {
        return Err(Error::new(word.span(), "name the schedule: `schedule(name = \"nightly\", cron = \"0 3 * * *\")`"));
    }
    if fields.contains_key("cron") == fields.contains_key("every") {
        return Err(Error::new(word.span(), "say when, with one of `cron = \"0 3 * * *\"` and `every = \"15m\"`"));
    }
    Ok(fields.into())
}

fn value(input: ParseStream<'_>, field: &str) -> Result<Value> {
    Ok(match field {
        "priority" => integer(input, form(field), 0, 9)?.into(),
        "max_attempts" => integer(input, form(field), 1, 1_000)?.into(),
        "queue" => checked_name("a queue name", &expect(input, form(field))?)?.into(),
        "every" => {
            let literal: LitStr = expect(input, "`every` is a duration in quotes, with its unit: `every = \"15m\"`")?;
            match duration_ms(&literal)? {
                0..1_000 => return Err(Error::new(literal.span(), "must be at least a second")),
                ms => duration_text(ms).into(),
            }
        }
        "jitter" => {
            let literal = expect(input, "`jitter` is a duration in quotes, with its unit: `jitter = \"5m\"`")?;
            duration_text(duration_ms(&literal)?).into()
        }
        "misfire" => choice(input, field, &MISFIRE)?,
        "overlap" => choice(input, field, &OVERLAP)?,
        "payload" => {
            let literal: LitStr = expect(input, "`payload` is JSON in quotes: `payload = r#\"{\"name\": \"Ada\"}\"#`")?;
            let parsed = serde_json::from_str(&literal.value());
            parsed.map_err(|error| Error::new(literal.span(), format!("the payload is not JSON: {error}")))?
        }
        _ => expect::<LitStr>(input, form("schedules"))?.value().into(),
    })
}

fn choice(input: ParseStream<'_>, field: &str, choices: &[&str]) -> Result<Value> {
    let message =
        format!("`{field}` is one of {}", choices.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(", "));
    let literal: LitStr = expect(input, &message)?;
    let given = literal.value();
    if choices.contains(&given.as_str()) { Ok(given.into()) } else { Err(Error::new(literal.span(), message)) }
}
