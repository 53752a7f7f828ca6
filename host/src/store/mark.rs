//! The mark beside the database: which store lives in the directory, and up to which commit it has answered callers.
//!
//! Written in place after each synced commit that changed jobs, without an fsync of its own: it may lag behind the
//! database, and never runs ahead of it. So a database that ends before its mark has lost what was acknowledged.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::regular_file;

/// Stands in the data directory.
pub(super) const MARK_FILE: &str = "stoker.mark";
/// Form, store id, commit, check: small enough to be written whole or not at all.
const RECORD_BYTES: usize = 32;
/// Says what the file is, and in which form.
const FORM: [u8; 8] = *b"stoker 1";

/// Which store, and how far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) store_id: i64,
    pub(super) commit: i64,
}

/// What a directory says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundMark {
    /// A new directory, or a restored copy alone.
    Absent,
    /// There is one that can't be read: it only says that a store was here.
    Damaged,
    Sound(Mark),
}

/// Reads the directory's mark.
pub(super) fn read_mark(data_dir: &Path) -> std::io::Result<FoundMark> {
    // One byte more than it can have shows that it is damaged.
    let read = regular_file::open_to_read(&data_dir.join(MARK_FILE)).and_then(|file| {
        let mut bytes = Vec::with_capacity(RECORD_BYTES + 1);
        file.take(RECORD_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) => Ok(decode(&bytes).map_or(FoundMark::Damaged, FoundMark::Sound)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(FoundMark::Absent),
        Err(error) => Err(error),
    }
}

/// Keeps the mark of an open store.
#[derive(Debug)]
pub(super) struct MarkWriter {
    store_id: i64,
    /// None where it could not be opened: then nothing is noted, and nothing is missed later either.
    file: Option<File>,
    complained: AtomicBool,
}

impl MarkWriter {
    /// Opens the mark for writing; makes it, durably, when there is no sound one. Never fails: the mark only guards.
    pub(super) fn open(data_dir: &Path, found: FoundMark, mark: Mark) -> Self {
        let opened = open_file(data_dir, found, mark);
        if let Err(error) = &opened {
            tracing::warn!(%error, file = MARK_FILE, "cannot keep the mark that shows whether commits were lost");
        }
        Self { store_id: mark.store_id, file: opened.ok(), complained: AtomicBool::new(false) }
    }

    /// This commit is on disk.
    pub(super) fn note(&self, commit: i64) {
        let record = encode(Mark { store_id: self.store_id, commit });
        if let Some(file) = &self.file
            && let Err(error) = file.write_all_at(&record, 0)
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, file = MARK_FILE, "cannot note how far the store got");
        }
    }
}

fn open_file(data_dir: &Path, found: FoundMark, mark: Mark) -> std::io::Result<File> {
    let path = data_dir.join(MARK_FILE);
    let file = regular_file::open(&path, OpenOptions::new().create(true).truncate(false).write(true))?;
    if !matches!(found, FoundMark::Sound(_)) {
        file.set_len(0)?;
        file.write_all_at(&encode(mark), 0)?;
        file.sync_all()?;
        File::open(data_dir)?.sync_all()?;
    }
    Ok(file)
}

fn encode(mark: Mark) -> [u8; RECORD_BYTES] {
    let words = [FORM, mark.store_id.to_le_bytes(), mark.commit.to_le_bytes(), check(mark).to_le_bytes()];
    let mut record = [0; RECORD_BYTES];
    for (place, word) in record.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word);
    }
    record
}

fn decode(bytes: &[u8]) -> Option<Mark> {
    let words: Vec<[u8; 8]> = bytes.chunks(8).filter_map(|word| word.try_into().ok()).collect();
    let [form, store_id, commit, checked] = <[[u8; 8]; 4]>::try_from(words).ok()?;
    let mark = Mark { store_id: i64::from_le_bytes(store_id), commit: i64::from_le_bytes(commit) };
    (form == FORM && checked == check(mark).to_le_bytes()).then_some(mark)
}

/// Tells a record that was written from one that was damaged.
fn check(mark: Mark) -> u64 {
    (mark.store_id.cast_unsigned() ^ mark.commit.cast_unsigned().rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ u64::from_le_bytes(FORM)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_damaged_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_mark(dir.path()).unwrap(), FoundMark::Absent);
        let mark = Mark { store_id: 77, commit: 5 };
        let writer = MarkWriter::open(dir.path(), FoundMark::Absent, mark);
        assert_eq!(read_mark(dir.path()).unwrap(), FoundMark::Sound(mark));
        writer.note(6);
        let later = FoundMark::Sound(Mark { commit: 6, ..mark });
        assert_eq!(read_mark(dir.path()).unwrap(), later);
        // A later process goes on with what is there.
        drop(MarkWriter::open(dir.path(), later, mark));
        assert_eq!(read_mark(dir.path()).unwrap(), later);

        let path = dir.path().join(MARK_FILE);
        let sound = std::fs::read(&path).unwrap();
        for byte in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[byte] ^= 0x10;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(read_mark(dir.path()).unwrap(), FoundMark::Damaged, "byte {byte}");
        }
        for length in [0, 8, 31, 40] {
            std::fs::write(&path, vec![0; length]).unwrap();
            assert_eq!(read_mark(dir.path()).unwrap(), FoundMark::Damaged);
        }
        drop(MarkWriter::open(dir.path(), FoundMark::Damaged, mark));
        assert_eq!(read_mark(dir.path()).unwrap(), FoundMark::Sound(mark));
    }
}
