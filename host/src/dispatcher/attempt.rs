//! One attempt: from a claimed job to the finish that is written for it. What the guest does is an outcome; what
//! follows from it is decided by its terms.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::{JobRequests, PARENT_OUTPUTS, Terms, parent_outputs, resolve};
use crate::job::{
    AttemptContext, Clock, Failure, FailureReason, GuestType, Lease, LimitBounds, Outcome, Progress, Receipt,
    Timestamp, expiry,
};
use crate::modules::Validators;
use crate::postgres::Servers;
use crate::sandbox::{
    Databases, Execution, Invocation, KeyValue, Parents, Remains, Sandbox, SandboxError, Secrets, Steps,
};
use crate::schema::{SharedSchema, Verdict, Violation};
use crate::secrets::Vault;
use crate::store::{ClaimedJob, Finish, ModuleVersionId, Next, Store};

use super::databases::StoredDatabases;
use super::feed::FeedItem;
use super::granted::{StoredKeyValue, StoredSecrets};
use super::parents::StoredParents;
use super::steps::StoredSteps;

/// What an attempt is made with.
#[derive(Debug)]
pub struct AttemptRunner {
    /// Where the outputs of other jobs are.
    pub store: Store,
    /// Where secrets are.
    pub vault: Vault,
    /// Databases on servers.
    pub servers: Servers,
    /// Runs guests.
    pub sandbox: Sandbox,
    /// Compiled schemas.
    pub validators: Validators,
    /// Checks what handlers ask to be enqueued.
    pub requests: Arc<dyn JobRequests>,
    /// How long mail is tried; `None`: there is no server to give it to.
    pub mail_tried_for: Option<Duration>,
    /// The host's limits.
    pub bounds: LimitBounds,
    /// Time.
    pub clock: std::sync::Arc<dyn Clock>,
}

/// What came of a claimed job.
#[derive(Debug)]
pub enum Attempt {
    /// It came to an end. What is left of the guest is to be dropped once that is told.
    Made(Box<Finish>, Outcome, Remains),
    /// The host could not run its module, for this reason. The job is not to be charged for it.
    Unavailable(ClaimedJob, String),
    /// The host has no room for one more guest of a module that runs. The job is not to be charged for it.
    Crowded(ClaimedJob, String),
}

