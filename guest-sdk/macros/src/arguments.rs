//! The arguments of `#[handler(…)]` and the settings JSON they become.

use proc_macro2::Span;
use serde_json::{Map, Value};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, Lit, LitStr, Result, Token, bracketed, token};

use crate::ends::{on_failed, retention};
use crate::forms::{checked_integer, expect, form, integer, separator, wrong};
use crate::grants::grants;
use crate::names::{checked_name, checked_reason};
use crate::quantity::{duration_ms, duration_text, size_bytes};
use crate::retry::retry;
use crate::schedules::schedules;

/// Attempts nobody may exceed.
const MAX_ATTEMPTS_LIMIT: u64 = 1_000;
/// Most jobs at once under one limit, and most permits of a rate.
const PACE_MAX: u64 = 1_000_000;
/// The last priority.
const PRIORITY_MAX: u64 = 9;

const NOT_ZERO: &str = "must be more than 0; leave it out for the host's default";

/// What can be said, as in `PUT /v1/kinds/{kind}/settings`.
const KNOWN: [&str; 22] = [
    "kind",
    "description",
    "queue",
    "priority",
    "max_attempts",
    "retry",
    "retry_on",
    "on_failed",
    "retention",
    "timeout",
    "fuel",
    "memory",
    "output",
    "logs",
    "host_calls",
    "concurrency",
    "rate",
    "key_concurrency",
    "key_rate",
    "key_order",
    "schedules",
    "grants",
];
/// Settings of a kind that mean nothing to a handler.
const OF_PLAIN_COMMANDS: [&str; 5] = ["stdin", "stdout", "args", "env", "exit_failure"];
/// Words for the period of a rate.
const PERIODS: [&str; 10] = ["s", "sec", "second", "m", "min", "minute", "h", "hour", "d", "day"];
/// The longest period, ms.
const DAY_MS: u64 = 24 * 3_600 * 1_000;
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
            let (name, word) = option_name(input)?;
            let repeated = match word.as_str() {
                "kind" => kind.replace(checked_name("a kind", &expect(input, form(&word))?)?).is_some(),
                "description" => description.replace(expect::<LitStr>(input, form(&word))?.value()).is_some(),
                _ => {
                    let value = setting(&name, &word, input)?;
                    settings.insert(word.clone(), value).is_some()
                }
            };
            if repeated {
                return Err(Error::new(name.span(), format!("`{word}` is given twice")));
            }
            separator(input)?;
        }
        let kind = kind.ok_or_else(|| {
            Error::new(Span::call_site(), "name the kind this function handles: #[handler(kind = \"email.send\")]")
        })?;
        Ok(Self { kind, description, settings })
    }
}

/// A name and the `=` after it; what is no option is said before what is wrong with its value.
fn option_name(input: ParseStream) -> Result<(Ident, String)> {
    const FORM: &str = "options are written `name = value`: `kind = \"email.send\"`";
    if !input.peek(Ident::peek_any) {
        return Err(wrong(input, FORM));
    }
    let name = input.call(Ident::parse_any)?;
    let word = name.to_string();
    if !KNOWN.contains(&word.as_str()) {
        return Err(Error::new(name.span(), unknown(&word)));
    }
    // Those that are written like a call; the `=` may stand there, too, as with `retry`.
    if (word == "retention" || word == "grants") && input.peek(token::Paren) {
        return Ok((name, word));
    }
    match input.parse::<Token![=]>() {
        Ok(_) => Ok((name, word)),
        Err(_) => Err(Error::new(name.span(), form(&word))),
    }
}

