//! The in-memory side of the open transaction: what operations gather for the commit, and what the writer remembers
//! between commits. All of it can be taken back with the transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::{FxHashMap, FxHashSet};

use super::catalog::{Catalog, KindId, QueueId, QueueSettings, TenantId};
use super::claimant::{Claimant, ClaimantCell};
use super::codec::{StoredEvent, state_code};
use super::counters::{CounterChanges, Lane};
use super::credentials::{Credentials, SessionsNoted};
use super::ended::Looks;
use super::error::StoreError;
use super::held::Holding;
use super::keys;
use super::line::{Line, Source};
use super::meter::Meter;
use super::model::Recovered;
use super::order::Order;
use super::paces::Paces;
use super::queues::{unfinished_of_kind, unfinished_of_queue};
use super::schedules::any_queued;
use super::shares::Shares;
use super::steps::PinnedKinds;
use super::store_clock::StoreClock;
use super::ties::Ties;
use crate::job::kind::PRIORITY_DEFAULT;
use crate::job::{
    Actor, EventType, HostId, IdSequence, JobId, JobState, Pace, QueueName, Quotas, Retention, Timestamp, UserName,
};

// One that was deleted comes back as if it were new.
const INSERT_QUEUE: &str = "INSERT INTO queues (tenant_id, name, priority) VALUES (?1, ?2, ?3)
    ON CONFLICT (tenant_id, name) DO UPDATE SET priority = excluded.priority, paused = 0, deleted = 0,
        concurrency = NULL, rate = NULL, relaxed = 0, retention = NULL RETURNING id";
const HOSTS: &str = "SELECT id, number FROM hosts";
/// Of all that ids are given to: while the clock is behind it, they go on from there.
const LAST_ID: &str =
    "SELECT max(id) FROM (SELECT max(id) AS id FROM live_jobs UNION ALL SELECT max(id) FROM finished_jobs
        UNION ALL SELECT max(id) FROM operations UNION ALL SELECT max(id) FROM batches
        UNION ALL SELECT max(id) FROM api_keys UNION ALL SELECT max(id) FROM notifications)";

/// Where an entered guest of a previous process stood when it died.
#[derive(Clone, Copy, Debug)]
pub(super) struct LostEntry {
    pub(super) entered_at: Timestamp,
    /// It had come to its end; only its outcome was not written.
    pub(super) ended: bool,
}

/// Guests that were entered when their process died, by job and lease number.
pub(super) type LostEntries = FxHashMap<(JobId, i64), LostEntry>;

/// Where a job stands in its queue: its key and id.
pub(super) type Place = (i64, [u8; 16]);

/// See the file's head. One per writer.
#[allow(clippy::struct_excessive_bools)] // Each is a note of its own.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) clock: StoreClock,
    pub(super) order: Order,
    /// The wall clock, read once per operation.
    pub(super) now: Timestamp,
    /// As of this point of the transaction.
    pub(super) catalog: Arc<Catalog>,
    committed_catalog: Arc<Catalog>,
    settled_catalog: Arc<Catalog>,
    /// Registered hosts by their short numbers.
    pub(super) hosts: FxHashMap<HostId, i64>,
    ids: IdSequence,
    /// Where there may be claimable jobs, and in which order.
    pub(super) line: Line,
    /// Whose line is gone along next.
    pub(super) shares: Shares,
    /// Under which limits jobs may be held.
    pub(super) holding: Holding,
    /// Whether there may be claimable suspects.
    pub(super) suspects_waiting: bool,
    counters: CounterChanges,
    /// What tenants use.
    pub(super) meter: Meter,
    /// How long the host keeps finished jobs of which nobody says more.
    pub(super) retention: Retention,
    /// When to look whether they are still to be kept.
    pub(super) looks: Looks,
    events: Vec<StoredEvent>,
    settled_events: usize,
    /// Users who were told something.
    pub(super) notified: FxHashSet<(TenantId, UserName)>,
    /// The earliest `run_at` written.
    pub(super) next_due: Option<Timestamp>,
    /// A schedule may have come to have something to do.
    pub(super) schedules_changed: bool,
    /// A mail may have come to be due.
    pub(super) mail_due: bool,
    /// A schedule has a slot that waits for a run to end. `false`: none has.
    pub(super) runs_waited_for: bool,
    /// Numbers of hosts that were registered when the directory was opened, oldest first: dead, since the lock is ours.
    pub(super) dead_hosts: Vec<i64>,
    /// Guests those hosts had entered.
    pub(super) lost_entries: LostEntries,
    /// How far the pruning of module chunks has come.
    pub(super) chunks_looked_at: Vec<u8>,
    /// Logins and logouts that the audit log tells of.
    pub(super) sessions_noted: SessionsNoted,
    /// How far the pruning of concurrency keys has come.
    pub(super) looked_at: keys::LookedAt,
    /// What is limited, and how much of it is used.
    pub(super) paces: Paces,
    /// What recovery did before anybody asked.
    pub(super) recovered: Option<Recovered>,
    /// What ties jobs to each other.
    pub(super) ties: Ties,
    /// Kinds as versions describe them that are not active.
    pub(super) pinned_kinds: PinnedKinds,
    /// Whose events upkeep went on with last.
    pub(super) told_last: TenantId,
    /// Who may have entered the guests of claimed jobs.
    pub(super) claimant: ClaimantCell,
    /// Who asked for the operation, if it was not this host itself.
    pub(super) actor: Option<Actor>,
}

