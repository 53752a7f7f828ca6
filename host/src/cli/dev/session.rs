//! The loop of `dev`: build, deploy, wait for a change. Remembers what was deployed last, so that only differences are.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde_json::value::RawValue;

use super::event::{Event, Report};
use super::example::{example, quoted};
use super::follow::Follower;
use super::signals::Signal;
use super::snapshot::Snapshot;
use super::watch::Watch;
use crate::cli::advice;
use crate::cli::client::{Client, segment};
use crate::cli::deploy::{Deployment, broken_rows, changes_rows, deploy};
use crate::cli::project::{BuildInterrupted, Built, Interrupt, Project};
use crate::cli::terminal::Colours;
use crate::job::KindName;

/// Nothing must change for so long before a build: editors and `git` write many files one after the other.
const QUIET_MS: u64 = 150;
/// A folder that never comes to rest is built all the same, after so many changes.
const TOUCHES_MAX: u32 = 200;
/// Kinds of one module for which a line to try is shown.
const EXAMPLES_MAX: usize = 5;

/// How the loop came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Somebody wants it to.
    Asked,
    /// The host it had started has ended by itself.
    HostEnded,
}

/// What it works with.
pub(super) struct Session {
    pub(super) project: Project,
    pub(super) client: Arc<Client>,
    pub(super) report: Report,
    pub(super) interrupt: Interrupt,
    pub(super) follower: Follower,
    /// What is not in an `enqueue` line by default: which host.
    pub(super) enqueue_flags: String,
    /// Of the version this command has deployed last.
    pub(super) active_digest: Option<String>,
    pub(super) shown_examples: Vec<String>,
}

impl Session {
    /// Until the end.
    pub(super) fn run(&mut self, mut watch: Watch, signals: &Receiver<Signal>) -> End {
        let mut is_first = true;
        loop {
            let (mut before, failed) = watch.snapshot(&self.project);
            self.tell_watching(&before, failed);
            let is_ended = self.build_and_deploy();
            before.adopt_made(&self.project, &Snapshot::of(&self.project));
            if std::mem::take(&mut is_first) && !is_ended {
                self.report.tell(&Event::Watching);
            }
            loop {
                if let Some(end) = wait_for_touch(signals) {
                    return end;
                }
                let (now, failed) = watch.snapshot(&self.project);
                self.tell_watching(&Snapshot::default(), failed);
                if before.differs_from(&now) {
                    break;
                }
            }
        }
    }

    fn tell_watching(&self, snapshot: &Snapshot, failed: Option<String>) {
        if let Some(error) = failed {
            let message = format!("the system does not tell of changes ({error}); looking every second instead");
            self.report.tell(&Event::Note { message });
        }
        if snapshot.is_cut() {
            let message =
                "the project has too many files to watch all; name those that count as `watch` in handler.toml";
            self.report.tell(&Event::Note { message: message.to_owned() });
        }
    }

    /// Whether somebody ended the build, and with it everything.
    fn build_and_deploy(&mut self) -> bool {
        let report = self.report;
        let mut say = |line: &str| report.tell(&Event::Building { command: line.to_owned() });
        let built = self.project.build(&mut say, Some(&self.interrupt)).and_then(|built| {
            let wasm = built.read()?;
            Ok((built, wasm))
        });
        match built {
            Err(error) if error.is::<BuildInterrupted>() => return true,
            Err(error) => {
                report.tell(&Event::BuildFailed { message: format!("{error:#}"), stays: self.active_digest.clone() });
            }
            Ok((built, wasm)) => {
                if let Err(error) = self.deploy(&built, wasm) {
                    report.tell(&Event::Refused { message: format!("{error:#}"), stays: self.active_digest.clone() });
                }
            }
        }
        false
    }

    fn deploy(&mut self, built: &Built, wasm: Vec<u8>) -> anyhow::Result<()> {
        // Also where jobs that wait would break: that is seen, and the next change may mend it.
        let Deployment { module: deployed, changes, .. } =
            deploy(&self.client, &built.module, wasm, true).map_err(advice::on_refusal)?;
        let digest = deployed.digest.to_string();
        let is_new = changes.active.as_ref() != Some(&digest);
        let kinds = deployed.kinds;
        // Before anybody is told that jobs can come.
        if let Err(error) = self.follower.follow(&built.module) {
            self.report.tell(&Event::Note { message: format!("the module's jobs can't be followed: {error}") });
        }
        self.active_digest = Some(digest.clone());
        let mut differences = changes_rows(&changes, Colours::Off);
        if changes.breaks_jobs() {
            differences.extend(broken_rows(&changes, Colours::Off));
            let module = &built.module;
            differences
                .push(format!("take them with the next change, or take this one back: `stoker rollback {module}`"));
        }
        self.report.tell(&Event::Deployed {
            module: deployed.name,
            digest,
            size_bytes: deployed.size_bytes,
            kinds: kinds.clone(),
            is_new,
            changes: differences,
        });
        let examples: Vec<String> = kinds.iter().take(EXAMPLES_MAX).filter_map(|kind| self.example_of(kind)).collect();
        if examples != self.shown_examples {
            for command in &examples {
                self.report.tell(&Event::Try { command: command.clone() });
            }
            self.shown_examples = examples;
        }
        Ok(())
    }

    /// A line that enqueues a job of this kind. A kind that can't be asked about has none.
    fn example_of(&self, kind: &str) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Kind {
            input_schema: Box<RawValue>,
        }
        // Only a name that is one goes into a line for a shell.
        let kind: KindName = kind.parse().ok()?;
        let answer: Kind = self.client.get(&format!("/v1/kinds/{}", segment(&kind))).send().ok()?.parse().ok()?;
        let payload = quoted(&example(&serde_json::from_str(answer.input_schema.get()).ok()?));
        Some(format!("stoker enqueue {kind} {payload} --wait{}", self.enqueue_flags))
    }
}

/// Waits until something has changed and then nothing for a while; `Some` when it is time to end.
fn wait_for_touch(signals: &Receiver<Signal>) -> Option<End> {
    let mut touches = 0;
    loop {
        let signal = if touches == 0 {
            signals.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            signals.recv_timeout(Duration::from_millis(QUIET_MS))
        };
        match signal {
            Ok(Signal::Touched) if touches < TOUCHES_MAX => touches += 1,
            Ok(Signal::Touched) | Err(RecvTimeoutError::Timeout) => return None,
            Ok(Signal::HostListens(_)) => {}
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Some(End::Asked),
            Ok(Signal::HostEnded) => return Some(End::HostEnded),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn many_changes_are_one_and_a_wish_to_end_is_heard() {
        let (sender, receiver) = crossbeam_channel::bounded(16);
        for signal in [Signal::Touched, Signal::Touched, Signal::Touched] {
            sender.send(signal).unwrap();
        }
        assert_eq!(wait_for_touch(&receiver), None);
        assert!(receiver.is_empty());
        sender.send(Signal::Touched).unwrap();
        sender.send(Signal::Stop).unwrap();
        assert_eq!(wait_for_touch(&receiver), Some(End::Asked));
        sender.send(Signal::HostEnded).unwrap();
        assert_eq!(wait_for_touch(&receiver), Some(End::HostEnded));
    }
}
