//! `stoker kinds`: what can be enqueued, what a payload looks like, which settings are in force and who set them; and
//! setting them.

use std::process::ExitCode;

use anyhow::{Context, bail};
use http::Method;
use serde_json::{Map, Value};

use super::client::{Answer, Client, ClientError, Connection, segment};
use super::hints::addressed;
use super::quantities::fits_memory;
use super::table::table;
use super::terminal::{self, Colours, Tone, json, line};
use super::wire::Kind;
use crate::job::KindName;

/// Kinds the host lists at once.
const PAGE_KINDS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;
/// Kinds whose settings a list asks for, one request each; the others are listed without.
const KINDS_DETAILED_MAX: usize = 100;

/// List kinds, show one, or set what is in force for it
///
/// The operator's settings lie over the module's, and those over the host's. `--set` and `--unset` change single ones and
/// leave the others as they are, also those that somebody else changes at the same time. One that is an object (`grants`, `retry`) is
/// set as a whole: what is not in it is gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker kinds
  stoker kinds greet
  stoker kinds greet --set timeout=2m --set memory=256MiB
  stoker kinds greet --set 'grants={\"http\":[\"api.example.com\"],\"config\":{\"greeting\":\"Hi\"}}'
  stoker kinds greet --set 'retry={\"strategy\":\"fixed\",\"delay\":\"30s\"}' --unset queue")]
pub(super) struct Arguments {
    /// The kind to show [default: all kinds]
    kind: Option<KindName>,
    /// Set one; the value is JSON, or else taken as text. Repeat for more
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "kind", value_parser = assignment)]
    set: Vec<(String, Value)>,
    /// Leave one to the module and the host again; repeat for more
    #[arg(long = "unset", value_name = "NAME", requires = "kind")]
    unset: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

