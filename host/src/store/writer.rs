//! The one thread that writes. It takes what is queued, carries all of it out in one transaction, claims for the
//! claimant what it wants of what is ready then, commits once, hands the claimed jobs over and answers everybody. What makes due
//! jobs ready goes first, in a transaction of its own, where the others' has to reach the disk.
//!
//! Transactions are optimistic: operations run without savepoints, which cost more than most operations. When one
//! fails, everything is rolled back and done again with a savepoint each, so that the bad one falls alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::catalog::Catalog;
use super::claim::claim;
use super::codec::{StoredEvent, pack_events, state_from_code};
use super::draft::Draft;
use super::error::StoreError;
use super::facade::{CommitNotice, Durability};
use super::lock::DirectoryLock;
use super::model::Claimed;
use super::operation::Queued;
use super::reserve::Reserve;
use super::shared::Shared;
use super::wal::Checkpointing;
use crate::job::duration::whole_us;
use crate::job::{Event, EventType, JobId, Timestamp};

/// Operations carried out in one transaction.
const BATCH_OPERATIONS_MAX: usize = 1_024;
/// A second operation is not begun in a transaction that has lasted this long, ms.
const BATCH_MS_MAX: u64 = 20;
/// After a claim that failed by itself none is tried for so long.
const CLAIMS_PAUSE: Duration = Duration::from_secs(1);

const LAST_COMMIT: &str = "SELECT commit_id, bytes_total FROM events ORDER BY commit_id DESC LIMIT 1";
const INSERT_EVENTS: &str = "INSERT INTO events (commit_id, stored_ms, bytes_total, body) VALUES (?1, ?2, ?3, ?4)";

/// The writer's own state; lives on its thread.
pub(super) struct Writer {
    sql: Connection,
    draft: Draft,
    shared: Arc<Shared>,
    checkpointing: Checkpointing,
    last_commit: i64,
    event_bytes: i64,
    is_full_sync: Option<bool>,
    /// Rows changed on the connection before this transaction.
    changes_before: u64,
    claims_resume_at: Option<Instant>,
    /// A sync failed: nothing may be written, and nothing tidied up, any more.
    is_broken: bool,
    /// Held for as long as the thread lives.
    lock: DirectoryLock,
    /// Given up at the start; taken again when the files that used it are gone.
    reserve: Reserve,
}

/// Why a transaction came to nothing.
enum Setback {
    /// One operation failed; its neighbours deserve another try.
    Operation,
    /// Only the claim failed; the operations deserve another try without one.
    Claim,
    /// Nobody can be served.
    Everything(StoreError),
}

impl Writer {
    pub(super) fn new(
        sql: Connection,
        mut draft: Draft,
        shared: Arc<Shared>,
        checkpointing: Checkpointing,
        lock: DirectoryLock,
        reserve: Reserve,
    ) -> Result<Self, StoreError> {
        let last: Option<(i64, i64)> = rusqlite::OptionalExtension::optional(
            sql.query_row(LAST_COMMIT, [], |row| Ok((row.get(0)?, row.get(1)?))),
        )?;
        let (last_commit, event_bytes) = last.unwrap_or((0, 0));
        draft.claimant = Arc::clone(&shared.claimant);
        let _once = shared.spent.set(draft.meter.spent_tenants());
        Ok(Self {
            sql,
            draft,
            shared,
            checkpointing,
            last_commit,
            event_bytes,
            is_full_sync: None,
            changes_before: 0,
            claims_resume_at: None,
            is_broken: false,
            lock,
            reserve,
        })
    }

    /// Until told to close, or until nobody is left who could ask for anything.
    pub(super) fn run(mut self, queue: &Receiver<Queued>) {
        let mut closing = None;
        let mut look = false;
        while closing.is_none() && !self.is_broken {
            let mut batch = Vec::with_capacity(64);
            if look {
                batch.push(Queued::Look);
            } else {
                let Ok(first) = queue.recv() else { break };
                closing = self.take(first, &mut batch);
            }
            while closing.is_none() && batch.len() < BATCH_OPERATIONS_MAX {
                let Ok(next) = queue.try_recv() else { break };
                closing = self.take(next, &mut batch);
            }
            let (due, rest) = what_is_due(batch);
            let more = !due.is_empty() && self.carry_out(due);
            // Whoever is dropped is told that the store is closed.
            look = !self.is_broken && (self.carry_out(rest) || more);
        }
        if self.is_broken {
            self.leave();
        } else {
            self.stop(closing);
        }
    }

