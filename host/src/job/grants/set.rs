//! All that is granted to a kind, or asked for by its module: one form for both. Owns their bounds, what of one is missing
//! in the other, and what it takes an admin to grant.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::http_grant::{HttpGrant, HttpTarget};
use super::mail_grant::MailGrant;
use super::pattern::NamePattern;
use crate::job::field::FieldError;
use crate::job::mail::Mailbox;
use crate::job::name::{BucketName, ConfigName, SecretName};
use crate::job::named_values::named_values;
use crate::job::size::ByteSize;

/// Most entries of `http`.
pub const HTTP_GRANTS_MAX: usize = 64;
/// Most entries of `secrets`.
pub const SECRETS_MAX: usize = 64;
/// Most entries of `kv`.
pub const KV_BUCKETS_MAX: usize = 64;
/// Most entries of `enqueue`, of `events`, and of `databases`.
pub const NAME_PATTERNS_MAX: usize = 64;
/// Most entries of `mail`.
pub const MAIL_SENDERS_MAX: usize = 64;
/// Most entries of `config`.
pub const CONFIG_MAX: usize = 128;
/// Names and values of `config` together, bytes.
pub const CONFIG_BYTES_MAX: usize = 64 << 10;

/// What a handler may use. Empty: nothing but its payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Hosts requests may go to, like `api.example.com`, `*.example.org:8443` or `http://10.1.2.3:8080`. Without a port it is
    /// 443, and without a scheme `https`; a port without a scheme stands for both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["api.example.com", "*.example.org:8443"]))]
    pub http: Vec<HttpGrant>,
    /// Names of secrets it may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub secrets: Vec<SecretName>,
    /// What it reads through `wasi:config`: values by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "named_values")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub config: BTreeMap<ConfigName, String>,
    /// Buckets it may open through `wasi:keyvalue`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub kv: Vec<BucketName>,
    /// Kinds it may enqueue jobs of: names, or beginnings of names like `email.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["email.*"]))]
    pub enqueue: Vec<NamePattern>,
    /// Types of events it may emit: names, or beginnings of names like `order.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["order.*"]))]
    pub events: Vec<NamePattern>,
    /// Whether it may notify users.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub notify: bool,
    /// Senders it may send mail from: addresses, or all of a domain like `*@example.com`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["noreply@example.com"]))]
    pub mail: Vec<MailGrant>,
    /// SQL databases it may open: names, or beginnings of names like `tenant-*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["app", "tenant-*"]))]
    pub databases: Vec<NamePattern>,
}

/// How a secret is named where it was refused.
pub fn capability_of_secret(name: &str) -> String {
    format!("secret {name}")
}

/// How a bucket is named where it was refused.
pub fn capability_of_kv(bucket: &str) -> String {
    format!("kv {bucket}")
}

/// How a kind is named where a job of it was refused.
pub fn capability_of_enqueue(kind: &str) -> String {
    format!("enqueue {kind}")
}

/// How a type of events is named where one was refused.
pub fn capability_of_event(event_type: &str) -> String {
    format!("event {event_type}")
}

/// How it is named where notifying users was refused.
pub const CAPABILITY_NOTIFY: &str = "notify";

/// How a sender is named where mail from it was refused.
pub fn capability_of_mail(address: &str) -> String {
    format!("mail {address}")
}

/// How a database is named where it was refused.
pub fn capability_of_database(name: &str) -> String {
    format!("database {name}")
}

/// How a value of the configuration is named where it is missing.
pub fn capability_of_config(name: &str) -> String {
    format!("config {name}")
}

/// Which setting of a kind grants what was refused by this name; `None`: none does.
pub fn setting_of_capability(capability: &str) -> Option<&'static str> {
    Some(match capability.split(' ').next().unwrap_or_default() {
        "http" => "grants.http",
        "secret" => "grants.secrets",
        "kv" => "grants.kv",
        "config" => "grants.config",
        "enqueue" => "grants.enqueue",
        "event" => "grants.events",
        CAPABILITY_NOTIFY => "grants.notify",
        "mail" => "grants.mail",
        "database" => "grants.databases",
        _ => return None,
    })
}

impl Grants {
    /// Whether it grants nothing.
    pub fn is_empty(&self) -> bool {
        *self == Grants::default()
    }

    /// Adds what is wrong with them to `errors`; `at` points to them.
    pub fn check(&self, at: &str, errors: &mut Vec<FieldError>) {
        let Grants { http, secrets, config, kv, enqueue, events, notify: _, mail, databases } = self;
        check_list(&format!("{at}/http"), http, HTTP_GRANTS_MAX, errors);
        check_list(&format!("{at}/secrets"), secrets, SECRETS_MAX, errors);
        check_list(&format!("{at}/kv"), kv, KV_BUCKETS_MAX, errors);
        check_list(&format!("{at}/enqueue"), enqueue, NAME_PATTERNS_MAX, errors);
        check_list(&format!("{at}/events"), events, NAME_PATTERNS_MAX, errors);
        check_list(&format!("{at}/mail"), mail, MAIL_SENDERS_MAX, errors);
        check_list(&format!("{at}/databases"), databases, NAME_PATTERNS_MAX, errors);
        if http.len() > 1 && http.iter().any(HttpGrant::is_everybody) {
            let message = "`*` is every host: write it alone, or name the hosts";
            errors.push(FieldError::new(format!("{at}/http"), message));
        }
        let bytes: usize = config.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if config.len() > CONFIG_MAX || bytes > CONFIG_BYTES_MAX {
            let most = ByteSize(CONFIG_BYTES_MAX as u64);
            let message = format!("can hold at most {CONFIG_MAX} values, and {most} in all");
            errors.push(FieldError::new(format!("{at}/config"), message));
        }
    }

