//! The upload pipeline over a real store: what is taken, what is refused, and that a refusal leaves nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stoker::job::{Clock, Digest, GuestType, LimitBounds, ModuleName, Pace, StdinFormat};
use stoker::modules::{Activation, Modules, ModulesOptions, Upload, UploadError, Uploaded};
use stoker::sandbox::{ArtifactSource, ArtifactUse, CompilerProcess, Sandbox, SandboxError, SandboxOptions};
use stoker::store::{DeleteModuleResult, Store, StoreOptions, TenantId};
use stoker::system_clock::SystemClock;
use tempfile::TempDir;

struct FromStore(Store);

impl ArtifactSource for FromStore {
    fn wasm(&self, digest: Digest) -> Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>> {
        Box::pin(async move {
            let bytes = self.0.module_bytes(digest).await.map_err(|error| SandboxError::Engine(error.to_string()))?;
            bytes.ok_or(SandboxError::Missing(digest))
        })
    }
}

struct Host {
    modules: Modules,
    store: Store,
    sandbox: Sandbox,
    directory: TempDir,
}

impl Host {
    fn start() -> Host {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let options = StoreOptions {
            data_dir: directory.path().join("data"),
            priority_aging: Duration::ZERO,
            tenant_pace: Pace::default(),
            quotas: stoker::job::Quotas::default(),
            retention: stoker::job::Retention::HOST,
        };
        let store = Store::open(&options, Arc::clone(&clock)).expect("a store");
        let options = SandboxOptions {
            artifact_dir: directory.path().join("artifacts"),
            artifact_use: ArtifactUse::Alone,
            instances_max: 2,
            memory_bytes_max: 64 << 20,
            guest_threads: 1,
            cached_modules_max: 4,
            compile_timeout: Duration::from_mins(1),
            compile_memory_bytes: 1 << 30,
            compiler: CompilerProcess::InProcess,
            egress: stoker::job::EgressOptions::default(),
            mail_sender: None,
        };
        let sandbox = Sandbox::new(&options, clock, Arc::new(FromStore(store.clone()))).expect("a sandbox");
        let options = ModulesOptions { module_bytes_max: 64 << 20, ceilings: LimitBounds::default().ceilings };
        let modules = Modules::new(store.clone(), sandbox.clone(), options);
        Host { modules, store, sandbox, directory }
    }

    async fn upload(&self, module: &str, wasm: impl Into<Bytes>) -> Result<Uploaded, UploadError> {
        let module = module.parse().unwrap();
        self.modules
            .upload(Upload { tenant: TenantId::DEFAULT, module, wasm: wasm.into(), activation: Activation::Now })
            .await
    }

    fn artifacts(&self) -> usize {
        let entries = std::fs::read_dir(self.directory.path().join("artifacts")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name() != "artifact.key").count()
    }
}

