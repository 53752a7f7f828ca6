//! The few parts of a host that one execution needs, and the way of one job through them.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::granted::{GivenSecrets, TrialDatabases, TrialKeyValue, TrialSecrets, TrialSteps};
use super::parents::{GivenParent, GivenParents};
use super::report::Report;
use crate::api::{ApiError, offline};
use crate::attempt::{PARENT_OUTPUTS, Terms, parent_outputs};
use crate::config::Config;
use crate::job::kind::MAX_ATTEMPTS_DEFAULT;
use crate::job::{
    AttemptContext, Clock, Digest, GuestType, IdSequence, JobId, JobOptions, KindDescription, KindName, KindSettings,
    LimitRequest, LogLine, ModuleName, QueueName, StdinFormat, Step, TenantName, Timestamp,
};
use crate::modules::{Examined, KindValidators, SchemaError, UploadError, digest_of, examine};
use crate::sandbox::{
    ArtifactSource, ArtifactUse, CompileError, CompilerProcess, DESCRIBES_MAX, Databases, DescribeError, Execution,
    Interrupt, Invocation, KeyValue, Parents, ProgressCell, SHARED_ARTIFACTS_BYTES_MAX, Sandbox, SandboxError,
    SandboxOptions, Secrets, Steps,
};
use crate::schema::{SharedSchema, SlowWork};
use crate::system_clock::SystemClock;

/// Between two looks at the log of a running guest.
const LOG_LOOK_PERIOD: Duration = Duration::from_millis(50);
/// Instances that run a job at once.
const SLOTS: u32 = 1;

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A host would refuse the module, or the job.
    #[error("{}", .0.detail())]
    Refused(ApiError),
    /// This machine, or this program, is at fault.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A schema that was just checked does not compile.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// There is no such attempt.
    #[error("there is no attempt {attempt} of {max_attempts}; ask for an earlier one, or for more with --max-attempts")]
    Attempts {
        /// The one that was asked for.
        attempt: u32,
        /// Attempts in all.
        max_attempts: u32,
    },
    /// What the jobs it runs after returned can't be handed to it.
    #[error("a host would fail the job as `invalid_payload`: {0}")]
    Parents(String),
    /// There is no memory for a thread.
    #[error("there is too little memory to check the schemas")]
    Memory,
}

impl From<ApiError> for TrialError {
    fn from(error: ApiError) -> Self {
        TrialError::Refused(error)
    }
}

impl From<UploadError> for TrialError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Sandbox(error) | UploadError::Describe(DescribeError::Host(error)) => {
                TrialError::Sandbox(error)
            }
            UploadError::Compile(error @ (CompileError::NoRoom(_) | CompileError::Process(_))) => {
                TrialError::Sandbox(error.into())
            }
            error => TrialError::Refused(offline::refuse_module(error)),
        }
    }
}

/// A sandbox like a host's, with the host's configuration.
pub struct Workbench {
    sandbox: Sandbox,
    source: Arc<OneModule>,
    clock: Arc<dyn Clock>,
    config: Config,
    slow: SlowWork,
}

/// A module that can be run.
#[derive(Debug)]
pub struct Loaded {
    /// Its name.
    pub name: ModuleName,
    /// Its digest.
    pub digest: Digest,
    /// Its size, bytes.
    pub size_bytes: usize,
    /// What it is and serves.
    pub examined: Examined,
}

impl Loaded {
    /// The kinds it serves.
    pub fn kinds(&self) -> Vec<&KindName> {
        self.examined.kinds.iter().map(|kind| &kind.name).collect()
    }
}

/// What is to be run.
#[derive(Debug)]
pub struct Order {
    /// The kind.
    pub kind: KindName,
    /// JSON text.
    pub payload: Bytes,
    /// What an operator would set for the kind, as JSON text; the later ones over the earlier ones.
    pub settings: Vec<String>,
    /// What the job itself asks for.
    pub limits: LimitRequest,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// Attempts in all; else what the kind says.
    pub max_attempts: Option<u32>,
    /// The jobs it runs after.
    pub parents: Vec<GivenParent>,
    /// Secrets it is granted and given.
    pub secrets: GivenSecrets,
    /// The job it repeats; `None`: it is nobody's.
    pub repeats: Option<Repeated>,
}

/// A job that was run before, somewhere else.
#[derive(Debug)]
pub struct Repeated {
    /// The job.
    pub job: JobId,
    /// Whose it was.
    pub tenant: TenantName,
    /// Its lane.
    pub queue: QueueName,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was due.
    pub run_at: Timestamp,
    /// The slot it was enqueued for.
    pub slot_at: Option<Timestamp>,
    /// What its executions recorded, in order.
    pub steps: Vec<Step>,
}

