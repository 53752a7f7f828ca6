//! From bytes to guests: artifacts, shared loads, what does not link.

use std::fs;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::job::{CompiledFrom, Digest, GuestType};
use crate::sandbox::testing::{Bench, options};
use crate::sandbox::{ArtifactSource, CompileError, CompilerProcess, LinkError, Sandbox, SandboxError};
use crate::system_clock::SystemClock;

const EXIT_0: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn reopened(bench: &Bench) -> Sandbox {
    let source: Arc<dyn ArtifactSource> = bench.modules.clone();
    Sandbox::new(&options(bench.directory.path()), Arc::new(SystemClock::default()), source).expect("a sandbox")
}

#[tokio::test]
async fn compiled_once_then_from_memory_then_from_disk_and_a_damaged_file_is_made_anew() {
    let bench = Bench::new();
    let digest = bench.add(EXIT_0);
    let (_, from) = bench.sandbox.guest(digest, GuestType::CoreCommand).await.expect("compiles");
    assert_eq!(from, CompiledFrom::Miss);
    let (_, from) = bench.sandbox.guest(digest, GuestType::CoreCommand).await.expect("is there");
    assert_eq!(from, CompiledFrom::Hit);
    assert!(bench.sandbox.cached_guest(digest).is_some());

    let (_, from) = reopened(&bench).guest(digest, GuestType::CoreCommand).await.expect("loads");
    assert_eq!(from, CompiledFrom::Disk);

    let artifact = fs::read_dir(bench.directory.path())
        .expect("lists")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
        .expect("an artifact");
    let mut bytes = fs::read(&artifact).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&artifact, bytes).expect("writes");
    let (_, from) = reopened(&bench).guest(digest, GuestType::CoreCommand).await.expect("compiles");
    assert_eq!(from, CompiledFrom::Miss);
    let (_, from) = reopened(&bench).guest(digest, GuestType::CoreCommand).await.expect("loads");
    assert_eq!(from, CompiledFrom::Disk, "sound again");

    bench.sandbox.forget(digest);
    assert!(bench.sandbox.cached_guest(digest).is_none());
    assert!(!artifact.exists());
}

/// Takes a second to give a module's bytes, and counts who is at it.
struct SlowSource {
    bench: Bench,
    at_it: AtomicUsize,
    at_it_most: AtomicUsize,
}

