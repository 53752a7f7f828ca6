//! Opening files that must be files: a pipe, a device or a directory in place of one is an error that says so, where a plain
//! `open` would wait for ever, or take it. Everything the host reads or keeps beside the database is opened here.

use std::fs::{File, FileType, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens the file as `options` say; anything else than a file is an error.
pub fn open(path: &Path, options: &OpenOptions) -> Result<File> {
    // Before it is opened: that alone does something to some devices.
    check(path)?;
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file = options.clone().custom_flags(flags.cast_signed()).open(path)?;
    // Somebody may have exchanged it meanwhile. Its own flag means nothing to a file.
    refuse(file.metadata()?.file_type())?;
    Ok(file)
}

/// Opens the file to be read.
pub fn open_to_read(path: &Path) -> Result<File> {
    open(path, OpenOptions::new().read(true))
}

/// The whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    open_to_read(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// That there is a file, or nothing.
pub fn check(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) => refuse(metadata.file_type()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn refuse(found: FileType) -> Result<()> {
    let what = if found.is_file() {
        return Ok(());
    } else if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Error::new(ErrorKind::InvalidInput, format!("it is {what} and must be a file; move it away")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_opened_and_nothing_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let pipe = home.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let socket = home.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in [
            (home.path(), "a directory"),
            (&pipe, "a pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            for options in [OpenOptions::new().read(true), OpenOptions::new().create(true).read(true).write(true)] {
                assert!(open(path, options).unwrap_err().to_string().contains(what), "{}", path.display());
            }
            check(path).unwrap_err();
        }
        let file = home.path().join("file");
        check(&file).unwrap();
        assert_eq!(open_to_read(&file).unwrap_err().kind(), ErrorKind::NotFound);
        drop(open(&file, OpenOptions::new().create(true).write(true)).unwrap());
        std::fs::write(&file, "words").unwrap();
        assert_eq!(read(&file).unwrap(), b"words");
    }
}
