//! The turns at checks that take long, of which each uses a core: of one tenant so many at once, waiting ones included, that whoever
//! comes from another one waits for a few of its checks and not for all. Who has no part of its own takes any.

use crate::each_tenant::EachTenant;
use crate::schema::SlowWork;
use crate::store::TenantId;

/// Of one tenant at once: fewer than there are turns.
const OF_TENANT_MAX: usize = 1;

/// See the file's head.
#[derive(Debug)]
pub(super) struct SlowTurns {
    shared: SlowWork,
    own: EachTenant<TenantId>,
}

impl SlowTurns {
    pub(super) fn new(shared: SlowWork) -> Self {
        Self { shared, own: EachTenant::with(OF_TENANT_MAX) }
    }

    /// Does the work when it is its turn, on a thread of its own. `None`: there is no memory for one.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        part: Option<TenantId>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let own = match part {
            Some(tenant) => Some(self.own.of(&tenant).acquire_owned().await.ok()?),
            None => None,
        };
        let work = move || {
            // Held to the end of the work, also when nobody waits any more.
            let _own = own;
            work()
        };
        self.shared.run(work).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_tenants_checks_do_not_take_every_turn() {
        let turns = Arc::new(SlowTurns::new(SlowWork::with_turns(2)));
        let (begun, begins) = channel();
        let ends: Vec<_> = (0..4)
            .map(|_| {
                let (end, ended) = channel::<()>();
                let (turns, begun) = (Arc::clone(&turns), begun.clone());
                let check = async move {
                    let work = move || {
                        let _unheard = begun.send(());
                        // Until it is told, or the test is over.
                        ended.recv().is_ok()
                    };
                    turns.run(Some(TenantId(1)), work).await
                };
                (tokio::spawn(check), end)
            })
            .collect();
        tokio::task::yield_now().await;
        // In the second turn there is none of them.
        let other = tokio::time::timeout(Duration::from_secs(10), turns.run(Some(TenantId(2)), || 7)).await;
        assert_eq!(other, Ok(Some(7)));
        let begun = tokio::task::spawn_blocking(move || (begins.recv(), begins.try_recv())).await.unwrap();
        assert!(begun.0.is_ok() && begun.1.is_err(), "one has begun: {begun:?}");
        drop(ends);
    }
}
