//! A host of a test's own: a data directory, a free port, a process; killed and started again at will.
//!
//! Dropping it fails a test that leaves unfinished work behind (unless it said it would) or a host that panicked.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::api::Api;
use crate::child::{HostChild, SystemLimits};
use crate::frozen::{is_in_transaction, stands_still};
use crate::jobs::UNFINISHED_STATES;
use crate::wait::{DEADLINE, eventually};

/// What a host of a test is started with.
#[derive(Clone, Debug)]
pub struct HostBuilder {
    workers: u32,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
    admin_key: Option<String>,
    may_leave_work: bool,
    limits: SystemLimits,
}

impl HostBuilder {
    /// Attempts that may run at once; 0 = accept and don't run. Two unless said.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// One more argument of `stoker serve`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// A flag of `stoker serve` with its value.
    #[must_use]
    pub fn flag(self, flag: &str, value: impl std::fmt::Display) -> Self {
        self.arg(flag).arg(format!("{value}"))
    }

    /// An environment variable of the host.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    /// Demands this key; the client sends it.
    #[must_use]
    pub fn admin_key(mut self, key: &str) -> Self {
        self.admin_key = Some(key.to_owned());
        self.env("STOKER_ADMIN_KEY", key)
    }

    /// Uses this data directory, and leaves it there, instead of a fresh one.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// With so much virtual memory and no more.
    #[must_use]
    pub fn address_space(mut self, bytes: u64) -> Self {
        self.limits.address_space_bytes = Some(bytes);
        self
    }

    /// With so many open files and no more.
    #[must_use]
    pub fn open_files(mut self, files: u64) -> Self {
        self.limits.open_files = Some(files);
        self
    }

    /// The test ends with unfinished jobs on purpose.
    #[must_use]
    pub fn leaves_work_behind(mut self) -> Self {
        self.may_leave_work = true;
        self
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(self) -> TestHost {
        match self.try_start() {
            Ok(host) => host,
            Err((status, log)) => panic!("the host did not start ({status}):\n{log}"),
        }
    }

    /// Starts it; gives how it ended and what it wrote if it did not come to listen.
    #[track_caller]
    pub fn try_start(self) -> Result<TestHost, (ExitStatus, String)> {
        let home = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let mut host =
            TestHost { child: None, api: Api::new("http://127.0.0.1:9", None), starts: 0, home, builder: self };
        host.start_child().map(|()| host)
    }
}

/// A host of a test's own. Speaks as its [`Api`].
#[derive(Debug)]
pub struct TestHost {
    child: Option<HostChild>,
    api: Api,
    /// How often it was started: each start writes a log of its own.
    starts: u32,
    home: Arc<TempDir>,
    builder: HostBuilder,
}

impl Deref for TestHost {
    type Target = Api;
    fn deref(&self) -> &Api {
        &self.api
    }
}

impl TestHost {
    /// With two workers, on a fresh data directory and a free port of the loopback interface.
    pub fn builder() -> HostBuilder {
        HostBuilder {
            workers: 2,
            args: Vec::new(),
            envs: Vec::new(),
            data_dir: None,
            admin_key: None,
            may_leave_work: false,
            limits: SystemLimits::default(),
        }
    }

    /// The usual one, started.
    #[track_caller]
    pub fn start() -> TestHost {
        Self::builder().start()
    }

    /// A client for another thread.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Where it keeps everything durable.
    pub fn data_dir(&self) -> PathBuf {
        self.builder.data_dir.clone().unwrap_or_else(|| self.home.path().join("data"))
    }

    /// A directory beside the data, for files of the test.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The process.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the host runs").pid()
    }

