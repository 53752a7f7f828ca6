//! What wakes `dev`: a change on disk, a wish to end, the end of its own host.

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::project::Interrupt;

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

/// What comes, and who can send.
pub(super) struct Listening {
    pub(super) sender: Sender<Signal>,
    pub(super) receiver: Receiver<Signal>,
    /// Disconnected from the first wish to end on, for whom no [`Signal::Stop`] reaches.
    pub(super) stopped: Receiver<()>,
}

/// Signals, and SIGINT, SIGTERM and SIGHUP among them. The first of these also ends a build under way; the second kills it and
/// ends this process whatever it waits for; its host ends by itself then.
pub(super) fn listen(interrupt: &Interrupt) -> std::io::Result<Listening> {
    let (sender, receiver) = bounded(SIGNALS_MAX);
    let (going_on, stopped) = bounded(0);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (interrupt, wishes) = (interrupt.clone(), sender.clone());
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut going_on = Some(going_on);
        for _ in signals.forever() {
            interrupt.raise();
            if going_on.take().is_none() {
                std::process::exit(INTERRUPTED_STATUS);
            }
            // A full queue is not read, and who should reads `stopped`.
            let _is_stuck = wishes.try_send(Signal::Stop);
        }
    })?;
    Ok(Listening { sender, receiver, stopped })
}
