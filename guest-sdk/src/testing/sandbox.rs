//! The real sandbox, with its real limits: `stoker run` on a built module.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::build;
use super::process::{ProcessError, run};
use super::run::{Refused, Run};

/// More than any module takes to compile and any job may run by default.
const RUN_TIME_MAX: Duration = Duration::from_mins(5);

/// A built module in the real sandbox: the same limits, schemas and reasons as on a server, without a server.
///
/// The `stoker` program is `$STOKER_BIN`, else the one on `PATH`, else one built beside this crate's source.
///
/// ```no_run
/// use serde_json::json;
/// use stoker_sdk::testing::sandbox;
///
/// // In a test of the crate that calls `module!`:
/// let run = sandbox().run("greet", &json!({"name": "Ada"}));
/// assert_eq!(run.output::<String>(), "Hello, Ada!");
/// assert!(run.receipt["fuel_used"].as_u64().unwrap() < 1_000_000);
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox {
    module: PathBuf,
    program: PathBuf,
    options: Vec<String>,
}

/// The crate under test, built for wasm as a release (once per process), in the sandbox.
///
/// # Panics
/// If it does not build, or the wasm target, cargo or `stoker` is missing; the message says what to do.
#[track_caller]
pub fn sandbox() -> Sandbox {
    match build::module() {
        Ok(module) => sandbox_of(module),
        Err(message) => panic!("{message}"),
    }
}

/// A built module in the sandbox.
///
/// ```no_run
/// # use stoker_sdk::testing::sandbox_of;
/// let run = sandbox_of("target/wasm32-wasip2/release/greet.wasm").run("greet", &"Ada");
/// assert_eq!(run.state, "succeeded");
/// ```
///
/// # Panics
/// If `stoker` is missing; the message says how to get it.
#[track_caller]
pub fn sandbox_of(module: impl AsRef<Path>) -> Sandbox {
    match program() {
        Ok(program) => Sandbox { module: module.as_ref().to_owned(), program, options: Vec::new() },
        Err(message) => panic!("{message}"),
    }
}

impl Sandbox {
    /// By this program rather than the one that was found.
    ///
    /// ```no_run
    /// # use stoker_sdk::testing::sandbox;
    /// let run = sandbox().program("/opt/stoker/stoker").run("greet", &"Ada");
    /// ```
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// As the `attempt`-th of `max_attempts`.
    ///
    /// ```no_run
    /// # use stoker_sdk::testing::sandbox;
    /// assert_eq!(sandbox().attempt(3, 3).run("greet", &0).state, "failed");
    /// ```
    #[must_use]
    pub fn attempt(self, attempt: u32, max_attempts: u32) -> Self {
        self.option("--attempt", &attempt.to_string()).option("--max-attempts", &max_attempts.to_string())
    }

    /// With these settings over those of the module, as in `PUT /v1/kinds/{kind}/settings`.
    ///
    /// ```no_run
    /// # use stoker_sdk::testing::sandbox;
    /// # use serde_json::json;
    /// let run = sandbox().settings(&json!({"fuel": 1_000})).run("greet", &"Ada");
    /// assert_eq!(run.error.unwrap().reason, "fuel_exhausted");
    /// ```
    #[must_use]
    pub fn settings(self, settings: &Value) -> Self {
        self.option("--settings", &settings.to_string())
    }

