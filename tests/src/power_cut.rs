//! A power cut for a host that was started with the interposer of `tests/power_cut`: builds it, says what to start
//! the host with, and after a SIGKILL takes back every write that no fsync had made safe.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::workspace_root;

/// Bytes of a record before the old bytes: offset, length, size before.
const HEADER_BYTES: usize = 24;

/// The interposer, built, and the directory of its undo logs.
#[derive(Debug)]
pub struct PowerCut {
    library: PathBuf,
    undo_dir: PathBuf,
}

/// What was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Files that had unsafe writes.
    pub files: usize,
    /// Writes undone.
    pub writes: usize,
}

impl PowerCut {
    /// Builds the interposer in `home` with the C compiler of the machine.
    pub fn prepare(home: &Path) -> Self {
        let library = home.join("interpose.so");
        let source = workspace_root().join("tests/power_cut/interpose.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-pthread", "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl")
            .output();
        let output = built.unwrap_or_else(|error| panic!("this test needs a C compiler (`cc`): {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let undo_dir = home.join("undo");
        std::fs::create_dir_all(&undo_dir).expect("a directory for the undo logs");
        Self { library, undo_dir }
    }

    /// The environment of a process whose files below `data_dir` are to be followed. The path must be a real one,
    /// without links.
    pub fn environment(&self, data_dir: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.display().to_string()),
            ("STOKER_TEST_POWER_CUT_DATA", data_dir.display().to_string()),
            ("STOKER_TEST_POWER_CUT_UNDO", self.undo_dir.display().to_string()),
        ]
    }

    /// The environment, besides, of a process whose log can't be synced once: as soon as [`PowerCut::fail_next_sync`]
    /// is called.
    pub fn failing_sync(&self) -> (&'static str, String) {
        ("STOKER_TEST_FAIL_SYNC", self.fail_file().display().to_string())
    }

    /// The next sync of a write-ahead log fails, and what it should have made safe will not survive [`PowerCut::cut`],
    /// whatever syncs come later.
    pub fn fail_next_sync(&self) {
        std::fs::write(self.fail_file(), "").expect("the trigger can be written");
    }

    /// Whether that sync has failed.
    pub fn has_failed_sync(&self) -> bool {
        !self.fail_file().exists()
    }

    fn fail_file(&self) -> PathBuf {
        self.library.with_extension("fail-sync")
    }

    /// `true` once the process has written something that was followed.
    pub fn has_followed_writes(&self) -> bool {
        std::fs::read_dir(&self.undo_dir).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// The power is gone: takes back every write since the last fsync of its file, newest first. The processes must
    /// have ended. Forgets everything afterwards, so that the next host starts afresh.
    pub fn cut(&self, data_dir: &Path) -> TakenBack {
        let files = files_by_inode(data_dir);
        let mut taken = TakenBack::default();
        let entries = std::fs::read_dir(&self.undo_dir).expect("the undo logs").flatten();
        let mut logs: Vec<(bool, String, PathBuf)> = entries
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let inode = name.strip_suffix(".lost");
                (inode.is_some(), inode.unwrap_or(&name).to_owned(), entry.path())
            })
            .collect();
        // What was lost is older than what was not safe yet.
        logs.sort();
        for (is_lost, inode, log_path) in logs {
            if let Some(path) = files.get(&inode) {
                let log = std::fs::read(&log_path).expect("an undo log can be read");
                let writes = if is_lost { lose(path, &log) } else { undo(path, &log) };
                taken.files += usize::from(writes > 0);
                taken.writes += writes;
            }
            std::fs::remove_file(log_path).expect("an undo log can be removed");
        }
        // Memory-mapped, never safe: SQLite rebuilds it from the write-ahead log.
        for path in files.values() {
            if path.to_string_lossy().ends_with("-shm") {
                let _ = std::fs::remove_file(path);
            }
        }
        taken
    }
}

/// Every file below `folder`, by the name its undo log has.
fn files_by_inode(folder: &Path) -> HashMap<String, PathBuf> {
    let mut found = HashMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            found.extend(files_by_inode(&path));
        } else if metadata.is_file() {
            found.insert(format!("{}-{}", metadata.dev(), metadata.ino()), path);
        }
    }
    found
}

/// Applies a log backwards; gives the number of writes undone. A torn record at the end belongs to a write that
/// never happened.
fn undo(path: &Path, log: &[u8]) -> usize {
    let records = records(log);
    let file: File = OpenOptions::new().write(true).open(path).expect("a followed file can be opened");
    for (offset, size_before, old) in records.iter().rev() {
        file.write_all_at(old, *offset).expect("old bytes can be put back");
        file.set_len(*size_before).expect("the old size can be put back");
    }
    records.len()
}

