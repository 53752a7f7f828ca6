//! Threads that give way to those that others wait for.

/// Makes this thread so many steps nicer than the rest of the process. `whose`: what it is one of, in the plural.
pub(crate) fn give_way(steps: i32, whose: &str) {
    if let Err(error) = set(steps) {
        // Refused in some containers; the host then works all the same.
        tracing::debug!(%error, whose, "these threads keep the priority of the process");
    }
}

/// On Linux a thread has a niceness of its own.
#[cfg(target_os = "linux")]
fn set(steps: i32) -> std::io::Result<()> {
    Ok(rustix::process::setpriority_process(Some(rustix::thread::gettid()), steps)?)
}

#[cfg(not(target_os = "linux"))]
fn set(_steps: i32) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
