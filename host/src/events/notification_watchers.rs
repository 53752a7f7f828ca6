//! Connections of users that wait for notifications.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use crate::job::UserName;
use crate::store::TenantId;

/// Whose.
type User = (TenantId, UserName);

/// Who waits for whose. Bounded by those who open connections. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct NotificationWatchers(Arc<Mutex<FxHashMap<User, Vec<Arc<Notify>>>>>);

/// Hears that there may be something for a user. A hint: read what came after the last one that was read.
#[derive(Debug)]
pub struct NotificationWatch {
    user: User,
    watchers: NotificationWatchers,
    hint: Arc<Notify>,
}

impl NotificationWatchers {
    /// Begins to wait. Subscribe first, read second: what comes between the two is then not missed.
    pub fn subscribe(&self, tenant: TenantId, user: UserName) -> NotificationWatch {
        let (user, hint) = ((tenant, user), Arc::new(Notify::new()));
        self.0.lock().entry(user.clone()).or_default().push(Arc::clone(&hint));
        NotificationWatch { user, watchers: self.clone(), hint }
    }

    /// Wakes those who wait for these users'.
    pub fn publish(&self, notified: &[User]) {
        if notified.is_empty() {
            return;
        }
        let watching = self.0.lock();
        for hint in notified.iter().filter_map(|user| watching.get(user)).flatten() {
            hint.notify_one();
        }
    }
}

impl NotificationWatch {
    /// Until there may be something. One that came while nobody waited is kept, however many there were.
    pub async fn hinted(&self) {
        self.hint.notified().await;
    }
}

impl Drop for NotificationWatch {
    fn drop(&mut self) {
        let mut watching = self.watchers.0.lock();
        if let Some(hints) = watching.get_mut(&self.user) {
            hints.retain(|hint| !Arc::ptr_eq(hint, &self.hint));
            if hints.is_empty() {
                watching.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn every_watch_of_a_user_is_woken_and_no_other() {
        let watchers = NotificationWatchers::default();
        let watch = |tenant, user: &str| watchers.subscribe(TenantId(tenant), user.parse().unwrap());
        let (one, two, other, elsewhere) = (watch(1, "ann"), watch(1, "ann"), watch(1, "bob"), watch(2, "ann"));
        let ann = [(TenantId(1), "ann".parse().unwrap())];
        watchers.publish(&ann);
        watchers.publish(&ann);
        for woken in [&one, &two] {
            assert!(woken.hinted().now_or_never().is_some());
            assert!(woken.hinted().now_or_never().is_none(), "two hints are one");
        }
        assert!(other.hinted().now_or_never().is_none() && elsewhere.hinted().now_or_never().is_none());
        drop(one);
        watchers.publish(&ann);
        assert!(two.hinted().now_or_never().is_some());
        drop((two, other, elsewhere));
        assert!(watchers.0.lock().is_empty());
    }
}
