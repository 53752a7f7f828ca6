//! What a guest's store holds: the meters of its limits and, made when first used, its closed WASI context.
//! Nothing here survives the attempt.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use wasmtime::Engine;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::attempt_log::{AttemptLog, SharedLog, Stream};
use super::capabilities::database::OpenedDatabase;
use super::capabilities::http::{FIELDS_BYTES_MAX, OutgoingHttp, WayOut};
use super::denied::Denied;
use super::egress::Egress;
use super::interrupt::{Interrupt, ProgressCell};
use super::limiter::MemoryMeter;
use super::model::{Databases, KeyValue, Parents, Secrets, Steps};
use super::redaction::{Automaton, Given, redact_text};
use super::streams::{GuestStream, SharedCapture};
use crate::job::effect::Asked;
use crate::job::step::Ledger;
use crate::job::{Clock, FailureReason, Grants, LogLevel, Mailbox, Suspension, TenantName, Timestamp};
use crate::secrets::SecretValue;

/// Most random bytes a guest gets from one call.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// Things a guest may have the host keep for it at a time: streams, pollables, requests, headers. Each is at most some
/// 16 KiB, so this is 16 MiB beside the guest's own memory.
const RESOURCES_MAX: usize = 1_000;

/// Why the host ended a guest in the middle of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    #[error("the time limit was reached")]
    TimedOut,
    #[error("the execution was interrupted: {0}")]
    Interrupted(FailureReason),
    #[error("the limit of host calls was reached")]
    HostCalls,
    #[error("the output limit was reached")]
    OutputTooLarge,
    #[error("the handler waits, and is run again later")]
    Suspended,
}

/// Where standard input and output of a plain command lead.
pub(super) struct PlainStreams {
    pub(super) stdin: Bytes,
    pub(super) stdout: SharedCapture,
    /// With the program's name first.
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
}

pub(super) struct AttemptState {
    pub(super) engine: Engine,
    pub(super) clock: Arc<dyn Clock>,
    /// By the monotonic clock.
    pub(super) deadline: Duration,
    pub(super) interrupt: Interrupt,
    /// By the monotonic clock: when the guest was first found interrupted.
    interrupted_at: Option<Duration>,
    pub(super) progress: ProgressCell,
    pub(super) memory: MemoryMeter,
    pub(super) host_calls: u64,
    pub(super) host_calls_max: u64,
    pub(super) http: OutgoingHttp,
    /// The way out, and whose requests these are; `None` where nothing goes out.
    egress: Option<(Arc<Egress>, TenantName)>,
    /// By the monotonic clock; set once the instance exists.
    pub(super) instantiated_at: Option<Duration>,
    pub(super) log_bytes_max: u64,
    pub(super) slot_at: Option<Timestamp>,
    /// Made by the first line: most attempts log nothing.
    pub(super) log: Option<SharedLog>,
    pub(super) plain: Option<PlainStreams>,
    /// Of a job that runs after others.
    pub(super) parents: Option<Arc<dyn Parents>>,
    /// What its kind may use. Closed: nothing.
    pub(super) grants: Arc<Grants>,
    /// Of a kind that is granted some.
    pub(super) secrets: Option<Arc<dyn Secrets>>,
    /// Of a kind that is granted a bucket.
    pub(super) kv: Option<Arc<dyn KeyValue>>,
    /// Of a handler.
    pub(super) steps: Option<Arc<dyn Steps>>,
    /// Whom mail is from that names no sender.
    pub(super) mail_sender: Option<Arc<Mailbox>>,
    /// Made by the first step: most attempts have none.
    pub(super) ledger: Option<Box<Ledger>>,
    /// Made by the first effect that is asked for: most attempts have none.
    pub(super) effects: Option<Box<Asked>>,
    /// Of a kind that is granted one.
    pub(super) databases: Option<Arc<dyn Databases>>,
    /// Those that are open, by their number.
    pub(super) open_databases: Vec<OpenedDatabase>,
    /// What the guest was ended to wait for.
    pub(super) suspension: Option<Suspension>,
    /// Made by the first secret that is given: most attempts are given none.
    given: Option<Box<Given>>,
    /// Made by the first refusal, or by the first request: most attempts have neither.
    denied: Option<Denied>,
    /// Made by the first call that needs it: most handlers never do.
    wasi: Option<Box<Wasi>>,
    preview1: Option<Box<WasiP1Ctx>>,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
}

