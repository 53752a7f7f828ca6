//! A database on a server, as one attempt has it open: the same calls as those of one that is a file. Each transaction that writes
//! notes its lease there, and waits for one of another lease of the same job.

use super::calls::{Said, applied, batch, change, is_break, make_tables, prune, read_applied, rows};
use super::held::Held;
use super::rules::{check_script, check_statement};
use super::servers::Servers;
use crate::job::database::{
    Applied, DatabaseStep, RecordedStep, Script, ScriptDigest, SqlRows, SqlValue, check_scripts,
};
use crate::job::{DatabaseError, StepName, TenantName, Timestamp};
use crate::store::{DatabaseRow, Holder, TenantId};

// No other transaction applies one meanwhile.
const LOCK_MIGRATIONS: &str = "LOCK TABLE _stoker_migrations IN SHARE ROW EXCLUSIVE MODE";
// Each note of the host's is written in the transaction that its lease was noted in, or not at all.
const APPLY: &str = "INSERT INTO _stoker_migrations (number, sha256, applied_at)
    SELECT $1::bigint, $2::bytea, $3::bigint WHERE txid_current() = $4::bigint";
const RECORD: &str = "INSERT INTO _stoker_steps (job, name, occurrence, shape, result, at)
    SELECT $1::bytea, $2::text, $3::bigint, $4::text, $5::text, $6::bigint WHERE txid_current() = $7::bigint";
const FENCE: &str = "INSERT INTO _stoker_attempts (job, lease, at) VALUES ($1, $2, $3)
    ON CONFLICT (job) DO UPDATE SET lease = excluded.lease, at = excluded.at WHERE excluded.lease >= _stoker_attempts.lease
    RETURNING txid_current()";
const STEP: &str = "SELECT shape, result FROM _stoker_steps WHERE job = $1 AND name = $2 AND occurrence = $3";
/// The host's tables are where they were, whatever a handler has set meanwhile.
const AS_HOST: &str = "RESET SESSION AUTHORIZATION; RESET search_path";

/// A statement writes in a transaction that only reads.
const READ_ONLY: &str = "25006";

/// See the file's head.
pub struct PostgresSession {
    servers: Servers,
    tenant: (TenantId, TenantName),
    row: DatabaseRow,
    holder: Holder,
    open: Option<Open>,
}

struct Open {
    held: Held,
    transaction: Transaction,
    /// A statement has failed: the server takes no more, and a commit would commit nothing.
    has_failed: bool,
    /// Something was broken off: the connection is of no more use.
    is_broken: bool,
}

impl Open {
    /// What came of a statement.
    fn note<T>(&mut self, said: &Said<T>) {
        self.has_failed |= said.is_err();
        self.is_broken |= said.as_ref().is_err_and(is_break);
    }
}

/// The server's number of a transaction.
#[derive(Clone, Copy)]
struct Transaction(i64);

/// The attempt held its job's lease a moment ago.
struct HoldsLease;

impl std::fmt::Debug for PostgresSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSession").field("name", &self.row.name).finish_non_exhaustive()
    }
}

impl PostgresSession {
    pub(super) fn new(servers: Servers, tenant: (TenantId, TenantName), row: DatabaseRow, holder: Holder) -> Self {
        Self { servers, tenant, row, holder, open: None }
    }

    /// Applies those scripts that are not applied yet. How many.
    pub async fn migrate(&mut self, scripts: Vec<Script>) -> Said<u32> {
        self.check_none_open("a migration")?;
        let mut held = self.held().await?;
        let known: Vec<Applied> = applied(&mut held).await?.into_iter().map(|known| known.applied).collect();
        let mut count = 0;
        for place in check_scripts(&scripts, &known)? {
            let transaction = self.begin_in(&mut held).await?;
            // Dropped as it is where something fails: the server rolls back.
            batch(&held, LOCK_MIGRATIONS).await?;
            let known: Vec<Applied> = read_applied(&held).await?.into_iter().map(|known| known.applied).collect();
            if check_scripts(&scripts, &known)?.contains(&place) {
                self.apply(&held, &scripts[place], transaction).await?;
                count += 1;
            }
            commit(&mut held, self.check_lease().await?).await?;
        }
        Ok(count)
    }