/// What is set for the whole store.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreSettings {
    pub(super) order: Order,
    /// What limits every tenant.
    pub(super) tenant_pace: Pace,
    /// How long finished jobs are kept of which nobody says more.
    pub(super) retention: Retention,
    /// What tenants may use on which nothing is set.
    pub(super) quotas: Quotas,
}

impl Draft {
    /// Reads what the writer must remember.
    pub(super) fn load(
        sql: &Connection,
        clock: StoreClock,
        settings: StoreSettings,
        catalog: Arc<Catalog>,
        lost_entries: LostEntries,
    ) -> Result<Self, StoreError> {
        let StoreSettings { order, tenant_pace, retention, quotas } = settings;
        let last: Option<[u8; 16]> = sql.query_row(LAST_ID, [], |row| row.get(0)).optional()?.flatten();
        let hosts = load_hosts(sql)?;
        // By age, not as the map has them: recovery reports hosts in the order they came.
        let mut dead_hosts: Vec<i64> = hosts.values().copied().collect();
        dead_hosts.sort_unstable();
        let clock_now = clock.now();
        Ok(Self {
            now: clock_now,
            clock,
            order,
            line: Line::new(order),
            shares: Shares::default(),
            holding: Holding::unknown(),
            committed_catalog: Arc::clone(&catalog),
            settled_catalog: Arc::clone(&catalog),
            catalog,
            dead_hosts,
            hosts,
            ids: IdSequence::after(last.map_or(0, u128::from_be_bytes)),
            suspects_waiting: true,
            counters: CounterChanges::default(),
            meter: Meter::load(sql, quotas, clock_now)?,
            retention,
            looks: Looks::default(),
            events: Vec::new(),
            settled_events: 0,
            notified: FxHashSet::default(),
            next_due: None,
            schedules_changed: false,
            mail_due: false,
            runs_waited_for: any_queued(sql)?,
            lost_entries,
            chunks_looked_at: Vec::new(),
            sessions_noted: SessionsNoted::default(),
            looked_at: keys::LookedAt::default(),
            paces: Paces::new(tenant_pace),
            recovered: None,
            ties: Ties::load(sql)?,
            pinned_kinds: PinnedKinds::default(),
            told_last: TenantId(i64::MIN),
            claimant: ClaimantCell::default(),
            actor: None,
        })
    }

    /// The party of this process that is given jobs, while it lives.
    pub(super) fn claimant(&self) -> Option<Arc<dyn Claimant>> {
        self.claimant.get()?.upgrade()
    }

    /// Changes who may call, from this commit on.
    pub(super) fn change_credentials<T>(&mut self, change: impl FnOnce(&mut Credentials) -> T) {
        let catalog = Arc::make_mut(&mut self.catalog);
        change(Arc::make_mut(&mut catalog.credentials));
        catalog.revision += 1;
    }

    /// A fresh job id.
    pub(super) fn next_id(&mut self) -> JobId {
        JobId::from_u128(self.ids.next(self.now, rand::random()))
    }

