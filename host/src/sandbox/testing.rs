//! What the unit tests of the sandbox share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::job::{
    AttemptContext, CompiledFrom, Digest, EgressOptions, Failure, GuestType, JobId, Limits, Outcome, QueueName,
    TenantName, Timestamp,
};
use crate::system_clock::SystemClock;

/// Options of a small sandbox that compiles in this process.
pub(crate) fn options(directory: &Path) -> SandboxOptions {
    SandboxOptions {
        artifact_dir: directory.to_owned(),
        artifact_use: ArtifactUse::Alone,
        instances_max: 4,
        memory_bytes_max: 256 << 20,
        guest_threads: 2,
        cached_modules_max: 8,
        compile_timeout: Duration::from_mins(1),
        compile_memory_bytes: 1 << 30,
        compiler: CompilerProcess::InProcess,
        egress: EgressOptions::default(),
        mail_sender: None,
    }
}

/// Modules by digest.
#[derive(Default)]
pub(crate) struct Modules {
    known: Mutex<FxHashMap<Digest, Bytes>>,
    asked: AtomicUsize,
}

impl Modules {
    /// How often bytes were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl ArtifactSource for Modules {
    fn wasm(&self, digest: Digest) -> std::pin::Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.known.lock().get(&digest).cloned();
        Box::pin(async move { found.ok_or(SandboxError::Missing(digest)) })
    }
}

/// A sandbox on a directory of its own.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) modules: Arc<Modules>,
    pub(crate) directory: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(|_| {})
    }

    /// With what `change` makes of the options.
    pub(crate) fn with(change: impl FnOnce(&mut SandboxOptions)) -> Bench {
        let directory = tempfile::tempdir().expect("a directory");
        let modules = Arc::new(Modules::default());
        let source: Arc<dyn ArtifactSource> = modules.clone();
        let mut options = options(directory.path());
        change(&mut options);
        let sandbox = Sandbox::new(&options, Arc::new(SystemClock::default()), source).expect("a sandbox");
        Bench { sandbox, modules, directory }
    }

    /// Makes a module known; gives its digest.
    pub(crate) fn add(&self, wat: &str) -> Digest {
        let wasm = Bytes::from(wat::parse_str(wat).expect("valid text"));
        let digest = Digest(Sha256::digest(&wasm).into());
        self.modules.known.lock().insert(digest, wasm);
        digest
    }

    /// Makes it unknown again, as if it had never been loaded.
    pub(crate) fn remove(&self, digest: Digest) {
        self.modules.known.lock().remove(&digest);
        self.sandbox.forget(digest);
    }

    /// One attempt with what `change` makes of the defaults.
    pub(crate) async fn run_with(
        &self,
        guest: GuestType,
        wat: &str,
        change: impl FnOnce(&mut Invocation),
    ) -> Execution {
        let digest = self.add(wat);
        let (guest, compiled) = self.sandbox.guest(digest, guest).await.expect("compiles");
        let mut invocation = invocation(compiled);
        change(&mut invocation);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sandbox = self.sandbox.clone();
        self.sandbox.spawn(async move {
            let execution = sandbox.run(&guest, invocation, || {}).await;
            let _gone = sender.send(execution);
        });
        let execution = tokio::time::timeout(Duration::from_mins(1), receiver).await.expect("ends in time");
        let execution = execution.expect("comes back").expect("the host is sound");
        Execution { remains: Remains::default(), ..execution }
    }

    pub(crate) async fn command(&self, wat: &str) -> Execution {
        self.run_with(GuestType::CoreCommand, wat, |_| {}).await
    }
}

/// Default limits, an empty object as payload.
pub(crate) fn invocation(compiled: CompiledFrom) -> Invocation {
    let now = Timestamp(1_800_000_000_000);
    Invocation {
        context: AttemptContext {
            job: JobId::from_u128(7),
            tenant: TenantName::default_tenant(),
            kind: "test.kind".parse().expect("a kind"),
            queue: QueueName::default_queue(),
            attempt: 1,
            max_attempts: 3,
            created_at: now,
            run_at: now,
            deadline: now,
            slot_at: None,
        },
        payload: Bytes::from_static(b"{}"),
        limits: Limits::default(),
        plain: PlainSettings::default(),
        ready_at: now,
        compiled,
        interrupt: Interrupt::default(),
        progress: ProgressCell::default(),
        output_schema: None,
        parents: None,
        grants: Arc::default(),
        secrets: None,
        kv: None,
        steps: None,
        databases: None,
    }
}

pub(crate) fn failure(execution: &Execution) -> &Failure {
    match &execution.outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

pub(crate) fn output(execution: &Execution) -> &str {
    match &execution.outcome {
        Outcome::Succeeded { output } => std::str::from_utf8(output).expect("UTF-8"),
        other => panic!("expected success, got {other:?}"),
    }
}
