//! What wakes `dev`: a change on disk, a wish to end, the end of its own host.

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::project::Interrupt;

/// Most that wait; further changes tell nothing new.
const SIGNALS_MAX: usize = 64;

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

/// Signals, and SIGINT, SIGTERM and SIGHUP among them. The first of these also ends a build under way.
pub(super) fn listen(interrupt: &Interrupt) -> std::io::Result<(Sender<Signal>, Receiver<Signal>)> {
    let (sender, receiver) = bounded(SIGNALS_MAX);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (interrupt, wishes) = (interrupt.clone(), sender.clone());
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            interrupt.raise();
            if wishes.send(Signal::Stop).is_err() {
                break;
            }
        }
    })?;
    Ok((sender, receiver))
}
