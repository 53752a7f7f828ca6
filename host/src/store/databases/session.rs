//! A database that is a file, as one attempt has it open. Statements run on threads of their own, a bounded number at once; a call
//! that is dropped ends its statement. One transaction at a time; what is open when this is dropped is rolled back.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connection::GuestConnection;
use super::fence::Fence;
use super::files::{DatabaseFile, SqliteFiles};
use super::held::{Held, Places, place};
use super::room::Room;
use super::statements::{Queried, Terms, lost};
use super::watch::Running;
use crate::job::database::{DatabaseStep, RecordedStep, STATEMENT_TIME_MAX, Script, SqlRows, SqlValue, check_scripts};
use crate::job::{DatabaseError, JobId, StepName, Timestamp};
use crate::store::facade::Store;
use crate::store::model::Holder;

/// Who has it open.
#[derive(Clone, Debug)]
pub(super) enum Writer {
    /// An attempt of a host, under its lease.
    Attempt(Store, Holder),
    /// A run without a store: nobody else is there.
    Trial(JobId),
}

/// See the file's head.
pub struct SqliteSession {
    files: Arc<SqliteFiles>,
    file: Arc<DatabaseFile>,
    writer: Writer,
    /// The transaction that is open.
    open: Option<Held>,
    /// It is gone though nobody ended it by a call.
    is_lost: bool,
}

impl std::fmt::Debug for SqliteSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteSession").field("name", &self.file.name).finish_non_exhaustive()
    }
}

type Said<T> = Result<T, DatabaseError>;

impl SqliteSession {
    pub(super) fn new(files: &Arc<SqliteFiles>, file: Arc<DatabaseFile>, writer: Writer) -> Self {
        Self { files: Arc::clone(files), file, writer, open: None, is_lost: false }
    }

    /// That it can be opened. Makes the file, where it never was.
    pub async fn make(&mut self) -> Said<()> {
        let places = Places::of(&self.files, &self.file).await?;
        // With a place nobody deletes it: what the store says of it now stays true.
        let was_made = match &self.writer {
            Writer::Attempt(store, _) => store.was_database_made(self.file.tenant, &self.file.name).await?,
            Writer::Trial(_) => false,
        };
        let file = Arc::clone(&self.file);
        let make = move || file.make(was_made);
        tokio::task::spawn_blocking(make).await.map_err(|error| DatabaseError::Unavailable(error.to_string()))??;
        if let (Writer::Attempt(store, _), false) = (&self.writer, was_made) {
            store.note_database_made(self.file.tenant, &self.file.name, true).await?;
        }
        Held::in_places(places).await.map(drop)
    }

    /// Applies those scripts that are not applied yet. How many.
    pub async fn migrate(&mut self, scripts: Vec<Script>) -> Said<u32> {
        self.check_none_open("a migration")?;
        let held = Held::of(&self.files, &self.file).await?;
        let (held, applied) = self.run(held, GuestConnection::applied).await;
        let applied: Vec<_> = applied?.into_iter().map(|known| known.applied).collect();
        let to_apply = check_scripts(&scripts, &applied)?;
        let Some(mut held) = held.filter(|_| !to_apply.is_empty()) else { return Ok(0) };
        held.take_turn().await?;
        let scripts: Arc<[Script]> = scripts.into();
        let mut count = 0;
        for place in to_apply {
            let (terms, now) = (self.terms().await?, self.now());
            let all = Arc::clone(&scripts);
            let (back, done) = self.run(held, move |connection| connection.apply(&terms, &all, place, now)).await;
            count += u32::from(done?);
            held = back.ok_or_else(broke_off)?;
        }
        Ok(count)
    }