fn setting(name: &Ident, word: &str, input: ParseStream) -> Result<Value> {
    let form = form(word);
    Ok(match word {
        "queue" => checked_name("a queue name", &expect(input, form)?)?.into(),
        "priority" => integer(input, form, 0, PRIORITY_MAX)?.into(),
        "max_attempts" => integer(input, form, 1, MAX_ATTEMPTS_LIMIT)?.into(),
        "retry" => retry(input)?,
        "retry_on" => reasons(input, form)?.into(),
        "on_failed" => on_failed(input)?,
        "retention" => retention(name, input)?,
        "schedules" => schedules(input)?,
        "grants" => grants(name, input)?,
        "timeout" => timeout(input, form)?.into(),
        "fuel" | "host_calls" => integer(input, form, 1, u64::MAX)?.into(),
        "concurrency" | "key_concurrency" => integer(input, form, 1, PACE_MAX)?.into(),
        "rate" | "key_rate" => rate(input, form)?.into(),
        "key_order" => key_order(input, form)?.into(),
        "memory" | "output" | "logs" => size(input, form)?.into(),
        _ => return Err(Error::new(name.span(), unknown(word))),
    })
}

/// What others call a setting.
const OTHER_WORDS: [(&str, &str); 15] = [
    ("name", "kind"),
    ("retries", "max_attempts"),
    ("max_retries", "max_attempts"),
    ("attempts", "max_attempts"),
    ("backoff", "retry"),
    ("time_limit", "timeout"),
    ("rate_limit", "rate"),
    ("max_concurrency", "concurrency"),
    ("concurrency_limit", "concurrency"),
    ("schedule", "schedules"),
    ("cron", "schedules"),
    ("on_failure", "on_failed"),
    ("on_error", "on_failed"),
    ("dead_letter", "on_failed"),
    ("keep", "retention"),
];

fn unknown(word: &str) -> String {
    if OF_PLAIN_COMMANDS.contains(&word) {
        return format!(
            "`{word}` is a setting of plain commands: a handler gets its payload typed and returns its output"
        );
    }
    if let Some((_, known)) = OTHER_WORDS.into_iter().find(|(other, _)| *other == word) {
        return format!("there is no setting `{word}`; it is called `{known}`");
    }
    let likeness = |known: &&str| strsim::jaro_winkler(word, known);
    let nearest = KNOWN.into_iter().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
    match nearest.filter(|known| likeness(known) >= LIKENESS_MIN) {
        Some(nearest) => format!("there is no setting `{word}`; did you mean `{nearest}`?"),
        None => format!("there is no setting `{word}`; there are {}", KNOWN.join(", ")),
    }
}

fn timeout(input: ParseStream, form: &str) -> Result<String> {
    let literal: LitStr = expect(input, form)?;
    match duration_ms(&literal)? {
        0 => Err(Error::new(literal.span(), NOT_ZERO)),
        ms => Ok(duration_text(ms)),
    }
}

/// A number, a slash and a period: `100/m`, `5/30s`.
fn rate(input: ParseStream, form: &str) -> Result<String> {
    let literal: LitStr = expect(input, form)?;
    let text = literal.value();
    let wrong = || Error::new(literal.span(), form);
    let (limit, per) = text.split_once('/').ok_or_else(wrong)?;
    let limit: u64 = limit.trim().parse().map_err(|_| wrong())?;
    if !(1..=PACE_MAX).contains(&limit) {
        return Err(Error::new(
            literal.span(),
            format!("the number before the slash must lie between 1 and {PACE_MAX}"),
        ));
    }
    if !PERIODS.contains(&per.trim()) {
        // A period of its own is a duration; a day is the longest.
        match duration_ms(&LitStr::new(per.trim(), literal.span()))? {
            1..=DAY_MS => {}
            _ => return Err(Error::new(literal.span(), "the period after the slash must lie between 1ms and 24h")),
        }
    }
    Ok(text)
}

fn key_order(input: ParseStream, form: &str) -> Result<String> {
    let literal: LitStr = expect(input, form)?;
    match literal.value().as_str() {
        "fifo" | "priority" => Ok(literal.value()),
        _ => Err(Error::new(literal.span(), form)),
    }
}

fn size(input: ParseStream, form: &str) -> Result<u64> {
    let literal: Lit = expect(input, form)?;
    let bytes = match &literal {
        Lit::Int(bytes) => checked_integer(bytes, form, 0, u64::MAX),
        Lit::Str(text) => size_bytes(text),
        other => Err(Error::new(other.span(), form)),
    }?;
    if bytes == 0 { Err(Error::new(literal.span(), NOT_ZERO)) } else { Ok(bytes) }
}

