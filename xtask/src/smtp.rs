//! The SMTP server that mail is tested against: aiosmtpd, from the registry of Python packages.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::cargo::{run, say};
use crate::workspace::Workspace;

const PACKAGE: &str = "aiosmtpd==1.4.6";

/// Installs it where it is not there yet.
pub(crate) fn install() -> anyhow::Result<()> {
    let folder = Workspace::load()?.target_dir.join("tools").join("aiosmtpd-1.4.6");
    if is_there(&folder) {
        return Ok(());
    }
    say(&format!("installing {PACKAGE} into {}", folder.display()));
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
    // Into a folder of its own it can do no harm as root either.
    run(command.arg(&folder).arg(PACKAGE).env("PIP_ROOT_USER_ACTION", "ignore")).with_context(|| {
        format!(
            "the tests of mail need an SMTP server; with Python 3 and its pip (on Debian: apt-get install python3-pip): python3 -m \
             pip install --target {} {PACKAGE}",
            folder.display()
        )
    })
}

fn is_there(folder: &Path) -> bool {
    folder.join("aiosmtpd/smtp.py").is_file()
}
