//! The arguments of `#[handler(…)]` and the settings JSON they become.

use proc_macro2::Span;
use serde_json::{Map, Value, json};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, Lit, LitInt, LitStr, Result, Token, bracketed, parenthesized};

use crate::names::{checked_name, checked_reason};
use crate::quantity::{delay_ms, duration_ms, duration_text, size_bytes};

/// Attempts nobody may exceed.
const MAX_ATTEMPTS_LIMIT: u64 = 1_000;
/// The last priority.
const PRIORITY_MAX: u64 = 9;
/// Most delays a list may hold.
const RETRY_DELAYS_MAX: usize = 100;
/// The host's `base` where none is given.
const RETRY_BASE_MS: u64 = 5_000;

const NOT_ZERO: &str = "must be more than 0; leave it out for the host's default";

/// What can be said, as in `PUT /v1/kinds/{kind}/settings`.
const KNOWN: [&str; 13] = [
    "kind",
    "description",
    "queue",
    "priority",
    "max_attempts",
    "retry",
    "retry_on",
    "timeout",
    "fuel",
    "memory",
    "output",
    "logs",
    "host_calls",
];
/// Settings of a kind that mean nothing to a handler.
const OF_PLAIN_COMMANDS: [&str; 5] = ["stdin", "stdout", "args", "env", "exit_failure"];
/// How alike two words must be for one to be taken for the other.
const LIKENESS_MIN: f64 = 0.7;

/// What stands in the attribute.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The kind served.
    pub(crate) kind: String,
    /// Overrides the first paragraph of the doc comment.
    pub(crate) description: Option<String>,
    /// Default settings in the form of `PUT /v1/kinds/{kind}/settings`; empty for none.
    pub(crate) settings: Map<String, Value>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut kind = None;
        let mut description = None;
        let mut settings = Map::new();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            let word = name.to_string();
            input.parse::<Token![=]>()?;
            let repeated = match word.as_str() {
                "kind" => kind.replace(checked_name("a kind", &input.parse()?)?).is_some(),
                "description" => description.replace(input.parse::<LitStr>()?.value()).is_some(),
                _ => {
                    let value = setting(&name, &word, input)?;
                    settings.insert(word.clone(), value).is_some()
                }
            };
            if repeated {
                return Err(syn::Error::new(name.span(), format!("`{word}` is given twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let kind = kind.ok_or_else(|| {
            syn::Error::new(Span::call_site(), "name the kind this function handles: #[handler(kind = \"email.send\")]")
        })?;
        Ok(Self { kind, description, settings })
    }
}

fn setting(name: &Ident, word: &str, input: ParseStream) -> Result<Value> {
    Ok(match word {
        "queue" => checked_name("a queue name", &input.parse()?)?.into(),
        "priority" => integer(input, 0, PRIORITY_MAX)?.into(),
        "max_attempts" => integer(input, 1, MAX_ATTEMPTS_LIMIT)?.into(),
        "retry" => retry(input)?,
        "retry_on" => {
            let words = list(input)?;
            words.iter().map(checked_reason).collect::<Result<Vec<_>>>()?.into()
        }
        "timeout" => timeout(input)?.into(),
        "fuel" | "host_calls" => integer(input, 1, u64::MAX)?.into(),
        "memory" | "output" | "logs" => size(input)?.into(),
        _ => return Err(syn::Error::new(name.span(), unknown(word))),
    })
}

fn unknown(word: &str) -> String {
    if OF_PLAIN_COMMANDS.contains(&word) {
        return format!(
            "`{word}` is a setting of plain commands: a handler gets its payload typed and returns its output"
        );
    }
    let likeness = |known: &&str| strsim::jaro_winkler(word, known);
    let nearest = KNOWN.into_iter().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
    match nearest.filter(|known| likeness(known) >= LIKENESS_MIN) {
        Some(nearest) => format!("there is no setting `{word}`; did you mean `{nearest}`?"),
        None => format!("there is no setting `{word}`; there are {}", KNOWN.join(", ")),
    }
}

fn integer(input: ParseStream, min: u64, max: u64) -> Result<u64> {
    let literal: LitInt = input.parse()?;
    let value: u64 = literal.base10_parse()?;
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(syn::Error::new(literal.span(), format!("must lie between {min} and {max}")))
}

fn timeout(input: ParseStream) -> Result<String> {
    let literal: LitStr = input.parse()?;
    match duration_ms(&literal)? {
        0 => Err(syn::Error::new(literal.span(), NOT_ZERO)),
        ms => Ok(duration_text(ms)),
    }
}

