//! The compiling process, as the host starts it: the real binary, with its own limits.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stoker::job::{CompiledFrom, Digest, GuestType};
use stoker::sandbox::{
    ArtifactSource, ArtifactUse, CompileError, CompilerProcess, Sandbox, SandboxError, SandboxOptions,
};
use stoker::system_clock::SystemClock;

struct Given(Bytes);

impl ArtifactSource for Given {
    fn wasm(&self, _digest: Digest) -> Pin<Box<dyn Future<Output = Result<Bytes, SandboxError>> + Send + '_>> {
        let wasm = self.0.clone();
        Box::pin(async move { Ok(wasm) })
    }
}

fn sandbox(directory: &std::path::Path, wasm: Vec<u8>, memory_bytes: u64, timeout: Duration) -> Sandbox {
    let options = SandboxOptions {
        artifact_dir: directory.to_owned(),
        artifact_use: ArtifactUse::Alone,
        instances_max: 2,
        memory_bytes_max: 64 << 20,
        guest_threads: 1,
        cached_modules_max: 4,
        compile_timeout: timeout,
        compile_memory_bytes: memory_bytes,
        compiler: CompilerProcess::Path(env!("CARGO_BIN_EXE_stoker").into()),
        egress: stoker::job::EgressOptions::default(),
        mail_sender: None,
    };
    Sandbox::new(&options, Arc::new(SystemClock::default()), Arc::new(Given(wasm.into()))).expect("a sandbox")
}

/// A program of many functions, each with a long body: work for the compiler.
fn large(functions: usize) -> Vec<u8> {
    let body = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 7)) (i32.xor (local.get 0) (i32.const 9))))"
        .repeat(400);
    let functions = format!("(func (param i32) (result i32) {body} (local.get 0))").repeat(functions);
    wat::parse_str(format!(r#"(module (memory (export "memory") 1) {functions} (func (export "_start")))"#)).unwrap()
}

fn left_behind(directory: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "artifact.key").collect()
}

#[tokio::test]
async fn the_real_binary_compiles_what_the_host_then_runs() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = sandbox(directory.path(), large(50), 1 << 30, Duration::from_mins(2));
    let (_, from) = sandbox.guest(Digest([1; 32]), GuestType::CoreCommand).await.expect("compiles");
    assert_eq!(from, CompiledFrom::Miss);
    let left = left_behind(directory.path());
    assert!(left.len() == 1 && left[0].contains(".cwasm"), "{left:?}");
}

#[tokio::test]
async fn what_the_compiler_refuses_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let wasm = wat::parse_str("(module (func (result i32)))").unwrap();
    let sandbox = sandbox(directory.path(), wasm, 1 << 30, Duration::from_mins(2));
    let error = sandbox.guest(Digest([1; 32]), GuestType::CoreCommand).await.expect_err("is not valid");
    let SandboxError::Compile(CompileError::Refused(message)) = error else { panic!("{error:?}") };
    assert!(message.contains("type mismatch"), "{message}");
    assert!(left_behind(directory.path()).is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn time_and_memory_are_bounded_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let wasm = large(200);
    let slow = sandbox(directory.path(), wasm.clone(), 4 << 30, Duration::from_millis(300));
    let error = slow.guest(Digest([1; 32]), GuestType::CoreCommand).await.expect_err("takes longer");
    assert!(matches!(error, SandboxError::Compile(CompileError::TimedOut(_))), "{error:?}");
    let tight = sandbox(directory.path(), wasm.clone(), 48 << 20, Duration::from_mins(2));
    let error = tight.guest(Digest([2; 32]), GuestType::CoreCommand).await.expect_err("needs more");
    assert!(matches!(error, SandboxError::Compile(CompileError::OutOfMemory(_))), "{error:?}");
    assert!(left_behind(directory.path()).is_empty());
    // A caller that goes away takes its compiler with it.
    let patient = sandbox(directory.path(), wasm, 4 << 30, Duration::from_mins(2));
    let gone = tokio::time::timeout(Duration::from_millis(200), patient.guest(Digest([3; 32]), GuestType::CoreCommand));
    assert!(gone.await.is_err());
    assert!(!patient.is_compiling(Digest([3; 32])));
    assert!(left_behind(directory.path()).is_empty());
}