    async fn apply(&self, held: &Held, script: &Script, transaction: Transaction) -> Said<()> {
        let Script { number, sql } = script;
        for statement in check_script(*number, sql)? {
            change(held, statement, Vec::new()).await.map_err(|error| error.of_script(*number))?;
        }
        batch(held, AS_HOST).await?;
        let parameters = vec![
            SqlValue::Integer(i64::from(*number)),
            SqlValue::Blob(ScriptDigest::of(sql).0.to_vec()),
            SqlValue::Integer(self.now().as_ms()),
            SqlValue::Integer(transaction.0),
        ];
        if change(held, APPLY, parameters).await? == 0 { Err(lost().of_script(*number)) } else { Ok(()) }
    }

    /// Runs a statement and gives its rows.
    pub async fn query(&mut self, sql: String, parameters: Vec<SqlValue>) -> Said<SqlRows> {
        check_statement(&sql, &parameters)?;
        if self.open.is_some() {
            let open = self.sound()?;
            let queried = rows(&open.held, &sql, parameters).await;
            open.note(&queried);
            return queried;
        }
        let mut held = self.held().await?;
        held.in_transaction = true;
        batch(&held, "BEGIN READ ONLY").await?;
        let queried = rows(&held, &sql, parameters.clone()).await;
        if queried.as_ref().is_err_and(is_break) {
            // The connection goes with what was broken off on it.
            return queried;
        }
        batch(&held, "ROLLBACK").await?;
        held.in_transaction = false;
        match queried {
            Err(DatabaseError::Sql { code, .. }) if code == READ_ONLY => {
                self.begin_in(&mut held).await?;
                let queried = rows(&held, &sql, parameters).await?;
                commit(&mut held, self.check_lease().await?).await?;
                Ok(queried)
            }
            queried => queried,
        }
    }

    /// Runs a statement; how many rows it changed.
    pub async fn execute(&mut self, sql: String, parameters: Vec<SqlValue>) -> Said<u64> {
        check_statement(&sql, &parameters)?;
        if self.open.is_some() {
            let open = self.sound()?;
            let changed = change(&open.held, &sql, parameters).await;
            open.note(&changed);
            return changed;
        }
        let mut held = self.held().await?;
        self.begin_in(&mut held).await?;
        let changed = change(&held, &sql, parameters).await?;
        commit(&mut held, self.check_lease().await?).await?;
        Ok(changed)
    }

    /// Begins a transaction.
    pub async fn begin(&mut self) -> Said<()> {
        self.check_none_open("a transaction")?;
        let mut held = self.held().await?;
        let transaction = self.begin_in(&mut held).await?;
        self.open = Some(Open { held, transaction, has_failed: false, is_broken: false });
        Ok(())
    }

    /// Commits what is open.
    pub async fn commit(&mut self) -> Said<()> {
        self.sound()?;
        let holds = self.check_lease().await?;
        let Some(mut open) = self.open.take() else { return Err(none_open()) };
        commit(&mut open.held, holds).await
    }

    /// Takes back what is open.
    pub async fn rollback(&mut self) -> Said<()> {
        let Some(mut open) = self.open.take().filter(|open| !open.is_broken) else { return Ok(()) };
        // Should it fail the connection is closed, and the server rolls back.
        batch(&open.held, "ROLLBACK").await?;
        open.held.in_transaction = false;
        Ok(())
    }

    /// The result of a step that was done; `None`: it was not, and a transaction is open in which it is to be.
    pub async fn begin_step(&mut self, name: StepName, occurrence: u32) -> Said<Option<RecordedStep>> {
        self.begin().await?;
        let job = self.holder.job.to_bytes().to_vec();
        let parameters =
            vec![SqlValue::Blob(job), SqlValue::Text(name.as_str().to_owned()), SqlValue::Integer(occurrence.into())];
        let known = match self.sound() {
            Ok(open) => rows(&open.held, STEP, parameters).await,
            Err(error) => Err(error),
        };
        match known.map(|mut known| known.rows.pop()) {
            Ok(None) => Ok(None),
            Ok(Some(row)) => {
                self.rollback().await?;
                match <[SqlValue; 2]>::try_from(row) {
                    Ok([SqlValue::Text(shape), SqlValue::Text(result)]) => Ok(Some(RecordedStep { shape, result })),
                    Ok(_) | Err(_) => Err(DatabaseError::refused("the table `_stoker_steps` is not the host's")),
                }
            }
            Err(error) => {
                self.rollback().await?;
                Err(error)
            }
        }
    }