    /// Adds to the batch, unless it is the wish to close.
    fn take(&self, queued: Queued, batch: &mut Vec<Queued>) -> Option<oneshot::Sender<Result<(), StoreError>>> {
        match queued {
            Queued::Close(reply) => return Some(reply),
            // Before the claimant is asked: what it comes to want from now on is worth another look.
            Queued::Look => self.shared.end_look(),
            Queued::Operation(_) | Queued::Finish(_) => {}
        }
        batch.push(queued);
        None
    }

    /// Carries out the batch in as few transactions as its size allows. Returns whether there are jobs left that the
    /// claimant wants.
    fn carry_out(&mut self, mut batch: Vec<Queued>) -> bool {
        let mut look = false;
        while !batch.is_empty() {
            let mut outcomes = Vec::with_capacity(batch.len());
            look = match self.transact(&mut batch, &mut outcomes, false) {
                Ok(look) => look,
                Err(Setback::Claim) => continue,
                Err(Setback::Operation) if batch.len() == 1 => false,
                Err(Setback::Operation) => {
                    outcomes.clear();
                    match self.transact(&mut batch, &mut outcomes, true) {
                        Ok(look) => look,
                        Err(Setback::Claim) => continue,
                        Err(Setback::Everything(error)) => all_failed(&mut outcomes, &batch, error),
                        Err(Setback::Operation) => {
                            all_failed(&mut outcomes, &batch, StoreError::internal("a savepoint did not hold"))
                        }
                    }
                }
                Err(Setback::Everything(error)) => all_failed(&mut outcomes, &batch, error),
            };
            let rest = batch.split_off(outcomes.len().min(batch.len()));
            self.shared.metrics.operations.fetch_add(batch.len() as u64, Ordering::Relaxed);
            for (queued, outcome) in batch.into_iter().zip(outcomes) {
                answer(queued, outcome);
            }
            batch = rest;
        }
        look
    }