/// The parts of the state an attempt begins with.
pub(super) struct AttemptParts {
    pub(super) engine: Engine,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) deadline: Duration,
    pub(super) interrupt: Interrupt,
    pub(super) progress: ProgressCell,
    pub(super) memory_bytes_max: u64,
    pub(super) host_calls_max: u64,
    pub(super) log_bytes_max: u64,
    pub(super) slot_at: Option<Timestamp>,
    pub(super) plain: Option<PlainStreams>,
    pub(super) parents: Option<Arc<dyn Parents>>,
    pub(super) grants: Arc<Grants>,
    pub(super) secrets: Option<Arc<dyn Secrets>>,
    pub(super) kv: Option<Arc<dyn KeyValue>>,
    pub(super) steps: Option<Arc<dyn Steps>>,
    pub(super) mail_sender: Option<Arc<Mailbox>>,
    pub(super) databases: Option<Arc<dyn Databases>>,
    pub(super) egress: Option<(Arc<Egress>, TenantName)>,
}

impl AttemptState {
    pub(super) fn new(parts: AttemptParts) -> Self {
        let AttemptParts {
            engine,
            clock,
            deadline,
            interrupt,
            progress,
            memory_bytes_max,
            host_calls_max,
            log_bytes_max,
            slot_at,
            plain,
            parents,
            grants,
            secrets,
            kv,
            steps,
            mail_sender,
            databases,
            egress,
        } = parts;
        Self {
            engine,
            clock,
            deadline,
            interrupt,
            interrupted_at: None,
            progress,
            memory: MemoryMeter::new(memory_bytes_max),
            host_calls: 0,
            host_calls_max,
            http: OutgoingHttp::default(),
            egress,
            instantiated_at: None,
            log_bytes_max,
            slot_at,
            log: None,
            plain,
            parents,
            grants,
            secrets,
            kv,
            steps,
            mail_sender,
            databases,
            open_databases: Vec::new(),
            ledger: None,
            effects: None,
            suspension: None,
            given: None,
            denied: None,
            wasi: None,
            preview1: None,
        }
    }

    /// Counts a call from the guest into the host.
    pub(super) fn count_host_call(&mut self) -> Result<(), Ended> {
        self.host_calls += 1;
        if self.host_calls > self.host_calls_max { Err(Ended::HostCalls) } else { Ok(()) }
    }

    /// As [`Self::count_host_call`], where the call itself cannot be refused (WASI's bindings ask for their context
    /// by a function that cannot fail). The epoch moves on instead: the guest stops at its next function entry or
    /// loop, where [`Self::why_end`] is asked; what ends before that is told by [`Self::is_past_its_calls`].
    fn count_wasi_call(&mut self) {
        if self.count_host_call().is_err() {
            self.engine.increment_epoch();
        }
    }

    /// Whether it made more calls into the host than it may, whatever it did after them.
    pub(super) fn is_past_its_calls(&self) -> bool {
        self.host_calls > self.host_calls_max
    }

    /// Why a guest that was dropped in a host call ended: past its calls it would not have been let go on.
    pub(super) fn why_dropped(&self, ended: Ended) -> Ended {
        if ended == Ended::TimedOut && self.is_past_its_calls() { Ended::HostCalls } else { ended }
    }

    /// Asked at every tick of the epoch: whether the guest must end, and why.
    pub(super) fn why_end(&mut self) -> Option<Ended> {
        if self.is_past_its_calls() {
            return Some(Ended::HostCalls);
        }
        let now = self.clock.monotonic();
        if let Some(reason) = self.interrupt.raised() {
            let since = *self.interrupted_at.get_or_insert(now);
            if now.saturating_sub(since) >= self.interrupt.grace() {
                return Some(Ended::Interrupted(reason));
            }
        }
        (now >= self.deadline).then_some(Ended::TimedOut)
    }

    /// Notes that the guest used what it was not granted, by name: `http api.example.com:443`, `secret stripe-key`,
    /// `kv sessions`, `config greeting`, `sockets`. The call itself gives the guest an error it can handle; if the attempt then
    /// fails, it fails as `capability_denied`.
    pub(super) fn denied(&mut self, capability: &str) {
        let capability = self.redact(capability.to_owned());
        self.denied.get_or_insert_default().note(&capability);
    }

    /// What was denied, in the order of first use.
    pub(super) fn denied_names(&self) -> Vec<String> {
        let names = self.denied.as_ref().map(Denied::names).unwrap_or_default();
        // Some are noted beside the guest, as it named them.
        names.into_iter().map(|name| self.redact(name)).collect()
    }

    /// Adds a line to the attempt's log.
    pub(super) fn log_line(&mut self, level: LogLevel, message: &str) {
        self.shared_log().lock().line(level, message);
    }

    /// The guest is about to be given a secret: from now on it is taken out of what the guest says. `false`: it would be more
    /// than one attempt is given.
    pub(super) fn give_secret(&mut self, name: &str, value: &SecretValue) -> bool {
        let given = self.given.get_or_insert_default();
        if !given.add(name, value) {
            return false;
        }
        if let (Some(log), Some(finder)) = (&self.log, given.finder()) {
            log.lock().redact(finder);
        }
        true
    }

