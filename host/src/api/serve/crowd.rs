//! All open connections: finds those that do nothing for too long, or, when there is no room, for longest.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::standing::{Patience, Standing, Worth};

/// Most connections closed at once to make room.
const CLOSED_FOR_ROOM_MAX: usize = 16;
/// Connections that have ended are forgotten once there are so many more entries than there were open ones.
const ENDED_MAX: usize = 1_024;

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) standing: Arc<Standing>,
    pub(super) task: AbortHandle,
    /// Dropped to ask the connection to finish what is under way on it and to end.
    pub(super) _finish: oneshot::Sender<()>,
}

/// The open connections, and some that have just ended.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    connections: Vec<Open>,
    forget_at: usize,
}

impl Crowd {
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    pub(super) fn add(&mut self, connection: Open) {
        self.connections.push(connection);
        if self.connections.len() > self.forget_at {
            self.forget_ended();
        }
    }

    /// Closes what has done nothing for too long.
    pub(super) fn close_overdue(&mut self, now_ms: u64, patience: &Patience) {
        self.forget_ended();
        let overdue = self.connections.iter().filter(|open| open.standing.condemn_overdue(now_ms, patience));
        let closed = overdue.map(|open| open.task.abort()).count();
        if closed > 0 {
            tracing::debug!(closed, "closed connections that did nothing for too long");
        }
    }

    /// Closes some of the connections that matter least, if there are any that do nothing.
    pub(super) fn make_room(&mut self, now_ms: u64) {
        let mut spare: Vec<((Worth, u64), &Open)> = self
            .connections
            .iter()
            .filter(|open| !open.task.is_finished())
            .filter_map(|open| open.standing.worth(now_ms).map(|worth| (worth, open)))
            .collect();
        spare.sort_unstable_by_key(|(worth, _)| *worth);
        let leaving = spare.into_iter().filter(|(worth, open)| open.standing.condemn_for_room(now_ms, *worth));
        let closed = leaving.take(CLOSED_FOR_ROOM_MAX).map(|(_, open)| open.task.abort()).count();
        if closed > 0 {
            tracing::debug!(closed, "closed connections that did nothing, to make room for new ones");
        }
    }

    /// Closes what is at rest, and asks the others to end once their requests are answered.
    pub(super) fn finish(self) {
        for open in self.connections {
            if open.standing.condemn_at_rest() {
                open.task.abort();
            }
        }
    }

    fn forget_ended(&mut self) {
        self.connections.retain(|open| !open.task.is_finished());
        self.forget_at = self.connections.len() + ENDED_MAX;
    }
}