    /// What only an admin of the host may grant, and was not granted `before`: with it a tenant would reach what is not its
    /// own. Pointers below `at`.
    pub fn for_admins(&self, before: Option<&Grants>, at: &str) -> Vec<FieldError> {
        let new = |grant: &HttpGrant| before.is_none_or(|before| !before.http.contains(grant));
        let refused = |(index, grant): (usize, &HttpGrant)| {
            let message = if grant.is_everybody() {
                "would allow every host, which only an admin may grant: name the hosts".to_owned()
            } else {
                let (address, class) = grant.inner_address()?;
                format!("{address} is {}, which only an admin may grant", class.with_article())
            };
            Some(FieldError::new(format!("{at}/http/{index}"), message))
        };
        let refused = self.http.iter().enumerate().filter(|(_, grant)| new(grant)).filter_map(refused);
        let is_new =
            |grant: &MailGrant| before.is_none_or(|before| !before.mail.iter().any(|granted| granted.covers(grant)));
        let senders = self.mail.iter().enumerate().filter(|(_, grant)| is_new(grant)).map(|(index, grant)| {
            let message = format!("mail from {grant} leaves by the host's own server, which only an admin may grant");
            FieldError::new(format!("{at}/mail/{index}"), message)
        });
        refused.chain(senders).collect()
    }