impl AttemptRunner {
    /// Runs the job to the end of this attempt. `on_entry` is called right before the guest is entered.
    pub async fn run(&self, item: FeedItem, on_entry: impl FnOnce(&ClaimedJob, Timestamp) + Send) -> Attempt {
        let FeedItem { job, compiled, interrupt, progress, .. } = item;
        if let Some(reason) = interrupt.raised() {
            return self.not_entered(job, interrupted(reason));
        }
        let Some(version) = job.kind.version.clone() else {
            let message = format!("no active module serves kind `{}`", job.kind.name);
            return Attempt::Unavailable(job, message);
        };
        let validators = tokio::select! {
            biased;
            validators = self.validators.wait_for(&job.kind) => Ok(validators),
            reason = interrupt.wait() => Err(reason),
        };
        let validators = match validators {
            Ok(Ok(validators)) => validators,
            Err(reason) => return self.not_entered(job, interrupted(reason)),
            Ok(Err(error)) => return Attempt::Unavailable(job, error.to_string()),
        };
        if job.checked_against != Some(version.id) {
            let checked = tokio::select! {
                biased;
                checked = check_payload(&job, validators.input.as_ref()) => checked,
                reason = interrupt.wait() => Err(interrupted(reason)),
            };
            if let Err(failure) = checked {
                return self.not_entered(job, failure);
            }
        }
        let guest = match self.sandbox.cached_guest(version.digest) {
            Some(guest) => Ok((guest, compiled)),
            None => self.sandbox.guest(version.digest, version.guest).await,
        };
        let (guest, compiled) = match guest {
            Ok(loaded) => loaded,
            Err(error) => return Attempt::Unavailable(job, error.to_string()),
        };
        let parents = job.options.as_ref().is_some_and(|options| options.has_parents);
        let parents = parents.then(|| StoredParents::of(&self.store, job.lease.job()));
        let mut plain = self.terms(&job).plain();
        if let Some(parents) = parents.as_ref().filter(|_| version.guest != GuestType::Handler) {
            match parent_outputs(&**parents).await {
                Ok(outputs) => plain.env.push((PARENT_OUTPUTS.to_owned(), outputs)),
                Err(failure) if failure.reason == FailureReason::ModuleUnavailable => {
                    return Attempt::Unavailable(job, failure.message);
                }
                Err(failure) => return self.not_entered(job, failure),
            }
        }
        // As late as can be: what came before may have taken its time.
        if job.options.as_ref().is_some_and(|options| options.is_too_late(self.clock.now())) {
            return self.not_entered(job, expiry::never_entered());
        }
        let terms = self.terms(&job);
        let grants = terms.grants();
        let tenant = job.kind.tenant;
        let secrets = (!grants.secrets.is_empty()).then(|| StoredSecrets::of(&self.vault, tenant));
        let kv = (!grants.kv.is_empty()).then(|| StoredKeyValue::of(&self.store, tenant, &job.lease));
        let steps = (version.guest == GuestType::Handler).then(|| StoredSteps::of(&self.store, &job, version.id));
        let databases = (!grants.databases.is_empty()).then(|| StoredDatabases::of(&self.store, &self.servers, &job));
        let invocation = Invocation {
            context: self.context(&job),
            payload: job.payload.clone(),
            limits: terms.limits(),
            plain,
            ready_at: job.ready_at,
            compiled,
            interrupt,
            progress: progress.clone(),
            output_schema: validators.output.clone(),
            parents: parents.map(|parents| parents as Arc<dyn Parents>),
            grants,
            secrets: secrets.map(|secrets| secrets as Arc<dyn Secrets>),
            kv: kv.map(|kv| kv as Arc<dyn KeyValue>),
            steps: steps.map(|steps| steps as Arc<dyn Steps>),
            databases: databases.map(|databases| databases as Arc<dyn Databases>),
        };
        let clock = &self.clock;
        match self.sandbox.run(&guest, invocation, || on_entry(&job, clock.now())).await {
            Ok(execution) => self.finished(job, version.id, execution, progress.get()).await,
            Err(error @ SandboxError::Crowded(_)) => Attempt::Crowded(job, error.to_string()),
            Err(error) => Attempt::Unavailable(job, error.to_string()),
        }
    }

    /// Ends an attempt whose guest was never entered.
    fn not_entered(&self, job: ClaimedJob, failure: Failure) -> Attempt {
        Attempt::Made(Box::new(self.unentered(job, failure.clone())), Outcome::Failed(failure), Remains::default())
    }

    fn unentered(&self, job: ClaimedJob, failure: Failure) -> Finish {
        let now = self.clock.now();
        let queue_wait_us = u64::try_from(now.since(job.ready_at).as_micros()).unwrap_or(u64::MAX);
        Finish {
            next: self.terms(&job).next_after(failure, now, rand::random()),
            lease: job.lease,
            started_at: None,
            finished_at: now,
            receipt: Receipt { queue_wait_us, ..Receipt::default() },
            version: job.kind.version.as_ref().map(|version| version.id),
            log: Vec::new(),
            log_lines_dropped: 0,
            denied: Vec::new(),
            progress: None,
            effects: None,
        }
    }

    /// Gives a job back whose module can't be run now.
    pub fn given_back(&self, job: ClaimedJob, why: &str) -> Finish {
        self.unentered(job, Failure::new(FailureReason::ModuleUnavailable, why))
    }

    /// Ends an attempt during which the host itself broke. The job is not tried again by itself: it would break again.
    pub fn broken(&self, lease: Lease) -> (Finish, Outcome) {
        let message = "the host failed while running this job; that is a bug of the host, see its log";
        let failure = Failure::new(FailureReason::ModuleUnavailable, message);
        let finish = Finish {
            next: Next::Fail(failure.clone()),
            lease,
            started_at: None,
            finished_at: self.clock.now(),
            receipt: Receipt::default(),
            version: None,
            log: Vec::new(),
            log_lines_dropped: 0,
            denied: Vec::new(),
            progress: None,
            effects: None,
        };
        (finish, Outcome::Failed(failure))
    }