    /// After a job that returned this, by its name in their workflow.
    ///
    /// ```no_run
    /// # use stoker_sdk::testing::sandbox;
    /// # use serde_json::json;
    /// let run = sandbox().parent_output("render", &json!({"pages": 7})).run("send", &"ada@example.org");
    /// ```
    #[must_use]
    pub fn parent_output(self, parent: &str, output: &Value) -> Self {
        self.option("--parent", &format!("{parent}={output}"))
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Runs one attempt.
    ///
    /// # Panics
    /// If a server would have refused the job: an unknown kind, a payload that breaks the schema.
    #[track_caller]
    pub fn run(&self, kind: &str, payload: &(impl Serialize + ?Sized)) -> Run {
        match self.try_run(kind, payload) {
            Ok(run) => run,
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Runs one attempt; what a server would have refused is an error.
    ///
    /// ```no_run
    /// # use stoker_sdk::testing::sandbox;
    /// let refused = sandbox().try_run("greet", &7).unwrap_err();
    /// assert!(refused.to_string().contains("payload"));
    /// ```
    ///
    /// # Panics
    /// If the program does not start, does not end, or says what cannot be read.
    #[track_caller]
    pub fn try_run(&self, kind: &str, payload: &(impl Serialize + ?Sized)) -> Result<Run, Refused> {
        let payload = match serde_json::to_string(payload) {
            Ok(payload) => payload,
            Err(error) => panic!("the payload cannot be written as JSON: {error}"),
        };
        let mut command = Command::new(&self.program);
        command.arg("run").arg(&self.module).args([kind, "-", "--json"]).args(&self.options);
        let program = self.program.display();
        let ended = match run(&mut command, &payload, RUN_TIME_MAX) {
            Ok(ended) => ended,
            Err(ProcessError::Start(error)) => panic!("{program} does not start: {error}"),
            Err(ProcessError::Late(time)) => panic!("`{program} run` took more than {} s", time.as_secs()),
        };
        if ended.stdout.trim().is_empty() {
            return Err(Refused(ended.stderr.trim().to_owned()));
        }
        match Run::from_json(&ended.stdout) {
            Ok(run) => Ok(run),
            Err(error) => panic!(
                "`{program} run --json` says what this stoker-sdk does not read ({error}): are they of one version?\n{}",
                ended.stdout
            ),
        }
    }
}

fn program() -> Result<PathBuf, String> {
    let on_path = std::env::var_os("PATH");
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
    found(std::env::var_os("STOKER_BIN").map(PathBuf::from), on_path.as_deref(), &sdk.join("../target"))
}

fn found(named: Option<PathBuf>, path: Option<&std::ffi::OsStr>, target: &Path) -> Result<PathBuf, String> {
    let name = format!("stoker{}", std::env::consts::EXE_SUFFIX);
    if let Some(named) = named {
        return if named.is_file() {
            Ok(named)
        } else {
            Err(format!("STOKER_BIN is {}, where there is no program; correct it or unset it", named.display()))
        };
    }
    let on_path = path.into_iter().flat_map(std::env::split_paths);
    let built = ["release", "debug"].into_iter().map(|profile| target.join(profile));
    on_path.chain(built).map(|folder| folder.join(&name)).find(|file| file.is_file()).ok_or_else(|| {
        "the sandbox is run by the `stoker` program, and there is none on PATH: build it with `cargo build -p stoker` in \
         Stoker's folder and set STOKER_BIN to its target/debug/stoker"
            .to_owned()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_what_to_do() {
        let nowhere = Path::new("/no/such/folder");
        let message = found(None, None, nowhere).unwrap_err();
        assert!(message.contains("cargo build -p stoker") && message.contains("STOKER_BIN"), "{message}");
        let message = found(Some(nowhere.join("stoker")), None, nowhere).unwrap_err();
        assert!(message.contains("/no/such/folder/stoker"), "{message}");
        // Any program will do to be found.
        let this = std::env::current_exe().unwrap();
        assert_eq!(found(Some(this.clone()), None, nowhere), Ok(this));
    }

    #[cfg(unix)]
    fn sandbox_that(script: &str) -> (std::path::PathBuf, Sandbox) {
        use std::os::unix::fs::PermissionsExt;
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let program = std::env::temp_dir().join(format!("stoker-sdk-{}-{number}.sh", std::process::id()));
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        (program.clone(), Sandbox { module: "greet.wasm".into(), program, options: Vec::new() })
    }

    #[cfg(unix)]
    #[test]
    fn the_program_is_told_what_to_run_and_its_refusal_is_kept() {
        let (program, sandbox) = sandbox_that("echo \"$@\" >&2; cat >&2; exit 1");
        let refused = sandbox.attempt(2, 3).try_run("greet", &["Ada"]).unwrap_err();
        assert_eq!(refused.0, "run greet.wasm greet - --json --attempt 2 --max-attempts 3\n[\"Ada\"]");
        std::fs::remove_file(program).unwrap();
    }
}