impl Workbench {
    /// Over a directory that other runs may use as well, where compiled modules are kept.
    pub fn open(artifact_dir: PathBuf, config: Config) -> Result<Workbench, SandboxError> {
        let options = SandboxOptions {
            artifact_dir,
            artifact_use: ArtifactUse::Shared { bytes_max: SHARED_ARTIFACTS_BYTES_MAX },
            instances_max: SLOTS + DESCRIBES_MAX,
            memory_bytes_max: config.limits.ceilings.memory_bytes,
            guest_threads: 1,
            cached_modules_max: 1,
            compiler: CompilerProcess::CurrentExe,
            compile_timeout: config.compile.timeout,
            compile_memory_bytes: config.compile.memory_bytes,
            egress: config.egress.clone(),
            mail_sender: config.mail.sender.clone(),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let source = Arc::<OneModule>::default();
        let sandbox = Sandbox::new(&options, Arc::clone(&clock), Arc::clone(&source) as Arc<dyn ArtifactSource>)?;
        Ok(Workbench { sandbox, source, clock, config, slow: SlowWork::default() })
    }

    /// What an upload would check of a module, short of storing it.
    pub async fn load(&self, name: ModuleName, wasm: Bytes) -> Result<Loaded, TrialError> {
        let bytes_max = self.config.requests.module_bytes_max;
        if wasm.len() > bytes_max {
            return Err(offline::refuse_module_size(bytes_max).into());
        }
        let digest = digest_of(&wasm).await?;
        *self.source.0.lock() = Some((digest, wasm.clone()));
        let ceilings = &self.config.limits.ceilings;
        let examined = examine(&self.sandbox, &name, digest, &wasm, ceilings)
            .await
            .inspect_err(|_| self.sandbox.forget(digest))?;
        Ok(Loaded { name, digest, size_bytes: wasm.len(), examined })
    }

    /// One execution, and what a host would do next. `follow` is given the lines of its log as they come, where somebody
    /// wants to see them so early; the report has them all.
    pub async fn run(
        &self,
        loaded: &Loaded,
        order: Order,
        follow: Option<&mut dyn FnMut(&LogLine)>,
    ) -> Result<Report, TrialError> {
        let Order { kind, payload, settings: asked, limits, attempt, max_attempts, parents, secrets, repeats } = order;
        let Some(description) = loaded.examined.kinds.iter().find(|known| known.name == kind) else {
            return Err(offline::refuse_kind(kind.as_str(), &loaded.kinds()).into());
        };
        let settings = self.settings(loaded, description, &asked)?;
        let settings = with_secrets(settings, &secrets);
        offline::check_limits(&limits, &self.config.limits.ceilings)?;
        let output_schema = self.accept(loaded, description, &settings, &payload).await?;

        let max_attempts = max_attempts.or(settings.max_attempts).unwrap_or(MAX_ATTEMPTS_DEFAULT);
        if attempt > max_attempts {
            return Err(TrialError::Attempts { attempt, max_attempts });
        }
        let options = JobOptions { limits, ..JobOptions::default() };
        let bounds = &self.config.limits;
        let terms = Terms { settings: &settings, options: Some(&options), bounds, attempt, max_attempts };
        let limits = terms.limits();
        let progress = ProgressCell::default();
        let now = self.clock.now();
        let mut ids = IdSequence::after(0);
        let new = JobId::from_u128(ids.next(now, rand::random()));
        let Repeated { job, tenant, queue, created_at, run_at, slot_at, steps } = repeats.unwrap_or_else(|| Repeated {
            job: new,
            tenant: TenantName::default_tenant(),
            queue: settings.queue.clone().unwrap_or_else(QueueName::default_queue),
            created_at: now,
            run_at: now,
            slot_at: None,
            steps: Vec::new(),
        });
        let parents = GivenParents::of(parents, || JobId::from_u128(ids.next(now, rand::random())));
        let parents = (!parents.is_empty()).then(|| Arc::new(parents));
        let mut plain = terms.plain();
        if let Some(parents) = parents.as_ref().filter(|_| loaded.examined.guest != GuestType::Handler) {
            let outputs = parent_outputs(&**parents).await.map_err(|failure| TrialError::Parents(failure.message))?;
            plain.env.push((PARENT_OUTPUTS.to_owned(), outputs));
        }
        let invocation = Invocation {
            context: AttemptContext {
                job,
                tenant,
                kind: kind.clone(),
                queue,
                attempt,
                max_attempts,
                created_at,
                run_at,
                deadline: now.plus(limits.timeout),
                slot_at,
            },
            payload,
            limits,
            plain,
            ready_at: now,
            compiled: loaded.examined.compiled,
            interrupt: Interrupt::default(),
            progress: progress.clone(),
            output_schema,
            parents: parents.map(|parents| parents as Arc<dyn Parents>),
            grants: terms.grants(),
            secrets: Some(Arc::new(TrialSecrets(secrets)) as Arc<dyn Secrets>),
            kv: Some(Arc::new(TrialKeyValue::new(now)) as Arc<dyn KeyValue>),
            steps: Some(Arc::new(TrialSteps::new(job, steps)) as Arc<dyn Steps>),
            databases: Some(Arc::new(TrialDatabases::of(job)) as Arc<dyn Databases>),
        };
        let execution = self.execute(loaded, invocation, follow).await?;
        let next = terms.next(&execution.outcome, execution.finished_at, rand::random);
        Ok(Report::new(loaded, kind, &terms, execution, next, progress.get()))
    }

    /// What is in force for the kind: the module's settings but for the grants it asks for, and over them what was asked for.
    fn settings(
        &self,
        loaded: &Loaded,
        description: &KindDescription,
        asked: &[String],
    ) -> Result<KindSettings, ApiError> {
        let handler = (loaded.examined.guest == GuestType::Handler).then_some(&loaded.name);
        let own = KindSettings { grants: None, ..description.settings.clone() };
        asked.iter().try_fold(own, |below, text| {
            let ceilings = &self.config.limits.ceilings;
            let asked = offline::check_settings(text, &description.name, handler, ceilings)?;
            if let Some(asked_bytes) = asked.limits.memory_bytes {
                offline::check_memory(asked_bytes, loaded.examined.memory_begins_bytes)?;
            }
            let grants = asked.grants.clone().or_else(|| below.grants.clone());
            Ok(KindSettings { grants, ..below.overlaid_by(&asked) })
        })
    }

    /// Checks the payload as a host does before it takes a job. Returns the schema of the output.
    async fn accept(
        &self,
        loaded: &Loaded,
        description: &KindDescription,
        settings: &KindSettings,
        payload: &Bytes,
    ) -> Result<Option<SharedSchema>, TrialError> {
        let takes_text = settings.stdin == Some(StdinFormat::Text) && loaded.examined.guest != GuestType::Handler;
        let KindDescription { name, input_schema, output_schema, .. } = description.clone();
        let (turns, payload) = (self.slow.clone(), payload.clone());
        let bytes_max = self.config.requests.payload_bytes_max;
        let checked = self.slow.run(move || {
            let validators = KindValidators::compile(&name, &input_schema, &output_schema, &turns)?;
            offline::check_payload(validators.input.as_ref(), takes_text, &payload, bytes_max)?;
            Ok(validators.output)
        });
        checked.await.ok_or(TrialError::Memory)?
    }

    async fn execute(
        &self,
        loaded: &Loaded,
        invocation: Invocation,
        follow: Option<&mut dyn FnMut(&LogLine)>,
    ) -> Result<Execution, TrialError> {
        let shown = invocation.progress.clone();
        let (guest, _) = self.sandbox.guest(loaded.digest, loaded.examined.guest).await?;
        let (tell, mut told) = oneshot::channel();
        let sandbox = self.sandbox.clone();
        self.sandbox.spawn(async move {
            let ran = sandbox.run(&guest, invocation, || {}).await;
            // Nobody listens any more when the program ends.
            let _unheard = tell.send(ran);
        });
        let gone = |error: oneshot::error::RecvError| SandboxError::Instantiate(format!("the run broke off: {error}"));
        let Some(follow) = follow else { return Ok(told.await.map_err(gone)??) };
        let mut look = tokio::time::interval(LOG_LOOK_PERIOD);
        let mut known = 0;
        loop {
            tokio::select! {
                ended = &mut told => return Ok(ended.map_err(gone)??),
                _ = look.tick() => {
                    let lines = shown.log_after(known);
                    known += lines.len();
                    lines.iter().for_each(&mut *follow);
                }
            }
        }
    }
}

/// Who gives a secret grants it.
fn with_secrets(mut settings: KindSettings, secrets: &GivenSecrets) -> KindSettings {
    if !secrets.is_empty() {
        let mut grants = settings.grants.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        let missing = secrets.keys().filter(|name| !grants.secrets.contains(name)).cloned().collect::<Vec<_>>();
        grants.secrets.extend(missing);
        settings.grants = Some(Arc::new(grants));
    }
    settings
}

/// The bytes of the one module there is.
#[derive(Default)]
struct OneModule(Mutex<Option<(Digest, Bytes)>>);

impl ArtifactSource for OneModule {
    fn wasm(&self, digest: Digest) -> Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>> {
        let found = self.0.lock().as_ref().filter(|(known, _)| *known == digest).map(|(_, wasm)| wasm.clone());
        Box::pin(async move { found.ok_or(SandboxError::Missing(digest)) })
    }
}