    /// Until a guest has ended, or so long.
    pub async fn wait_for_room(&self, longest: Duration) {
        let _longest_is_over = tokio::time::timeout(longest, self.sandbox.end_of_one()).await;
    }

    async fn finished(
        &self,
        job: ClaimedJob,
        version: ModuleVersionId,
        execution: Execution,
        progress: Option<Progress>,
    ) -> Attempt {
        let Execution {
            mut outcome,
            started_at,
            finished_at,
            receipt,
            log,
            log_lines_dropped,
            denied,
            effects: asked,
            remains,
        } = execution;
        let mut effects = None;
        if !asked.is_empty() {
            let rejected = Failure::new(FailureReason::EffectRejected, "");
            let if_rejected = self.terms(&job).next_after(rejected, finished_at, rand::random());
            match resolve(&self.requests, (job.kind.tenant, job.lease.job()), asked, (if_rejected, self.mail_tried_for))
                .await
            {
                Ok(resolved) => effects = Some(resolved),
                Err(failure) => outcome = Outcome::Failed(failure),
            }
        }
        let next = self.terms(&job).next(&outcome, finished_at, rand::random);
        let finish = Finish {
            lease: job.lease,
            next,
            started_at: Some(started_at),
            finished_at,
            receipt,
            version: Some(version),
            log,
            log_lines_dropped,
            denied,
            progress,
            effects,
        };
        Attempt::Made(Box::new(finish), outcome, remains)
    }

    fn terms<'a>(&'a self, job: &'a ClaimedJob) -> Terms<'a> {
        Terms {
            settings: &job.kind.settings,
            options: job.options.as_deref(),
            bounds: &self.bounds,
            attempt: job.lease.attempt(),
            max_attempts: job.max_attempts,
        }
    }

    fn context(&self, job: &ClaimedJob) -> AttemptContext {
        AttemptContext {
            job: job.lease.job(),
            tenant: job.kind.tenant_name.clone(),
            kind: job.kind.name.clone(),
            queue: job.queue.clone(),
            attempt: job.lease.attempt(),
            max_attempts: job.max_attempts,
            created_at: job.created_at,
            run_at: job.run_at,
            deadline: self.clock.now().plus(self.terms(job).limits().timeout),
            slot_at: job.slot_at,
        }
    }
}

async fn check_payload(job: &ClaimedJob, schema: Option<&SharedSchema>) -> Result<(), Failure> {
    let Some(schema) = schema else { return Ok(()) };
    let payload: serde_json::Value = serde_json::from_slice(&job.payload).map_err(|error| {
        Failure::new(FailureReason::InvalidPayload, "the stored payload is not JSON").with_detail(error.to_string())
    })?;
    let detail = match schema.check(payload, SCHEMA_ERRORS_MAX).await {
        Verdict::Valid => return Ok(()),
        Verdict::Unfinished(exhausted) => format!("the payload {}", exhausted.sentence()),
        Verdict::Invalid(violations) => {
            let lines: Vec<String> = violations.iter().map(violation_line).collect();
            lines.join("\n")
        }
    };
    let message = "the module changed since the job was enqueued and its new schema refuses the payload; \
                   activate a version that accepts it, or enqueue the job anew";
    Err(Failure::new(FailureReason::InvalidPayload, message).with_detail(detail))
}

fn violation_line(violation: &Violation) -> String {
    let Violation { pointer, message, general: _ } = violation;
    format!("{}: {message}", if pointer.is_empty() { "(the whole payload)" } else { pointer })
}

/// Schema errors shown in a failure's detail.
const SCHEMA_ERRORS_MAX: usize = 20;

fn interrupted(reason: FailureReason) -> Failure {
    let message = match reason {
        FailureReason::Cancelled => "cancelled before it was entered",
        FailureReason::Shutdown => "the host was stopping",
        _ => "interrupted before it was entered",
    };
    Failure::new(reason, message)
}
