//! A host for handlers run natively: it decides what they are told and keeps what they say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::grants::{is_pattern, is_sender};
use super::recorder::{LogLine, Progress, Recorder, TIMEOUT, forget, make_current};
use super::texts::is_bucket_name;
use crate::context::Facts;
use crate::failure::whole_ms;
use crate::http::{Error, Request, Response};
use crate::kv::fake::check;
use crate::module::run_one;
use crate::{Context, Failure, Handler};

/// A host that runs handlers natively: fixed clock and limits, recorded log lines and progress.
///
/// Without further words it is the first of ten attempts of some job of tenant and queue `default`, enqueued at
/// 2026-01-01T00:00:00Z, with the host's default limits. Log lines go to the newest fake host of the thread, so have one
/// at a time. What is printed with `println!` is not caught, and the payload is not checked against the schema, nor are those of
/// jobs that are enqueued: that is the real host's, see [`sandbox`](super::sandbox()).
///
/// Nothing is granted but what a test says ([`secret`](Self::secret), [`bucket`](Self::bucket), [`may_emit`](Self::may_emit), …) and,
/// secrets, values and requests aside, what the handler that is [run](Self::run) asks for with `grants(…)`, as if an operator had
/// agreed. What a real host refuses (too many steps, a mail without recipients, `ATTACH`, a full bucket) is refused here in the same
/// words.
///
/// ```
/// use std::time::Duration;
/// use stoker_sdk::testing::{FakeHost, Progress};
/// use stoker_sdk::{Context, Failure, handler};
///
/// #[handler(kind = "import")]
/// fn import(context: &Context, rows: Vec<u32>) -> Result<u64, Failure> {
///     for done in 0..rows.len() as u64 {
///         if context.is_cancelled() {
///             return Err(Failure::snooze(Duration::from_secs(60)));
///         }
///         context.progress(done, rows.len() as u64, None);
///     }
///     Ok(rows.len() as u64)
/// }
///
/// let host = FakeHost::new().cancelled_after(2);
/// assert_eq!(host.run::<import>(vec![1, 2, 3]), Err(Failure::snooze(Duration::from_secs(60))));
/// assert_eq!(host.progress().len(), 2);
/// assert_eq!(host.progress()[1], Progress { done: 1, total: Some(3), message: None });
/// ```
#[derive(Debug)]
pub struct FakeHost {
    facts: Facts,
    timeout: Duration,
    pub(crate) recorder: Arc<Recorder>,
}

/// What a fake host answers to a request: a response, or why there is none.
#[derive(Clone, Debug)]
pub struct Answer(Result<Response, Error>);

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self(Ok(response))
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Self(Err(error))
    }
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        forget(&self.recorder);
    }
}

impl FakeHost {
    /// The first of ten attempts.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// assert_eq!(FakeHost::new().context().attempt(), 1);
    /// ```
    pub fn new() -> Self {
        crate::facades::install();
        let recorder = Recorder::new();
        make_current(&recorder);
        Self { facts: Facts::for_test(), timeout: TIMEOUT, recorder }
    }

    /// The `attempt`-th of `max_attempts`.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// assert!(FakeHost::new().attempt(3, 3).context().is_last_attempt());
    /// ```
    #[must_use]
    pub fn attempt(mut self, attempt: u32, max_attempts: u32) -> Self {
        self.facts.attempt = attempt;
        self.facts.max_attempts = max_attempts;
        self
    }

