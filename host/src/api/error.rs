//! Errors as clients see them: RFC 9457 problem documents.
//!
//! Policy. Every refusal has a code from the one table below; codes are stable, texts are not. `detail` tells a
//! stranger what to change. What went wrong inside the host is logged here, once, and never sent: the client gets
//! `internal` or `store_unavailable` and a sentence that says whether trying again helps.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::job::field::FIELD_ERROR_BYTES_MAX;
pub use crate::job::field::FieldError;
use crate::job::{QuotaExceeded, QuotaName, cut};
use crate::store::StoreError;

/// The media type of every refusal.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";
/// Most entries of `errors` in one problem document.
pub(super) const FIELD_ERRORS_MAX: usize = 20;
/// When to try again after a refusal that time heals, seconds.
const RETRY_AFTER_S: u64 = 1;

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $word:literal $title:literal,)*) => {
        /// Every refusal there is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemCode {
            $($(#[$doc])* $name,)*
        }

        impl ProblemCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$name,)*];

            /// The stable word clients match on.
            pub const fn as_str(self) -> &'static str {
                match self { $(ProblemCode::$name => $word,)* }
            }
            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(ProblemCode::$name => $status,)* }
            }
            /// The same short sentence every time.
            pub const fn title(self) -> &'static str {
                match self { $(ProblemCode::$name => $title,)* }
            }
        }
    };
}

