//! The signal that there may be something to claim. A hint: losing one costs a scan period, never a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Cheap to clone. Any number of signals before a wait end that one wait.
#[derive(Clone, Debug, Default)]
pub struct Wakeup(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    notify: Notify,
    jobs_ready: AtomicBool,
}

impl Wakeup {
    /// Jobs became claimable.
    pub fn jobs_ready(&self) {
        self.0.jobs_ready.store(true, Ordering::Release);
        self.0.notify.notify_one();
    }

    /// A slot or the feed could take more.
    pub fn wants_jobs(&self) {
        self.0.notify.notify_one();
    }

    /// Until signalled. A signal given since the last wait ended counts.
    pub async fn signalled(&self) {
        self.0.notify.notified().await;
    }

    /// Whether jobs became claimable since the last call.
    pub fn take_jobs_ready(&self) -> bool {
        self.0.jobs_ready.swap(false, Ordering::AcqRel)
    }
}