    /// The clock stands here: the job was enqueued and due now, the deadline is a timeout away.
    ///
    /// ```
    /// # use std::time::{Duration, UNIX_EPOCH};
    /// # use stoker_sdk::testing::FakeHost;
    /// let noon = UNIX_EPOCH + Duration::from_secs(12 * 3_600);
    /// let context = FakeHost::new().at(noon).context();
    /// assert_eq!(context.run_at(), noon);
    /// assert_eq!(context.deadline(), noon + context.remaining_time());
    /// ```
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        let now_ms = now.duration_since(UNIX_EPOCH).map_or(0, whole_ms);
        self.facts.created_at_ms = now_ms;
        self.facts.run_at_ms = now_ms;
        self.set_deadline();
        self
    }

    /// A schedule enqueued the job, for this slot.
    ///
    /// ```
    /// # use std::time::{Duration, UNIX_EPOCH};
    /// # use stoker_sdk::testing::FakeHost;
    /// let noon = UNIX_EPOCH + Duration::from_secs(12 * 3_600);
    /// assert_eq!(FakeHost::new().slot_time(noon).context().slot_time(), Some(noon));
    /// assert_eq!(FakeHost::new().context().slot_time(), None);
    /// ```
    #[must_use]
    pub fn slot_time(self, slot: SystemTime) -> Self {
        self.recorder.lock().slot_ms = Some(slot.duration_since(UNIX_EPOCH).map_or(0, whole_ms));
        self
    }

    /// The attempt has this long, and all of it is left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().timeout(Duration::from_secs(5)).context();
    /// assert_eq!(context.remaining_time(), Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.recorder.lock().remaining_time = timeout;
        self.set_deadline();
        self
    }

    fn set_deadline(&mut self) {
        self.facts.deadline_ms = self.facts.run_at_ms.saturating_add(whole_ms(self.timeout));
    }

    /// Of the timeout, this is left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().remaining_time(Duration::from_millis(1)).context();
    /// assert_eq!(context.remaining_time(), Duration::from_millis(1));
    /// ```
    #[must_use]
    pub fn remaining_time(self, remaining_time: Duration) -> Self {
        self.recorder.lock().remaining_time = remaining_time;
        self
    }

    /// This much fuel is left.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// assert_eq!(FakeHost::new().remaining_fuel(7).context().remaining_fuel(), 7);
    /// ```
    #[must_use]
    pub fn remaining_fuel(self, remaining_fuel: u64) -> Self {
        self.recorder.lock().remaining_fuel = remaining_fuel;
        self
    }

    /// Somebody has cancelled the job.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// assert!(FakeHost::new().cancelled().context().is_cancelled());
    /// ```
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.cancelled_after(0)
    }

    /// Somebody cancels the job after the handler has asked so many times.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().cancelled_after(1).context();
    /// assert_eq!((context.is_cancelled(), context.is_cancelled()), (false, true));
    /// ```
    #[must_use]
    pub fn cancelled_after(self, asks: u64) -> Self {
        self.recorder.lock().asks_until_cancelled = Some(asks);
        self
    }

    /// A job it runs after returned this, JSON text; by the name in their workflow, or its id.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().parent_output("count", "3").context();
    /// assert_eq!(context.parent_output("count"), Ok(Some(3)));
    /// assert_eq!(context.parent_output::<u32>("other"), Ok(None));
    /// ```
    #[must_use]
    pub fn parent_output(self, parent: impl Into<String>, output: impl Into<String>) -> Self {
        self.recorder.lock().parent_outputs.insert(parent.into(), output.into());
        self
    }

    /// The host gives this answer to such requests, as often as they come. What it was not told of, it has not granted.
    ///
    /// ```
    /// use stoker_sdk::testing::FakeHost;
    /// use stoker_sdk::http::{self, Error, Response};
    ///
    /// let host = FakeHost::new()
    ///     .answers("GET", "https://a.example/x", Response::new(200).with_body("y"))
    ///     .answers("GET", "https://b.example/", Error::Timeout("b.example: it took too long to answer".into()));
    /// assert_eq!(http::get("https://a.example/x").send()?.body(), b"y");
    /// assert!(matches!(http::get("https://b.example/").send(), Err(Error::Timeout(_))));
    /// assert_eq!(http::post("https://a.example/x").send(), Err(Error::Denied("a.example".into())));
    /// assert_eq!(host.requests().len(), 3);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn answers(self, method: impl Into<String>, url: impl Into<String>, answer: impl Into<Answer>) -> Self {
        let Answer(answer) = answer.into();
        self.recorder.lock().answers.insert((method.into(), url.into()), answer);
        self
    }

    /// The requests that were made, granted or not.
    pub fn requests(&self) -> Vec<Request> {
        self.recorder.lock().requests.clone()
    }

    /// The operator gave the kind this value.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::config;
    /// let host = FakeHost::new().config("colour", "blue");
    /// assert_eq!(config::all().len(), 1);
    /// ```
    #[must_use]
    pub fn config(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.recorder.lock().config.insert(name.into(), value.into());
        self
    }

    /// The kind is granted this secret, and this is its value.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let _host = FakeHost::new().secret("stripe-key", "sk_test_12345678");
    /// assert!(stoker_sdk::secrets::get("stripe-key").is_ok());
    /// assert!(stoker_sdk::secrets::get("other").is_err());
    /// ```
    #[must_use]
    pub fn secret(self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.recorder.lock().secrets.insert(name.into(), value.into());
        self
    }

    /// The kind is granted this bucket, which is empty unless something was put into it. A handler that is [run](Self::run) has those
    /// it asks for with `grants(kv = […])` in any case.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let _host = FakeHost::new().bucket("sessions");
    /// assert_eq!(stoker_sdk::kv::open("sessions").unwrap().keys(), Ok(vec![]));
    /// ```
    ///
    /// # Panics
    /// If no bucket can be called so.
    #[must_use]
    pub fn bucket(self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(is_bucket_name(&name), "no bucket can be called `{name}`");
        self.recorder.lock().grants.told.kv.push(name);
        self
    }

    /// The kind is granted this database, which is empty: real `SQLite`, in memory, with the rules and bounds of a host. `tenant-*` are
    /// all that begin so. A handler that is [run](Self::run) has those it asks for with `grants(databases = […])` in any case.
    /// Needs the feature `testing-database`, which compiles it.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().database("app");
    /// let context = host.context();
    /// # #[cfg(feature = "testing-database")]
    /// assert_eq!(context.database("app")?.query_one::<i64>("SELECT 6 * ?1", (7,))?, Some(42));
    /// assert_eq!(context.database("other").err(), Some(stoker_sdk::database::DatabaseError::NotGranted));
    /// # Ok::<(), stoker_sdk::database::DatabaseError>(())
    /// ```
    ///
    /// # Panics
    /// If it is no pattern of names.
    #[must_use]
    pub fn database(self, name: impl Into<String>) -> Self {
        let name = pattern(name.into());
        self.recorder.lock().grants.told.databases.push(name);
        self
    }

    /// All databases of the tenant together may have so many bytes: its quota `database_bytes`, 4 GiB if nothing is said.
    ///
    /// ```
    /// # #[cfg(feature = "testing-database")] {
    /// # use stoker_sdk::database::DatabaseError;
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().database("app").database_bytes(128 << 10);
    /// let context = host.context();
    /// let app = context.database("app")?;
    /// app.migrate(&[(1, "CREATE TABLE notes (text TEXT)")])?;
    /// let full = app.execute("INSERT INTO notes VALUES (?1)", ("x".repeat(200 << 10),));
    /// assert!(matches!(full, Err(DatabaseError::Quota(_))), "{full:?}");
    /// # }
    /// # Ok::<(), stoker_sdk::database::DatabaseError>(())
    /// ```
    #[must_use]
    pub fn database_bytes(self, most: u64) -> Self {
        self.recorder.lock().databases.bytes_max = most;
        self
    }

    /// The kind is granted this bucket, and this is in it.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().entry("sessions", "user/1", "on");
    /// assert_eq!(stoker_sdk::kv::open("sessions").unwrap().get("user/1"), Ok(Some(b"on".to_vec())));
    /// assert_eq!(host.value("sessions", "user/1"), Some(b"on".to_vec()));
    /// ```
    ///
    /// # Panics
    /// If no host would take it.
    #[must_use]
    pub fn entry(self, bucket: &str, key: &str, value: impl AsRef<[u8]>) -> Self {
        let host = self.bucket(bucket);
        let value = value.as_ref();
        let entry = BTreeMap::from([(key, value)]);
        let put = check(key, value).and_then(|()| host.recorder.lock().kv.put(bucket, &entry, None));
        if let Err(sentence) = put {
            panic!("the entry `{key}` can't be: {sentence}");
        }
        host
    }

    /// The keys and values of all buckets may have so many bytes together: the tenant's quota `kv_bytes`, 256 MiB if nothing is said.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let _host = FakeHost::new().bucket("sessions").kv_bytes(100);
    /// assert!(stoker_sdk::kv::open("sessions").unwrap().set("user/1", &[0; 100]).is_err());
    /// ```
    #[must_use]
    pub fn kv_bytes(self, most: u64) -> Self {
        self.recorder.lock().kv.bytes_max = most;
        self
    }

    /// The kind is granted to enqueue jobs of these kinds: `email.send`, `email.*`. Handlers that are [run](Self::run) may enqueue what
    /// they ask for with `grants(enqueue = […])` in any case.
    ///
    /// ```
    /// # use stoker_sdk::EffectError;
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().may_enqueue("email.*").context();
    /// assert_eq!(context.enqueue("email.send", "Ada"), Ok(()));
    /// assert_eq!(context.enqueue("sms.send", "Ada"), Err(EffectError::NotGranted));
    /// ```
    ///
    /// # Panics
    /// If it is no pattern of names.
    #[must_use]
    pub fn may_enqueue(self, kinds: impl Into<String>) -> Self {
        let kinds = pattern(kinds.into());
        self.recorder.lock().grants.told.enqueue.push(kinds);
        self
    }

    /// The kind is granted to emit events of these types: `order.paid`, `order.*`. Handlers that are [run](Self::run) may emit what
    /// they ask for with `grants(events = […])` in any case.
    ///
    /// ```
    /// # use stoker_sdk::EffectError;
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().may_emit("order.*").context();
    /// assert_eq!(context.emit("order.paid", "7", &4_200), Ok(()));
    /// assert_eq!(context.emit("refund", "7", &4_200), Err(EffectError::NotGranted));
    /// ```
    ///
    /// # Panics
    /// If it is no pattern of names.
    #[must_use]
    pub fn may_emit(self, event_types: impl Into<String>) -> Self {
        let event_types = pattern(event_types.into());
        self.recorder.lock().grants.told.events.push(event_types);
        self
    }

    /// The kind is granted to notify users. Handlers that are [run](Self::run) and ask for it with `grants(notify = true)` are in any
    /// case.
    ///
    /// ```
    /// # use stoker_sdk::{EffectError, NotificationLevel};
    /// # use stoker_sdk::testing::FakeHost;
    /// let tell = |host: FakeHost| host.context().notify("ann", NotificationLevel::Info, "Hello");
    /// assert_eq!(tell(FakeHost::new().may_notify()), Ok(()));
    /// assert_eq!(tell(FakeHost::new()), Err(EffectError::NotGranted));
    /// ```
    #[must_use]
    pub fn may_notify(self) -> Self {
        self.recorder.lock().grants.told.notify = true;
        self
    }

    /// The kind is granted to send mail from this address, or `*@example.com`. Handlers that are [run](Self::run) may send it from
    /// where they ask for with `grants(mail = […])` in any case.
    ///
    /// ```
    /// # use stoker_sdk::EffectError;
    /// # use stoker_sdk::mail::Mail;
    /// # use stoker_sdk::testing::FakeHost;
    /// let context = FakeHost::new().may_send_mail("*@shop.example").context();
    /// let mail = Mail::to("ada@example.com").text("Hello");
    /// assert!(context.send_mail(&mail.clone().from("Shop <noreply@shop.example>")).is_ok());
    /// assert_eq!(context.send_mail(&mail.from("ceo@example.com")), Err(EffectError::NotGranted));
    /// ```
    ///
    /// # Panics
    /// If it is no such address.
    #[must_use]
    pub fn may_send_mail(self, from: impl Into<String>) -> Self {
        let from = from.into();
        assert!(is_sender(&from), "`{from}` is no sender of mail: write `noreply@example.com`, or `*@example.com`");
        self.recorder.lock().grants.told.mail.push(from);
        self
    }

    /// Mail that names no sender is from here: the host's setting `mail_sender`. Without it such mail is refused. It has to be granted
    /// as well.
    ///
    /// ```
    /// # use stoker_sdk::mail::Mail;
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().mail_sender("noreply@shop.example").may_send_mail("noreply@shop.example");
    /// assert!(host.context().send_mail(&Mail::to("ada@example.com").text("Hello")).is_ok());
    /// ```
    #[must_use]
    pub fn mail_sender(self, address: impl Into<String>) -> Self {
        self.recorder.lock().mail_sender = Some(address.into());
        self
    }

    /// What handlers ask for with `grants(…)` is not granted: only what is said here.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "pay", grants(events = ["order.*"]))]
    /// fn pay(context: &Context, order: String) -> Result<(), Failure> {
    ///     Ok(context.emit("order.paid", &order, &())?)
    /// }
    /// assert_eq!(FakeHost::new().run::<pay>("7".into()), Ok(()));
    /// assert!(FakeHost::new().without_grants().run::<pay>("7".into()).is_err());
    /// ```
    #[must_use]
    pub fn without_grants(self) -> Self {
        self.recorder.lock().grants.is_asking_in_vain = true;
        self
    }

    /// What is in a bucket under a key.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().bucket("sessions");
    /// assert_eq!(host.value("sessions", "user/1"), None);
    /// ```
    pub fn value(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let record = self.recorder.lock();
        let contents = record.kv.contents(record.job.slept_ms);
        contents.get(bucket).and_then(|entries| entries.get(key)).map(|value| value.to_vec())
    }

    /// The job is this one.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// assert_eq!(FakeHost::new().job_id("job_1").context().job_id(), "job_1");
    /// ```
    #[must_use]
    pub fn job_id(mut self, job_id: impl Into<String>) -> Self {
        self.facts.job_id = job_id.into();
        self
    }

    /// The job is this tenant's.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// assert_eq!(FakeHost::new().tenant("acme").context().tenant(), "acme");
    /// ```
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.facts.tenant = tenant.into();
        self
    }

    /// The job waited in this queue.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// assert_eq!(FakeHost::new().queue("mail").context().queue(), "mail");
    /// ```
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.facts.queue = queue.into();
        self
    }

    /// What a handler is called with, of kind `test`; for calling the function itself.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure};
    /// fn work(context: &Context) -> Result<u32, Failure> {
    ///     Ok(context.attempt())
    /// }
    /// assert_eq!(work(&FakeHost::new().context()), Ok(1));
    /// ```
    pub fn context(&self) -> Context {
        Context::from_recorder(self.facts_now(), Arc::clone(&self.recorder))
    }

    pub(super) fn context_of(&self, kind: &str) -> Context {
        Context::from_recorder(Facts { kind: kind.into(), ..self.facts_now() }, Arc::clone(&self.recorder))
    }

    /// Who slept was due when it was over, and has all of its time again.
    fn facts_now(&self) -> Facts {
        let slept_ms = self.recorder.lock().job.slept_ms;
        let mut facts = self.facts.clone();
        facts.run_at_ms = facts.run_at_ms.saturating_add(slept_ms);
        facts.deadline_ms = facts.deadline_ms.saturating_add(slept_ms);
        facts
    }

    /// Runs a handler, named as its function is.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "double")]
    /// fn double(context: &Context, number: u32) -> Result<u32, Failure> {
    ///     assert_eq!(context.kind(), "double");
    ///     Ok(number * 2)
    /// }
    ///
    /// assert_eq!(FakeHost::new().run::<double>(21), Ok(42));
    /// ```
    ///
    /// # Panics
    ///
    /// Where the handler sleeps or waits, or the host is to die: [`run_to_end`](Self::run_to_end) runs it again then.
    pub fn run<H: Handler>(&self, input: H::Input) -> Result<H::Output, Failure> {
        self.recorder.lock().grants.asked_by(H::SETTINGS);
        let ended = self.one_execution(|| H::handle(&self.context_of(H::KIND.name()), input));
        let Some(ended) = ended else {
            panic!("the handler is to be run again: `run_to_end` does that, for inputs that are `Clone`")
        };
        ended
    }

    /// Runs a handler as a module does: from JSON text to JSON text.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # use stoker_sdk::{Context, Failure, handler};
    /// #[handler(kind = "double")]
    /// fn double(_: &Context, numbers: Vec<u32>) -> Result<Vec<u32>, Failure> {
    ///     Ok(numbers.into_iter().map(|number| number * 2).collect())
    /// }
    ///
    /// let host = FakeHost::new();
    /// assert_eq!(host.run_json::<double>("[1, 2]"), Ok("[2,4]".to_owned()));
    /// let failure = host.run_json::<double>("[1, true]").unwrap_err();
    /// assert!(failure.to_string().contains("at `[1]`"));
    /// ```
    pub fn run_json<H: Handler>(&self, payload: &str) -> Result<String, Failure> {
        self.recorder.lock().grants.asked_by(H::SETTINGS);
        self.to_its_end(|| run_one::<H>(&self.context_of(H::KIND.name()), payload))
    }

    /// The lines logged so far.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new();
    /// stoker_sdk::warn!("late by {} s", 3);
    /// assert_eq!(host.logs()[0].message, "late by 3 s");
    /// ```
    pub fn logs(&self) -> Vec<LogLine> {
        self.recorder.lock().logs.clone()
    }

    /// Every progress reported so far.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new();
    /// host.context().progress(1, 2, Some("half"));
    /// assert_eq!(host.progress()[0].done, 1);
    /// ```
    pub fn progress(&self) -> Vec<Progress> {
        self.recorder.lock().progress.clone()
    }
}

/// # Panics
/// If it is none.
fn pattern(text: String) -> String {
    assert!(
        is_pattern(&text),
        "`{text}` is no pattern of names: write one name, or the beginning of names and then `*`"
    );
    text
}