problem_codes! {
    /// The body is not JSON.
    MalformedJson = 400 "malformed_json" "The body is not well-formed JSON",
    /// The body ended early or could not be read.
    MalformedBody = 400 "malformed_body" "The body could not be read",
    /// No `Host`.
    HostMissing = 400 "host_missing" "The request names no host",
    /// Several hosts.
    HostAmbiguous = 400 "host_ambiguous" "The request names several hosts",
    /// No or a wrong credential.
    Unauthorized = 401 "unauthorized" "A valid credential is needed",
    /// A user's token that was good.
    TokenExpired = 401 "token_expired" "The token has expired",
    /// Too small a role.
    Forbidden = 403 "forbidden" "The credential's role is too small",
    /// DNS rebinding.
    ForeignHost = 403 "foreign_host" "This host is not called by that name",
    /// A foreign web page.
    ForeignOrigin = 403 "foreign_origin" "Requests from that origin are refused",
    /// As much in the key-value store as may be.
    KvFull = 403 "kv_full" "The key-value store holds as much as it may",
    /// A session without the token of its page.
    CsrfTokenWrong = 403 "csrf_token_wrong" "The token of the page is missing or wrong",
    /// No such path.
    NotFound = 404 "not_found" "There is nothing at this path",
    /// No such tenant, or another's.
    TenantNotFound = 404 "tenant_not_found" "There is no such tenant",
    /// No such key.
    KeyNotFound = 404 "key_not_found" "There is no such key",
    /// No such job.
    JobNotFound = 404 "job_not_found" "There is no such job",
    /// No such kind.
    KindNotFound = 404 "kind_not_found" "There is no such kind",
    /// No such queue.
    QueueNotFound = 404 "queue_not_found" "There is no such queue",
    /// No such schedule.
    ScheduleNotFound = 404 "schedule_not_found" "There is no such schedule",
    /// No such secret.
    SecretNotFound = 404 "secret_not_found" "There is no such secret",
    /// No such database.
    DatabaseNotFound = 404 "database_not_found" "There is no such database",
    /// No such key in the bucket.
    KvKeyNotFound = 404 "kv_key_not_found" "There is no such key in the bucket",
    /// No such connection to the hub, or another's.
    ConnectionNotFound = 404 "connection_not_found" "There is no such connection",
    /// No such notification, or another's.
    NotificationNotFound = 404 "notification_not_found" "There is no such notification",
    /// No such batch.
    BatchNotFound = 404 "batch_not_found" "There is no such batch",
    /// No such workflow.
    WorkflowNotFound = 404 "workflow_not_found" "There is no such workflow",
    /// No failed jobs like these.
    GroupNotFound = 404 "group_not_found" "There is no such group of failed jobs",
    /// No such operation.
    OperationNotFound = 404 "operation_not_found" "There is no such operation",
    /// No such mail.
    MailNotFound = 404 "mail_not_found" "There is no such mail",
    /// No such module.
    ModuleNotFound = 404 "module_not_found" "There is no such module",
    /// No such version.
    VersionNotFound = 404 "version_not_found" "There is no such version of the module",
    /// Wrong method.
    MethodNotAllowed = 405 "method_not_allowed" "This path does not take that method",
    /// The body came too slowly.
    BodyTimeout = 408 "body_timeout" "The body came too slowly",
    /// The key was used for another request.
    IdempotencyConflict = 409 "idempotency_conflict" "The idempotency key was used for another request",
    /// The job's state does not allow it.
    WrongState = 409 "wrong_state" "The job is not in a state that allows this",
    /// It runs, or has ended.
    JobNotWaiting = 409 "job_not_waiting" "Only a waiting job can be changed",
    /// There is one like it already.
    UniqueConflict = 409 "unique_conflict" "There is a job like this one already",
    /// Another module serves the kind.
    KindOwned = 409 "kind_owned" "Another module serves this kind",
    /// Unfinished jobs need what would go.
    KindsNeeded = 409 "kinds_needed" "Unfinished jobs need what would be removed",
    /// Its module declares it.
    ScheduleDeclared = 409 "schedule_declared" "A module declares the schedule",
    /// Secrets can't be encrypted.
    NoSecretsKey = 409 "no_secrets_key" "The host has no key for secrets",
    /// Mail can't be sent.
    NoMailServer = 409 "no_mail_server" "The host has no server for mail",
    /// No job can be made of it.
    ScheduleFaulty = 409 "schedule_faulty" "No job can be made of the schedule",
    /// Handlers are at it.
    DatabaseInUse = 409 "database_in_use" "The database is in use",
    /// It is there, and run by something else.
    DatabaseOther = 409 "database_other" "There is another database of that name",
    /// Jobs of the queue have not ended.
    QueueInUse = 409 "queue_in_use" "Jobs of the queue have not ended",
    /// A connection to the hub has the id.
    ConnectionTaken = 409 "connection_taken" "A connection with this id is open",
    /// The batch is closed.
    BatchClosed = 409 "batch_closed" "The batch takes no more jobs",
    /// Jobs that have not ended need the job.
    JobNeeded = 409 "job_needed" "Jobs that have not ended need this one",
    /// There is one of that name.
    TenantExists = 409 "tenant_exists" "There is a tenant of that name already",
    /// It goes, with all it has.
    TenantDeleting = 409 "tenant_deleting" "The tenant is being deleted",
    /// It is always there.
    TenantNeeded = 409 "tenant_needed" "The tenant can't be deleted",
    /// Nobody has read what would go.
    ExportNeeded = 409 "export_needed" "The tenant was not exported",
    /// Without an admin's key nobody could make another.
    AdminKeyNeeded = 409 "admin_key_needed" "An admin's key is needed first",
    /// The active version can't be deleted alone.
    VersionActive = 409 "version_active" "The version is the active one",
    /// An unfinished job has recorded steps on the version.
    VersionHasSteps = 409 "version_has_steps" "A job stays on the version",
    /// The body is too large.
    BodyTooLarge = 413 "body_too_large" "The body is too large",
    /// The payload is too large.
    PayloadTooLarge = 413 "payload_too_large" "The payload is too large",
    /// The batch has too many jobs.
    BatchTooLarge = 413 "batch_too_large" "The batch has too many jobs",
    /// Wrong content type.
    UnsupportedMediaType = 415 "unsupported_media_type" "The content type is not understood here",
    /// A field is wrong.
    InvalidRequest = 422 "invalid_request" "The request has invalid fields",
    /// The payload breaks the kind's schema.
    InvalidPayload = 422 "invalid_payload" "The payload is not what its kind takes",
    /// Text that is no identifier.
    InvalidId = 422 "invalid_id" "The path holds something that is not an identifier",
    /// A query parameter is wrong.
    InvalidQuery = 422 "invalid_query" "The query string has invalid parameters",
    /// One job of an atomic batch was refused.
    BatchRejected = 422 "batch_rejected" "A job of the batch was refused, so none was enqueued",
    /// Jobs of a workflow wait for each other in a circle.
    WorkflowCycle = 422 "workflow_cycle" "Jobs of the workflow wait for each other in a circle",
    /// A new queue, and there are as many as may be.
    TooManyQueues = 422 "too_many_queues" "There are as many queues as there may be",
    /// As many keys as may be.
    TooManyKeys = 422 "too_many_keys" "There are as many keys as there may be",
    /// As many tenants as may be.
    TooManyTenants = 422 "too_many_tenants" "There are as many tenants as there may be",
    /// Not WebAssembly.
    MalformedModule = 422 "malformed_module" "The body is not a valid WebAssembly module or component",
    /// Neither handler nor command.
    NoEntry = 422 "no_entry" "The module is neither a handler nor a command",
    /// Its instances could not be made.
    ModuleLimits = 422 "module_limits" "The module needs more than this host allows",
    /// Imports the host lacks.
    UnknownImports = 422 "unknown_imports" "The module imports what this host does not offer",
    /// The settings in a plain command are not allowed.
    InvalidSettings = 422 "invalid_settings" "The settings in the module are not allowed",
    /// Compiling failed.
    CompileFailed = 422 "compile_failed" "The module could not be compiled",
    /// `describe` failed or lied.
    DescribeFailed = 422 "describe_failed" "The module does not describe itself properly",
    /// Bad credentials, again and again.
    TooManyFailures = 429 "too_many_failures" "Too many bad credentials came from this address",
    /// So many actions on many jobs are not finished.
    TooManyOperations = 429 "too_many_operations" "Too many operations are not finished",
    /// So many batches wait for somebody to close them.
    TooManyOpenBatches = 429 "too_many_open_batches" "Too many batches are open",
    /// A quota of the tenant is used up. 403 where neither time nor work makes room.
    QuotaExceeded = 429 "quota_exceeded" "A quota of the tenant is used up",
    /// Too many requests wait already.
    Busy = 429 "busy" "The host has too much to do",
    /// The host's own fault.
    Internal = 500 "internal" "The host made a mistake",
    /// The store cannot write.
    StoreUnavailable = 503 "store_unavailable" "The store cannot write now",
    /// Its server or file can't be used.
    DatabaseUnavailable = 503 "database_unavailable" "The database can't be used now",
    /// A read took too long.
    QueryTooSlow = 503 "query_too_slow" "The query took too long",
    /// Stopping.
    Stopping = 503 "stopping" "The host is stopping",
    /// Not ready to serve.
    NotReady = 503 "not_ready" "The host is not ready",
    /// The compiler process failed.
    CompilerUnavailable = 503 "compiler_unavailable" "The compiler could not be run",
}

