//! The loop of `dev`: build, deploy, wait for a change. Remembers what was deployed last, so that only differences are.

use std::path::{Path, PathBuf};
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
use crate::cli::deploy::{Deployment, broken_rows, changes_rows, deploy, gone_row, take_back};
use crate::cli::hints;
use crate::cli::project::{BuildInterrupted, Built, Interrupt, Project};
use crate::cli::terminal::Colours;
use crate::cli::versions::{active, short};
use crate::job::{Digest, KindName, ModuleName};

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
    /// The host it had started lost its data with the folder, and the folder is there again.
    HostEmptied,
}

/// What it works with.
pub(super) struct Session {
    pub(super) project: Project,
    pub(super) client: Arc<Client>,
    pub(super) report: Report,
    pub(super) interrupt: Interrupt,
    pub(super) follower: Follower,
    /// What this command has deployed last. Others may have activated something else since.
    pub(super) deployed: Option<(ModuleName, Digest)>,
    pub(super) shown_examples: Vec<String>,
    /// It was said that there are more files than are looked at.
    pub(super) is_told_cut: bool,
    /// Where the host started here keeps its jobs: below the project's folder.
    pub(super) own_data_dir: Option<PathBuf>,
}

impl Session {
    /// Until the end.
    pub(super) fn run(&mut self, mut watch: Watch, signals: &Receiver<Signal>) -> End {
        let mut is_first = true;
        loop {
            let (mut before, failed) = watch.snapshot(&self.project);
            self.tell_watching(before.is_cut(), failed);
            if self.is_host_emptied() {
                return End::HostEmptied;
            }
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
                self.tell_watching(now.is_cut(), failed);
                if before.differs_from(&now) {
                    break;
                }
            }
        }
    }

    fn is_host_emptied(&self) -> bool {
        let is_gone = self.own_data_dir.as_ref().is_some_and(|data_dir| !data_dir.exists());
        is_gone && self.project.folder().is_some_and(Path::is_dir)
    }

    fn tell_watching(&mut self, is_cut: bool, failed: Option<String>) {
        if let Some(error) = failed {
            let message = format!("the system does not tell of changes ({error}); looking every second instead");
            self.report.tell(&Event::Note { message });
        }
        if is_cut && !std::mem::replace(&mut self.is_told_cut, is_cut) {
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
                report.tell(&Event::BuildFailed { message: format!("{error:#}"), stays: self.stays() });
            }
            Ok((built, wasm)) => {
                if let Err(error) = self.deploy(&built, wasm) {
                    report.tell(&Event::Refused { message: format!("{error:#}"), stays: self.stays() });
                }
            }
        }
        false
    }

    /// What the host has active, of the module deployed here; somebody else may have had a hand in it.
    fn stays(&self) -> Option<String> {
        let (module, _) = self.deployed.as_ref()?;
        let digest = active(&self.client, module).ok()??;
        Some(digest.to_string())
    }

    fn deploy(&mut self, built: &Built, wasm: Vec<u8>) -> anyhow::Result<()> {
        // What is activated from here on is our doing, until it is known what that was.
        self.follower.expect(None);
        let deployed = self.deploy_unwatched(built, wasm);
        // What was refused changed nothing: somebody else's version that was told of stays the one that is expected.
        let ours = self.deployed.as_ref().map(|(_, digest)| *digest);
        let active = if deployed.is_ok() { None } else { active(&self.client, &built.module).ok().flatten() };
        self.follower.expect(active.or(ours));
        deployed
    }

    fn deploy_unwatched(&mut self, built: &Built, wasm: Vec<u8>) -> anyhow::Result<()> {
        // Also where jobs that wait would break: that is seen, and the next change may mend it.
        let Deployment { module: deployed, changes, .. } =
            deploy(&self.client, &built.module, wasm, true).map_err(advice::on_refusal)?;
        let (ours, digest) = (deployed.digest, deployed.digest.to_string());
        if let Some(message) = meanwhile(self.deployed.as_ref(), &built.module, changes.active.as_deref(), &digest) {
            self.report.tell(&Event::Note { message });
        }
        let is_new = changes.active.as_ref() != Some(&digest);
        let kinds = deployed.kinds;
        // Before anybody is told that jobs can come.
        if let Err(error) = self.follower.follow(&built.module) {
            self.report.tell(&Event::Note { message: format!("the module's jobs can't be followed: {error}") });
        }
        self.deployed = Some((built.module.clone(), ours));
        let mut differences: Vec<String> = gone_row(&changes).into_iter().collect();
        differences.extend(changes_rows(&changes, Colours::Off));
        if changes.breaks_jobs() {
            differences.extend(broken_rows(&changes, Colours::Off));
            let back = take_back(&changes, built.module.as_str());
            differences.push(format!("take them with the next change; {back}"));
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
        Some(hints::command(&format!("stoker enqueue {kind} {payload} --wait")))
    }
}

/// What somebody else had activated since the last deploy from here, now that it is no longer active.
fn meanwhile(
    before: Option<&(ModuleName, Digest)>,
    module: &ModuleName,
    replaced: Option<&str>,
    now: &str,
) -> Option<String> {
    let (_, ours) = before.filter(|(deployed, _)| deployed == module)?;
    let theirs = replaced.filter(|replaced| *replaced != ours.to_string() && *replaced != now)?;
    let back = hints::addressed(format!("`stoker rollback {module} {}`", short(theirs)));
    Some(format!("somebody activated {} meanwhile; this replaces it ({back} takes it back)", short(theirs)))
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
    fn what_somebody_else_activated_is_told_when_it_is_replaced() {
        let digest = |word: char| format!("sha256:{}", word.to_string().repeat(64));
        let module: ModuleName = "m".parse().unwrap();
        let ours = (module.clone(), digest('a').parse().unwrap());
        let told = |before, replaced: &str, now: &str| meanwhile(before, &module, Some(replaced), now);
        assert_eq!(
            told(Some(&ours), &digest('b'), &digest('c')).unwrap(),
            "somebody activated sha256:bbbbbbbbbbbb meanwhile; this replaces it (`stoker rollback m sha256:bbbbbbbbbbbb` \
             takes it back)"
        );
        for (before, replaced, now) in [(None, 'b', 'c'), (Some(&ours), 'a', 'c'), (Some(&ours), 'c', 'c')] {
            assert_eq!(told(before, &digest(replaced), &digest(now)), None);
        }
    }

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