    /// Runs a statement and gives its rows.
    pub async fn query(&mut self, sql: String, parameters: Vec<SqlValue>) -> Said<SqlRows> {
        if self.is_open()? {
            return self.in_open(move |connection| connection.query(&sql, &parameters)).await;
        }
        let held = Held::of(&self.files, &self.file).await?;
        let parameters: Arc<[SqlValue]> = parameters.into();
        let (text, given) = (sql.clone(), Arc::clone(&parameters));
        let (held, queried) = self.run(held, move |connection| connection.read(&text, &given)).await;
        match queried? {
            Queried::Rows(rows) => Ok(rows),
            Queried::Writes => {
                let held = held.ok_or_else(broke_off)?;
                self.in_own(held, move |connection| connection.query(&sql, &parameters)).await
            }
        }
    }

    /// Runs a statement; how many rows it changed.
    pub async fn execute(&mut self, sql: String, parameters: Vec<SqlValue>) -> Said<u64> {
        if self.is_open()? {
            return self.in_open(move |connection| connection.execute(&sql, &parameters)).await;
        }
        let held = Held::of(&self.files, &self.file).await?;
        self.in_own(held, move |connection| connection.execute(&sql, &parameters)).await
    }

    /// Begins a transaction.
    pub async fn begin(&mut self) -> Said<()> {
        self.check_none_open("a transaction")?;
        let mut held = Held::of(&self.files, &self.file).await?;
        held.take_turn().await?;
        let terms = self.terms().await?;
        let (held, begun) = self.run(held, move |connection| connection.begin(&terms)).await;
        begun?;
        self.open = Some(held.ok_or_else(broke_off)?);
        Ok(())
    }

    /// Commits what is open.
    pub async fn commit(&mut self) -> Said<()> {
        self.commit_with(|_| Ok(())).await
    }

    /// Takes back what is open.
    pub fn rollback(&mut self) -> Ready<Said<()>> {
        self.take_back();
        ready(Ok(()))
    }

    fn take_back(&mut self) {
        self.is_lost = false;
        // In a log nothing is to be undone: it takes no time to speak of.
        drop(self.open.take());
    }

    /// The result of a step that was done; `None`: it was not, and a transaction is open in which it is to be.
    pub async fn begin_step(&mut self, name: StepName, occurrence: u32) -> Said<Option<RecordedStep>> {
        self.begin().await?;
        let job = self.job();
        let known = self.in_open(move |connection| connection.recorded_step(job, &name, occurrence)).await;
        if !matches!(known, Ok(None)) {
            self.take_back();
        }
        known
    }

    /// Commits what is open together with a step's result.
    pub async fn commit_step(&mut self, step: DatabaseStep) -> Said<()> {
        let (job, now) = (self.job(), self.now());
        self.commit_with(move |connection| connection.record_step(job, &step, now)).await
    }

    async fn commit_with(&mut self, last: impl FnOnce(&GuestConnection) -> Said<()> + Send + 'static) -> Said<()> {
        if !self.is_open()? {
            return Err(DatabaseError::refused("no transaction is open that could be committed"));
        }
        // As late as can be: from here on only one that is newer here already stands in the way.
        self.check_lease().await?;
        let Some(held) = self.open.take() else { return Err(lost()) };
        let room = self.room();
        self.run(held, move |connection| {
            last(connection)?;
            connection.commit(&room)
        })
        .await
        .1
    }

    fn job(&self) -> JobId {
        match &self.writer {
            Writer::Attempt(_, holder) => holder.job,
            Writer::Trial(job) => *job,
        }
    }

    fn now(&self) -> Timestamp {
        match &self.writer {
            Writer::Attempt(store, _) => store.clock_now(),
            Writer::Trial(_) => Timestamp(0),
        }
    }

    /// Whether a transaction is open; one that was lost is told of until it is rolled back.
    fn is_open(&self) -> Said<bool> {
        if self.is_lost { Err(lost()) } else { Ok(self.open.is_some()) }
    }

    fn check_none_open(&self, what: &str) -> Said<()> {
        if self.is_open()? {
            return Err(DatabaseError::refused(format!(
                "{what} can't begin inside of a transaction; end that one first"
            )));
        }
        Ok(())
    }

