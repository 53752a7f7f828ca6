//! Signals of the operating system. The first asks for an orderly stop, the second skips the drain.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

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

    /// Listens for SIGTERM and SIGINT until both steps were taken.
    pub fn listen(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            for step in [&shutdown.stop, &shutdown.hurry] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                step.cancel();
            }
        });
        Ok(())
    }
}