    /// Counts a job in or out of a state.
    pub(super) fn count(&mut self, lane: Lane, state: JobState, jobs: i64) {
        self.meter.count(lane.tenant, state, jobs);
        self.counters.add(lane, state, jobs);
    }

    /// Counts a job from one state into another. Every change of a state passes here, so here it is found out when one
    /// is not legal: the operation fails, and with it what it wrote.
    pub(super) fn move_count(&mut self, lane: Lane, from: JobState, to: JobState) -> Result<(), StoreError> {
        if !from.can_become(to) {
            return Err(StoreError::Internal(format!("a job can't go from {from} to {to}")));
        }
        if from != to {
            self.count(lane, from, -1);
            self.count(lane, to, 1);
        }
        Ok(())
    }

    /// Jobs of a kind that have not ended, those of this transaction included.
    pub(super) fn unfinished_of_kind(
        &self,
        sql: &Connection,
        tenant: TenantId,
        kind: KindId,
    ) -> Result<u64, StoreError> {
        let written = unfinished_of_kind(sql, tenant, kind)?;
        Ok(u64::try_from(written + self.counters.unfinished(|lane| lane.kind == kind)).unwrap_or(0))
    }

    /// Jobs of a queue that have not ended, those of this transaction included.
    pub(super) fn unfinished_of_queue(
        &self,
        sql: &Connection,
        tenant: TenantId,
        queue: QueueId,
    ) -> Result<u64, StoreError> {
        let written = unfinished_of_queue(sql, tenant, queue)?;
        Ok(u64::try_from(written + self.counters.unfinished(|lane| lane.queue == queue)).unwrap_or(0))
    }

    /// Jobs of a tenant that came to be unfinished in this transaction, less those that ended.
    pub(super) fn unfinished_in_transaction(&self, tenant: TenantId) -> i64 {
        self.counters.unfinished(|lane| lane.tenant == tenant)
    }

    /// Whether the commit of this transaction will write what the tenant's jobs, or what it keeps, have come to.
    pub(super) fn will_write_of(&self, tenant: TenantId) -> bool {
        self.counters.has_any_of(tenant) || self.meter.has_changes_of(tenant)
    }

    /// Tells what happened.
    pub(super) fn event(&mut self, event_type: EventType, job: JobId, lane: Lane, state: JobState, attempt: u32) {
        self.events.push(StoredEvent {
            at: self.now.as_ms(),
            event_type: event_type.code(),
            job: job.to_bytes(),
            kind: lane.kind.0,
            queue: lane.queue.0,
            state: state_code(state),
            attempt,
        });
    }

    /// Whether there may be jobs to claim.
    pub(super) fn may_claim(&self) -> bool {
        self.line.has_anybody()
            || self.suspects_waiting
            || self.holding.is_unscanned()
            || self.paces.has_news(&self.catalog, &self.clock)
    }

    /// A job of this queue can be claimed from this commit on.
    pub(super) fn made_ready(&mut self, queue: QueueId) {
        self.line.look_up(Source::Ready(queue));
    }

    /// A job waits for its time from this commit on.
    pub(super) fn made_due(&mut self, run_at: Timestamp) {
        self.next_due = Some(self.next_due.map_or(run_at, |earliest| earliest.min(run_at)));
    }

    /// The queue's short name; the first job that names a queue creates it.
    pub(super) fn queue(
        &mut self,
        sql: &Connection,
        tenant: TenantId,
        name: &QueueName,
    ) -> Result<QueueId, StoreError> {
        if let Some(id) = self.catalog.queue(tenant, name) {
            return Ok(id);
        }
        let id = QueueId(
            sql.prepare_cached(INSERT_QUEUE)?
                .query_row(params![tenant.0, name.as_str(), PRIORITY_DEFAULT], |row| row.get(0))?,
        );
        let settings = QueueSettings {
            tenant,
            priority: PRIORITY_DEFAULT,
            is_paused: false,
            pace: Pace::default(),
            is_relaxed: false,
            retention: Retention::default(),
        };
        Arc::make_mut(&mut self.catalog).put_queue(id, name.clone(), settings);
        Ok(id)
    }

