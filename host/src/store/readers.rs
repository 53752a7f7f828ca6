//! A small pool of connections that only read, each on a thread of its own. They never wait for the writer, and no
//! read lasts longer than its deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::open_reader;
use super::error::StoreError;

/// Reading connections.
const READERS: usize = 3;
/// Reads that may wait.
const READS_WAITING_MAX: usize = 1_024;
/// A read transaction that lasts longer is broken off, ms: it would keep the log from beginning anew.
pub(super) const READ_MS_MAX: u64 = 1_000;
/// Virtual machine instructions between two looks at the clock.
const PROGRESS_INSTRUCTIONS: std::os::raw::c_int = 10_000;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The pool's front.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Mutex<Option<Sender<Read>>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Readers {
    /// Opens the connections and starts their threads.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let (sender, receiver) = bounded::<Read>(READS_WAITING_MAX);
        let mut threads = Vec::with_capacity(READERS);
        for number in 0..READERS {
            let connection = open_reader(path)?;
            let receiver = receiver.clone();
            let thread = std::thread::Builder::new()
                .name(format!("store-read-{number}"))
                .spawn(move || serve(connection, &receiver))
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            threads.push(thread);
        }
        Ok(Self { queue: Mutex::new(Some(sender)), threads: Mutex::new(threads) })
    }

    /// Runs `body` in a read transaction of its own.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Whoever asked may have gone while it waited.
            if !reply.is_closed() {
                let _gone = reply.send(in_transaction(connection, body));
            }
        });
        {
            let queue = self.queue.lock();
            match queue.as_ref().map(|queue| queue.try_send(read)) {
                Some(Ok(())) => {}
                Some(Err(TrySendError::Full(_))) => return Err(StoreError::Busy { waiting_max: READS_WAITING_MAX }),
                Some(Err(TrySendError::Disconnected(_))) | None => return Err(StoreError::Closed),
            }
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::internal("a read panicked, or the store closed under it")))
    }

    /// Finishes what is queued and ends the threads.
    pub(super) fn close(&self) {
        *self.queue.lock() = None;
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a reader panicked");
            }
        }
    }
}

fn serve(mut connection: Connection, queue: &Receiver<Read>) {
    let deadline = Arc::new(Mutex::new(None::<Instant>));
    let watched = Arc::clone(&deadline);
    let handler = move || watched.lock().is_some_and(|deadline| Instant::now() > deadline);
    if let Err(error) = connection.progress_handler(PROGRESS_INSTRUCTIONS, Some(handler)) {
        tracing::error!(%error, "reads have no deadline");
    }
    while let Ok(read) = queue.recv() {
        *deadline.lock() = Some(Instant::now() + Duration::from_millis(READ_MS_MAX));
        if catch_unwind(AssertUnwindSafe(|| read(&connection))).is_err() {
            tracing::error!("a read panicked");
        }
        *deadline.lock() = None;
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a read transaction could not be ended");
        }
    }
}

fn in_transaction<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let result = body(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// As many reads as there are readers, all under way at once until the barrier is reached from here as well.
    fn take_all(readers: &Arc<Readers>) -> (Arc<Barrier>, Arc<Barrier>) {
        let (begun, end) = (Arc::new(Barrier::new(READERS + 1)), Arc::new(Barrier::new(READERS + 1)));
        for _ in 0..READERS {
            let (readers, begun, end) = (Arc::clone(readers), Arc::clone(&begun), Arc::clone(&end));
            let read = async move {
                let held = move |_: &Connection| {
                    begun.wait();
                    end.wait();
                    Ok(())
                };
                readers.read(held).await
            };
            tokio::spawn(read);
        }
        (begun, end)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_nobody_waits_for_any_more_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE some (x)").unwrap();
        let readers = Arc::new(Readers::start(&path).unwrap());
        let (begun, end) = take_all(&readers);
        begun.wait();
        let was_read = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&was_read);
        let read = readers.read(move |_| {
            noted.store(true, Ordering::SeqCst);
            Ok(())
        });
        // It stands in the line, and whoever asked goes.
        assert!(futures_util::FutureExt::now_or_never(read).is_none());
        end.wait();
        // Every reader has come past it.
        let (begun, end) = take_all(&readers);
        begun.wait();
        end.wait();
        assert!(!was_read.load(Ordering::SeqCst));
        readers.close();
    }
}
