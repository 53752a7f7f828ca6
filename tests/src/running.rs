//! A command of the binary that runs until it is told to end, such as `stoker dev`: what it says meanwhile, and how it
//! ends.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::child::{HostChild, SystemLimits};
use crate::wait::{DEADLINE, eventually_within};

/// A running command. Killed, by its id, when dropped.
#[derive(Debug)]
pub struct Running {
    child: HostChild,
    /// Holds what it says.
    _home: TempDir,
}

impl Running {
    /// Starts `stoker ARGS` in a folder.
    pub fn start(args: &[&str], envs: &[(&str, &str)], current_dir: &Path) -> Running {
        let home = tempfile::tempdir().expect("a temporary directory");
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let envs: Vec<_> = envs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let child = HostChild::spawn(&args, &envs, current_dir, home.path().join("said"), SystemLimits::default());
        Running { child, _home: home }
    }

    /// Everything it has said so far, on both channels.
    pub fn said(&self) -> String {
        self.child.log()
    }

    /// The JSON objects among the lines it has said.
    pub fn events(&self) -> Vec<Value> {
        self.said().lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// Waits until `found` finds something in its events.
    #[track_caller]
    pub fn wait_event<T>(&mut self, what: &str, deadline: Duration, found: impl Fn(&[Value]) -> Option<T>) -> T {
        eventually_within(deadline, what, || {
            let event = found(&self.events());
            assert!(event.is_some() || self.child.is_running(), "it has ended before {what}:\n{}", self.said());
            event
        })
    }

    /// Waits until it has said `text`.
    #[track_caller]
    pub fn wait_said(&mut self, text: &str) -> String {
        self.wait_said_times(text, 1)
    }

    /// Waits until it has said `text` so many times.
    #[track_caller]
    pub fn wait_said_times(&mut self, text: &str, times: usize) -> String {
        eventually_within(DEADLINE, text, || {
            let said = self.said();
            let is_said = said.matches(text).count() >= times;
            assert!(is_said || self.child.is_running(), "it has ended without `{text}`:\n{said}");
            is_said.then_some(said)
        })
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.child.wait_exit(DEADLINE)
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&self) {
        self.child.signal(Signal::INT);
    }

    /// SIGTERM, and waits for its end.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.child.signal(Signal::TERM);
        self.child.wait_exit(DEADLINE)
    }

    /// SIGKILL: it can do nothing more.
    pub fn kill9(&mut self) {
        self.child.kill();
    }
}