fn size(input: ParseStream) -> Result<u64> {
    let literal: Lit = input.parse()?;
    let bytes = match &literal {
        Lit::Int(bytes) => bytes.base10_parse(),
        Lit::Str(text) => size_bytes(text),
        other => Err(syn::Error::new(other.span(), "write a size like \"64MiB\", or a number of bytes")),
    }?;
    if bytes == 0 { Err(syn::Error::new(literal.span(), NOT_ZERO)) } else { Ok(bytes) }
}

/// A delay between attempts, and where it stands.
fn delay(input: ParseStream) -> Result<(u64, Span)> {
    let literal: LitStr = input.parse()?;
    Ok((delay_ms(&literal)?, literal.span()))
}

fn list(input: ParseStream) -> Result<Punctuated<LitStr, Token![,]>> {
    let items;
    bracketed!(items in input);
    Punctuated::parse_terminated(&items)
}

/// `fixed("10s")`, `list("1s", "1m")` or `exponential(base = "5s", cap = "1h", jitter = 0.2)`.
fn retry(input: ParseStream) -> Result<Value> {
    let strategy: Ident = input.parse()?;
    let inner;
    parenthesized!(inner in input);
    let policy = match strategy.to_string().as_str() {
        "fixed" => {
            let (delay_ms, _) = delay(&inner)?;
            inner.parse::<Option<Token![,]>>()?;
            json!({ "strategy": "fixed", "delay": duration_text(delay_ms) })
        }
        "list" => {
            let delays: Punctuated<LitStr, Token![,]> = Punctuated::parse_terminated(&inner)?;
            if delays.is_empty() || delays.len() > RETRY_DELAYS_MAX {
                return Err(syn::Error::new(strategy.span(), format!("1 to {RETRY_DELAYS_MAX} delays")));
            }
            let delays = delays.iter().map(|delay| delay_ms(delay).map(duration_text)).collect::<Result<Vec<_>>>()?;
            json!({ "strategy": "list", "delays": delays })
        }
        "exponential" => exponential(&inner)?,
        _ => {
            let message = "a retry strategy is `exponential(base = \"5s\", cap = \"1h\", jitter = 0.2)`, `fixed(\"10s\")` or `list(\"1s\", \"1m\")`";
            return Err(syn::Error::new(strategy.span(), message));
        }
    };
    if inner.is_empty() { Ok(policy) } else { Err(inner.error("nothing more belongs here")) }
}

