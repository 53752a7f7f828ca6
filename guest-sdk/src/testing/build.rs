//! The crate under test as a module: built with cargo, once per process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::process::{Ended, ProcessError, run};

/// A build from nothing on a slow machine.
const BUILD_TIME_MAX: Duration = Duration::from_mins(15);
const TARGET: &str = "wasm32-wasip2";

/// The built module of the crate under test, or what to do.
pub(super) fn module() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> Result<PathBuf, String> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .ok_or("testing::sandbox() builds the crate under test: run the test with `cargo test`, or name a built module with testing::sandbox_of(\"….wasm\")")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--lib", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    let ended = match run(command.current_dir(&folder), "", BUILD_TIME_MAX) {
        Ok(ended) => ended,
        Err(ProcessError::Start(error)) => {
            return Err(format!("cargo does not start ({error}): is it on PATH? https://rustup.rs installs it"));
        }
        Err(ProcessError::Late(time)) => {
            return Err(format!("`cargo build --target {TARGET}` took more than {} s", time.as_secs()));
        }
    };
    artifact(&ended, &folder)
}

fn artifact(ended: &Ended, folder: &Path) -> Result<PathBuf, String> {
    if !ended.status.success() {
        let advice =
            if ended.stderr.contains("may not be installed") || ended.stderr.contains("can't find crate for `core`") {
                format!("the target is not installed: rustup target add {TARGET}\n\n")
            } else {
                String::new()
            };
        return Err(format!("the crate does not build as a module\n{advice}{}", ended.stderr));
    }
    let manifest = folder.join("Cargo.toml");
    let made = ended.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let is_ours = Path::new(message["manifest_path"].as_str()?) == manifest;
        let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
        files.filter(|_| is_ours).map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "wasm"))
    });
    made.ok_or_else(|| {
        format!("{} makes no module: its library must have `crate-type = [\"cdylib\", \"rlib\"]`", manifest.display())
    })
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn ended(code: i32, stdout: &str, stderr: &str) -> Ended {
        Ended { status: ExitStatus::from_raw(code << 8), stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn cargo_says_where_the_module_is() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/registry/serde/Cargo.toml","filenames":["/t/serde.wasm"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/greet/Cargo.toml","filenames":["/t/libgreet.rlib","/t/greet.wasm"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(artifact(&ended(0, messages, ""), Path::new("/greet")), Ok(PathBuf::from("/t/greet.wasm")));
        let other = artifact(&ended(0, messages, ""), Path::new("/other")).unwrap_err();
        assert!(other.contains("crate-type"), "{other}");
    }

    #[test]
    fn a_missing_target_is_named() {
        let stderr =
            "error[E0463]: can't find crate for `core`\n  = note: the `wasm32-wasip2` target may not be installed\n";
        let message = artifact(&ended(101, "", stderr), Path::new("/greet")).unwrap_err();
        assert!(message.contains("rustup target add wasm32-wasip2"), "{message}");
    }
}
