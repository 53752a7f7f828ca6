//! A connection while one attempt has it, and the pool it comes from. It is kept only where nothing is open on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;
use crate::job::DatabaseError;

/// Connections to one database in use at once.
pub(super) const CONNECTIONS_OF_DATABASE_MAX: usize = 8;
/// Connections to one database that are kept though nobody uses them, and how long.
const IDLE_MAX: usize = 4;
const IDLE_TIME_MAX: Duration = Duration::from_mins(1);
/// How often old notes are looked for, while there are no more of them.
const PRUNE_EVERY: Duration = Duration::from_hours(1);
/// How long an attempt waits for one.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Connections to one database.
pub(super) struct Pool {
    idle: Mutex<Vec<(Connection, Instant)>>,
    places: Arc<Semaphore>,
    /// Made by the first who uses it.
    has_tables: AtomicBool,
    /// When old notes are looked for again.
    prune_at: Mutex<Instant>,
}

/// See the file's head.
pub(super) struct Held {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    pub(super) runtime: Handle,
    /// A transaction is open on it.
    pub(super) in_transaction: bool,
    /// Something was asked whose answer has not come whole: it may still run, and be cancelled.
    is_asked: AtomicBool,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS_OF_DATABASE_MAX)),
            has_tables: AtomicBool::new(false),
            prune_at: Mutex::new(Instant::now()),
        }
    }

    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, DatabaseError> {
        match tokio::time::timeout(WAIT_MAX, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(DatabaseError::Busy(format!(
                "waited {} s in vain for one of the {CONNECTIONS_OF_DATABASE_MAX} connections of this database; try again later",
                WAIT_MAX.as_secs()
            ))),
        }
    }

    /// The one that was used last.
    pub(super) fn idle_connection(&self) -> Option<Connection> {
        self.idle.lock().pop().map(|(connection, _)| connection)
    }

    /// Closes what nobody has used for a while; whether any is left.
    pub(super) fn close_idle(&self) -> bool {
        let mut idle = self.idle.lock();
        idle.retain(|(connection, since)| since.elapsed() < IDLE_TIME_MAX && !connection.client.is_closed());
        !idle.is_empty() || self.places.available_permits() < CONNECTIONS_OF_DATABASE_MAX
    }
}

impl Held {
    pub(super) fn new(connection: Connection, pool: &Arc<Pool>, runtime: &Handle, place: OwnedSemaphorePermit) -> Self {
        Self {
            connection: Some(connection),
            pool: Arc::clone(pool),
            runtime: runtime.clone(),
            in_transaction: false,
            is_asked: AtomicBool::new(false),
            _place: place,
        }
    }

    /// The one it has.
    #[allow(clippy::expect_used)] // It is there from the beginning to the drop.
    pub(super) fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("a connection")
    }
}

impl Held {
    /// Whether the host's tables are known to be there.
    pub(super) fn has_tables(&self) -> &AtomicBool {
        &self.pool.has_tables
    }

    /// Something is asked on it.
    pub(super) fn asks(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// The answer has come, whole.
    pub(super) fn is_answered(&self) {
        self.is_asked.store(false, Ordering::Relaxed);
    }

    /// Whether old notes are to be looked for now; nobody else does until [`Held::prune_again`].
    pub(super) fn is_prune_due(&self) -> bool {
        let mut prune_at = self.pool.prune_at.lock();
        let is_due = *prune_at <= Instant::now();
        if is_due {
            *prune_at = Instant::now() + PRUNE_EVERY;
        }
        is_due
    }

    /// There are more of them.
    pub(super) fn prune_again(&self) {
        *self.pool.prune_at.lock() = Instant::now();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let is_clean = !self.in_transaction && !*self.is_asked.get_mut();
        let mut idle = self.pool.idle.lock();
        // Else it is closed, and the server rolls back what is open.
        if is_clean && idle.len() < IDLE_MAX && !connection.client.is_closed() {
            idle.push((connection, Instant::now()));
        }
    }
}