fn reasons(input: ParseStream, form: &str) -> Result<Vec<String>> {
    if !input.peek(token::Bracket) {
        return Err(wrong(input, form));
    }
    let items;
    bracketed!(items in input);
    let mut reasons = Vec::new();
    while !items.is_empty() {
        reasons.push(checked_reason(&expect(&items, form)?)?);
        separator(&items)?;
    }
    Ok(reasons)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> std::result::Result<Arguments, String> {
        syn::parse_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_argument_becomes_a_setting() {
        let arguments = parse(
            r#"kind = "email.send", description = "Sends", queue = "mail", priority = 3, max_attempts = 5,
               retry = exponential(base = "2s", jitter = 0.5), retry_on = ["trap", "timeout"], timeout = "1m30s",
               fuel = 1_000_000, memory = "64MiB", output = "2MiB", logs = 4096, host_calls = 7, concurrency = 4,
               rate = "100/m", key_concurrency = 1, key_rate = "5/30s", key_order = "fifo""#,
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
                "output": 2_097_152, "logs": 4_096, "host_calls": 7, "concurrency": 4, "rate": "100/m",
                "key_concurrency": 1, "key_rate": "5/30s", "key_order": "fifo",
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
    fn schedules_are_declared() {
        let arguments = parse(
            r##"kind = "a", schedules = [
                schedule(name = "nightly", cron = "0 3 * * *", timezone = "Europe/Berlin", payload = r#"{"n":[1]}"#),
                schedule(name = "poll", every = "90s", jitter = "5s", misfire = "skip", overlap = "queue_one", queue = "q",
                    priority = 1, max_attempts = 2),
            ]"##,
        )
        .unwrap();
        assert_eq!(
            arguments.settings["schedules"],
            json!([
                {"name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "payload": {"n": [1]}},
                {"name": "poll", "every": "90s", "jitter": "5s", "misfire": "skip", "overlap": "queue_one", "queue": "q",
                    "priority": 1, "max_attempts": 2},
            ])
        );
    }

    #[test]
    fn what_follows_the_end_of_a_job() {
        let plain =
            parse(r#"kind = "a", on_failed = "alert", retention(succeeded = "24h", failed = "forever")"#).unwrap();
        let (on_failed, retention) = (&plain.settings["on_failed"], &plain.settings["retention"]);
        assert_eq!(*on_failed, json!({ "kind": "alert" }));
        assert_eq!(*retention, json!({ "succeeded": "86400s", "failed": "forever" }));
        let full = parse(
            r#"kind = "a", on_failed = job(kind = "alert", queue = "alerts", priority = 0), retention(cancelled = "0s",)"#,
        );
        let full = full.unwrap();
        assert_eq!(full.settings["on_failed"], json!({ "kind": "alert", "queue": "alerts", "priority": 0 }));
        assert_eq!(full.settings["retention"], json!({ "cancelled": "0s" }));
        for (text, expected) in [
            (r#"kind = "a", on_failure = "b""#, "it is called `on_failed`"),
            (r#"kind = "a", on_failed = "b c""#, "a kind must be"),
            (r#"kind = "a", on_failed = alert"#, "`on_failed = \"alert\"`"),
            (r#"kind = "a", on_failed = job(queue = "q")"#, "name the kind"),
            (r#"kind = "a", on_failed = job(kind = "b", tags = "c")"#, "has no `tags`"),
            (r#"kind = "a", retention(running = "1h")"#, "has no `running`"),
            (r#"kind = "a", retention(failed = "always")"#, "\"forever\""),
            (r#"kind = "a", retention()"#, "`retention(succeeded"),
            (r#"kind = "a", retention = "24h""#, "`retention(succeeded"),
            (r#"kind = "a", retention(failed = "1h"), retention(failed = "2h")"#, "given twice"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn what_is_asked_for() {
        let asked = parse(
            r#"kind = "a", grants(http = ["api.example.com", "*.example.org:8443"], secrets = ["key"], config(greeting = "Hi", "a-b" = "c"), kv = ["s"])"#,
        )
        .unwrap();
        assert_eq!(
            asked.settings["grants"],
            json!({"http": ["api.example.com", "*.example.org:8443"], "secrets": ["key"], "config": {"greeting": "Hi", "a-b": "c"}, "kv": ["s"]})
        );
        for (text, expected) in [
            (r#"kind = "a", grants = ["x"]"#, "`grants(http ="),
            (r#"kind = "a", grants()"#, "`grants(http ="),
            (r#"kind = "a", grants(files = ["/"])"#, "has no `files`"),
            (r#"kind = "a", grants(http = "x")"#, "`grants(http ="),
            (r#"kind = "a", grants(http = ["x"], http = ["y"])"#, "given twice"),
            (r#"kind = "a", grants(config(a = "1", a = "2"))"#, "given twice"),
            (r#"kind = "a", grants(config = "x")"#, "`grants(http ="),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
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
            (r#"kind = "a", retries = 3"#, "it is called `max_attempts`"),
            (r#"name = "a""#, "it is called `kind`"),
            (r#"kind = "a", rate_limit = "1/s""#, "it is called `rate`"),
            (r#"kind = "a", rate = 5"#, "like `rate = \"100/m\"`"),
            (r#"kind = "a", rate = "0/s""#, "between 1 and 1000000"),
            (r#"kind = "a", rate = "1/25h""#, "between 1ms and 24h"),
            (r#"kind = "a", concurrency = 0"#, "must lie between 1"),
            (r#"kind = "a", key_order = "lifo""#, "`key_order = \"fifo\"`"),
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
            (r#"kind = "a", retry = never()"#, "`retry` is one of"),
            (r#"kind = "a", retry = fixed("1s", "2s")"#, "the same delay each time"),
            (r#"kind = "a", retry = list()"#, "1 to 100 delays"),
            (r#"kind = "a", retry = exponential(jitter = 2.0)"#, "between 0.0 and 1.0"),
            (r#"kind = "a", retry_on = ["luck"]"#, "not a failure reason"),
            (r#""email.send""#, "written `name = value`"),
            ("kind", "`kind = \"email.send\"`"),
            ("kind =", "`kind = \"email.send\"`"),
            (r#"kind("a")"#, "`kind = \"email.send\"`"),
            ("kind = 5", "a name in quotes: `kind = \"email.send\"`"),
            ("kind = K", "a constant or a call has none yet"),
            (r#"kind = "a", type = 5"#, "no setting `type`"),
            (r#"kind = "a" queue = "b""#, "expected `,`"),
            (r#"kind = "a", description = true"#, "text in quotes: `description"),
            (r#"kind = "a", queue = mail"#, "a name in quotes: `queue = \"mail\"`"),
            (r#"kind = "a", priority = "3""#, "from 0 to 9: `priority = 3`"),
            (r#"kind = "a", priority = -1"#, "between 0 and 9"),
            (r#"kind = "a", priority = 99999999999999999999"#, "between 0 and 9"),
            (r#"kind = "a", max_attempts = "5""#, "`max_attempts = 5`"),
            (r#"kind = "a", max_attempts = 2.5"#, "`max_attempts = 5`"),
            (r#"kind = "a", timeout = 5"#, "with its unit: `timeout = \"30s\"`"),
            (r#"kind = "a", timeout = 5s"#, "with its unit: `timeout = \"30s\"`"),
            (r#"kind = "a", timeout = Duration::from_secs(5)"#, "a constant or a call has none yet"),
            (r#"kind = "a", fuel = "1e9""#, "`fuel = 1_000_000_000`"),
            (r#"kind = "a", fuel = 1e9"#, "`fuel = 1_000_000_000`"),
            (r#"kind = "a", fuel = 5 * 2"#, "each value as one literal"),
            (r#"kind = "a", host_calls = "many""#, "`host_calls = 50_000`"),
            (r#"kind = "a", memory = 64MiB"#, "`memory = \"64MiB\"`"),
            (r#"kind = "a", memory = 1.5"#, "`memory = \"64MiB\"`"),
            (r#"kind = "a", output = true"#, "`output = \"2MiB\"`"),
            (r#"kind = "a", logs = SIZE"#, "`logs = \"1MiB\"`"),
            (r#"kind = "a", retry = "fixed""#, "`retry = fixed(\"10s\")`"),
            (r#"kind = "a", retry = 3"#, "`retry` is one of"),
            (r#"kind = "a", retry = fixed"#, "in quotes: `fixed(\"10s\")`"),
            (r#"kind = "a", retry = fixed()"#, "in quotes: `fixed(\"10s\")`"),
            (r#"kind = "a", retry = fixed(2)"#, "in quotes: `fixed(\"10s\")`"),
            (r#"kind = "a", retry = list"#, "the last repeats: `list(\"1s\", \"1m\")`"),
            (r#"kind = "a", retry = list(1, 2)"#, "the last repeats: `list(\"1s\", \"1m\")`"),
            (r#"kind = "a", retry = list(["1s"])"#, "the last repeats: `list(\"1s\", \"1m\")`"),
            (r#"kind = "a", retry = exponential"#, "`exponential(base = \"5s\""),
            (r#"kind = "a", retry = exponential("5s")"#, "`exponential(base = \"5s\""),
            (r#"kind = "a", retry = exponential(base)"#, "`base = \"5s\"`"),
            (r#"kind = "a", retry = exponential(base = 5)"#, "`base = \"5s\"`"),
            (r#"kind = "a", retry = exponential(cap = 1h)"#, "`cap = \"1h\"`"),
            (r#"kind = "a", retry = exponential(jitter = "0.2")"#, "`jitter = 0.2`"),
            (r#"kind = "a", retry = exponential(max = "1h")"#, "`exponential` has no `max`"),
            (r#"kind = "a", schedules = "0 3 * * *""#, "`schedules` is a list"),
            (r#"kind = "a", schedules = []"#, "holds 1 to 32"),
            (r#"kind = "a", schedules = [cron("0 3 * * *")]"#, "`schedules` is a list"),
            (r#"kind = "a", schedules = [schedule(cron = "@daily")]"#, "name the schedule"),
            (r#"kind = "a", schedules = [schedule(name = "a")]"#, "say when"),
            (r#"kind = "a", schedules = [schedule(name = "a", cron = "@daily", every = "1m")]"#, "say when"),
            (r#"kind = "a", schedules = [schedule(name = "a", every = "10ms")]"#, "at least a second"),
            (r#"kind = "a", schedules = [schedule(name = "a", every = 60)]"#, "`every = \"15m\"`"),
            (r#"kind = "a", schedules = [schedule(name = "a", every = "1m", overlap = "no")]"#, "\"queue_one\""),
            (r#"kind = "a", schedules = [schedule(name = "a", every = "1m", payload = "{")]"#, "is not JSON"),
            (r#"kind = "a", schedules = [schedule(name = "a", at = "noon")]"#, "`schedule` has no `at`"),
            (r#"kind = "a", schedules = [schedule(name = "a", name = "b")]"#, "given twice"),
            (r#"kind = "a", cron = "@daily""#, "it is called `schedules`"),
        ] {
            assert_refused(text, expected);
        }
    }

    #[test]
    fn reasons_have_their_form() {
        for (text, expected) in [
            (r#"kind = "a", retry_on = "trap""#, "`retry_on = [\"handler_error\", \"timeout\"]`"),
            (r#"kind = "a", retry_on = [trap]"#, "`retry_on = [\"handler_error\", \"timeout\"]`"),
            (r#"kind = "a", retry_on = ["trap" "timeout"]"#, "expected `,`"),
        ] {
            assert_refused(text, expected);
        }
    }

    #[track_caller]
    fn assert_refused(text: &str, expected: &str) {
        let message = parse(text).unwrap_err();
        assert!(message.contains(expected), "{text}: {message}");
        // Not in the parser's words.
        assert!(!message.contains("literal") || message.contains("each value"), "{text}: {message}");
    }
}
