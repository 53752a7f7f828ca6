//! `--grant WHAT=NAME` of `stoker run`, as the settings an operator would make of it.

use serde_json::{Map, Value, json};

use crate::job::grants::CAPABILITY_NOTIFY;
use crate::job::{BucketName, ConfigName, HttpGrant, MailGrant, NamePattern, SecretName};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Granted {
    Http(HttpGrant),
    Secret(SecretName),
    Config(ConfigName, String),
    Kv(BucketName),
    Enqueue(NamePattern),
    Event(NamePattern),
    Notify,
    Mail(MailGrant),
    Database(NamePattern),
}

/// From the command line; the error says how it is written.
pub(super) fn parse(text: &str) -> Result<Granted, String> {
    const FORM: &str = "write it as http=PATTERN, config=NAME=VALUE, secret=NAME, kv=BUCKET, enqueue=KIND, event=TYPE, mail=SENDER, database=NAME or notify";
    if text == CAPABILITY_NOTIFY {
        return Ok(Granted::Notify);
    }
    let (what, name) = text.split_once('=').ok_or(FORM)?;
    match what {
        "http" => name.parse().map(Granted::Http).map_err(|error| error.to_string()),
        "secret" | "secrets" => name.parse().map(Granted::Secret).map_err(|error| error.to_string()),
        "kv" => name.parse().map(Granted::Kv).map_err(|error| error.to_string()),
        "enqueue" => name.parse().map(Granted::Enqueue).map_err(|error| error.to_string()),
        "event" | "events" => name.parse().map(Granted::Event).map_err(|error| error.to_string()),
        "mail" => name.parse().map(Granted::Mail).map_err(|error| error.to_string()),
        "database" | "databases" => name.parse().map(Granted::Database).map_err(|error| error.to_string()),
        "config" => {
            let (name, value) = name.split_once('=').ok_or("write it as config=NAME=VALUE")?;
            let name = name.parse().map_err(|error: crate::job::NameError| error.to_string())?;
            Ok(Granted::Config(name, value.to_owned()))
        }
        _ => Err(FORM.to_owned()),
    }
}

/// As settings of a kind; nothing where nothing is granted.
pub(super) fn settings(granted: &[Granted]) -> serde_json::Result<Option<String>> {
    if granted.is_empty() {
        return Ok(None);
    }
    let (mut http, mut secrets, mut config, mut kv) = (Vec::new(), Vec::new(), Map::new(), Vec::new());
    let (mut enqueue, mut events, mut notify, mut mail) = (Vec::new(), Vec::new(), false, Vec::new());
    let mut databases = Vec::new();
    for one in granted {
        match one {
            Granted::Http(pattern) => http.push(pattern),
            Granted::Secret(name) => secrets.push(name),
            Granted::Config(name, value) => {
                config.insert(name.to_string(), Value::from(value.as_str()));
            }
            Granted::Kv(bucket) => kv.push(bucket),
            Granted::Enqueue(kind) => enqueue.push(kind),
            Granted::Event(event_type) => events.push(event_type),
            Granted::Notify => notify = true,
            Granted::Mail(sender) => mail.push(sender),
            Granted::Database(name) => databases.push(name),
        }
    }
    let grants = json!({
        "http": http, "secrets": secrets, "config": config, "kv": kv, "enqueue": enqueue, "events": events,
        "notify": notify, "mail": mail, "databases": databases,
    });
    serde_json::to_string(&json!({"grants": grants})).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_what_an_operator_would_set() {
        let granted = [
            "http=*.example.com",
            "config=a=b=c",
            "secret=key",
            "kv=cache",
            "enqueue=email.*",
            "event=paid",
            "notify",
            "mail=*@a.example",
            "database=app",
        ]
        .map(|text| parse(text).unwrap());
        let set = settings(&granted).unwrap().unwrap();
        let expected = json!({"grants": {"http": ["*.example.com"], "secrets": ["key"], "config": {"a": "b=c"}, "kv": ["cache"], "enqueue": ["email.*"], "events": ["paid"], "notify": true, "mail": ["*@a.example"], "databases": ["app"]}});
        assert_eq!(serde_json::from_str::<Value>(&set).unwrap(), expected);
        assert_eq!(settings(&[]).unwrap(), None);
        for (wrong, said) in [
            ("http", "http=PATTERN"),
            ("file=/etc", "http=PATTERN"),
            ("http=*.com", "anybody can get a name"),
            ("config=a", "config=NAME=VALUE"),
            ("secret=a b", "a secret's name"),
        ] {
            let refused = parse(wrong).unwrap_err();
            assert!(refused.contains(said), "{wrong}: {refused}");
        }
    }
}