/// Shortens text that quotes a request.
pub(super) fn quoted(text: String) -> String {
    cut(text, FIELD_ERROR_BYTES_MAX)
}

/// A refusal. Boxed, so that results stay small on the path that succeeds.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Problem>);

#[derive(Clone, Debug)]
struct Problem {
    code: ProblemCode,
    /// The status that its code comes with, but for hard quotas.
    status: u16,
    detail: String,
    errors: Vec<FieldError>,
    extensions: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// A refusal with a sentence that says what to change.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let headers = match code.status() {
            401 => vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
            429 | 503 => vec![(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))],
            _ => Vec::new(),
        };
        let detail = detail.into();
        let status = code.status();
        Self(Box::new(Problem { code, status, detail, errors: Vec::new(), extensions: Vec::new(), headers }))
    }

    /// `invalid_request` with what is wrong, cut to `FIELD_ERRORS_MAX` entries.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self::fields(ProblemCode::InvalidRequest, errors)
    }

    /// `invalid_request` with one field.
    pub fn field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(pointer, message)])
    }

    /// A refusal that names fields; the first one also stands in `detail`.
    pub fn fields(code: ProblemCode, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(FIELD_ERRORS_MAX);
        let detail = match errors.first() {
            Some(FieldError { pointer, message }) if pointer.is_empty() => message.clone(),
            Some(FieldError { pointer, message }) => format!("{pointer}: {message}"),
            None => code.title().to_owned(),
        };
        let mut error = Self::new(code, detail);
        error.0.errors = errors;
        error
    }

    /// The host's own fault: `cause` is logged, not sent.
    pub fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed inside the host");
        Self::new(ProblemCode::Internal, "the host made a mistake; its log says more. Trying again may help")
    }

    /// With what is wrong with which field, cut to `FIELD_ERRORS_MAX` entries.
    #[must_use]
    pub fn with_errors(mut self, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(FIELD_ERRORS_MAX);
        self.0.errors = errors;
        self
    }

    /// With a further member of the document.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.extensions.push((name, value.into()));
        self
    }

    /// A tenant has used up what it may. What time or work heals says when to try again; the rest is 403.
    pub fn over_quota(quota: &QuotaExceeded) -> Self {
        let QuotaExceeded { name, most, used, retry_after } = *quota;
        let what = match name {
            QuotaName::WaitingJobs => "jobs that wait; let some run, or cancel some",
            QuotaName::EnqueuesPerSecond => "jobs enqueued in a second; send fewer at once, or later",
            QuotaName::StoredBytes => {
                "bytes of payloads, outputs and logs; delete finished jobs or schedules, or keep jobs for less long"
            }
            QuotaName::Modules => "modules; delete one",
            QuotaName::ModuleBytes => "bytes of modules; delete old versions",
            QuotaName::Kinds => "kinds, those that are gone included; serve some of the names there are",
            QuotaName::Schedules => "schedules; delete one",
            QuotaName::Secrets => "secrets; delete one",
            QuotaName::KvBytes => "bytes in key-value buckets; delete some",
            QuotaName::Databases => "databases; delete one",
            QuotaName::DatabaseBytes => "bytes of databases; delete rows, or a database",
            QuotaName::RunningJobs => "jobs that run at once; let some end",
            QuotaName::FuelPerDay | QuotaName::RunTimePerDay => "in a day; it begins anew at midnight (UTC)",
        };
        let detail = format!("the tenant may have {most} {what}. An admin changes the quota `{}`", name.as_str());
        let mut error = Self::new(ProblemCode::QuotaExceeded, detail)
            .with("quota", name.as_str())
            .with("most", most)
            .with("used", used);
        error.0.headers.clear();
        if name.heals() {
            let seconds = retry_after.as_millis().div_ceil(1_000).max(1);
            error.0.headers.push((RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX))));
        } else {
            error.0.status = 403;
        }
        error
    }

    /// With another sentence.
    #[must_use]
    pub fn with_detail(mut self, detail: String) -> Self {
        self.0.detail = detail;
        self
    }

    /// With a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// A further member of the document.
    pub fn extension(&self, name: &str) -> Option<&Value> {
        self.0.extensions.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The stable code.
    pub fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with which field.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }
}

