//! A small pool of connections that only read, each on a thread of its own. They never wait for the writer, and no
//! read lasts longer than its deadline. Tenants take turns: who asks for much waits behind itself.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::catalog::TenantId;
use super::connection::open_reader;
use super::error::StoreError;

/// Reading connections.
const READERS: usize = 3;
/// So many of them may read for one tenant at once: one is left for whoever else asks, however long those reads take.
const READERS_OF_ONE_MAX: usize = READERS - 1;
/// Reads that may wait.
const READS_WAITING_MAX: usize = 1_024;
/// And of one tenant.
const READS_WAITING_OF_ONE_MAX: usize = READS_WAITING_MAX / 4;
/// A read transaction that lasts longer is broken off, ms: it would keep the log from beginning anew.
pub(super) const READ_MS_MAX: u64 = 1_000;
/// Virtual machine instructions between two looks at the clock.
const PROGRESS_INSTRUCTIONS: std::os::raw::c_int = 10_000;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Reads that wait. Those of one tenant, or of nobody's part, in the order in which they came; of each in its turn.
#[derive(Default)]
struct Line {
    waiting: FxHashMap<Option<TenantId>, VecDeque<Read>>,
    turns: VecDeque<Option<TenantId>>,
    /// How many reads of each tenant are under way; none of whom there are none.
    running: FxHashMap<TenantId, usize>,
    len: usize,
    is_closed: bool,
}

impl Line {
    fn push(&mut self, part: Option<TenantId>, read: Read) -> Result<(), StoreError> {
        if self.is_closed {
            return Err(StoreError::Closed);
        }
        let own_len = self.waiting.get(&part).map_or(0, VecDeque::len);
        let own_max = if part.is_some() { READS_WAITING_OF_ONE_MAX } else { READS_WAITING_MAX };
        for (waiting, waiting_max) in [(self.len, READS_WAITING_MAX), (own_len, own_max)] {
            if waiting >= waiting_max {
                return Err(StoreError::Busy { waiting_max });
            }
        }
        let own = self.waiting.entry(part).or_default();
        if own.is_empty() {
            self.turns.push_back(part);
        }
        own.push_back(read);
        self.len += 1;
        Ok(())
    }

    /// The next read that may begin, and whose it is.
    fn pop(&mut self) -> Option<(Option<TenantId>, Read)> {
        let has_all = |part: &Option<TenantId>| {
            part.is_some_and(|tenant| self.running.get(&tenant).is_some_and(|running| *running >= READERS_OF_ONE_MAX))
        };
        let place = self.turns.iter().position(|part| !has_all(part))?;
        let part = self.turns.remove(place)?;
        let own = self.waiting.get_mut(&part)?;
        let read = own.pop_front()?;
        self.len -= 1;
        if own.is_empty() {
            self.waiting.remove(&part);
        } else {
            self.turns.push_back(part);
        }
        if let Some(tenant) = part {
            *self.running.entry(tenant).or_default() += 1;
        }
        Some((part, read))
    }

