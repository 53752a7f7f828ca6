//! Checks the many jobs one body asks for, with as much effort as it takes and may be had; and says together what is wrong
//! with which of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::enqueue::{COMPILED_AGAIN_MAX, busy, check_slowly, compile};
use super::request::{CpuTime, Rules, Unfinished};
use crate::api::error::{ApiError, FIELD_ERRORS_MAX, FieldError, ProblemCode};
use crate::api::extract::HeldBody;
use crate::api::identity::Call;
use crate::api::turns::Turn;
use crate::schema::Effort;

/// A body up to this size is checked at once; checking a larger one would hold up other requests and gets a thread.
const CHECKED_AT_ONCE_BYTES_MAX: usize = 64 << 10;
/// Processor time for the payloads of a batch that is checked at once: some times what honest ones take.
const CHECKED_AT_ONCE_CPU_MAX: Duration = Duration::from_millis(25);
/// For those of one that has a thread.
const CHECKED_QUICKLY_CPU_MAX: Duration = Duration::from_secs(2);
/// For those of one that takes long. What is left then is `busy`.
const CHECKED_SLOWLY_CPU_MAX: Duration = Duration::from_secs(10);
/// How long a batch that takes long waits for its turn and for the result.
const CHECKED_SLOWLY_WAIT_MAX: Duration = Duration::from_secs(30);

/// What is held until the answer is written, and as long as anything checks it for a client that has hung up.
pub(in crate::api) type Held = Arc<(HeldBody, Turn)>;

/// What `parse` makes of the body.
pub(in crate::api) async fn check_many<T: Send + 'static>(
    api: &Call,
    held: &Held,
    parse: impl Fn(&mut Rules<'_>, &Bytes) -> Result<T, ApiError> + Clone + Send + 'static,
) -> Result<T, ApiError> {
    let checked_at_once = held.0.len() <= CHECKED_AT_ONCE_BYTES_MAX;
    let check = {
        let (api, held) = (api.clone(), Arc::clone(held));
        move |effort, cpu_max| {
            let catalog = api.store.catalog();
            let mut rules = Rules::new(&api, &catalog, effort);
            rules.cpu = Some(CpuTime::up_to(cpu_max));
            let parsed = parse(&mut rules, &held.0);
            // What was refused may only be what could not be looked at.
            match rules.unfinished() {
                Some(unfinished) => Ok::<_, ApiError>(Err(unfinished)),
                None => parsed.map(Ok),
            }
        }
    };
    let mut parsed = Err(Unfinished::default());
    for _ in 0..COMPILED_AGAIN_MAX {
        let quickly = check.clone();
        parsed = if checked_at_once {
            quickly(Effort::Quick, CHECKED_AT_ONCE_CPU_MAX)?
        } else {
            let checked = tokio::task::spawn_blocking(move || quickly(Effort::Quick, CHECKED_QUICKLY_CPU_MAX)).await;
            checked.map_err(|error| ApiError::internal(&error))??
        };
        match &parsed {
            Err(unfinished) if !unfinished.uncompiled.is_empty() => compile(api, unfinished).await?,
            _ => break,
        }
    }
    if let Ok(parsed) = parsed {
        return Ok(parsed);
    }
    let slowly = move || check(Effort::Thorough, CHECKED_SLOWLY_CPU_MAX);
    check_slowly(api, CHECKED_SLOWLY_WAIT_MAX, slowly).await?.map_err(|_| busy())
}

/// What is wrong with a request for many jobs that are enqueued together or not at all.
#[derive(Debug, Default)]
pub(in crate::api) struct Refusals {
    cause: Option<ProblemCode>,
    errors: Vec<FieldError>,
    is_busy: bool,
}

impl Refusals {
    /// What is wrong with the job at this place of the body.
    pub(in crate::api) fn add(&mut self, pointer: &str, error: &ApiError) {
        self.cause.get_or_insert(error.code());
        self.is_busy |= error.code() == ProblemCode::Busy;
        let whole = [FieldError::new("", error.detail())];
        let errors = if error.errors().is_empty() { &whole } else { error.errors() };
        for FieldError { pointer: inner, message } in errors {
            if self.errors.len() < FIELD_ERRORS_MAX {
                self.errors.push(FieldError::new(format!("{pointer}{inner}"), message.clone()));
            }
        }
    }

    /// What is wrong with one field.
    pub(in crate::api) fn field(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.add("", &ApiError::field(pointer, message));
    }

    /// The refusal of the whole, if there is anything.
    pub(in crate::api) fn into_result(self) -> Result<(), ApiError> {
        let Self { cause, errors, is_busy } = self;
        let Some(cause) = cause else { return Ok(()) };
        // Nothing is said against jobs that were not looked at.
        if is_busy {
            let detail =
                "the payloads took all the time one request has for checks, so no job was enqueued; send fewer at once";
            return Err(ApiError::new(ProblemCode::Busy, detail));
        }
        let code =
            if cause == ProblemCode::InvalidRequest { ProblemCode::InvalidRequest } else { ProblemCode::BatchRejected };
        let refusal = ApiError::fields(code, errors);
        Err(if code == cause { refusal } else { refusal.with("cause", cause.as_str()) })
    }
}