    async fn check_lease(&self) -> Said<()> {
        let Writer::Attempt(store, holder) = &self.writer else { return Ok(()) };
        match store.holds_lease(self.file.tenant, *holder).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(DatabaseError::StaleLease),
            Err(error) => Err(error.into()),
        }
    }

    /// What a transaction that writes begins with now.
    async fn terms(&self) -> Said<Terms> {
        self.check_lease().await?;
        let fence = match &self.writer {
            Writer::Attempt(store, holder) => {
                Some(Fence { job: holder.job, lease: holder.number, now: store.clock_now() })
            }
            Writer::Trial(_) => None,
        };
        Ok(Terms { fence, room: self.room() })
    }

    /// How far it may grow.
    fn room(&self) -> Room {
        let most = match &self.writer {
            Writer::Attempt(store, _) => store.database_bytes_max(self.file.tenant),
            Writer::Trial(_) => u64::MAX,
        };
        Room { files: Arc::clone(&self.files), file: Arc::clone(&self.file), most }
    }

    /// In the transaction that is open.
    async fn in_open<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&GuestConnection) -> Said<T> + Send + 'static,
    ) -> Said<T> {
        let Some(held) = self.open.take() else { return Err(lost()) };
        // Should this be dropped, it is gone.
        self.is_lost = true;
        let room = self.room();
        let (held, ran) = self.run(held, move |connection| connection.in_open(&room, || work(connection))).await;
        let held = held.filter(|held| held.connection().in_transaction());
        self.is_lost = held.is_none();
        self.open = held;
        match ran {
            Ok(_) if self.is_lost => Err(lost()),
            ran => ran,
        }
    }

    /// In a transaction of its own.
    async fn in_own<T: Send + 'static>(
        &self,
        mut held: Held,
        work: impl FnOnce(&GuestConnection) -> Said<T> + Send + 'static,
    ) -> Said<T> {
        held.take_turn().await?;
        let terms = self.terms().await?;
        self.run(held, move |connection| connection.in_own(&terms, || work(connection))).await.1
    }

    /// Runs something on a thread of its own. Should this be dropped, it ends there, and what it held is given back. `None` for
    /// what was held: the host itself broke.
    async fn run<T: Send + 'static>(
        &self,
        held: Held,
        work: impl FnOnce(&GuestConnection) -> Said<T> + Send + 'static,
    ) -> (Option<Held>, Said<T>) {
        let own = place(&self.files.statements_of_tenants.of(&self.file.tenant), "statements of this tenant").await;
        let hosts = place(&self.files.statements, "statements of this host").await;
        let (own, hosts) = match (own, hosts) {
            (Ok(own), Ok(hosts)) => (own, hosts),
            (Err(error), _) | (_, Err(error)) => return (Some(held), Err(error)),
        };
        let deadline = Instant::now() + STATEMENT_TIME_MAX;
        // Known here before it is opened there: whoever gives up ends it in any case.
        let watch = Arc::clone(&held.connection().watch);
        let stopper = watch.begin(deadline);
        let (reply, answer) = oneshot::channel();
        let running = self.files.threads.run(move || {
            let running = Running(watch);
            let ran = {
                let connection = held.connection();
                connection.bounds.within(|| work(&connection))
            };
            drop((running, own));
            // Nobody listens where the attempt has ended: what is open is rolled back here.
            let _given_up = reply.send((held, ran));
        });
        if running.is_none() {
            return (None, Err(broke_off()));
        }
        let mut answer = std::pin::pin!(answer);
        let mut answered = timeout(STATEMENT_TIME_MAX, answer.as_mut()).await;
        if answered.is_err() {
            stopper.stop();
            answered = timeout(STOPPED_WITHIN, answer.as_mut()).await;
        }
        // One that can't be stopped keeps its tenant's place, and no other tenant's.
        drop(hosts);
        let answered = match answered {
            Ok(answered) => answered,
            Err(_elapsed) => answer.await,
        };
        stopper.disarm();
        match answered {
            Ok((held, ran)) => (Some(held), ran),
            Err(_) => (None, Err(broke_off())),
        }
    }
}

/// What looks at all ends in this time.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);

fn broke_off() -> DatabaseError {
    DatabaseError::Unavailable("the host made a mistake; its log says more".to_owned())
}