    /// A read that was given out is over.
    fn ended(&mut self, part: Option<TenantId>) {
        if let Some(tenant) = part
            && let Some(running) = self.running.get_mut(&tenant)
        {
            *running -= 1;
            if *running == 0 {
                self.running.remove(&tenant);
            }
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The line, and who waits for something to stand in it.
#[derive(Debug, Default)]
struct Queue {
    line: Mutex<Line>,
    arrived: Condvar,
}

impl Queue {
    /// The next read and whose it is, after this thread's last one, of whose part `ended` says; `None`: it is closed, and there are no
    /// more.
    fn take(&self, ended: Option<TenantId>) -> Option<(Option<TenantId>, Read)> {
        let mut line = self.line.lock();
        // Whose turn that makes possible is this thread's to read.
        line.ended(ended);
        loop {
            if let Some(next) = line.pop() {
                return Some(next);
            }
            if line.is_closed && line.len == 0 {
                self.arrived.notify_all();
                return None;
            }
            self.arrived.wait(&mut line);
        }
    }

    fn close(&self) {
        self.line.lock().is_closed = true;
        self.arrived.notify_all();
    }
}

/// The pool's front.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Readers {
    /// Opens the connections and starts their threads.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let readers = Self { queue: Arc::default(), threads: Mutex::default() };
        for number in 0..READERS {
            let connection = open_reader(path)?;
            let queue = Arc::clone(&readers.queue);
            let thread = std::thread::Builder::new()
                .name(format!("store-read-{number}"))
                .spawn(move || serve(connection, &queue))
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            readers.threads.lock().push(thread);
        }
        Ok(readers)
    }

    /// Runs `body` in a read transaction of its own, when it is the turn of whose part it is in; `None`: of nobody's.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        part: Option<TenantId>,
        body: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Whoever asked may have gone while it waited.
            if !reply.is_closed() {
                let _gone = reply.send(in_transaction(connection, body));
            }
        });
        self.queue.line.lock().push(part, read)?;
        self.queue.arrived.notify_one();
        answer.await.unwrap_or_else(|_| Err(StoreError::internal("a read panicked, or the store closed under it")))
    }

    /// Finishes what is queued and ends the threads.
    pub(super) fn close(&self) {
        self.queue.close();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a reader panicked");
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn serve(mut connection: Connection, queue: &Queue) {
    let deadline = Arc::new(Mutex::new(None::<Instant>));
    let watched = Arc::clone(&deadline);
    let handler = move || watched.lock().is_some_and(|deadline| Instant::now() > deadline);
    if let Err(error) = connection.progress_handler(PROGRESS_INSTRUCTIONS, Some(handler)) {
        tracing::error!(%error, "reads have no deadline");
    }
    let mut ended = None;
    while let Some((part, read)) = queue.take(ended) {
        ended = part;
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
                readers.read(None, held).await
            };
            tokio::spawn(read);
        }
        (begun, end)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_nobody_waits_for_any_more_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.db");
        assert!(crate::store::databases::bound_memory());
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE some (x)").unwrap();
        let readers = Arc::new(Readers::start(&path).unwrap());
        let (begun, end) = take_all(&readers);
        begun.wait();
        let was_read = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&was_read);
        let read = readers.read(None, move |_| {
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

    #[test]
    fn who_asks_for_much_waits_behind_itself() {
        let mut line = Line::default();
        let (order, [much, little]) = (Arc::new(Mutex::new(Vec::new())), [2, 3].map(|id| Some(TenantId(id))));
        let push = |line: &mut Line, part: Option<TenantId>| {
            let order = Arc::clone(&order);
            line.push(part, Box::new(move |_| order.lock().push(part)))
        };
        for _ in 0..READS_WAITING_OF_ONE_MAX {
            push(&mut line, much).unwrap();
        }
        assert!(matches!(push(&mut line, much), Err(StoreError::Busy { waiting_max: READS_WAITING_OF_ONE_MAX })));
        push(&mut line, little).unwrap();
        push(&mut line, None).unwrap();
        assert!(crate::store::databases::bound_memory());
        let connection = Connection::open_in_memory().unwrap();
        let read_next = |line: &mut Line| {
            let next = line.pop();
            if let Some((part, read)) = next {
                read(&connection);
                line.ended(part);
                return true;
            }
            false
        };
        for _ in 0..5 {
            assert!(read_next(&mut line));
        }
        assert_eq!(*order.lock(), [much, little, None, much, much]);
        while read_next(&mut line) {}
        assert!(line.len == 0 && line.waiting.is_empty() && line.running.is_empty());
        assert_eq!(order.lock().len(), READS_WAITING_OF_ONE_MAX + 2);
        for _ in 0..READS_WAITING_MAX {
            push(&mut line, None).unwrap();
        }
        assert!(matches!(push(&mut line, little), Err(StoreError::Busy { waiting_max: READS_WAITING_MAX })));
        line.is_closed = true;
        assert!(matches!(push(&mut line, little), Err(StoreError::Closed)));
        assert!(line.pop().is_some(), "what is queued is finished");
        assert_eq!(line.waiting.len(), 1, "nothing is kept of who was refused");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_tenant_never_has_every_reader() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.db");
        assert!(crate::store::databases::bound_memory());
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE some (x)").unwrap();
        let readers = Arc::new(Readers::start(&path).unwrap());
        let (end, ended) = (Arc::new(Barrier::new(READERS_OF_ONE_MAX + 1)), Arc::new(Mutex::new(0)));
        let reads: Vec<_> = (0..READERS_OF_ONE_MAX * 3)
            .map(|_| {
                let (readers, end, ended) = (Arc::clone(&readers), Arc::clone(&end), Arc::clone(&ended));
                let held = move |_: &Connection| {
                    end.wait();
                    *ended.lock() += 1;
                    Ok(())
                };
                tokio::spawn(async move { readers.read(Some(TenantId(2)), held).await })
            })
            .collect();
        // Its reads go on until they are let go, and others are read meanwhile.
        for part in [Some(TenantId(3)), None, Some(TenantId(3))] {
            readers.read(part, |_| Ok(())).await.unwrap();
        }
        assert_eq!(*ended.lock(), 0);
        for _ in 0..3 {
            let end = Arc::clone(&end);
            tokio::task::spawn_blocking(move || end.wait()).await.unwrap();
        }
        for read in reads {
            read.await.unwrap().unwrap();
        }
        readers.close();
        assert_eq!(*ended.lock(), READERS_OF_ONE_MAX * 3);
    }

    #[test]
    fn what_is_queued_when_it_closes_is_read_by_who_comes_to_it() {
        let queue = Arc::new(Queue::default());
        let part = Some(TenantId(2));
        let nothing = || -> Read { Box::new(|_| {}) };
        for _ in 0..=READERS_OF_ONE_MAX {
            queue.line.lock().push(part, nothing()).unwrap();
        }
        for _ in 0..READERS_OF_ONE_MAX {
            assert!(queue.take(None).is_some());
        }
        queue.close();
        // It may not begin yet, and nobody leaves before it has.
        let idle = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.take(None).is_none()
        });
        assert!(queue.take(part).is_some());
        assert!(queue.take(part).is_none());
        assert!(idle.join().unwrap());
    }
}