    /// One transaction over a prefix of the batch: pushes one outcome per operation carried out. Returns whether there
    /// are jobs left that the claimant wants. On a setback it is rolled back; after `Setback::Operation` the last
    /// outcome is the failure.
    fn transact(
        &mut self,
        batch: &mut [Queued],
        outcomes: &mut Vec<Result<(), StoreError>>,
        savepoints: bool,
    ) -> Result<bool, Setback> {
        let durable = batch.iter().any(is_durable);
        self.begin(durable).map_err(|error| self.give_up(error))?;
        let started = Instant::now();
        for queued in batch {
            if !outcomes.is_empty() && started.elapsed() > Duration::from_millis(BATCH_MS_MAX) {
                break;
            }
            self.draft.begin_operation();
            if savepoints {
                self.execute("SAVEPOINT operation").map_err(|error| self.give_up(error))?;
            }
            let result = catch_unwind(AssertUnwindSafe(|| run(queued, &self.sql, &mut self.draft)))
                .unwrap_or_else(|_| Err(StoreError::internal("an operation panicked")));
            match result {
                Ok(()) if savepoints => {
                    self.execute("RELEASE operation").map_err(|error| self.give_up(error))?;
                }
                Ok(()) => {}
                // Full disks and the like hit everybody; SQLite may have rolled back already.
                Err(error) if error.is_the_disks() || self.sql.is_autocommit() => return Err(self.give_up(error)),
                Err(error) if savepoints => {
                    tracing::error!(%error, "a store operation failed");
                    self.execute("ROLLBACK TO operation")
                        .and_then(|()| self.execute("RELEASE operation"))
                        .and_then(|()| self.draft.rewind_operation(&self.sql))
                        .map_err(|error| self.give_up(error))?;
                    outcomes.push(Err(error));
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "a store operation failed");
                    self.roll_back();
                    outcomes.push(Err(error));
                    return Err(Setback::Operation);
                }
            }
            outcomes.push(Ok(()));
        }
        self.draft.settle_rates(&self.sql).map_err(|error| self.give_up(error))?;
        let claimed = self.claim()?;
        self.commit().map_err(|error| self.give_up(error))?;
        let look = self.hand_over(claimed);
        self.publish();
        self.checkpointing.after_commit(&self.sql, &self.shared.metrics.wal_bytes);
        Ok(look)
    }

    /// What the claimant wants of what can be claimed; `None`: it was not asked, or wants nothing.
    fn claim(&mut self) -> Result<Option<Claimed>, Setback> {
        let may_claim = self.draft.may_claim()
            && self.shared.is_writable()
            && self.claims_resume_at.is_none_or(|at| Instant::now() >= at);
        let Some(claimant) = may_claim.then(|| self.shared.claimant()).flatten() else { return Ok(None) };
        let Some(request) = claimant.wants() else { return Ok(None) };
        let claimed = catch_unwind(AssertUnwindSafe(|| claim(&self.sql, &mut self.draft, &request)))
            .unwrap_or_else(|_| Err(StoreError::internal("a claim panicked")));
        match claimed {
            Ok(claimed) => {
                self.claims_resume_at = None;
                Ok(Some(claimed))
            }
            Err(error) if error.is_the_disks() || self.sql.is_autocommit() => Err(self.give_up(error)),
            Err(error) => {
                tracing::error!(%error, "a claim failed; the next is tried in {} s", CLAIMS_PAUSE.as_secs());
                self.claims_resume_at = Some(Instant::now() + CLAIMS_PAUSE);
                self.roll_back();
                Err(Setback::Claim)
            }
        }
    }

    /// Gives the claimant what was claimed for it. Returns whether it wants more of what is left.
    fn hand_over(&self, claimed: Option<Claimed>) -> bool {
        let more = claimed.as_ref().map(|claimed| claimed.more);
        let Some(claimant) = self.shared.claimant() else { return false };
        if let Some(claimed) = claimed
            && catch_unwind(AssertUnwindSafe(|| claimant.take(claimed))).is_err()
        {
            tracing::error!("the claimant panicked; the jobs it was given are freed with this host");
        }
        self.shared.set_claimable(self.draft.may_claim());
        // Not after a claim that left nothing, or gave nothing: asking again would go on for ever.
        more.unwrap_or(self.draft.line.has_anybody() && self.claims_resume_at.is_none() && self.shared.is_writable())
            && claimant.wants().is_some()
    }

    fn begin(&mut self, durable: bool) -> Result<(), StoreError> {
        self.checkpointing.has_room()?;
        if self.is_full_sync != Some(durable) {
            // Between transactions only; the level decides whether the commit waits for the disk.
            self.sql.execute_batch(if durable {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })?;
            self.is_full_sync = Some(durable);
        }
        self.changes_before = self.sql.total_changes();
        self.execute("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.draft.flush_counters(&self.sql)?;
        self.draft.looks.flush(&self.sql)?;
        let (mut last_commit, mut event_bytes) = (self.last_commit, self.event_bytes);
        if !self.draft.events().is_empty() {
            let body = pack_events(self.draft.events())?;
            last_commit += 1;
            event_bytes += i64::try_from(body.len()).unwrap_or(0);
            let stored_ms = self.draft.clock.now_ms();
            self.sql.prepare_cached(INSERT_EVENTS)?.execute(params![last_commit, stored_ms, event_bytes, body])?;
        }
        #[cfg(test)]
        if self.shared.commits_fail.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the disk is to be full".to_owned()));
        }
        let started = Instant::now();
        self.execute("COMMIT")?;
        let commit_us = whole_us(started.elapsed());
        if last_commit > self.last_commit && self.is_full_sync == Some(true) {
            self.shared.mark.note(last_commit);
        }
        (self.last_commit, self.event_bytes) = (last_commit, event_bytes);
        self.shared.metrics.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.metrics.commit_us.fetch_add(commit_us, Ordering::Relaxed);
        // A commit of nothing succeeds on a full disk too, and proves nothing.
        if self.sql.total_changes() != self.changes_before {
            self.shared.writable.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Tells this process what the commit did, before its callers are answered.
    fn publish(&mut self) {
        let listener = self.shared.on_commit.get();
        let tell = listener.is_some() && self.draft.has_news();
        let notice = tell.then(|| CommitNotice {
            commit: self.last_commit,
            events: self.draft.events().iter().filter_map(|event| named(event, &self.draft.catalog)).collect(),
            notified: std::mem::take(&mut self.draft.notified).into_iter().collect(),
            next_due: self.draft.next_due,
            schedules_changed: self.draft.schedules_changed,
            mail_due: self.draft.mail_due,
            ties_left: self.draft.ties.is_left_over,
        });
        if let Some(catalog) = self.draft.committed() {
            self.shared.publish_catalog(catalog);
        }
        if let (Some(listener), Some(notice)) = (listener, notice)
            && catch_unwind(AssertUnwindSafe(|| listener(&notice))).is_err()
        {
            tracing::error!("the listener to commits panicked");
        }
    }

    fn give_up(&mut self, error: StoreError) -> Setback {
        self.roll_back();
        if error.ends_the_store() {
            tracing::error!(%error, "the store is closed");
            self.is_broken = true;
            self.shared.writable.store(false, Ordering::Release);
        }
        if matches!(error, StoreError::Unavailable(_) | StoreError::LogFull { .. }) {
            self.shared.metrics.commit_failures.fetch_add(1, Ordering::Relaxed);
            if self.shared.writable.swap(false, Ordering::AcqRel) {
                tracing::error!(%error, "the store cannot write; every writer gets an error until it can again");
            }
        }
        Setback::Everything(error)
    }

    fn roll_back(&mut self) {
        if !self.sql.is_autocommit()
            && let Err(error) = self.sql.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
        if let Err(error) = self.draft.rolled_back(&self.sql) {
            tracing::error!(%error, "cannot read again what was rolled back");
        }
    }

    fn execute(&self, statement: &str) -> Result<(), StoreError> {
        self.sql.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// Closes everything as it is.
    fn leave(self) {
        let Self { sql, checkpointing, shared, lock, .. } = self;
        keep_log(&sql);
        let connection = checkpointing.connection();
        keep_log(&connection.lock());
        shared.readers.close();
        let database = checkpointing.stop();
        drop((sql, connection));
        drop(database);
        drop(lock);
        shared.failed.cancel();
    }

    fn stop(self, closing: Option<oneshot::Sender<Result<(), StoreError>>>) {
        let Self { sql, checkpointing, shared, lock, reserve, .. } = self;
        let connection = checkpointing.connection();
        let database = checkpointing.stop();
        let folded = sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(StoreError::from);
        let result = match folded {
            Err(error @ StoreError::SyncFailed(_)) => {
                tracing::error!(%error, "the write-ahead log could not be folded in");
                keep_log(&sql);
                keep_log(&connection.lock());
                Err(error)
            }
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be folded in; the next start does it");
                Ok(())
            }
            Ok(()) => Ok(()),
        };
        shared.readers.close();
        drop((sql, connection));
        drop(database);
        reserve.take();
        drop(lock);
        if let Some(reply) = closing {
            let _gone = reply.send(result);
        }
    }
}

/// Closing it leaves the log as it is. After a failed sync folding it in could read back what the disk has lost; the next
/// start checks each piece of it.
fn keep_log(connection: &Connection) {
    let no_checkpoint = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    if let Err(error) = connection.set_db_config(no_checkpoint, true) {
        tracing::error!(%error, "cannot close the database without a checkpoint");
    }
}

/// The error is everybody's, and nobody looks for jobs.
fn all_failed(outcomes: &mut Vec<Result<(), StoreError>>, batch: &[Queued], error: StoreError) -> bool {
    *outcomes = vec![Err(error); batch.len()];
    false
}

/// What is to be committed first, and alone: what is due, where the commit of the others must reach the disk.
fn what_is_due(batch: Vec<Queued>) -> (Vec<Queued>, Vec<Queued>) {
    let is_due = |queued: &Queued| matches!(queued, Queued::Operation(one) if one.durability() == Durability::Due);
    if batch.iter().any(is_due) && batch.iter().any(is_durable) {
        batch.into_iter().partition(is_due)
    } else {
        (Vec::new(), batch)
    }
}

fn is_durable(queued: &Queued) -> bool {
    match queued {
        Queued::Operation(operation) => operation.durability() == Durability::Synced,
        Queued::Finish(_) => true,
        Queued::Look | Queued::Close(_) => false,
    }
}

fn run(queued: &mut Queued, sql: &Connection, draft: &mut Draft) -> Result<(), StoreError> {
    match queued {
        Queued::Operation(operation) => operation.run(sql, draft),
        Queued::Finish(finish) => finish.run(sql, draft),
        Queued::Look | Queued::Close(_) => Ok(()),
    }
}

fn answer(queued: Queued, outcome: Result<(), StoreError>) {
    match queued {
        Queued::Operation(operation) => operation.answer(outcome),
        Queued::Finish(mut finish) => finish.answer(outcome),
        Queued::Look | Queued::Close(_) => {}
    }
}

/// The event with names instead of numbers.
fn named(event: &StoredEvent, catalog: &Catalog) -> Option<Event> {
    Some(Event {
        at: Timestamp(event.at),
        event_type: EventType::from_code(event.event_type)?,
        job: JobId::from_bytes(event.job),
        kind: catalog.kind_names.get(&super::catalog::KindId(event.kind))?.clone(),
        queue: catalog.queues.get(&super::catalog::QueueId(event.queue))?.clone(),
        state: state_from_code(event.state).ok()?,
        attempt: event.attempt,
    })
}
