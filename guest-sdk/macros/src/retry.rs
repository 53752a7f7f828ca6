//! `retry = …`: `fixed("10s")`, `list("1s", "1m")` or `exponential(base = "5s", cap = "1h", jitter = 0.2)`.

use proc_macro2::Span;
use serde_json::{Map, Value, json};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, Lit, Result, Token, parenthesized, token};

use crate::forms::{expect, form, separator, wrong};
use crate::quantity::{delay_ms, duration_text};

/// Most delays a list may hold.
const DELAYS_MAX: usize = 100;
/// The host's `base` where none is given.
const BASE_MS: u64 = 5_000;

const FIXED: &str = "`fixed` takes the same delay each time, in quotes: `fixed(\"10s\")`";
const LIST: &str = "`list` takes delays in quotes, one after the other, the last repeats: `list(\"1s\", \"1m\")`";
const EXPONENTIAL: &str = "`exponential` takes names and values, all of which can be left out: `exponential(base = \"5s\", cap = \"1h\", jitter = 0.2)`";
const BASE: &str = "`base` is a duration in quotes, with its unit: `base = \"5s\"`";
const CAP: &str = "`cap` is a duration in quotes, with its unit: `cap = \"1h\"`";
const JITTER: &str = "`jitter` is a number from 0.0 to 1.0: `jitter = 0.2`";

/// The policy in the form of the settings.
pub(crate) fn retry(input: ParseStream<'_>) -> Result<Value> {
    let unknown = wrong(input, form("retry"));
    if !input.peek(Ident::peek_any) {
        return Err(unknown);
    }
    let strategy = input.call(Ident::parse_any)?;
    let form = match strategy.to_string().as_str() {
        "fixed" => FIXED,
        "list" => LIST,
        "exponential" => EXPONENTIAL,
        _ => return Err(Error::new(strategy.span(), form("retry"))),
    };
    if !input.peek(token::Paren) {
        return Err(Error::new(strategy.span(), form));
    }
    let inner;
    parenthesized!(inner in input);
    match form {
        FIXED => {
            let (delay_ms, _) = delay(&inner, FIXED)?;
            inner.parse::<Option<Token![,]>>()?;
            if !inner.is_empty() {
                return Err(wrong(&inner, FIXED));
            }
            Ok(json!({ "strategy": "fixed", "delay": duration_text(delay_ms) }))
        }
        LIST => list(&strategy, &inner),
        _ => exponential(&inner),
    }
}

/// A delay between attempts, and where it stands.
fn delay(input: ParseStream<'_>, form: &str) -> Result<(u64, Span)> {
    let literal = expect(input, form)?;
    Ok((delay_ms(&literal)?, literal.span()))
}

fn list(strategy: &Ident, inner: ParseStream<'_>) -> Result<Value> {
    let mut delays = Vec::new();
    while !inner.is_empty() {
        delays.push(duration_text(delay(inner, LIST)?.0));
        separator(inner)?;
    }
    if delays.is_empty() || delays.len() > DELAYS_MAX {
        return Err(Error::new(
            strategy.span(),
            format!("`list` takes 1 to {DELAYS_MAX} delays: `list(\"1s\", \"1m\")`"),
        ));
    }
    Ok(json!({ "strategy": "list", "delays": delays }))
}

/// What is left out is the host's to fill in.
fn exponential(inner: ParseStream<'_>) -> Result<Value> {
    let (mut base, mut cap, mut jitter) = (None, None, None);
    while !inner.is_empty() {
        if !inner.peek(Ident::peek_any) {
            return Err(wrong(inner, EXPONENTIAL));
        }
        let name = inner.call(Ident::parse_any)?;
        let word = name.to_string();
        let form = match word.as_str() {
            "base" => BASE,
            "cap" => CAP,
            "jitter" => JITTER,
            _ => {
                let message = format!("`exponential` has no `{word}`; there are `base`, `cap` and `jitter`");
                return Err(Error::new(name.span(), message));
            }
        };
        inner.parse::<Token![=]>().map_err(|_| Error::new(name.span(), form))?;
        let repeated = match form {
            BASE => base.replace(delay(inner, form)?).is_some(),
            CAP => cap.replace(delay(inner, form)?).is_some(),
            _ => jitter.replace(share(inner)?).is_some(),
        };
        if repeated {
            return Err(Error::new(name.span(), format!("`{word}` is given twice")));
        }
        separator(inner)?;
    }
    if let Some((cap_ms, span)) = cap
        && base.map_or(BASE_MS, |(base_ms, _)| base_ms) > cap_ms
    {
        return Err(Error::new(span, "`cap` must not be shorter than `base`, which is 5 s unless given"));
    }
    let mut policy = Map::new();
    policy.insert("strategy".into(), "exponential".into());
    for (name, delay) in [("base", base), ("cap", cap)] {
        if let Some((ms, _)) = delay {
            policy.insert(name.into(), duration_text(ms).into());
        }
    }
    if let Some(jitter) = jitter {
        policy.insert("jitter".into(), jitter.into());
    }
    Ok(policy.into())
}

fn share(input: ParseStream<'_>) -> Result<f64> {
    let literal: Lit = expect(input, JITTER)?;
    let value: f64 = match &literal {
        Lit::Float(float) => float.base10_parse()?,
        Lit::Int(int) => int.base10_parse()?,
        other => return Err(Error::new(other.span(), JITTER)),
    };
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Error::new(literal.span(), "must lie between 0.0 and 1.0"))
}
