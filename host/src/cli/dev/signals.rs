//! What wakes `dev`: a change on disk, a wish to end, the end of its own host.

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::project::Interrupt;
use crate::cli::terminal;

/// Most that wait; further changes tell nothing new.
const SIGNALS_MAX: usize = 64;

/// What a shell says of a process that SIGINT ended.
const INTERRUPTED_STATUS: i32 = 130;

/// Something to look after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Something on disk may have changed.
    Touched,
    /// Somebody wants this to end.
    Stop,
    /// The host started here listens, at this address.
    HostListens(String),
    /// The host started here has ended.
    HostEnded,
}

/// Signals, and SIGINT, SIGTERM and SIGHUP among them. The first of these also ends a build under way, the second kills it, and
/// the third ends this process whatever it waits for; its host ends by itself then.
pub(super) fn listen(interrupt: &Interrupt) -> std::io::Result<(Sender<Signal>, Receiver<Signal>)> {
    let (sender, receiver) = bounded(SIGNALS_MAX);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (interrupt, wishes) = (interrupt.clone(), sender.clone());
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for (nth, _) in signals.forever().enumerate() {
            interrupt.raise();
            if nth == 1 {
                terminal::remark("still ending; once more ends this at once");
            } else if nth > 1 {
                std::process::exit(INTERRUPTED_STATUS);
            }
            if wishes.send(Signal::Stop).is_err() {
                break;
            }
        }
    })?;
    Ok((sender, receiver))
}