/// `NAME=VALUE`. What is no JSON is text: nobody writes quotes around `2m`.
fn assignment(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE, e.g. timeout=2m")?;
    if name.is_empty() {
        return Err("there is no name before the `=`; write e.g. timeout=2m".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    if let ("memory", Some(bytes)) = (name, value.as_u64()) {
        fits_memory(bytes)?;
    }
    Ok((name.to_owned(), value))
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let Some(kind) = &arguments.kind else {
        list(&client, arguments.connection.json)?;
        return Ok(ExitCode::SUCCESS);
    };
    let path = format!("/v1/kinds/{}", segment(kind));
    let mut answer = client.get(&path).send()?;
    let changes = !arguments.set.is_empty() || !arguments.unset.is_empty();
    if changes {
        let current: Kind = answer.parse()?;
        let changes = patch(&current.operator_settings, &arguments.set, &arguments.unset)?;
        let body = Value::Object(changes).to_string().into_bytes();
        let call = client.call(Method::PATCH, &format!("{path}/settings"));
        answer = call.send_body("application/merge-patch+json", body)?;
    }
    if arguments.connection.json {
        answer.print()?;
    } else if changes {
        // Who sets something knows what a payload looks like.
        terminal::print(&settings_table(&answer.parse()?, Colours::of_stdout()))?;
    } else {
        terminal::print(&page(&answer.parse()?, Colours::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// These changes as a JSON merge patch of what the operator has set. An object is set as a whole: what it had and is not to
/// have is removed.
fn patch(
    current: &Map<String, Value>,
    set: &[(String, Value)],
    unset: &[String],
) -> anyhow::Result<Map<String, Value>> {
    let mut patch = Map::new();
    for name in unset {
        if !current.contains_key(name) {
            let known: Vec<_> = current.keys().map(|name| line(name)).collect();
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            bail!("`{}` is not set by the operator, who set {known}", line(name));
        }
        if set.iter().any(|(other, _)| other == name) {
            bail!("`{}` is both to be set and to be unset; leave out one", line(name));
        }
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in set {
        let mut value = value.clone();
        if let (Value::Object(members), Some(Value::Object(before))) = (&mut value, current.get(name)) {
            for member in before.keys() {
                members.entry(member).or_insert(Value::Null);
            }
        }
        patch.insert(name.clone(), value);
    }
    Ok(patch)
}

fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let all = client.pages("/v1/kinds", PAGE_KINDS_MAX, PAGES_MAX)?;
    if as_json {
        terminal::print(&terminal::json(&serde_json::to_string(&all)?))?;
        return Ok(());
    }
    let read = all.items.iter().map(|kind| serde_json::from_str(kind.get()));
    let mut kinds: Vec<Kind> =
        read.collect::<Result<_, _>>().context("the host's list of kinds can't be understood")?;
    if kinds.is_empty() {
        terminal::remark(&addressed("there are no kinds yet; `stoker deploy FILE` uploads a module that serves some"));
        return Ok(());
    }
    for kind in kinds.iter_mut().take(KINDS_DETAILED_MAX) {
        if let Some(settings) = settings_of(client, &kind.name)? {
            kind.settings = settings;
        }
    }
    terminal::print(&kinds_table(&kinds, Colours::of_stdout()))?;
    Ok(())
}

/// What is in force for one of those listed; `None` when it went meanwhile.
fn settings_of(client: &Client, kind: &str) -> anyhow::Result<Option<Map<String, Value>>> {
    let answer: Result<Answer, ClientError> = client.get(&format!("/v1/kinds/{}", segment(kind))).send();
    match answer {
        Ok(answer) => Ok(Some(answer.parse::<Kind>()?.settings)),
        Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn kinds_table(kinds: &[Kind], colours: Colours) -> String {
    let row = |kind: &Kind| {
        let setting = |name: &str| kind.settings.get(name).map(shown).unwrap_or_default();
        [
            kind.name.clone(),
            kind.module.as_ref().map_or_else(|| "(nobody)".to_owned(), |module| module.name.clone()),
            setting("queue"),
            setting("timeout"),
            setting("max_attempts"),
            kind.description.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = kinds.iter().map(row).collect();
    let headings = ["KIND", "MODULE", "QUEUE", "TIMEOUT", "ATTEMPTS", "DESCRIPTION"];
    table(headings, &rows, colours, |row, column| (column == 1 && kinds[row].module.is_none()).then_some(Tone::Bad))
}

fn page(kind: &Kind, colours: Colours) -> String {
    let mut rows = vec![colours.paint(Tone::Strong, &line(&kind.name))];
    if let Some(description) = &kind.description {
        rows.push(format!("  {}", line(description)));
    }
    rows.push(match &kind.module {
        Some(module) => {
            let digest = super::versions::short(&module.digest);
            format!("  served by module {} {}", line(&module.name), digest)
        }
        None => format!(
            "  {}: its jobs wait as no_handler; {}",
            colours.paint(Tone::Bad, "nobody serves it"),
            addressed("`stoker deploy` or `stoker rollback` a module that does")
        ),
    });
    rows.push(String::new());
    rows.push(settings_table(kind, colours));
    rows.extend(missing_row(kind, colours));
    for (name, schema) in [("Payload", &kind.input_schema), ("Output", &kind.output_schema)] {
        rows.push(String::new());
        rows.push(colours.paint(Tone::Strong, name));
        let text = match schema {
            Value::Bool(true) => "anything".to_owned(),
            Value::Object(map) if map.is_empty() => "anything".to_owned(),
            schema => serde_json::to_string_pretty(schema).unwrap_or_default(),
        };
        rows.extend(json(&text).lines().map(|line| format!("  {line}")));
    }
    rows.join("\n")
}

/// What is in force, and who says so.
fn settings_table(kind: &Kind, colours: Colours) -> String {
    let settings: Vec<[String; 3]> = kind
        .settings
        .iter()
        .map(|(name, value)| {
            let from = kind.settings_from.get(name).map(shown).unwrap_or_default();
            [name.clone(), with_size(name, value), from]
        })
        .collect();
    let from_operator = |row: usize| settings.get(row).is_some_and(|setting| setting[2] == "operator");
    table(["SETTING", "VALUE", "FROM"], &settings, colours, |row, _| from_operator(row).then_some(Tone::Notable))
}

/// What its module asks for and nobody granted, in the form in which it would be.
fn missing_row(kind: &Kind, colours: Colours) -> Option<String> {
    if kind.grants.missing.is_empty() {
        return None;
    }
    let missing = Value::Object(kind.grants.missing.clone()).to_string();
    let asks = colours.paint(Tone::Notable, "asks for what it is not granted:");
    Some(format!("\n  {asks} {}\n  {}", line(&missing), line(&granting(kind))))
}

/// The command that grants it as well; `--set` takes the place of all that was granted.
fn granting(kind: &Kind) -> String {
    let mut grants = kind.operator_settings.get("grants").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, missing) in &kind.grants.missing {
        match (grants.get_mut(name), missing) {
            (Some(Value::Array(granted)), Value::Array(missing)) => granted.extend(missing.iter().cloned()),
            (Some(Value::Object(granted)), Value::Object(missing)) => granted.extend(missing.clone()),
            _ => drop(grants.insert(name.clone(), missing.clone())),
        }
    }
    let grants = Value::Object(grants).to_string().replace('\'', r"'\''");
    addressed(format!("`stoker kinds {} --set 'grants={grants}'` grants it", kind.name))
}

/// Text without its quotes, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Sizes as people say them.
fn with_size(name: &str, value: &Value) -> String {
    match (name, value.as_u64()) {
        ("memory" | "output" | "logs", Some(bytes)) => super::quantities::bytes(bytes),
        _ => shown(value),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn assignments_are_json_or_text() {
        for (text, expected) in [
            ("timeout=2m", Some(("timeout", json!("2m")))),
            ("max_attempts=3", Some(("max_attempts", json!(3)))),
            (r#"env={"A":"b=c"}"#, Some(("env", json!({"A": "b=c"})))),
            ("queue=", Some(("queue", json!("")))),
            ("memory=64MiB", Some(("memory", json!("64MiB")))),
            ("memory=67108864", Some(("memory", json!(67_108_864)))),
            ("logs=64", Some(("logs", json!(64)))),
            ("memory=64", None),
            ("timeout", None),
            ("=2m", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value));
            assert_eq!(assignment(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn only_what_changes_is_sent() {
        let Value::Object(current) = json!({"queue": "slow", "timeout": "1m", "env": {"A": "1", "B": "2"}}) else {
            unreachable!("an object")
        };
        let set = [("fuel".to_owned(), json!(7)), ("env".to_owned(), json!({"A": "3", "C": "4"}))];
        let changes = patch(&current, &set, &["queue".to_owned()]).unwrap();
        assert_eq!(Value::Object(changes), json!({"queue": null, "fuel": 7, "env": {"A": "3", "C": "4", "B": null}}));
        let refused = patch(&current, &[], &["fuel".to_owned()]).unwrap_err().to_string();
        let twice = patch(&current, &[("queue".to_owned(), json!("fast"))], &["queue".to_owned()]).unwrap_err();
        assert!(twice.to_string().contains("both"), "{twice}");
        assert!(refused.contains("`fuel`") && refused.contains("env, queue, timeout"), "{refused}");
    }

    #[test]
    fn a_kind_is_a_page() {
        let kind: Kind = serde_json::from_value(json!({"name": "greet", "description": "Greets somebody",
            "module": {"name": "greet", "digest": "sha256:0123456789abcdef0123"},
            "input_schema": {"type": "object", "required": ["name"]}, "output_schema": true,
            "settings": {"memory": 134_217_728, "timeout": "2m"},
            "settings_from": {"memory": "host", "timeout": "operator"},
            "operator_settings": {"timeout": "2m"}}))
        .unwrap();
        insta::assert_snapshot!(page(&kind, Colours::Off));
        let asking = Kind {
            grants: serde_json::from_value(json!({"missing": {"http": ["a.example\u{1b}[2J"]}})).unwrap(),
            ..Kind::default()
        };
        let asks = page(&asking, Colours::Off);
        assert!(asks.contains(r#"is not granted: {"http":["a.example"#) && !asks.contains('\u{1b}'), "{asks}");
        let granted = Kind {
            name: "k".into(),
            operator_settings: serde_json::from_value(json!({"grants": {"http": ["b.example"], "kv": ["it's"]}}))
                .unwrap(),
            grants: serde_json::from_value(json!({"missing": {"http": ["a.example"], "notify": true}})).unwrap(),
            ..Kind::default()
        };
        let adds = r#"stoker kinds k --set 'grants={"http":["b.example","a.example"],"kv":["it'\''s"],"notify":true}'"#;
        assert!(page(&granted, Colours::Off).contains(adds), "{}", page(&granted, Colours::Off));
        let settings = settings_table(&kind, Colours::Off);
        assert!(page(&kind, Colours::Off).contains(&settings) && !settings.contains("Payload"), "{settings}");
        insta::assert_snapshot!(kinds_table(&[kind], Colours::Off));
    }
}
