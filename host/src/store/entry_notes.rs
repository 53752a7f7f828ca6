//! Notes, outside the database, of which guests were entered and which of them have ended: small records in a file of
//! its own.
//!
//! Written without fsync, so a note costs a system call; it survives the death of the process, which is what it is
//! for: after a crash it tells the jobs whose guests ran from those that were only claimed, and those that had ended,
//! their outcome unwritten, from those that may have been the death of the host.
//!
//! First comes a record per slot, of the guest it entered last; then a ring of those that ended. No record is ever
//! cleared: it counts only for a job that is still held under its lease number.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::fs::FallocateFlags;

use super::draft::{LostEntries, LostEntry};
use crate::job::{JobId, Lease, Timestamp};
use crate::regular_file;

/// Stands in the data directory.
pub(super) const ENTRIES_FILE: &str = "entered.slots";
/// Job id, lease number, time of entry with a check in its upper bits.
const RECORD_BYTES: usize = 32;
/// Slots a file may hold; a host has at most 256.
const SLOTS_MAX: u32 = 4_096;
/// Ended guests remembered: more than outcomes may wait to be written.
const ENDED_MAX: u32 = 16_384;
/// Times of entry fit in the lower 48 bits.
const TIME_MASK: u64 = (1 << 48) - 1;

/// The open file. Shared by all slots; each writes its own record.
#[derive(Debug)]
pub(super) struct EntryNotes {
    /// None while there is no room for one: jobs run without notes.
    file: Option<File>,
    /// Where the ring goes on.
    ended: AtomicU32,
    complained: AtomicBool,
}

impl EntryNotes {
    /// Opens the file and reads what the previous process left in it.
    pub(super) fn open(data_dir: &Path) -> std::io::Result<(Self, LostEntries)> {
        let path = data_dir.join(ENTRIES_FILE);
        let options = OpenOptions::new().create(true).truncate(false).read(true).write(true).clone();
        let file = match regular_file::open(&path, &options) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                tracing::warn!(%error, file = ENTRIES_FILE, "cannot note entered guests until the next start");
                return Ok((Self::new(None), LostEntries::default()));
            }
            Err(error) => return Err(error),
        };
        // Room for all of it now: notes are written while the disk is full, too. Where that can't be had they do without.
        let _refused = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, offset(SLOTS_MAX + ENDED_MAX));
        let mut lost = LostEntries::default();
        let mut bytes = Vec::new();
        (&file).take(offset(SLOTS_MAX + ENDED_MAX)).read_to_end(&mut bytes)?;
        let (records, _torn) = bytes.as_chunks::<RECORD_BYTES>();
        for (index, record) in records.iter().enumerate() {
            if let Some((job, number, entered_at)) = decode(record) {
                // Ended ones come last, and count.
                lost.insert((job, number), LostEntry { entered_at, ended: index >= SLOTS_MAX as usize });
            }
        }
        Ok((Self::new(Some(file)), lost))
    }

    fn new(file: Option<File>) -> Self {
        Self { complained: AtomicBool::new(file.is_none()), ended: AtomicU32::new(0), file }
    }

    /// The guest of this lease is about to be entered.
    pub(super) fn enter(&self, slot: u32, lease: &Lease, at: Timestamp) {
        if slot < SLOTS_MAX {
            self.write(slot, &encode(lease.job(), lease.number(), at));
        }
    }

    /// The guest of this lease, entered `at`, has ended; the store does not know yet.
    pub(super) fn end(&self, lease: &Lease, at: Timestamp) {
        let place = self.ended.fetch_add(1, Ordering::Relaxed) % ENDED_MAX;
        self.write(SLOTS_MAX + place, &encode(lease.job(), lease.number(), at));
    }

    fn write(&self, place: u32, record: &[u8; RECORD_BYTES]) {
        let Some(file) = &self.file else { return };
        if let Err(error) = file.write_all_at(record, offset(place))
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            // Without notes a crash costs no job; it only can't be told which jobs had a part in it.
            tracing::warn!(%error, file = ENTRIES_FILE, "cannot note entered guests");
        }
    }
}

fn offset(place: u32) -> u64 {
    u64::from(place) * RECORD_BYTES as u64
}

fn encode(job: JobId, number: i64, at: Timestamp) -> [u8; RECORD_BYTES] {
    let time = u64::try_from(at.as_ms()).unwrap_or(0) & TIME_MASK;
    let mut record = [0; RECORD_BYTES];
    let (id, rest) = record.split_at_mut(16);
    let (lease, last) = rest.split_at_mut(8);
    id.copy_from_slice(&job.to_bytes());
    lease.copy_from_slice(&number.to_be_bytes());
    last.copy_from_slice(&((check(job, number, time) << 48) | time).to_be_bytes());
    record
}

fn decode(record: &[u8; RECORD_BYTES]) -> Option<(JobId, i64, Timestamp)> {
    let (id, rest) = record.split_first_chunk::<16>()?;
    let (lease, rest) = rest.split_first_chunk::<8>()?;
    let (last, _) = rest.split_first_chunk::<8>()?;
    let (job, number, last) = (JobId::from_bytes(*id), i64::from_be_bytes(*lease), u64::from_be_bytes(*last));
    let time = last & TIME_MASK;
    // An empty or torn record is no entry.
    (job.as_u128() != 0 && last >> 48 == check(job, number, time))
        .then(|| (job, number, Timestamp(i64::try_from(time).unwrap_or(0))))
}

/// Sixteen bits that a torn record is unlikely to carry.
fn check(job: JobId, number: i64, time: u64) -> u64 {
    let [high, low] =
        [job.as_u128() >> 64, job.as_u128()].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
    let mixed = (high ^ low.rotate_left(23) ^ number.cast_unsigned().rotate_left(41) ^ time)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) | 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::job::HostId;

    #[test]
    fn notes_outlive_the_file_handle_and_torn_ones_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let lease = |job| Lease::granted(JobId::from_u128(job), HostId::from_u128(1), 7, 1);
        let (notes, before) = EntryNotes::open(dir.path()).unwrap();
        assert!(before.is_empty());
        notes.enter(0, &lease(10), Timestamp(1_000));
        notes.enter(2, &lease(11), Timestamp(2_000));
        notes.enter(3, &lease(12), Timestamp(3_000));
        notes.end(&lease(12), Timestamp(3_000));
        notes.enter(4, &lease(13), Timestamp(4_000));
        notes.file.as_ref().unwrap().write_all_at(&[9], offset(4)).unwrap();
        notes.enter(SLOTS_MAX, &lease(14), Timestamp(5_000));
        drop(notes);
        let (_notes, after) = EntryNotes::open(dir.path()).unwrap();
        let mut jobs: Vec<u128> = after.keys().map(|(job, _)| job.as_u128()).collect();
        jobs.sort_unstable();
        assert_eq!(jobs, [10, 11, 12]);
        let note = |job| after[&(JobId::from_u128(job), 7)];
        assert_eq!((note(11).entered_at, note(11).ended), (Timestamp(2_000), false));
        assert_eq!((note(12).entered_at, note(12).ended), (Timestamp(3_000), true));
    }
}
