//! Signals of the operating system. The first asks for an orderly stop, the second skips the drain, the third ends the
//! process where it stands: the next start recovers, as after a crash.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
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

    /// Listens for SIGTERM and SIGINT as long as the process lives.
    pub fn listen(&self) -> std::io::Result<()> {
        let (heard, signals) = mpsc::channel(1);
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let mut signal = signal(kind)?;
            let heard = heard.clone();
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    if heard.send(kind.as_raw_value()).await.is_err() {
                        return;
                    }
                }
            });
        }
        let shutdown = self.clone();
        tokio::spawn(async move {
            if let Some(number) = shutdown.follow(signals).await {
                tracing::error!(
                    "ending at once, as asked by a third signal; the next start recovers what was under way"
                );
                std::process::exit(EXIT_CODE_BASE + number);
            }
        });
        Ok(())
    }

    /// Takes a step at each signal. Gives the number of the one after the last step; `None` when no more can come.
    async fn follow(&self, mut signals: mpsc::Receiver<i32>) -> Option<i32> {
        for step in [&self.stop, &self.hurry] {
            signals.recv().await?;
            step.cancel();
        }
        signals.recv().await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TERMINATE: i32 = 15;
    const INTERRUPT: i32 = 2;

    #[tokio::test]
    async fn each_signal_is_a_step_and_the_third_the_end() {
        let shutdown = Shutdown::default();
        let (heard, signals) = mpsc::channel(1);
        let following = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.follow(signals).await }
        });
        heard.send(TERMINATE).await.unwrap();
        shutdown.stop.cancelled().await;
        assert!(!shutdown.hurry.is_cancelled());
        heard.send(TERMINATE).await.unwrap();
        shutdown.hurry.cancelled().await;
        assert!(!following.is_finished());
        heard.send(INTERRUPT).await.unwrap();
        assert_eq!(following.await.unwrap(), Some(INTERRUPT));
    }

    #[tokio::test]
    async fn without_signals_nothing_happens() {
        let shutdown = Shutdown::default();
        let (heard, signals) = mpsc::channel(1);
        drop(heard);
        assert_eq!(shutdown.follow(signals).await, None);
        assert!(!shutdown.stop.is_cancelled());
    }
}
