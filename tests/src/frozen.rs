//! Whether a process stands still, and where its store's transactions stand then.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Bytes of a `-shm` file that SQLite locks while a connection writes, folds the log in, or reads.
const TRANSACTION_LOCKS: std::ops::RangeInclusive<u64> = 120..=127;

/// Every thread is stopped.
pub(crate) fn stands_still(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // `pid (name) state …`; a name may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// Some connection of the process is in a transaction of the database whose `-shm` file this is.
pub(crate) fn is_in_transaction(pid: u32, shm: &Path) -> bool {
    let inode = std::fs::metadata(shm).expect("an open database has a -shm file").ino();
    let locks = std::fs::read_to_string("/proc/locks").expect("the system tells its locks");
    // `1: POSIX  ADVISORY  READ 4711 fe:00:1234 123 123`
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [.., owner, file, first, _last] = words.as_slice() else { return false };
        owner.parse() == Ok(pid)
            && file.rsplit_once(':').is_some_and(|(_, number)| number.parse() == Ok(inode))
            && first.parse().is_ok_and(|first: u64| TRANSACTION_LOCKS.contains(&first))
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_transaction_is_seen_while_it_lasts() {
        let directory = tempfile::tempdir().unwrap();
        let sql = Connection::open(directory.path().join("a.db")).unwrap();
        sql.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n)").unwrap();
        let shm = directory.path().join("a.db-shm");
        let pid = std::process::id();
        assert!(!is_in_transaction(pid, &shm));
        for (begin, read) in [("BEGIN", "SELECT * FROM t"), ("BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)")] {
            sql.execute_batch(&format!("{begin}; {read}")).unwrap();
            assert!(is_in_transaction(pid, &shm), "{begin}");
            sql.execute_batch("COMMIT").unwrap();
            assert!(!is_in_transaction(pid, &shm), "{begin}");
        }
    }
}