    /// What finds the secrets that the guest was given; `None`: it was given none.
    pub(super) fn secrets_given(&self) -> Option<&Arc<Automaton>> {
        self.given.as_ref().and_then(|given| given.finder())
    }

    /// A text of the guest's without the secrets it was given.
    pub(super) fn redact(&self, text: String) -> String {
        redact_text(self.secrets_given(), text)
    }

    /// The same of bytes.
    pub(super) fn redact_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let redacted = self.secrets_given().map(|finder| finder.redact(&bytes));
        match redacted {
            Some(Cow::Owned(redacted)) => redacted,
            None | Some(Cow::Borrowed(_)) => bytes,
        }
    }

    /// What the host keeps for the guest.
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.made_wasi().0.table
    }

    fn shared_log(&mut self) -> &SharedLog {
        let finder = self.given.as_ref().and_then(|given| given.finder());
        shared_log(&mut self.log, &self.progress, &self.clock, self.log_bytes_max, finder)
    }

    /// Made when a guest first touches HTTP.
    fn way_out(&mut self) -> Option<WayOut> {
        let (egress, tenant) = self.egress.take()?;
        let log = Arc::clone(self.shared_log());
        Some(WayOut {
            places: egress.places_of_attempt(),
            egress,
            tenant,
            grants: Arc::clone(&self.grants),
            log,
            clock: Arc::clone(&self.clock),
            deadline: self.deadline,
            denied: self.denied.get_or_insert_default().clone(),
        })
    }

    /// The context of a preview-1 program.
    pub(super) fn preview1(&mut self) -> &mut WasiP1Ctx {
        self.count_wasi_call();
        let Self { preview1, log, progress, clock, log_bytes_max, plain, .. } = self;
        preview1.get_or_insert_with(|| {
            // A preview-1 program can't ask for secrets.
            let log = shared_log(log, progress, clock, *log_bytes_max, None);
            Box::new(closed_context(log, plain.as_ref()).build_p1())
        })
    }

    fn wasi(&mut self) -> (&mut Wasi, &mut OutgoingHttp) {
        self.count_wasi_call();
        self.made_wasi()
    }

    fn made_wasi(&mut self) -> (&mut Wasi, &mut OutgoingHttp) {
        let Self { wasi, log, progress, clock, log_bytes_max, plain, http, given, .. } = self;
        let wasi = wasi.get_or_insert_with(|| {
            let mut table = ResourceTable::new();
            table.set_max_capacity(RESOURCES_MAX);
            let mut http = WasiHttpCtx::new();
            http.set_field_size_limit(FIELDS_BYTES_MAX);
            let finder = given.as_ref().and_then(|given| given.finder());
            let log = shared_log(log, progress, clock, *log_bytes_max, finder);
            let ctx = closed_context(log, plain.as_ref()).build();
            Box::new(Wasi { ctx, table, http })
        });
        (wasi, http)
    }
}

fn shared_log<'a>(
    log: &'a mut Option<SharedLog>,
    progress: &ProgressCell,
    clock: &Arc<dyn Clock>,
    bytes_max: u64,
    secrets_given: Option<&Arc<Automaton>>,
) -> &'a SharedLog {
    log.get_or_insert_with(|| {
        let mut log = AttemptLog::new(Arc::clone(clock), bytes_max);
        if let Some(finder) = secrets_given {
            log.redact(finder);
        }
        let log = Arc::new(Mutex::new(log));
        progress.show_log(&log);
        log
    })
}

/// No files, no network, no environment but what a plain command's kind names; clocks and random work.
fn closed_context(log: &SharedLog, plain: Option<&PlainStreams>) -> WasiCtxBuilder {
    let mut builder = WasiCtx::builder();
    builder
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .socket_addr_check(|_, _| Box::pin(async { false }))
        .stderr(GuestStream::Log(Arc::clone(log), Stream::Stderr));
    match plain {
        Some(PlainStreams { stdin, stdout, args, env }) => {
            builder
                .stdin(MemoryInputPipe::new(stdin.clone()))
                .stdout(GuestStream::Capture(Arc::clone(stdout)))
                .args(args)
                .envs(env);
        }
        None => {
            builder.stdout(GuestStream::Log(Arc::clone(log), Stream::Stdout));
        }
    }
    builder
}

impl WasiView for AttemptState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (wasi, _) = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl WasiHttpView for AttemptState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        if self.http.way_out.is_none() {
            self.http.way_out = self.way_out();
        }
        let (wasi, http) = self.wasi();
        WasiHttpCtxView { ctx: &mut wasi.http, table: &mut wasi.table, hooks: http }
    }
}
