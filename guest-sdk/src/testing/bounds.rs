//! The bounds of a real host, as fakes keep them. This crate can't depend on the host, so they stand here again, each with the host's
//! file; a test of the workspace (`tests/tests/sdk_fakes.rs`) compares every one of them with what stands there.

// Those of databases are of use where there are some.
#![cfg_attr(not(feature = "testing-database"), allow(dead_code))]

use std::time::Duration;

/// Most steps of one job. Host: `job/step/model.rs`.
pub(crate) const STEPS_MAX: usize = 1_000;
/// Largest result of a step, bytes. Host: `job/step/model.rs`.
pub(crate) const STEP_RESULT_BYTES_MAX: usize = 256 << 10;
/// Most bytes of the results of all steps together. Host: `job/step/model.rs`.
pub(crate) const STEPS_BYTES_MAX: usize = 1 << 20;
/// Most bytes of the name of a step, and of the type of an event. Host: `job/step/model.rs` `BYTES_MAX`.
pub(crate) const STEP_NAME_BYTES_MAX: usize = 128;
/// Longest sleep and longest wait. Host: `job/step/model.rs`.
pub(crate) const WAIT_MAX: Duration = Duration::from_hours(366 * 24);
/// Most bytes of what an event is told apart by. Host: `job/step/model.rs`.
pub(crate) const CORRELATION_BYTES_MAX: usize = 255;
/// What is kept of the type of a result, bytes. Host: `sandbox/capabilities/steps.rs`.
pub(crate) const SHAPE_BYTES_MAX: usize = 512;

/// Most effects of one attempt. Host: `job/effect.rs`.
pub(crate) const EFFECTS_MAX: usize = 1_000;
/// Most bytes of one attempt's effects together. Host: `job/effect.rs`.
pub(crate) const EFFECTS_BYTES_MAX: usize = 4 << 20;
/// Most bytes of an event's data. Host: `job/effect.rs`.
pub(crate) const EVENT_DATA_BYTES_MAX: usize = 256 << 10;
/// Deepest nesting of JSON. Host: `job/json_text.rs`.
pub(crate) const NESTING_MAX: usize = 127;

/// Most bytes of a user's name. Host: `job/notification.rs`.
pub(crate) const USER_BYTES_MAX: usize = 128;
/// Most bytes of a message to a user. Host: `job/notification.rs`.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Most bytes of what comes with it. Host: `job/notification.rs`.
pub(crate) const NOTIFICATION_DATA_BYTES_MAX: usize = 64 << 10;

/// Most bytes of an address with its name. Host: `job/mail/address.rs`.
pub(crate) const MAILBOX_BYTES_MAX: usize = 512;
/// Most recipients of a mail. Host: `job/mail/message.rs`.
pub(crate) const RECIPIENTS_MAX: usize = 50;
/// Most bytes of a subject, and of the value of a header. Host: `job/mail/message.rs`.
pub(crate) const LINE_BYTES_MAX: usize = 998;
/// Most bytes of a mail's bodies and attachments. Host: `job/mail/message.rs`.
pub(crate) const MAIL_BYTES_MAX: usize = 1 << 20;
/// Most attachments of a mail. Host: `job/mail/message.rs`.
pub(crate) const ATTACHMENTS_MAX: usize = 20;
/// Most bytes of an attachment's name. Host: `job/mail/message.rs`.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// Most headers of its own a mail may have. Host: `job/mail/message.rs`.
pub(crate) const HEADERS_MAX: usize = 32;
/// Most bytes of a header's name. Host: `job/mail/message.rs`.
pub(crate) const HEADER_NAME_BYTES_MAX: usize = 76;

/// Most bytes of a key. Host: `job/kv/key.rs` `BYTES_MAX`.
pub(crate) const KV_KEY_BYTES_MAX: usize = 512;
/// Largest value of a key, bytes. Host: `job/kv/change.rs`.
pub(crate) const KV_VALUE_BYTES_MAX: usize = 256 << 10;
/// Most keys of one call. Host: `job/kv/change.rs`.
pub(crate) const KV_BATCH_KEYS_MAX: usize = 100;
/// Most bytes of the values of one call. Host: `job/kv/change.rs`.
pub(crate) const KV_BATCH_BYTES_MAX: usize = 1 << 20;
/// Longest time a key is set for. Host: `job/kv/change.rs`.
pub(crate) const KV_TTL_MAX: Duration = Duration::from_hours(366 * 24);
/// Most keys of a tenant. Host: `job/kv/change.rs`.
pub(crate) const KV_KEYS_MAX: u64 = 100_000;
/// Keys of one page. Host: `sandbox/capabilities/keyvalue/bucket.rs`.
pub(crate) const PAGE_KEYS_MAX: usize = 500;
/// The quota `kv_bytes` of a tenant that has none of its own, bytes; in `Quotas::HOST` of the host's `job/quota.rs`.
pub(crate) const KV_BYTES: u64 = 256 << 20;

/// Most rows of one result. Host: `job/database/model.rs`.
pub(crate) const RESULT_ROWS_MAX: usize = 10_000;
/// Most bytes of one result. Host: `job/database/model.rs`.
pub(crate) const RESULT_BYTES_MAX: usize = 4 << 20;
/// Longest statement, bytes. Host: `job/database/model.rs`.
pub(crate) const SQL_BYTES_MAX: usize = 256 << 10;
/// Most parameters of one statement. Host: `job/database/model.rs`.
pub(crate) const PARAMETERS_MAX: usize = 1_000;
/// Most bytes of the parameters of one statement. Host: `job/database/model.rs`.
pub(crate) const PARAMETERS_BYTES_MAX: usize = 4 << 20;
/// Longest time one statement takes. Host: `job/database/model.rs`.
pub(crate) const STATEMENT_TIME_MAX: Duration = Duration::from_secs(30);
/// Databases one attempt has open at once. Host: `job/database/model.rs`.
pub(crate) const OPEN_MAX: usize = 8;
/// Bytes a value counts for beside its own. Host: `job/database/model.rs`.
pub(crate) const VALUE_BYTES: usize = 16;
/// Most scripts of one database. Host: `job/database/script.rs`.
pub(crate) const SCRIPTS_MAX: usize = 1_000;
/// The quota `database_bytes` of a tenant that has none of its own, bytes; in `Quotas::HOST` of the host's `job/quota.rs`.
pub(crate) const DATABASE_BYTES: u64 = 4 << 30;