    /// Commits what is open together with a step's result.
    pub async fn commit_step(&mut self, step: DatabaseStep) -> Said<()> {
        let (job, now) = (self.holder.job.to_bytes().to_vec(), self.now());
        let DatabaseStep { name, occurrence, shape, result } = step;
        let open = self.sound()?;
        let parameters = vec![
            SqlValue::Blob(job),
            SqlValue::Text(name.as_str().to_owned()),
            SqlValue::Integer(occurrence.into()),
            SqlValue::Text(shape),
            SqlValue::Text(result),
            SqlValue::Integer(now.as_ms()),
            SqlValue::Integer(open.transaction.0),
        ];
        let recorded = match batch(&open.held, AS_HOST).await {
            Ok(()) => change(&open.held, RECORD, parameters).await,
            Err(error) => Err(error),
        };
        let recorded = recorded.and_then(|count| if count == 0 { Err(lost()) } else { Ok(()) });
        open.note(&recorded);
        recorded?;
        self.commit().await
    }

    fn now(&self) -> Timestamp {
        self.servers.store().clock_now()
    }

    fn check_none_open(&self, what: &str) -> Said<()> {
        if self.open.is_some() {
            return Err(DatabaseError::refused(format!(
                "{what} can't begin inside of a transaction; end that one first"
            )));
        }
        Ok(())
    }

    /// The transaction that is open.
    fn sound(&mut self) -> Said<&mut Open> {
        match &mut self.open {
            None => Err(none_open()),
            Some(open) if open.has_failed => Err(DatabaseError::refused(
                "a statement of the transaction failed, after which nothing of it can be kept; roll it back",
            )),
            Some(open) => Ok(open),
        }
    }

    /// As late before a commit as can be: from then on only one that is newer there already stands in the way.
    async fn check_lease(&self) -> Said<HoldsLease> {
        match self.servers.store().holds_lease(self.tenant.0, self.holder).await {
            Ok(true) => Ok(HoldsLease),
            Ok(false) => Err(DatabaseError::StaleLease),
            Err(error) => Err(error.into()),
        }
    }

    async fn held(&self) -> Said<Held> {
        let mut held = self.servers.held((self.tenant.0, &self.tenant.1), &self.row).await?;
        make_tables(&mut held).await?;
        prune(&held, self.now()).await?;
        Ok(held)
    }

    /// Begins a transaction that writes, if the lease still may.
    async fn begin_in(&self, held: &mut Held) -> Said<Transaction> {
        let HoldsLease = self.check_lease().await?;
        held.in_transaction = true;
        batch(held, "BEGIN").await?;
        let Holder { job, number, .. } = self.holder;
        let fence = vec![
            SqlValue::Blob(job.to_bytes().to_vec()),
            SqlValue::Integer(number),
            SqlValue::Integer(self.now().as_ms()),
        ];
        match rows(held, FENCE, fence).await?.rows[..] {
            [] => Err(DatabaseError::StaleLease),
            [ref row] => match row[..] {
                [SqlValue::Integer(transaction)] => Ok(Transaction(transaction)),
                _ => Err(lost()),
            },
            _ => Err(lost()),
        }
    }
}

/// The only way to a commit is by the lease: see [`PostgresSession::check_lease`].
async fn commit(held: &mut Held, _holds: HoldsLease) -> Said<()> {
    batch(held, "COMMIT").await?;
    held.in_transaction = false;
    Ok(())
}

fn none_open() -> DatabaseError {
    DatabaseError::refused("no transaction is open that could be committed")
}

fn lost() -> DatabaseError {
    DatabaseError::refused("the transaction is gone: a statement has ended it; nothing of it counts, begin it anew")
}