fn text(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// Larger than one chunk of the store.
fn large_command() -> Vec<u8> {
    let data = "0123456789abcdef".repeat(50_000);
    text(&format!(r#"(module (memory (export "memory") 20) (data (i32.const 0) "{data}") (func (export "_start")))"#))
}

#[tokio::test]
async fn a_command_is_taken_served_and_kept_whole() {
    let host = Host::start();
    let wasm = large_command();
    let uploaded = host.upload("echo", wasm.clone()).await.expect("is taken");
    assert!(uploaded.created && uploaded.version.active);
    assert_eq!(uploaded.version.guest, GuestType::CoreCommand);
    assert_eq!(uploaded.version.kinds[0].name.as_str(), "echo");
    let digest = uploaded.version.digest;
    assert_eq!(host.store.module_bytes(digest).await.unwrap().as_deref(), Some(&wasm[..]));
    assert!(host.store.catalog().kind(TenantId::DEFAULT, &"echo".parse().unwrap()).is_some());
    assert!(host.sandbox.cached_guest(digest).is_some());

    let again = host.upload("echo", wasm.clone()).await.expect("is known");
    assert!(!again.created && again.version.active && again.version.digest == digest);
    let elsewhere = host.upload("echo2", wasm).await.expect("is taken under another name");
    assert!(elsewhere.created);
    assert_eq!(host.artifacts(), 1, "compiled once");

    host.sandbox.forget(digest);
    host.modules.warm_up().await.expect("loads what is active");
    assert!(host.sandbox.cached_guest(digest).is_some(), "compiled anew from the store's bytes");
    host.store.close().await.unwrap();
}

#[tokio::test]
async fn what_was_compiled_goes_with_the_last_version_that_has_it() {
    let host = Host::start();
    let first = host.upload("a", large_command()).await.expect("is taken").version.digest;
    host.upload("b", large_command()).await.expect("is taken under another name");
    let second = text(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    host.upload("a", second).await.expect("a second version");
    assert_eq!(host.artifacts(), 2);

    let (a, b): (ModuleName, ModuleName) = ("a".parse().unwrap(), "b".parse().unwrap());
    let deleted = host.modules.delete_version(TenantId::DEFAULT, a.clone(), first).await.unwrap();
    assert_eq!(deleted, DeleteModuleResult::Deleted { unused: Vec::new() });
    assert!(host.sandbox.cached_guest(first).is_some(), "`b` still serves these bytes");
    let deleted = host.modules.delete_module(TenantId::DEFAULT, b, false).await.unwrap();
    assert_eq!(deleted, DeleteModuleResult::Deleted { unused: vec![first] });
    assert!(host.sandbox.cached_guest(first).is_none());
    assert_eq!(host.artifacts(), 1);
    host.modules.delete_module(TenantId::DEFAULT, a.clone(), false).await.unwrap();
    assert_eq!(host.artifacts(), 0);
    let again = host.modules.delete_module(TenantId::DEFAULT, a, false).await.unwrap();
    assert_eq!(again, DeleteModuleResult::NotFound);
    host.store.close().await.unwrap();
}

#[tokio::test]
async fn settings_in_the_bytes_of_a_command_are_its_kinds() {
    let host = Host::start();
    let command = |settings: &str| {
        let section = |text: &str| format!("(@custom \"stoker:settings\" {text:?})");
        let sections = settings.lines().map(section).collect::<Vec<_>>().concat();
        text(&format!(r#"(module (memory (export "memory") 1) (func (export "_start")) {sections})"#))
    };
    let plain = host.upload("m", command("")).await.expect("is taken").version;
    let set = host.upload("m", command(r#"{"stdin":"text","timeout":"5s"}"#)).await.expect("is taken").version;
    assert_ne!(plain.digest, set.digest);
    assert_eq!((plain.kinds[0].settings.stdin, set.kinds[0].settings.stdin), (None, Some(StdinFormat::Text)));
    let entry = || host.store.catalog().kind(TenantId::DEFAULT, &"m".parse().unwrap()).unwrap().clone();
    assert_eq!((entry().settings.limits.timeout_ms, entry().takes_text()), (Some(5_000), true));
    host.upload("m", command("")).await.expect("is known");
    assert_eq!((entry().settings.limits.timeout_ms, entry().takes_text()), (None, false));

    for (settings, said) in
        [("{\"timeout\":\"2h\"}", "handler.toml"), ("{\"tiemout\":\"5s\"}", "tiemout"), ("{}\n{}", "more than one")]
    {
        let refused = host.upload("refused", command(settings)).await.expect_err("is refused");
        assert!(matches!(refused, UploadError::Settings(_)) && refused.to_string().contains(said), "{refused}");
    }
    assert!(host.store.module(TenantId::DEFAULT, "refused".parse().unwrap()).await.unwrap().is_none());
    assert_eq!(host.artifacts(), 2, "what is refused is not compiled");
    host.store.close().await.unwrap();
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let host = Host::start();
    let refused = host.upload("m", &b"not wasm"[..]).await.expect_err("is no module");
    assert!(matches!(refused, UploadError::Malformed { offset: 0, .. }), "{refused}");
    let refused = host.upload("m", text(r#"(module (func (export "add")))"#)).await.expect_err("has no entry");
    assert!(matches!(refused, UploadError::NoEntry(_)), "{refused}");
    let core = r#"(module (import "env" "now" (func)) (memory (export "memory") 1) (func (export "_start")))"#;
    let component = r#"(component (import "acme:db/query@1.0.0" (instance)) (instance $i)
        (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    for (wat, name) in [(core, "env.now"), (component, "acme:db/query@1.0.0")] {
        let refused = host.upload("m", text(wat)).await.expect_err("asks for too much");
        assert!(matches!(&refused, UploadError::UnknownImports(names) if names == &[name]), "{refused}");
    }
    // Known by name, of another type: found when it is linked.
    let odd = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (memory (export "memory") 1)
        (func (export "_start")))"#;
    let refused = host.upload("m", text(odd)).await.expect_err("does not fit");
    assert!(matches!(&refused, UploadError::UnknownImports(names) if names[0].contains("fd_write")), "{refused}");
    // Says it is a handler and is none.
    let liar = r#"(component (instance $i) (export "stoker:handler/handler@1.0.0" (instance $i)))"#;
    let refused = host.upload("m", text(liar)).await.expect_err("is no handler");
    assert!(matches!(refused, UploadError::NoEntry(_)), "{refused}");
    assert_eq!(host.artifacts(), 0);
    assert!(host.store.module(TenantId::DEFAULT, "m".parse().unwrap()).await.unwrap().is_none());
    host.store.close().await.unwrap();
}
