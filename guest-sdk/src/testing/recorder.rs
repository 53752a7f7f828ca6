//! What a fake host answers and hears. Log lines carry no context, so the newest fake host of a thread gets them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Level;
use crate::database::fake::Databases;
use crate::effects::fake::Effects;
use crate::http::{Error, Request, Response};
use crate::kv::fake::Buckets;
use crate::steps::fake::Progressed;
use crate::testing::grants::Grants;

/// The host's default timeout.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// The host's default fuel.
const FUEL: u64 = 10_000_000_000;

/// A line of the attempt's log.
///
/// ```
/// use stoker_sdk::Level;
/// use stoker_sdk::testing::{FakeHost, LogLine};
///
/// let host = FakeHost::new();
/// stoker_sdk::warn!("late");
/// assert_eq!(host.logs(), [LogLine { level: Level::Warn, message: "late".into() }]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
}

/// One call of [`Context::progress`](crate::Context::progress), or the last one of a run in the sandbox.
///
/// ```
/// use stoker_sdk::testing::{FakeHost, Progress};
///
/// let host = FakeHost::new();
/// host.context().progress(1, 2, Some("half"));
/// assert_eq!(host.progress(), [Progress { done: 1, total: Some(2), message: Some("half".into()) }]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Progress {
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub total: Option<u64>,
    /// What is being done.
    pub message: Option<String>,
}

/// Shared by a fake host and its contexts.
#[derive(Debug)]
pub(crate) struct Recorder(Mutex<Record>);

/// The content of a recorder.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) logs: Vec<LogLine>,
    pub(crate) progress: Vec<Progress>,
    pub(crate) remaining_time: Duration,
    pub(crate) remaining_fuel: u64,
    pub(crate) slot_ms: Option<u64>,
    /// Questions whether the attempt is cancelled that are still answered with no; without it, all are.
    pub(crate) asks_until_cancelled: Option<u64>,
    /// JSON text by name or id.
    pub(crate) parent_outputs: HashMap<String, String>,
    /// By method and URL.
    pub(crate) answers: HashMap<(String, String), Result<Response, Error>>,
    pub(crate) requests: Vec<Request>,
    pub(crate) config: BTreeMap<String, String>,
    /// Granted, by name.
    pub(crate) secrets: HashMap<String, Vec<u8>>,
    /// Those that a handler was given: its words are kept without them.
    pub(crate) secrets_given: BTreeSet<String>,
    pub(crate) grants: Grants,
    /// Whom mail is from that says nothing.
    pub(crate) mail_sender: Option<String>,
    pub(crate) kv: Buckets,
    pub(crate) databases: Databases,
    /// What outlives an execution.
    pub(crate) job: Progressed,
    pub(crate) executions: u32,
    /// What is asked for on success.
    pub(crate) effects: Effects,
}

impl Record {
    /// As it is kept: without the secrets that were given, as they are and as JSON writes them. A real host finds more spellings.
    pub(crate) fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for name in &self.secrets_given {
            let value = self.secrets.get(name).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
            let in_json = crate::json::print(value).unwrap_or_default();
            let in_quotes = in_json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
            for spelling in [value, in_quotes].into_iter().filter(|spelling| !spelling.is_empty()) {
                text = text.replace(spelling, &format!("[secret {name}]"));
            }
        }
        text
    }
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Record {
            logs: Vec::new(),
            progress: Vec::new(),
            remaining_time: TIMEOUT,
            remaining_fuel: FUEL,
            slot_ms: None,
            asks_until_cancelled: None,
            parent_outputs: HashMap::new(),
            answers: HashMap::new(),
            requests: Vec::new(),
            config: BTreeMap::new(),
            secrets: HashMap::new(),
            secrets_given: BTreeSet::new(),
            grants: Grants::default(),
            mail_sender: None,
            kv: Buckets::default(),
            databases: Databases::default(),
            job: Progressed::default(),
            executions: 0,
            effects: Effects::default(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        // A handler that panicked is no reason to hide what it logged.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match &mut self.lock().asks_until_cancelled {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Recorder>>> = const { RefCell::new(None) };
}

/// Whoever hears this thread's log lines.
pub(crate) fn current() -> Option<Arc<Recorder>> {
    CURRENT.with_borrow(Clone::clone)
}

/// What the newest fake host of this thread answers to a request: what it was told, else that it is not granted.
pub(crate) fn answer(request: Request, authority: &str) -> Result<Response, Error> {
    let denied = || Error::Denied(authority.to_owned());
    let Some(recorder) = current() else { return Err(denied()) };
    let mut record = recorder.lock();
    let key = (request.method().to_owned(), request.url().to_owned());
    let answered = record.answers.get(&key).cloned();
    record.requests.push(request);
    answered.unwrap_or_else(|| Err(denied()))
}

pub(super) fn make_current(recorder: &Arc<Recorder>) {
    CURRENT.set(Some(Arc::clone(recorder)));
}

pub(super) fn forget(recorder: &Arc<Recorder>) {
    CURRENT.with_borrow_mut(|current| {
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, recorder)) {
            *current = None;
        }
    });
}