    /// What the process uses or has used of the machine's memory, MiB: a line of its status, `VmRSS` or `VmHWM`.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub fn memory_mib(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the host runs");
        let found = status.lines().find_map(|text| text.strip_prefix(line)).expect("a line of the kernel's");
        let kib = found.split_ascii_whitespace().find_map(|word| word.parse::<u64>().ok()).expect("a number");
        kib / 1024
    }

    /// What the running (or last) process wrote.
    pub fn log(&self) -> String {
        self.child.as_ref().map(HostChild::log).unwrap_or_default()
    }

    /// From now on the test may end with unfinished jobs.
    pub fn leave_work_behind(&mut self) {
        self.builder.may_leave_work = true;
    }

    /// SIGKILL: no goodbye of any kind.
    pub fn kill9(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill();
        }
    }

    /// SIGTERM, without waiting.
    pub fn signal_terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stands still from now on, holding what it holds; never in the middle of a transaction of the store, which nobody else could
    /// write then.
    #[track_caller]
    pub fn freeze(&self) {
        let pid = self.child.as_ref().expect("the host runs").pid();
        let shm = self.data_dir().join("stoker.db-shm");
        eventually("the host stands still between two transactions", || {
            self.signal(Signal::STOP);
            eventually("the host stands still", || stands_still(pid).then_some(()));
            let is_between = !is_in_transaction(pid, &shm);
            if !is_between {
                self.signal(Signal::CONT);
            }
            is_between.then_some(())
        });
    }

    /// Goes on as if no time had passed.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        self.child.as_ref().expect("the host runs").signal(signal);
    }

    /// SIGTERM, and waits until it has ended.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal_terminate();
        self.wait_exit(DEADLINE)
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        self.child.as_mut().expect("the host was started").wait_exit(deadline)
    }

    /// `true` while the process lives.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(HostChild::is_running)
    }

    /// Starts it again on the same data directory (the port is another one).
    #[track_caller]
    pub fn restart(&mut self) {
        self.restart_with(|builder| builder);
    }

    /// Starts it again on the same data directory with other settings. What was started before is killed first.
    #[track_caller]
    pub fn restart_with(&mut self, change: impl FnOnce(HostBuilder) -> HostBuilder) {
        self.check_log();
        self.kill9();
        let data_dir = self.data_dir();
        self.builder = change(self.builder.clone()).data_dir(data_dir);
        if let Err((status, log)) = self.start_child() {
            panic!("the host did not start again ({status}):\n{log}");
        }
    }

    #[track_caller]
    fn start_child(&mut self) -> Result<(), (ExitStatus, String)> {
        self.starts += 1;
        let log = self.home.path().join(format!("host-{}.log", self.starts));
        let mut args = vec![
            "serve".to_owned(),
            "--data-dir".to_owned(),
            self.data_dir().display().to_string(),
            "--workers".to_owned(),
            self.builder.workers.to_string(),
        ];
        if !self.builder.args.iter().any(|arg| arg == "--listen") {
            args.extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
        }
        args.extend(self.builder.args.iter().cloned());
        let mut child = HostChild::spawn(&args, &self.builder.envs, self.home.path(), log, self.builder.limits);
        match child.wait_listening() {
            Ok(url) => {
                self.api = Api::new(&url, self.builder.admin_key.clone());
                self.child = Some(child);
                Ok(())
            }
            Err(status) => Err((status, child.log())),
        }
    }

    /// Fails the test if the host panicked.
    fn check_log(&self) {
        if let Some(child) = &self.child {
            let log = child.log();
            assert!(!log.contains("panicked at"), "the host panicked:\n{}", child.log_tail());
        }
    }

    /// Jobs that have not ended, a few of each state.
    fn unfinished(&self) -> Vec<String> {
        let mut found = Vec::new();
        for state in UNFINISHED_STATES {
            // A host that can't answer is a failure the test itself has to find.
            let Ok(reply) = self.api.try_request("GET", &format!("/v1/jobs?state={state}&limit=3"), &[], None) else {
                continue;
            };
            if reply.status == 200 {
                let page = reply.json();
                let items = page["items"].as_array().cloned().unwrap_or_default();
                found.extend(items.iter().map(|job| format!("{state}: {} {}", job["kind"], job["id"])));
            }
        }
        found
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(child) = &self.child {
                eprintln!("--- the host's log, last lines ---\n{}", child.log_tail());
            }
            return;
        }
        let unfinished = if self.is_running() && !self.builder.may_leave_work { self.unfinished() } else { Vec::new() };
        self.kill9();
        self.check_log();
        assert!(unfinished.is_empty(), "the test left work behind: {unfinished:?}");
    }
}
