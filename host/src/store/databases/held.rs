//! A connection while one attempt has it, with its places. However it is dropped, nothing stays open in it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::GuestConnection;
use super::errors::told;
use super::files::{DatabaseFile, SqliteFiles};
use super::watch::Watch;
use crate::job::DatabaseError;

/// How long an attempt waits for a place, or for its turn to write.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);

/// See the file's head.
pub(super) struct Held {
    /// One thread at a time has it; the lock says so to the compiler.
    connection: Option<Mutex<GuestConnection>>,
    pub(super) file: Arc<DatabaseFile>,
    /// To write is one's turn at a time.
    turn: Option<OwnedSemaphorePermit>,
    _places: [OwnedSemaphorePermit; 3],
}

/// Places at a database, without a connection yet. It is not deleted while somebody has them.
pub(super) struct Places {
    file: Arc<DatabaseFile>,
    permits: [OwnedSemaphorePermit; 3],
}

impl Places {
    /// Waits for them.
    pub(super) async fn of(files: &SqliteFiles, file: &Arc<DatabaseFile>) -> Result<Self, DatabaseError> {
        let own = place(&file.places, "connections of this database").await?;
        let tenants = place(&files.places_of_tenants.of(&file.tenant), "connections of this tenant").await?;
        let hosts = place(&files.places, "connections of this host").await?;
        check_there(file)?;
        Ok(Self { file: Arc::clone(file), permits: [own, tenants, hosts] })
    }
}

impl Held {
    /// Waits for a place, and opens a connection where none is.
    pub(super) async fn of(files: &SqliteFiles, file: &Arc<DatabaseFile>) -> Result<Self, DatabaseError> {
        Self::in_places(Places::of(files, file).await?).await
    }

    /// The same, in places that are there.
    pub(super) async fn in_places(places: Places) -> Result<Self, DatabaseError> {
        let Places { file, permits } = places;
        let connection = file.idle_connection().map(Mutex::new);
        let mut held = Self { connection, file, turn: None, _places: permits };
        if held.connection.is_some() {
            return Ok(held);
        }
        let opened = tokio::task::spawn_blocking(move || {
            let opened = held.file.new_connection().map_err(|error| told(&Watch::of(held.file.path()), &error))?;
            held.connection = Some(Mutex::new(opened));
            Ok(held)
        });
        match opened.await {
            Ok(opened) => opened,
            Err(error) => Err(DatabaseError::Unavailable(format!("the database could not be opened: {error}"))),
        }
    }

    /// Waits for the turn to write.
    pub(super) async fn take_turn(&mut self) -> Result<(), DatabaseError> {
        if self.turn.is_none() {
            self.turn = Some(place(&self.file.turn, "transaction of another execution").await?);
        }
        // Whoever deletes it takes the turn as well.
        check_there(&self.file)
    }

    /// The one it has.
    #[allow(clippy::expect_used)] // It is there from the beginning to the drop.
    pub(super) fn connection(&self) -> MutexGuard<'_, GuestConnection> {
        self.connection.as_ref().expect("a connection").lock()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take().map(Mutex::into_inner) else { return };
        // In a log nothing is to be undone: this takes no time to speak of. What it frees was counted.
        let bounds = Arc::clone(&connection.bounds);
        match bounds.within(|| connection.roll_back()) {
            // One with much in it is opened anew when it is needed.
            Ok(()) if bounds.is_large() => close(connection),
            Ok(()) => self.file.give_back(connection),
            Err(error) => tracing::warn!(%error, "a connection to a tenant's database is given up"),
        }
    }
}

/// Folds the log in where there is a thread for it.
fn close(connection: GuestConnection) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(|| connection.close_tidily())),
        Err(_) => connection.close_tidily(),
    }
}

fn check_there(file: &DatabaseFile) -> Result<(), DatabaseError> {
    if file.is_removed() {
        return Err(DatabaseError::Unavailable("the database is being deleted".to_owned()));
    }
    Ok(())
}

pub(super) async fn place(places: &Arc<Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, DatabaseError> {
    let busy = || {
        let seconds = WAIT_MAX.as_secs();
        DatabaseError::Busy(format!("waited {seconds} s in vain for the {what}; try again later"))
    };
    match timeout(WAIT_MAX, Arc::clone(places).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(busy()),
    }
}
