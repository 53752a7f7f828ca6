//! The arguments of `#[handler(…)]` and the settings JSON they become.

use proc_macro2::Span;
use serde_json::{Map, Value, json};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, Lit, LitInt, LitStr, Result, Token, bracketed, parenthesized};

use crate::names::{checked_name, checked_reason};
use crate::quantity::{duration_ms, duration_text, size_bytes};

/// Attempts nobody may exceed.
const MAX_ATTEMPTS_LIMIT: u64 = 1_000;
/// The last priority.
const PRIORITY_MAX: u64 = 9;
/// Most delays a list may hold.
const RETRY_DELAYS_MAX: usize = 100;

const KNOWN: &str = "kind, description, queue, priority, max_attempts, retry, retry_on, timeout, fuel, memory";

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
        "timeout" => duration(input)?,
        "fuel" => integer(input, 1, u64::MAX)?.into(),
        "memory" => memory(input)?.into(),
        _ => return Err(syn::Error::new(name.span(), format!("unknown setting `{word}`; known are {KNOWN}"))),
    })
}

fn integer(input: ParseStream, min: u64, max: u64) -> Result<u64> {
    let literal: LitInt = input.parse()?;
    let value: u64 = literal.base10_parse()?;
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(syn::Error::new(literal.span(), format!("must lie between {min} and {max}")))
}

fn duration(input: ParseStream) -> Result<Value> {
    Ok(duration_text(duration_ms(&input.parse()?)?).into())
}

fn memory(input: ParseStream) -> Result<u64> {
    match input.parse()? {
        Lit::Int(bytes) => bytes.base10_parse(),
        Lit::Str(text) => size_bytes(&text),
        other => Err(syn::Error::new(other.span(), "write a size like \"64MiB\", or a number of bytes")),
    }
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
            let delay = duration(&inner)?;
            inner.parse::<Option<Token![,]>>()?;
            json!({ "strategy": "fixed", "delay": delay })
        }
        "list" => {
            let delays: Punctuated<LitStr, Token![,]> = Punctuated::parse_terminated(&inner)?;
            if delays.is_empty() || delays.len() > RETRY_DELAYS_MAX {
                return Err(syn::Error::new(strategy.span(), format!("1 to {RETRY_DELAYS_MAX} delays")));
            }
            let delays = delays.iter().map(|d| duration_ms(d).map(duration_text)).collect::<Result<Vec<_>>>()?;
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

/// What is left out is the host's default: 5 s base, 1 h cap, jitter 0.2.
fn exponential(inner: ParseStream) -> Result<Value> {
    let mut policy = Map::new();
    for (name, value) in [("strategy", json!("exponential")), ("base", json!("5s")), ("cap", json!("3600s"))] {
        policy.insert(name.into(), value);
    }
    policy.insert("jitter".into(), json!(0.2));
    while !inner.is_empty() {
        let name: Ident = inner.parse()?;
        inner.parse::<Token![=]>()?;
        let value = match name.to_string().as_str() {
            "base" | "cap" => duration(inner)?,
            "jitter" => share(inner)?.into(),
            _ => return Err(syn::Error::new(name.span(), "known are base, cap, jitter")),
        };
        policy.insert(name.to_string(), value);
        if !inner.is_empty() {
            inner.parse::<Token![,]>()?;
        }
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
               fuel = 1_000_000, memory = "64MiB","#,
        )
        .unwrap();
        assert_eq!(arguments.kind, "email.send");
        assert_eq!(arguments.description.as_deref(), Some("Sends"));
        assert_eq!(
            Value::Object(arguments.settings),
            json!({
                "queue": "mail", "priority": 3, "max_attempts": 5,
                "retry": { "strategy": "exponential", "base": "2s", "cap": "3600s", "jitter": 0.5 },
                "retry_on": ["trap", "timeout"], "timeout": "90s", "fuel": 1_000_000, "memory": 67_108_864,
            })
        );
    }

    #[test]
    fn other_retry_strategies() {
        let fixed = parse(r#"kind = "a", retry = fixed("1500ms")"#).unwrap();
        assert_eq!(fixed.settings["retry"], json!({ "strategy": "fixed", "delay": "1500ms" }));
        let list = parse(r#"kind = "a", retry = list("1s", "1m")"#).unwrap();
        assert_eq!(list.settings["retry"], json!({ "strategy": "list", "delays": ["1s", "60s"] }));
    }

    #[test]
    fn mistakes_name_the_remedy() {
        for (text, expected) in [
            ("", "name the kind"),
            (r#"kind = "a b""#, "a kind must be"),
            (r#"kind = "a", kind = "b""#, "given twice"),
            (r#"kind = "a", colour = 1"#, "unknown setting `colour`"),
            (r#"kind = "a", priority = 10"#, "between 0 and 9"),
            (r#"kind = "a", max_attempts = 0"#, "between 1 and 1000"),
            (r#"kind = "a", timeout = "soon""#, "write a duration"),
            (r#"kind = "a", memory = "lots""#, "write a size"),
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
