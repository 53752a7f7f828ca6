//! What a kind's handler may reach outside its sandbox. Nothing, unless an operator grants it: a module can only ask.
//!
//! Pure: which grants there can be, what they allow, and which addresses nobody reaches without naming them.

mod address;
mod host;
mod http_grant;
mod mail_grant;
mod pattern;
mod set;

pub use address::{AddressClass, class_of};
pub use host::{HOST_BYTES_MAX, Host, HostError};
pub use http_grant::{HttpGrant, HttpGrantError, HttpScheme, HttpTarget};
pub use mail_grant::{MailGrant, MailGrantError};
pub use pattern::{NamePattern, NamePatternError};
pub use set::{
    CAPABILITY_NOTIFY, CONFIG_BYTES_MAX, CONFIG_MAX, Grants, HTTP_GRANTS_MAX, KV_BUCKETS_MAX, MAIL_SENDERS_MAX,
    NAME_PATTERNS_MAX, SECRETS_MAX, capability_of_config, capability_of_database, capability_of_enqueue,
    capability_of_event, capability_of_kv, capability_of_mail, capability_of_secret, setting_of_capability,
};
