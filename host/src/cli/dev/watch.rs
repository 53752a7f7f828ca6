//! Hears of changes on disk: from the system, or where that fails by looking now and then. Says only that something may
//! have changed; what, a snapshot tells.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::signals::Signal;
use super::snapshot::{Identity, Snapshot};
use crate::cli::project::Project;

/// Pause between two looks where the system does not tell.
const LOOK_EVERY_MS: u64 = 1_000;

/// Tells of changes as long as it lives.
pub(super) struct Watch {
    how: How,
    signals: Sender<Signal>,
}

enum How {
    Told {
        watcher: RecommendedWatcher,
        folders: BTreeMap<PathBuf, Identity>,
    },
    /// A thread of its own looks.
    Looking,
}

impl Watch {
    /// Begins to listen; gives why it must look instead, if it must.
    pub(super) fn start(signals: &Sender<Signal>) -> (Watch, Option<String>) {
        let told = signals.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // A build reads the sources, too; that is no change. An error means that something was missed.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // A full queue tells already.
            let _told_already = told.try_send(Signal::Touched);
        });
        let signals = signals.clone();
        match watcher {
            Ok(watcher) => (Watch { how: How::Told { watcher, folders: BTreeMap::new() }, signals }, None),
            Err(error) => {
                let mut watch = Watch { how: How::Looking, signals };
                watch.look();
                (watch, Some(error.to_string()))
            }
        }
    }

    /// The project as it is now, with all its folders heard of from before that moment; why it must look from now on,
    /// if it must.
    pub(super) fn snapshot(&mut self, project: &Project) -> (Snapshot, Option<String>) {
        loop {
            let snapshot = Snapshot::of(project);
            let How::Told { watcher, folders } = &mut self.how else { return (snapshot, None) };
            // One that has gone and come again is another.
            let is_new = |(folder, identity): &(&PathBuf, &Identity)| folders.get(*folder) != Some(*identity);
            let new: Vec<_> = snapshot.folders().iter().filter(is_new).map(|(f, i)| (f.clone(), *i)).collect();
            if new.is_empty() {
                folders.retain(|folder, _| {
                    let stays = snapshot.folders().contains_key(folder);
                    if !stays {
                        // Where it has gone, so has the watch.
                        let _gone = watcher.unwatch(folder);
                    }
                    stays
                });
                return (snapshot, None);
            }
            for (folder, identity) in new {
                if folders.remove(&folder).is_some() {
                    let _gone = watcher.unwatch(&folder);
                }
                match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                    Ok(()) => {}
                    Err(_) if !folder.is_dir() => {}
                    Err(error) => {
                        self.how = How::Looking;
                        self.look();
                        return (snapshot, Some(error.to_string()));
                    }
                }
                folders.insert(folder, identity);
            }
        }
    }

    fn look(&mut self) {
        let signals = self.signals.clone();
        // Where even a thread can't be had, the next command tells of it.
        let _looking = std::thread::Builder::new().name("look".to_owned()).spawn(move || {
            while !matches!(signals.try_send(Signal::Touched), Err(TrySendError::Disconnected(_))) {
                std::thread::sleep(Duration::from_millis(LOOK_EVERY_MS));
            }
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_mins(1);

    #[test]
    fn changes_are_told_also_in_new_folders_and_by_looking() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("handler.toml"), "").unwrap();
        let project = Project::find(folder.path()).unwrap();
        let (sender, receiver) = crossbeam_channel::bounded(8);
        let (mut watch, failed) = Watch::start(&sender);
        assert_eq!(failed, None);
        let before = watch.snapshot(&project).0;
        std::fs::create_dir(folder.path().join("src")).unwrap();
        receiver.recv_timeout(DEADLINE).unwrap();
        let between = watch.snapshot(&project).0;
        assert!(!before.differs_from(&between), "an empty folder is no change");
        while receiver.try_recv().is_ok() {}
        std::fs::write(folder.path().join("src/main.c"), "").unwrap();
        receiver.recv_timeout(DEADLINE).unwrap();
        assert!(between.differs_from(&watch.snapshot(&project).0));

        watch.how = How::Looking;
        watch.look();
        for _ in 0..2 {
            assert_eq!(receiver.recv_timeout(DEADLINE).unwrap(), Signal::Touched);
        }
    }
}
