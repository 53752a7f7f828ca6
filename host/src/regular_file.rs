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

/// Opens the file as `options` say, where nobody but this program has a reason to put a link: one is an error.
pub fn open_no_link(path: &Path, options: &OpenOptions) -> Result<File> {
    check(path)?;
    let is_link = || path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let refusal = || Error::new(ErrorKind::InvalidInput, "it is a link and must be a file; move it away");
    if is_link() {
        return Err(refusal());
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW).bits();
    // Somebody may have exchanged it meanwhile.
    let opened = options.clone().custom_flags(flags.cast_signed()).open(path);
    let file = opened.map_err(|error| if leads_round(&error) { refusal() } else { error })?;
    refuse(file.metadata()?.file_type())?;
    Ok(file)
}

/// That it is no link to something that is not there.
pub fn check_leads_somewhere(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Err(error)
            if (error.kind() == ErrorKind::NotFound || leads_round(&error))
                && path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) =>
        {
            Err(Error::new(ErrorKind::InvalidInput, "it is a link that leads nowhere; move it away"))
        }
        _ => Ok(()),
    }
}

fn leads_round(error: &Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// That there is a file, or nothing.
pub fn check(path: &Path) -> Result<()> {
    check_leads_somewhere(path)?;
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
        let link = home.path().join("link");
        for target in ["nowhere", "link"] {
            std::os::unix::fs::symlink(target, &link).unwrap();
            for opened in [open, open_no_link] {
                let error = opened(&link, OpenOptions::new().create(true).write(true)).unwrap_err();
                assert_eq!(error.to_string(), "it is a link that leads nowhere; move it away");
            }
            std::fs::remove_file(&link).unwrap();
        }
        assert!(!home.path().join("nowhere").exists());
        let file = home.path().join("file");
        check(&file).unwrap();
        assert_eq!(open_to_read(&file).unwrap_err().kind(), ErrorKind::NotFound);
        drop(open(&file, OpenOptions::new().create(true).write(true)).unwrap());
        std::fs::write(&file, "words").unwrap();
        assert_eq!(read(&file).unwrap(), b"words");
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"words");
        let error = open_no_link(&link, OpenOptions::new().write(true)).unwrap_err();
        assert_eq!(error.to_string(), "it is a link and must be a file; move it away");
    }
}