impl ArtifactSource for SlowSource {
    fn wasm(&self, digest: Digest) -> Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>> {
        Box::pin(async move {
            self.at_it_most.fetch_max(self.at_it.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.at_it.fetch_sub(1, Ordering::SeqCst);
            self.bench.modules.wasm(digest).await
        })
    }
}

// Time stands still while anything else can be done, so all who could be at it are.
#[tokio::test(start_paused = true)]
async fn after_an_upgrade_two_missing_modules_are_compiled_at_once() {
    let bench = Bench::new();
    let digests: Vec<Digest> = (1..=6).map(|pages| bench.add(&EXIT_0.replace(" 1)", &format!(" {pages})")))).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let source = Arc::new(SlowSource { bench, at_it: AtomicUsize::new(0), at_it_most: AtomicUsize::new(0) });
    let shared: Arc<dyn ArtifactSource> = source.clone();
    let sandbox =
        Sandbox::new(&options(directory.path()), Arc::new(SystemClock::default()), shared).expect("a sandbox");
    let loads = digests.iter().map(|digest| sandbox.guest(*digest, GuestType::CoreCommand));
    for loaded in futures_util::future::join_all(loads).await {
        assert_eq!(loaded.expect("compiles").1, CompiledFrom::Miss);
    }
    assert_eq!(source.at_it_most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn callers_share_one_load() {
    let bench = Bench::new();
    let digest = bench.add(EXIT_0);
    let load = || bench.sandbox.guest(digest, GuestType::CoreCommand);
    let (a, b, c) = tokio::join!(load(), load(), load());
    let from: Vec<CompiledFrom> = [a, b, c].into_iter().map(|loaded| loaded.expect("loads").1).collect();
    assert_eq!(from.iter().filter(|from| **from == CompiledFrom::Miss).count(), 1, "{from:?}");
    assert!(!bench.sandbox.is_compiling(digest));
}

#[tokio::test]
async fn the_cache_in_memory_is_bounded() {
    let bench = Bench::new();
    let mut digests = Vec::new();
    for number in 0..10 {
        let digest = bench.add(&format!(
            r#"(module (memory (export "memory") 1) (func (export "_start") (drop (i32.const {number}))))"#
        ));
        bench.sandbox.guest(digest, GuestType::CoreCommand).await.expect("compiles");
        digests.push(digest);
        // The first is used again and again: it stays.
        assert!(bench.sandbox.cached_guest(digests[0]).is_some());
    }
    assert_eq!(digests.iter().filter(|digest| bench.sandbox.cached_guest(**digest).is_some()).count(), 8);
}

#[tokio::test]
async fn what_does_not_link_is_named() {
    let bench = Bench::new();
    let unknown = bench.add(r#"(component (import "acme:db/query@1.0.0" (instance (export "get" (func)))))"#);
    bench.sandbox.guest(unknown, GuestType::Handler).await.expect_err("does not link");
    let error =
        bench.sandbox.link(unknown, GuestType::Handler).await.expect("the host is sound").expect_err("no import");
    assert!(matches!(&error, LinkError::Import(message) if message.contains("acme:db/query")), "{error:?}");

    assert!(bench.sandbox.offers_core_import("wasi_snapshot_preview1", "fd_write"));
    assert!(!bench.sandbox.offers_core_import("wasi_snapshot_preview1", "fd_fly"));
    assert!(!bench.sandbox.offers_core_import("env", "fd_write"));
}

#[tokio::test]
async fn missing_bytes_and_a_broken_compiler_are_the_hosts_fault() {
    let bench = Bench::new();
    let unknown = crate::job::Digest([1; 32]);
    let error = bench.sandbox.guest(unknown, GuestType::CoreCommand).await.expect_err("nothing there");
    assert!(matches!(error, SandboxError::Missing(_)), "{error:?}");

    let directory = tempfile::tempdir().expect("a directory");
    let mut options = options(directory.path());
    // Starts, and is no compiler.
    options.compiler = CompilerProcess::Path("/bin/false".into());
    let source: Arc<dyn ArtifactSource> = bench.modules.clone();
    let sandbox = Sandbox::new(&options, Arc::new(SystemClock::default()), source).expect("a sandbox");
    let digest = bench.add(EXIT_0);
    let error = sandbox.guest(digest, GuestType::CoreCommand).await.expect_err("cannot compile");
    assert!(matches!(error, SandboxError::Compile(CompileError::Process(_))), "{error:?}");
    // One that never ends is killed.
    options.compiler = CompilerProcess::Path(script(directory.path(), "forever", "exec /bin/sleep 3600"));
    options.compile_timeout = std::time::Duration::from_millis(100);
    let source: Arc<dyn ArtifactSource> = bench.modules.clone();
    let sandbox = Sandbox::new(&options, Arc::new(SystemClock::default()), source).expect("a sandbox");
    let error = sandbox.guest(digest, GuestType::CoreCommand).await.expect_err("takes too long");
    assert!(matches!(error, SandboxError::Compile(CompileError::TimedOut(_))), "{error:?}");
}

/// An executable shell script.
fn script(directory: &std::path::Path, name: &str, does: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{does}\n")).expect("writes");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("makes it executable");
    }
    path
}

#[tokio::test]
async fn what_a_compiler_dies_of_tells_whose_fault_it_is() {
    let bench = Bench::new();
    let digest = bench.add(EXIT_0);
    for (name, does) in
        [("fault", "kill -SEGV $$"), ("panic", "exit 101"), ("large", "kill -XFSZ $$"), ("killed", "kill -KILL $$")]
    {
        let directory = tempfile::tempdir().expect("a directory");
        let mut options = options(directory.path());
        options.compiler = CompilerProcess::Path(script(directory.path(), name, does));
        let source: Arc<dyn ArtifactSource> = bench.modules.clone();
        let sandbox = Sandbox::new(&options, Arc::new(SystemClock::default()), source).expect("a sandbox");
        let error = sandbox.guest(digest, GuestType::CoreCommand).await.expect_err("cannot compile");
        let SandboxError::Compile(error) = error else { panic!("{error:?}") };
        let found = match error {
            CompileError::Crashed(_) => "module",
            CompileError::TooLarge(_) => "large",
            CompileError::Process(_) => "host",
            other => panic!("{name}: {other:?}"),
        };
        let wanted = match name {
            "fault" | "panic" => "module",
            "large" => "large",
            _ => "host",
        };
        assert_eq!(found, wanted, "{name}");
    }
}