/// Puts back what the file held on disk where a failed sync lost what it should have held; zeros where it held nothing.
/// Its size stays: that is safe by now. Gives the number of writes lost.
fn lose(path: &Path, log: &[u8]) -> usize {
    let (size, log) = log.split_at(8);
    let size = u64::from_le_bytes(size.try_into().expect("eight bytes"));
    let records = records(log);
    let file: File = OpenOptions::new().write(true).open(path).expect("a followed file can be opened");
    let now = file.metadata().expect("its size").len();
    if let Some(grown_from) = records.iter().map(|(_, size_before, _)| *size_before).min() {
        let grown = usize::try_from(size.min(now).saturating_sub(grown_from)).expect("fits");
        file.write_all_at(&vec![0; grown], grown_from).expect("zeros can be put there");
    }
    for (offset, _, old) in records.iter().rev() {
        let left = usize::try_from(now.saturating_sub(*offset)).expect("fits").min(old.len());
        file.write_all_at(&old[..left], *offset).expect("old bytes can be put back");
    }
    records.len()
}

fn records(log: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut found = Vec::new();
    let mut rest = log;
    while rest.len() >= HEADER_BYTES {
        let word = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().expect("eight bytes"));
        let (offset, length, size_before) = (word(0), usize::try_from(word(8)).expect("fits"), word(16));
        let Some(old) = rest[HEADER_BYTES..].get(..length) else { break };
        found.push((offset, size_before, old));
        rest = &rest[HEADER_BYTES + length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script whose files in the data directory are followed, then cuts the power.
    fn after_the_cut(script: &str, ignore_fsync: bool) -> (Vec<(String, String)>, TakenBack) {
        let home = tempfile::tempdir().unwrap();
        let home_path = home.path().canonicalize().unwrap();
        let data = home_path.join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("old"), "0123456789").unwrap();
        let cut = PowerCut::prepare(&home_path);
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(&data).envs(cut.environment(&data)).envs([cut.failing_sync()]);
        if ignore_fsync {
            command.env("STOKER_TEST_IGNORE_FSYNC", "1");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let taken = cut.cut(&data);
        let mut files: Vec<_> = std::fs::read_dir(&data)
            .unwrap()
            .flatten()
            .map(|entry| {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().to_string_lossy().into_owned(), text)
            })
            .collect();
        files.sort();
        (files, taken)
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn writes_after_the_last_fsync_are_gone() {
        // `dd conv=fsync` syncs at its end; `notrunc` keeps what is there. (The shell's own `>` goes round the
        // interposer: the C library's buffered output calls its `write` from within.)
        let script = "printf AB | dd of=old bs=1 seek=2 conv=notrunc,fsync status=none
                      printf xyz | dd of=old bs=1 seek=8 conv=notrunc status=none
                      printf new | dd of=new status=none";
        let (files, taken) = after_the_cut(script, false);
        assert_eq!(files, [pair("new", ""), pair("old", "01AB456789")]);
        assert_eq!(taken.files, 2);
    }

    #[test]
    fn without_fsync_everything_is_gone() {
        let script = "printf AB | dd of=old bs=1 seek=2 conv=notrunc,fsync status=none; truncate -s 4 old";
        let (files, taken) = after_the_cut(script, true);
        assert_eq!(files, [pair("old", "0123456789")]);
        assert_eq!(taken, TakenBack { files: 1, writes: 3 });
    }

    #[test]
    fn a_cut_off_end_comes_back_and_removed_files_are_forgotten() {
        let script = "truncate -s 4 old; printf gone | dd of=other status=none; rm other; mv old moved";
        let (files, taken) = after_the_cut(script, false);
        assert_eq!(files, [pair("moved", "0123456789")]);
        assert_eq!(taken, TakenBack { files: 1, writes: 1 });
    }

    #[test]
    fn what_a_failed_sync_lost_stays_lost_until_the_file_is_emptied() {
        // A program that goes on after the failure, as if the next sync said anything about the writes before it.
        let go_on = "printf AB | dd of=old-wal bs=1 seek=2 conv=notrunc status=none
                     touch ../interpose.fail-sync
                     dd if=/dev/null of=old-wal bs=1 seek=2 conv=notrunc,fsync status=none || true
                     printf xy | dd of=old-wal bs=1 seek=6 conv=notrunc,fsync status=none";
        let prepare = "printf 0123456789 | dd of=old-wal conv=fsync status=none\n";
        let (files, _) = after_the_cut(&format!("{prepare}{go_on}"), false);
        assert!(files.contains(&pair("old-wal", "012345xy89")), "{files:?}");
        let emptied =
            format!("{prepare}{go_on}\ntruncate -s 0 old-wal; printf anew | dd of=old-wal conv=fsync status=none");
        let (files, _) = after_the_cut(&emptied, false);
        assert!(files.contains(&pair("old-wal", "anew")), "{files:?}");
    }

    #[test]
    fn a_torn_record_is_a_write_that_never_happened() {
        let mut log = Vec::new();
        for word in [3u64, 2, 9] {
            log.extend(word.to_le_bytes());
        }
        log.extend(b"ab");
        let whole = log.len();
        log.extend([7; 30]);
        assert_eq!(records(&log[..whole]), [(3, 9, &b"ab"[..])]);
        assert_eq!(records(&log[..whole - 1]), []);
        assert_eq!(records(&log[..whole + 5]).len(), 1);
    }
}
