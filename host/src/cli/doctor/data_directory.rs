//! The data directory: whether a host could work in it, and who does.

use std::path::Path;

use rustix::fs::{Access, access, statfs, statvfs};

use super::super::quantities::bytes;
use super::finding::Findings;
use super::secrets;
use crate::artifact_folder::{self, Trust};
use crate::secrets::KeyRing;
use crate::store::{Checkup, DatabaseFacts, MarkFacts, Unread, Usage, checkup};

const CHECK: &str = "data directory";
/// Less is little: a write-ahead log alone may take it, bytes.
const FREE_BYTES_FEW: u64 = 2 << 30;
/// With less a host can hardly begin, bytes.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// The log is long from this share of its bound on.
const WAL_LONG_DIVISOR: u64 = 2;

/// Types of file systems on which locks and fsync are not what they seem; statfs(2).
const NETWORK_FILE_SYSTEMS: [(u64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x0102_1997, "9P"),
];

/// `keys`: those a host started here would have.
pub(super) fn check(data_dir: &Path, keys: &KeyRing, findings: &mut Findings) {
    let shown = data_dir.display();
    match std::fs::metadata(data_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = existing_above(data_dir);
            if access(&above, Access::WRITE_OK | Access::EXEC_OK).is_err() {
                let (message, advice) = (
                    format!("{shown} is not there, and {} can't be written to by this user", above.display()),
                    "make the directory for the user the host runs as, or name another with --data-dir",
                );
                return findings.problem(CHECK, message, advice);
            }
            findings.note(CHECK, format!("{shown} is not there yet"), "the first `stoker serve` makes it");
            return check_disk(&above, findings);
        }
        Err(error) => {
            let advice = "run this as the user the host runs as, or name another directory with --data-dir";
            return findings.problem(CHECK, format!("{shown} can't be looked at: {error}"), advice);
        }
        Ok(metadata) if !metadata.is_dir() => {
            return findings.problem(CHECK, format!("{shown} is no directory"), "name another with --data-dir");
        }
        Ok(metadata) => check_access(data_dir, &metadata, findings),
    }
    check_disk(data_dir, findings);
    match checkup(data_dir) {
        Ok(seen) => check_store(seen, keys, findings),
        Err(error) => {
            let advice = "a host would not start on it: mend what is named, or run this as the user the host runs as";
            findings.problem("store", error, advice);
        }
    }
    check_artifacts(data_dir, findings);
}

