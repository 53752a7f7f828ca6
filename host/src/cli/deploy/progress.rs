//! How far an upload is, on one line of a terminal that is written over and cleared in the end. Where standard error
//! is no terminal nothing is written.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cli::quantities;
use crate::job::ModuleName;

/// Between two looks.
const LOOK_MS: u64 = 100;

/// The line. Dropping it clears it.
pub(super) struct Progress {
    sent: Arc<AtomicU64>,
    /// Closed to end the thread.
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Of `total_bytes` that will be counted in [`Self::sent`].
    pub(super) fn of_upload(name: &ModuleName, total_bytes: usize) -> Progress {
        let sent = Arc::new(AtomicU64::new(0));
        let shown = std::io::stderr().is_terminal().then(|| {
            let (close, closed) = channel();
            let (name, sent) = (name.to_string(), Arc::clone(&sent));
            (close, std::thread::spawn(move || show(&name, total_bytes as u64, &sent, &closed)))
        });
        Progress { sent, shown }
    }

    /// Where what was sent is counted.
    pub(super) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((close, thread)) = self.shown.take() {
            drop(close);
            // It only writes to the terminal; a panic there is nothing to act on.
            let _ended = thread.join();
        }
    }
}

fn show(name: &str, total_bytes: u64, sent: &AtomicU64, closed: &Receiver<()>) {
    let began = Instant::now();
    while closed.recv_timeout(Duration::from_millis(LOOK_MS)) == Err(RecvTimeoutError::Timeout) {
        write(&line(name, sent.load(Ordering::Relaxed), total_bytes, began.elapsed()));
    }
    write("");
}

fn line(name: &str, sent_bytes: u64, total_bytes: u64, elapsed: Duration) -> String {
    if sent_bytes < total_bytes {
        return format!("{name}: sending, {} of {}", quantities::bytes(sent_bytes), quantities::bytes(total_bytes));
    }
    format!("{name}: compiling, {}.{} s", elapsed.as_secs(), elapsed.subsec_millis() / 100)
}

/// Over what stood there.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _nobody_listens = write!(stderr, "\r\x1b[2K{text}").and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_the_bytes_then_the_compiler() {
        let at = Duration::from_millis(2_480);
        assert_eq!(line("mail", 1 << 20, 4 << 20, at), "mail: sending, 1.0 MiB of 4.0 MiB");
        assert_eq!(line("mail", 4 << 20, 4 << 20, at), "mail: compiling, 2.4 s");
    }
}
