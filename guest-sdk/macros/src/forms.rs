//! How each option of `#[handler]` is written, for whoever wrote it otherwise.

use proc_macro2::{Span, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Error, LitInt, Result};

/// An attribute is read before anything has a value.
const NO_VALUE_YET: &str = "; write the value itself: a constant or a call has none yet when this is read";

/// A sentence with an example, for an option there is.
pub(crate) fn form(option: &str) -> &'static str {
    match option {
        "kind" => "`kind` is a name in quotes: `kind = \"email.send\"`",
        "description" => "`description` is text in quotes: `description = \"Sends an email.\"`",
        "queue" => "`queue` is a name in quotes: `queue = \"mail\"`",
        "priority" => "`priority` is a number from 0 to 9: `priority = 3`",
        "max_attempts" => "`max_attempts` is a number from 1 to 1000: `max_attempts = 5`",
        "retry_on" => "`retry_on` is a list of reasons in quotes: `retry_on = [\"handler_error\", \"timeout\"]`",
        "on_failed" => {
            "`on_failed` is the kind that is told of a failure: `on_failed = \"alert\"`, or `on_failed = job(kind = \"alert\", queue = \
             \"alerts\", priority = 0)`"
        }
        "retention" => {
            "`retention` says how long what ended is kept, by its state: `retention(succeeded = \"24h\", cancelled = \"24h\", failed = \
             \"forever\")`"
        }
        "grants" => {
            "`grants` is what the handler asks its operator for: `grants(http = [\"api.example.com\"], secrets = [\"stripe-key\"], \
             config(greeting = \"Hello\"), kv = [\"sessions\"])`"
        }
        "timeout" => "`timeout` is a duration in quotes, with its unit: `timeout = \"30s\"`",
        "fuel" => "`fuel` is a whole number: `fuel = 1_000_000_000`",
        "memory" => "`memory` is a size in quotes, or a number of bytes: `memory = \"64MiB\"`",
        "output" => "`output` is a size in quotes, or a number of bytes: `output = \"2MiB\"`",
        "logs" => "`logs` is a size in quotes, or a number of bytes: `logs = \"1MiB\"`",
        "schedules" => {
            "`schedules` is a list of schedules: `schedules = [schedule(name = \"nightly\", cron = \"0 3 * * *\", timezone = \
             \"Europe/Berlin\")]`"
        }
        "host_calls" => "`host_calls` is a whole number: `host_calls = 50_000`",
        "concurrency" => "`concurrency` is a whole number: `concurrency = 5`",
        "key_concurrency" => "`key_concurrency` is a whole number: `key_concurrency = 1`",
        "rate" => "`rate` is a number per period in quotes, like `rate = \"100/m\"`",
        "key_rate" => "`key_rate` is a number per period in quotes, like `key_rate = \"5/s\"`",
        "key_order" => "`key_order` is \"priority\" or \"fifo\": `key_order = \"fifo\"`",
        _ => {
            "`retry` is one of `retry = exponential(base = \"5s\", cap = \"1h\", jitter = 0.2)`, \
             `retry = fixed(\"10s\")` and `retry = list(\"1s\", \"1m\")`"
        }
    }
}

/// What is next, or the form it should have had.
pub(crate) fn expect<T: Parse>(input: ParseStream<'_>, form: &str) -> Result<T> {
    let error = wrong(input, form);
    input.parse().map_err(|_| error)
}

/// Says of what is next that it should have another form.
pub(crate) fn wrong(input: ParseStream<'_>, form: &str) -> Error {
    match input.cursor().token_tree() {
        Some((TokenTree::Ident(word), _)) if word != "true" && word != "false" => {
            Error::new(word.span(), format!("{form}{NO_VALUE_YET}"))
        }
        Some((token, _)) => Error::new(token.span(), form),
        None => Error::new(input.span(), form),
    }
}

/// A whole number within bounds.
pub(crate) fn integer(input: ParseStream<'_>, form: &str, min: u64, max: u64) -> Result<u64> {
    let literal: LitInt = expect(input, form)?;
    checked_integer(&literal, form, min, max)
}

/// The same, once read. `5s` is a number as well, of a type there is not.
pub(crate) fn checked_integer(literal: &LitInt, form: &str, min: u64, max: u64) -> Result<u64> {
    if !literal.suffix().is_empty() && !literal.suffix().starts_with(['u', 'i']) {
        return Err(Error::new(literal.span(), form));
    }
    match literal.base10_digits().parse() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(Error::new(literal.span(), format!("must lie between {min} and {max}"))),
    }
}

/// To the next of a list of options, past the comma.
pub(crate) fn separator(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() || input.parse::<syn::Token![,]>().is_ok() {
        return Ok(());
    }
    let span = input.cursor().token_tree().map_or_else(Span::call_site, |(token, _)| token.span());
    let message = "expected `,`: options are written `name = value, name = value`, each value as one literal";
    Err(Error::new(span, message))
}