/// What is left out is the host's to fill in.
fn exponential(inner: ParseStream) -> Result<Value> {
    let (mut base, mut cap, mut jitter) = (None, None, None);
    while !inner.is_empty() {
        let name: Ident = inner.parse()?;
        inner.parse::<Token![=]>()?;
        let repeated = match name.to_string().as_str() {
            "base" => base.replace(delay(inner)?).is_some(),
            "cap" => cap.replace(delay(inner)?).is_some(),
            "jitter" => jitter.replace(share(inner)?).is_some(),
            _ => return Err(syn::Error::new(name.span(), "known are base, cap, jitter")),
        };
        if repeated {
            return Err(syn::Error::new(name.span(), format!("`{name}` is given twice")));
        }
        if !inner.is_empty() {
            inner.parse::<Token![,]>()?;
        }
    }
    if let Some((cap_ms, span)) = cap
        && base.map_or(RETRY_BASE_MS, |(base_ms, _)| base_ms) > cap_ms
    {
        return Err(syn::Error::new(span, "`cap` must not be shorter than `base`, which is 5 s unless given"));
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

fn share(input: ParseStream) -> Result<f64> {
    let literal: Lit = input.parse()?;
    let value: f64 = match &literal {
        Lit::Float(float) => float.base10_parse()?,
        Lit::Int(int) => int.base10_parse()?,
        other => return Err(syn::Error::new(other.span(), "a number between 0.0 and 1.0")),
    };
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(syn::Error::new(literal.span(), "must lie between 0.0 and 1.0"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Arguments, String> {
        syn::parse_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_argument_becomes_a_setting() {
        let arguments = parse(
            r#"kind = "email.send", description = "Sends", queue = "mail", priority = 3, max_attempts = 5,
               retry = exponential(base = "2s", jitter = 0.5), retry_on = ["trap", "timeout"], timeout = "1m30s",
               fuel = 1_000_000, memory = "64MiB", output = "2MiB", logs = 4096, host_calls = 7"#,
        )
        .unwrap();
        assert_eq!(arguments.kind, "email.send");
        assert_eq!(arguments.description.as_deref(), Some("Sends"));
        assert_eq!(
            Value::Object(arguments.settings),
            json!({
                "queue": "mail", "priority": 3, "max_attempts": 5,
                "retry": { "strategy": "exponential", "base": "2s", "jitter": 0.5 },
                "retry_on": ["trap", "timeout"], "timeout": "90s", "fuel": 1_000_000, "memory": 67_108_864,
                "output": 2_097_152, "logs": 4_096, "host_calls": 7,
            })
        );
    }

    #[test]
    fn other_retry_strategies() {
        let fixed = parse(r#"kind = "a", retry = fixed("1500ms")"#).unwrap();
        assert_eq!(fixed.settings["retry"], json!({ "strategy": "fixed", "delay": "1500ms" }));
        let list = parse(r#"kind = "a", retry = list("1s", "1m")"#).unwrap();
        assert_eq!(list.settings["retry"], json!({ "strategy": "list", "delays": ["1s", "60s"] }));
        let plain = parse(r#"kind = "a", retry = exponential()"#).unwrap();
        assert_eq!(plain.settings["retry"], json!({ "strategy": "exponential" }));
        // The host's cap grows with it.
        let slow = parse(r#"kind = "a", retry = exponential(base = "2h")"#).unwrap();
        assert_eq!(slow.settings["retry"], json!({ "strategy": "exponential", "base": "7200s" }));
        let capped = parse(r#"kind = "a", retry = exponential(cap = "5s")"#).unwrap();
        assert_eq!(capped.settings["retry"], json!({ "strategy": "exponential", "cap": "5s" }));
        parse(r#"kind = "a", retry = list("0s", "30d")"#).unwrap();
    }

    #[test]
    fn mistakes_name_the_remedy() {
        for (text, expected) in [
            ("", "name the kind"),
            (r#"kind = "a b""#, "a kind must be"),
            (r#"kind = "a", kind = "b""#, "given twice"),
            (r#"kind = "a", colour = 1"#, "no setting `colour`; there are kind, description"),
            (r#"kind = "a", max_attempt = 1"#, "did you mean `max_attempts`?"),
            (r#"kind = "a", time_out = "1s""#, "did you mean `timeout`?"),
            (r#"kind = "a", stdin = "text""#, "a setting of plain commands"),
            (r#"kind = "a", logs = 0"#, "more than 0"),
            (r#"kind = "a", host_calls = 0"#, "between 1"),
            (r#"kind = "a", priority = 10"#, "between 0 and 9"),
            (r#"kind = "a", max_attempts = 0"#, "between 1 and 1000"),
            (r#"kind = "a", timeout = "soon""#, "write a duration"),
            (r#"kind = "a", memory = "lots""#, "write a size"),
            (r#"kind = "a", memory = 0"#, "more than 0"),
            (r#"kind = "a", memory = "0MiB""#, "more than 0"),
            (r#"kind = "a", timeout = "0s""#, "more than 0"),
            (r#"kind = "a", timeout = "3651d""#, "at most ten years"),
            (r#"kind = "a", fuel = 0"#, "between 1"),
            (r#"kind = "a", retry = fixed("60d")"#, "at most 30 days"),
            (r#"kind = "a", retry = list("1s", "31d")"#, "at most 30 days"),
            (r#"kind = "a", retry = exponential(cap = "31d")"#, "at most 30 days"),
            (r#"kind = "a", retry = exponential(base = "1h", cap = "1m")"#, "not be shorter than `base`"),
            (r#"kind = "a", retry = exponential(cap = "1s")"#, "not be shorter than `base`"),
            (r#"kind = "a", retry = exponential(base = "1s", base = "2s")"#, "given twice"),
            (r#"kind = "a", retry_on = ["module_unavailable"]"#, "not a failure reason"),
            (r#"kind = "a", retry = never()"#, "a retry strategy is"),
            (r#"kind = "a", retry = fixed("1s", "2s")"#, "nothing more"),
            (r#"kind = "a", retry = list()"#, "1 to 100 delays"),
            (r#"kind = "a", retry = exponential(jitter = 2.0)"#, "between 0.0 and 1.0"),
            (r#"kind = "a", retry_on = ["luck"]"#, "not a failure reason"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
