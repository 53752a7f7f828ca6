//! Signals of the operating system. The first asks for an orderly stop, the second skips the drain, the third ends the
//! process where it stands: the next start recovers, as after a crash.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio_util::sync::CancellationToken;

/// What a process that was ended by a signal exits with: this and the signal's number.
const EXIT_CODE_BASE: i32 = 128;

/// Who is told to stop. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Stop in order.
    pub stop: CancellationToken,
    /// Don't wait for running attempts, nor for requests under way.
    pub hurry: CancellationToken,
}

impl Shutdown {
    /// Takes both steps at once when `reason` is raised.
    pub fn stop_when(&self, reason: CancellationToken) {
        let shutdown = self.clone();
        tokio::spawn(async move {
            reason.cancelled().await;
            shutdown.stop.cancel();
            shutdown.hurry.cancel();
        });
    }

    /// Listens for SIGTERM and SIGINT as long as the process lives, on a thread of its own: whatever keeps the others
    /// busy, the third signal ends the process.
    pub fn listen(&self) -> std::io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let shutdown = self.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            if let Some(number) = shutdown.follow(signals.forever()) {
                tracing::error!(
                    "ending at once, as asked by a third signal; the next start recovers what was under way"
                );
                std::process::exit(EXIT_CODE_BASE + number);
            }
        })?;
        Ok(())
    }

    /// Takes a step at each signal. Gives the number of the one after the last step; `None` when no more can come.
    fn follow(&self, signals: impl IntoIterator<Item = i32>) -> Option<i32> {
        let mut signals = signals.into_iter();
        for step in [&self.stop, &self.hurry] {
            signals.next()?;
            step.cancel();
        }
        signals.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_is_a_step_and_the_third_the_end() {
        for (signals, stops, hurries, end) in [
            (&[][..], false, false, None),
            (&[SIGTERM], true, false, None),
            (&[SIGTERM, SIGTERM], true, true, None),
            (&[SIGTERM, SIGTERM, SIGINT], true, true, Some(SIGINT)),
        ] {
            let shutdown = Shutdown::default();
            assert_eq!(shutdown.follow(signals.iter().copied()), end);
            assert_eq!((shutdown.stop.is_cancelled(), shutdown.hurry.is_cancelled()), (stops, hurries));
        }
    }
}