    /// What of `asked` is not in here.
    #[must_use]
    pub fn missing(&self, asked: &Grants) -> Grants {
        let Grants { http, secrets, config, kv, enqueue, events, notify, mail, databases } = asked;
        let is_granted = |asked: &&HttpGrant| !self.http.iter().any(|granted| granted.covers(asked));
        Grants {
            http: http.iter().filter(is_granted).cloned().collect(),
            secrets: secrets.iter().filter(|name| !self.secrets.contains(name)).cloned().collect(),
            config: config
                .iter()
                .filter(|(name, _)| !self.config.contains_key(name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            kv: kv.iter().filter(|bucket| !self.kv.contains(bucket)).cloned().collect(),
            enqueue: not_covered(enqueue, &self.enqueue),
            events: not_covered(events, &self.events),
            notify: *notify && !self.notify,
            mail: mail.iter().filter(|asked| !self.mail.iter().any(|granted| granted.covers(asked))).cloned().collect(),
            databases: not_covered(databases, &self.databases),
        }
    }

    /// As capabilities are named: `http api.example.com`, `secret stripe-key`, `config greeting`, `kv sessions`, `enqueue email.*`,
    /// `event order.*`, `notify`, `mail noreply@example.com`, `database app`.
    pub fn names(&self) -> Vec<String> {
        let Grants { http, secrets, config, kv, enqueue, events, notify, mail, databases } = self;
        let http = http.iter().map(|grant| format!("http {grant}"));
        let secrets = secrets.iter().map(|name| capability_of_secret(name.as_str()));
        let config = config.keys().map(|name| capability_of_config(name.as_str()));
        let kv = kv.iter().map(|bucket| capability_of_kv(bucket.as_str()));
        let enqueue = enqueue.iter().map(|kind| capability_of_enqueue(kind.as_str()));
        let events = events.iter().map(|event_type| capability_of_event(event_type.as_str()));
        let notify = notify.then(|| CAPABILITY_NOTIFY.to_owned());
        let mail = mail.iter().map(|sender| capability_of_mail(&sender.to_string()));
        let databases = databases.iter().map(|database| capability_of_database(database.as_str()));
        let names = http.chain(secrets).chain(config).chain(kv).chain(enqueue).chain(events);
        names.chain(notify).chain(mail).chain(databases).collect()
    }

    /// Whether it may enqueue jobs of this kind.
    pub fn allows_enqueue(&self, kind: &str) -> bool {
        self.enqueue.iter().any(|pattern| pattern.allows(kind))
    }

    /// Whether it may emit events of this type.
    pub fn allows_event(&self, event_type: &str) -> bool {
        self.events.iter().any(|pattern| pattern.allows(event_type))
    }

    /// Whether it may send mail from this sender.
    pub fn allows_mail(&self, sender: &Mailbox) -> bool {
        self.mail.iter().any(|grant| grant.allows(sender))
    }

    /// Whether it may open this database.
    pub fn allows_database(&self, name: &str) -> bool {
        self.databases.iter().any(|pattern| pattern.allows(name))
    }

    /// Whether such a request may go out, as far as its host is known by name or address.
    pub fn allows_http(&self, target: &HttpTarget) -> bool {
        self.http.iter().any(|grant| grant.allows(target))
    }
}

fn not_covered(asked: &[NamePattern], granted: &[NamePattern]) -> Vec<NamePattern> {
    asked.iter().filter(|asked| !granted.iter().any(|granted| granted.covers(asked))).cloned().collect()
}

fn check_list<T: Ord + std::fmt::Display>(at: &str, list: &[T], most: usize, errors: &mut Vec<FieldError>) {
    if list.len() > most {
        errors.push(FieldError::new(at, format!("can hold at most {most} entries")));
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, entry) in list.iter().enumerate() {
        if !seen.insert(entry) {
            errors.push(FieldError::new(format!("{at}/{index}"), format!("`{entry}` stands twice")));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grants(text: &str) -> Grants {
        serde_json::from_str(text).unwrap()
    }

    fn pointers(grants: &Grants) -> Vec<String> {
        let mut errors = Vec::new();
        grants.check("/grants", &mut errors);
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn grants_round_trip_and_say_what_they_hold() {
        let text = r#"{"http":["api.example.com","*.example.org:8443"],"secrets":["stripe-key"],"config":{"greeting":"Hi"},"kv":["sessions"],"enqueue":["email.*"],"events":["order.paid"],"notify":true,"mail":["noreply@example.com"],"databases":["app","tenant-*"]}"#;
        let all = grants(text);
        assert_eq!(serde_json::to_string(&all).unwrap(), text);
        assert_eq!(
            all.names(),
            [
                "http api.example.com",
                "http *.example.org:8443",
                "secret stripe-key",
                "config greeting",
                "kv sessions",
                "enqueue email.*",
                "event order.paid",
                "notify",
                "mail noreply@example.com",
                "database app",
                "database tenant-*"
            ]
        );
        assert!(grants("{}").is_empty() && !all.is_empty());
        assert_eq!(serde_json::to_string(&Grants::default()).unwrap(), "{}");
        assert!(pointers(&all).is_empty());
    }

    #[test]
    fn bounds_are_kept() {
        let many = |n: usize| {
            let hosts: Vec<String> = (0..n).map(|n| format!("\"a{n}.example\"")).collect();
            grants(&format!(r#"{{"http":[{}]}}"#, hosts.join(",")))
        };
        assert!(pointers(&many(HTTP_GRANTS_MAX)).is_empty());
        assert_eq!(pointers(&many(HTTP_GRANTS_MAX + 1)), ["/grants/http"]);
        assert_eq!(pointers(&grants(r#"{"http":["*","a.example"]}"#)), ["/grants/http"]);
        assert_eq!(pointers(&grants(r#"{"http":["A.example","a.example"]}"#)), ["/grants/http/1"]);
        assert_eq!(pointers(&grants(r#"{"secrets":["a","a"],"kv":["b","b"]}"#)), ["/grants/secrets/1", "/grants/kv/1"]);
        let large = format!(r#"{{"config":{{"a":"{}"}}}}"#, "x".repeat(CONFIG_BYTES_MAX));
        assert_eq!(pointers(&grants(&large)), ["/grants/config"]);
        for wrong in
            [r#"{"http":["*.com"]}"#, r#"{"files":[]}"#, r#"{"config":{"a":"1","a":"2"}}"#, r#"{"secrets":["a b"]}"#]
        {
            assert!(serde_json::from_str::<Grants>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_reaches_beyond_a_tenant_is_an_admins() {
        let asked = grants(r#"{"http":["a.example","10.0.0.1:80","8.8.8.8"]}"#);
        let refused = asked.for_admins(None, "/grants");
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].pointer, "/grants/http/1");
        assert_eq!(asked.for_admins(Some(&grants(r#"{"http":["10.0.0.1:80"]}"#)), "/grants"), []);
        assert_eq!(grants(r#"{"http":["*"]}"#).for_admins(None, "/grants").len(), 1);
        let asked = grants(r#"{"mail":["a@x.example","b@y.example"]}"#);
        let refused = asked.for_admins(Some(&grants(r#"{"mail":["*@x.example"]}"#)), "/grants");
        assert_eq!(refused.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/grants/mail/1"]);
    }

    #[test]
    fn what_is_missing_is_what_was_asked_and_not_granted() {
        let asked = grants(
            r#"{"http":["a.example.com","b.example"],"secrets":["x","y"],"config":{"g":"1","h":"2"},"kv":["k"],"enqueue":["a.b","c"],"notify":true}"#,
        );
        let granted = grants(r#"{"http":["*.example.com"],"secrets":["y"],"config":{"g":"other"},"enqueue":["a.*"]}"#);
        let missing = grants(
            r#"{"http":["b.example"],"secrets":["x"],"config":{"h":"2"},"kv":["k"],"enqueue":["c"],"notify":true}"#,
        );
        assert_eq!(granted.missing(&asked), missing);
        assert!(asked.missing(&asked).is_empty());
    }
}