    /// A finished job comes back: so does its queue, if it was deleted meanwhile.
    pub(super) fn revive_queue(&mut self, sql: &Connection, lane: Lane) -> Result<(), StoreError> {
        if self.catalog.queue_settings.contains_key(&lane.queue) {
            return Ok(());
        }
        match self.catalog.queues.get(&lane.queue).cloned() {
            Some(name) => self.queue(sql, lane.tenant, &name).map(|_| ()),
            None => Err(StoreError::internal("a job of an unknown queue")),
        }
    }

    /// Whether new jobs of the kind may be written.
    pub(super) fn is_registered(&self, tenant: TenantId, kind: KindId) -> bool {
        self.catalog.kinds.get(&kind).is_some_and(|entry| entry.tenant == tenant) && self.catalog.is_open(tenant)
    }

    // ---- the transaction's own steps ----

    pub(super) fn events(&self) -> &[StoredEvent] {
        &self.events
    }

    /// Whether anybody in this process may want to know of the commit.
    pub(super) fn has_news(&self) -> bool {
        !self.events.is_empty()
            || !self.notified.is_empty()
            || self.next_due.is_some()
            || self.ties.is_left_over
            || self.schedules_changed
            || self.mail_due
    }

    pub(super) fn flush_counters(&self, sql: &Connection) -> Result<(), StoreError> {
        self.counters.flush(sql)?;
        self.meter.flush(sql, &self.catalog)
    }

    /// Begins an operation.
    pub(super) fn begin_operation(&mut self) {
        self.now = self.clock.now();
        self.actor = None;
        self.ties.begin();
        self.counters.settle();
        self.meter.settle();
        self.looks.settle();
        self.settled_events = self.events.len();
        self.settled_catalog = Arc::clone(&self.catalog);
    }

    /// Takes back what the operation gathered. Flags that only cost a look when wrong stay as they are.
    pub(super) fn rewind_operation(&mut self, sql: &Connection) -> Result<(), StoreError> {
        self.counters.rewind();
        self.meter.rewind(sql)?;
        self.looks.rewind();
        self.events.truncate(self.settled_events);
        self.catalog = Arc::clone(&self.settled_catalog);
        self.sessions_noted.forget();
        self.distrust(sql)
    }

    /// After the operations of a transaction, before its claim: the rates it changed hold from now on.
    pub(super) fn settle_rates(&mut self, sql: &Connection) -> Result<(), StoreError> {
        if Arc::ptr_eq(&self.catalog, &self.committed_catalog) {
            return Ok(());
        }
        self.paces.settle(sql, &self.committed_catalog, &self.catalog, self.clock.now_ns())
    }

    /// The transaction is committed. Returns the catalog if it changed.
    pub(super) fn committed(&mut self) -> Option<Arc<Catalog>> {
        self.clear();
        self.shares.committed();
        self.meter.committed();
        if Arc::ptr_eq(&self.catalog, &self.committed_catalog) {
            return None;
        }
        self.committed_catalog = Arc::clone(&self.catalog);
        Some(Arc::clone(&self.catalog))
    }

    /// The transaction is rolled back.
    pub(super) fn rolled_back(&mut self, sql: &Connection) -> Result<(), StoreError> {
        self.clear();
        self.shares.rolled_back();
        self.meter.rolled_back(sql)?;
        self.catalog = Arc::clone(&self.committed_catalog);
        self.sessions_noted.forget();
        self.distrust(sql)
    }

    /// Gathering begins anew.
    fn clear(&mut self) {
        self.counters.clear();
        self.looks.clear();
        self.events.clear();
        self.settled_events = 0;
        self.notified.clear();
        self.next_due = None;
        self.schedules_changed = false;
        self.mail_due = false;
        self.ties.is_left_over = false;
    }

    /// What was concluded from rows that are gone again must be found out again.
    fn distrust(&mut self, sql: &Connection) -> Result<(), StoreError> {
        self.ties.places.forget_all();
        // The next claim lines up all anew.
        self.paces.forget();
        self.holding = Holding::unknown();
        self.suspects_waiting = true;
        self.runs_waited_for = any_queued(sql)?;
        self.hosts = load_hosts(sql)?;
        Ok(())
    }
}

fn load_hosts(sql: &Connection) -> Result<FxHashMap<HostId, i64>, StoreError> {
    let mut statement = sql.prepare_cached(HOSTS)?;
    let rows = statement.query_map([], |row| Ok((HostId::from_bytes(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
