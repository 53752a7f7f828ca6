//! A file system of a few megabytes that a test may fill.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Size of one write of the filler, bytes.
const FILL_STEP_BYTES: usize = 64 << 10;

/// A mounted tmpfs; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// Mounts one, or says (and prints) that this machine does not permit it.
    pub fn mount(size_bytes: u64) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = format!("size={size_bytes},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk { dir }),
            Ok(output) => {
                println!("SKIPPED: mounting is not permitted: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("SKIPPED: there is no `mount`: {error}");
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        let mut file: File =
            OpenOptions::new().create(true).append(true).open(self.filler()).expect("the filler can be opened");
        let mut step = FILL_STEP_BYTES;
        while step > 0 {
            match file.write(&vec![0x55; step]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => step /= 2,
                Err(error) => panic!("the disk can't be filled: {error}"),
            }
        }
    }

    /// Gives all of it back.
    pub fn free(&self) {
        let _ = std::fs::remove_file(self.filler());
    }

    /// Makes it read-only; fails while files are open for writing.
    pub fn make_read_only(&self) {
        let output = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).output().expect("mount runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a host that is still being torn down may hold files.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_and_gives_back() {
        let Some(disk) = SmallDisk::mount(1 << 20) else { return };
        disk.fill();
        let error = std::fs::write(disk.path().join("more"), [0; 8_192]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        disk.free();
        std::fs::write(disk.path().join("more"), [0; 8_192]).unwrap();
    }
}