fn existing_above(path: &Path) -> std::path::PathBuf {
    let found = path.ancestors().skip(1).find(|level| level.is_dir());
    found.filter(|level| !level.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn check_access(data_dir: &Path, metadata: &std::fs::Metadata, findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt;
    let shown = data_dir.display();
    let user = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    if access(data_dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let advice =
            format!("`chown -R` it to the user the host runs as (it is user {owner}'s, and this is user {user})");
        return findings.problem(CHECK, format!("{shown} can't be read and written by this user"), advice);
    }
    if owner != user {
        let advice = "a host of another user could not read what one of this user makes in it: run both as one";
        return findings.note(CHECK, format!("{shown} belongs to user {owner}, and this is user {user}"), advice);
    }
    if metadata.mode() & 0o007 != 0 {
        let advice = format!("payloads and outputs are in it: `chmod 700 {shown}`");
        return findings.note(CHECK, format!("{shown} can be looked into by every user of this machine"), advice);
    }
    findings.ok(CHECK, format!("{shown} can be read and written"));
}

fn check_disk(directory: &Path, findings: &mut Findings) {
    let check = "disk";
    if let Ok(system) = statfs(directory) {
        let magic = u64::try_from(system.f_type).unwrap_or(0) & 0xffff_ffff;
        if let Some((_, name)) = NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == magic) {
            let advice = "network file systems don't keep the promises of locks and fsync: use a local disk";
            findings.problem(check, format!("{} is on {name}", directory.display()), advice);
        }
    }
    let Ok(disk) = statvfs(directory) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let message = format!("{} free", bytes(free));
    if free < FREE_BYTES_MIN {
        findings.problem(check, message, "make room: a host that can't write takes no jobs");
    } else if free < FREE_BYTES_FEW {
        findings.note(check, message, "a write-ahead log alone may take 1 GiB while a backup runs: make room");
    } else {
        findings.ok(check, message);
    }
}

fn check_store(seen: Checkup, keys: &KeyRing, findings: &mut Findings) {
    let Checkup { usage, database_path, database, refusal, mark, wal_bytes, wal_bytes_max } = seen;
    match usage {
        Usage::Free => findings.ok("lock", "free: no host runs on it"),
        Usage::InUse(pid) => {
            let pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            findings.ok("lock", format!("held by a running host{pid}"));
        }
        Usage::Unknown(error) => {
            findings.problem("lock", format!("can't be looked at: {error}"), "run this as the user the host runs as");
        }
    }
    if let Some(refusal) = refusal {
        findings.problem(
            "store",
            refusal,
            "a host does not start on it as it is; see `When something is missing` in docs/operations.md",
        );
    }
    match database {
        None if matches!(mark, MarkFacts::Absent) => {
            findings.note("database", "there is none yet", "the first `stoker serve` makes it");
        }
        None => {}
        Some(Err(unread)) => report_unread(&database_path, unread, findings),
        Some(Ok(facts)) => {
            check_database(&database_path, &facts, findings);
            secrets::check(&facts.secrets, keys, findings);
        }
    }
    match mark {
        MarkFacts::Damaged => findings.note(
            "mark",
            "stoker.mark can't be read",
            "a start makes it anew; till then nobody would notice that commits were lost",
        ),
        MarkFacts::Sound(commit) => findings.ok("mark", format!("commits up to {commit} were acknowledged")),
        MarkFacts::Absent => {}
    }
    let message = format!("{} of at most {}", bytes(wal_bytes), bytes(wal_bytes_max));
    if wal_bytes >= wal_bytes_max / WAL_LONG_DIVISOR {
        let advice = "a backup, or another program that reads stoker.db, keeps it from beginning anew; at its bound nothing is \
                      written: end what reads it";
        findings.note("write-ahead log", message, advice);
    } else {
        findings.ok("write-ahead log", message);
    }
}

fn report_unread(path: &Path, unread: Unread, findings: &mut Findings) {
    let (check, path) = ("database", path.display());
    match unread {
        Unread::Damaged(error) => findings.problem(
            check,
            format!("{path} can't be read: {error}"),
            "restore a backup into an empty directory and start on that",
        ),
        // The log may hold what was acknowledged last: who puts it aside loses that.
        Unread::DamagedWithLog(error) => findings.problem(
            check,
            format!("{path} can't be read, nor with the log beside it, {path}-wal: {error}"),
            "copy the whole directory, the log included, and look whether `stoker serve` starts on the copy; what the \
             log holds may be in no backup",
        ),
        Unread::Untold(why) => findings.note(
            check,
            format!("what is in {path} can't be told before a start folds the log beside it in: {why}"),
            "leave both files where they are; the next `stoker serve` folds the log in",
        ),
    }
}

fn check_database(path: &Path, facts: &DatabaseFacts, findings: &mut Findings) {
    let DatabaseFacts { bytes: size, schema, schema_known, secrets: _ } = facts;
    let message = format!("{}, {}, schema {schema}", path.display(), bytes(*size));
    match schema.cmp(schema_known) {
        std::cmp::Ordering::Greater => findings.problem(
            "database",
            format!("{message}, and this binary knows {schema_known}"),
            "it was written by a newer stoker: upgrade this one",
        ),
        std::cmp::Ordering::Less => findings.note(
            "database",
            format!("{message}, and this binary writes {schema_known}"),
            "the next start brings it up to date, and earlier versions can't read it then: `stoker backup` first",
        ),
        std::cmp::Ordering::Equal => findings.ok("database", message),
    }
}

fn check_artifacts(data_dir: &Path, findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt;
    let check = "compiled modules";
    // The host is its owner's; whether that is who asks is told above.
    let user = data_dir.metadata().map_or_else(|_| rustix::process::geteuid().as_raw(), |metadata| metadata.uid());
    match artifact_folder::look(data_dir, user) {
        Err(error) => {
            let advice = "a host would not start with it; the next start makes what is missing";
            return findings.problem(check, error.to_string(), advice);
        }
        Ok(Trust::KeyLacks(why) | Trust::FolderLacks(why)) => {
            return findings.problem(check, why.reason(), why.advice());
        }
        Ok(Trust::Full) => {}
    }
    let directory = &artifact_folder::folder_of(data_dir);
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let compiled: Vec<u64> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "cwasm"))
        .map(|entry| entry.metadata().map_or(0, |metadata| metadata.len()))
        .collect();
    if access(directory, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let advice = "every start would compile every module: `chown -R` it to the user the host runs as";
        return findings.problem(check, format!("{} can't be written", directory.display()), advice);
    }
    findings.ok(check, format!("{}, {}", compiled.len(), bytes(compiled.iter().sum())));
}