/// The problem document.
impl Serialize for ApiError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/docs#{}", self.code.as_str()))?;
        map.serialize_entry("title", self.code.title())?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("code", self.code.as_str())?;
        map.serialize_entry("detail", &self.detail)?;
        if !self.errors.is_empty() {
            map.serialize_entry("errors", &self.errors)?;
        }
        for (name, value) in &self.extensions {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&*self.0).unwrap_or_else(|_| b"{}".to_vec());
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        for (name, value) in self.0.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request was refused");
                Self::new(
                    ProblemCode::StoreUnavailable,
                    "the store cannot write now (is the disk full, or the data directory read-only?); nothing was written, try again later",
                )
            }
            StoreError::LogFull { bytes_max } => {
                tracing::warn!(%error, "a request was refused");
                Self::new(
                    ProblemCode::StoreUnavailable,
                    format!(
                        "the store cannot write now: its write-ahead log has reached {} MiB, and it can't begin anew while a \
                         backup (or another long read of the database) is under way; nothing was written, try again when the \
                         backup has ended",
                        bytes_max >> 20
                    ),
                )
            }
            StoreError::ReadTooLong { ms_max } => {
                tracing::warn!(%error, "a request was refused");
                Self::new(
                    ProblemCode::QueryTooSlow,
                    format!(
                        "the query took longer than {ms_max} ms and was broken off; ask for less at a time: a smaller `limit`, a \
                         shorter time from `since` to `until`, or only one `kind`, `queue` or `tag`"
                    ),
                )
            }
            StoreError::Busy { waiting_max } => Self::new(
                ProblemCode::Busy,
                format!("{waiting_max} operations wait for the store already; nothing was written, try again later"),
            ),
            StoreError::NoRoomForCopy { .. } => Self::new(
                ProblemCode::StoreUnavailable,
                format!("a copy is made in the data directory before it is sent: {error}; make room there"),
            ),
            StoreError::SyncFailed(_) => Self::new(
                ProblemCode::StoreUnavailable,
                "the disk failed while this was written, and the host stops: whether it was written is not known until the \
                 next start; look then, or send it again with the same `Idempotency-Key`",
            ),
            StoreError::TenantClosed => Self::new(
                ProblemCode::TenantDeleting,
                "the tenant was deleted while the request was under way, with everything it had; nothing was written",
            ),
            StoreError::Closed => Self::new(ProblemCode::Stopping, "the host is stopping; nothing was written"),
            StoreError::Damaged(_) => {
                tracing::error!(%error, "a request could not be carried out");
                Self::new(
                    ProblemCode::StoreUnavailable,
                    "the database is damaged where this needs it; nothing was written, and trying again will not help: the host's \
                     log says what to do",
                )
            }
            StoreError::Internal(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shape(error: &ApiError) -> String {
        serde_json::to_string_pretty(&*error.0).unwrap()
    }

    #[test]
    fn a_problem_document() {
        let error = ApiError::invalid(vec![
            FieldError::new("/delay", "must not be negative"),
            FieldError::new("/priority", "must be 0 to 9"),
        ])
        .with("line", 3);
        insta::assert_snapshot!(shape(&error), @r#"
        {
          "type": "/docs#invalid_request",
          "title": "The request has invalid fields",
          "status": 422,
          "code": "invalid_request",
          "detail": "/delay: must not be negative",
          "errors": [
            {
              "pointer": "/delay",
              "message": "must not be negative"
            },
            {
              "pointer": "/priority",
              "message": "must be 0 to 9"
            }
          ],
          "line": 3
        }
        "#);
    }

    #[test]
    fn internal_texts_are_not_sent() {
        for error in [
            StoreError::Internal("secret".into()),
            StoreError::Unavailable("secret".into()),
            StoreError::SyncFailed("secret".into()),
        ] {
            let error = ApiError::from(error);
            assert!(!shape(&error).contains("secret"));
        }
    }

    #[test]
    fn a_full_log_and_a_slow_query_are_told_from_a_full_disk() {
        let full = ApiError::from(StoreError::LogFull { bytes_max: 1 << 30 });
        assert_eq!(full.code(), ProblemCode::StoreUnavailable);
        assert!(full.detail().contains("1024 MiB") && full.detail().contains("backup"), "{}", full.detail());
        let slow = ApiError::from(StoreError::ReadTooLong { ms_max: 1_000 });
        assert_eq!((slow.code(), slow.code().status()), (ProblemCode::QueryTooSlow, 503));
        assert!(slow.detail().contains("1000 ms") && slow.detail().contains("`since`"), "{}", slow.detail());
    }

    #[test]
    fn refusals_that_time_heals_say_when_to_try_again() {
        for code in ProblemCode::ALL {
            let response = ApiError::new(*code, "x").into_response();
            assert_eq!(response.status().as_u16(), code.status());
            assert_eq!(response.headers().contains_key(RETRY_AFTER), matches!(code.status(), 429 | 503));
            assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        }
    }

    #[test]
    fn codes_are_unique() {
        let words: std::collections::BTreeSet<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), ProblemCode::ALL.len());
    }
}
