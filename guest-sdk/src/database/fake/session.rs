//! A database as an execution has it open: one transaction at a time, and steps that are recorded where they act.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connection::{Connection, Queried};
use super::statement::lost;
use super::{Begun, Context, DatabaseError, Databases, Rows, Said, Value, refused};
use crate::testing::Recorder;
use crate::testing::bounds::{OPEN_MAX, SHAPE_BYTES_MAX};
use crate::testing::texts::cut;

/// What is known of a database for as long as its host lives.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    /// This execution has opened it.
    is_opened: bool,
    /// A transaction is.
    is_open: bool,
    /// It is gone though nobody ended it by a call.
    is_lost: bool,
    step: Option<OpenStep>,
}

/// A step that is begun here.
#[derive(Clone, Debug)]
struct OpenStep {
    key: String,
    shape: String,
}

/// As a handler holds it.
#[derive(Debug)]
pub(in crate::database) struct Database {
    host: Arc<Recorder>,
    name: String,
}

impl Databases {
    /// What an execution left open is rolled back.
    pub(crate) fn end_execution(&mut self) {
        for session in self.known.values_mut() {
            session.roll_back();
            (session.is_opened, session.step) = (false, None);
        }
    }

    /// The rows of every table of each, for whoever compares.
    pub(crate) fn contents(&self) -> BTreeMap<String, String> {
        let known = self.known.iter();
        known.map(|(name, session)| (name.clone(), format!("{:?}", session.connection.contents()))).collect()
    }

    /// Bytes this one may have.
    fn bytes_max(&self, name: &str) -> u64 {
        let others = self.known.iter().filter(|(other, _)| *other != name);
        let others: u64 = others.map(|(_, session)| session.connection.bytes().unwrap_or(0)).sum();
        self.bytes_max.saturating_sub(others)
    }
}

impl Session {
    fn roll_back(&mut self) {
        self.connection.roll_back();
        (self.is_open, self.is_lost) = (false, false);
    }

    /// Whether a transaction is open; one that was lost is told of until it is rolled back.
    fn is_open(&self) -> Said<bool> {
        if self.is_lost { Err(lost()) } else { Ok(self.is_open) }
    }

    fn check_none_open(&self, what: &str) -> Said<()> {
        if self.is_open()? {
            return Err(refused(format!("{what} can't begin inside of a transaction; end that one first")));
        }
        Ok(())
    }

    fn check_outside_of_steps(&self) -> Said<()> {
        if self.step.is_some() {
            return Err(refused("a step is begun in this database, whose transaction ends with it; end it first"));
        }
        Ok(())
    }

    fn begin(&mut self, bytes_max: u64) -> Said<()> {
        self.check_none_open("a transaction")?;
        self.connection.begin(bytes_max)?;
        self.is_open = true;
        Ok(())
    }

    /// In the transaction that is open.
    fn in_open<T>(&mut self, work: impl FnOnce(&Connection) -> Said<T>) -> Said<T> {
        let ran = work(&self.connection);
        self.is_open = self.connection.in_transaction();
        self.is_lost = !self.is_open;
        match ran {
            Ok(_) if self.is_lost => Err(lost()),
            ran => ran,
        }
    }

    fn commit_with(&mut self, last: impl FnOnce(&Connection) -> Said<()>) -> Said<()> {
        if !self.is_open()? {
            return Err(refused("no transaction is open that could be committed"));
        }
        self.is_open = false;
        let done = last(&self.connection).and_then(|()| self.connection.commit());
        self.connection.roll_back();
        done
    }
}

impl Database {
    pub(super) fn open(host: Arc<Recorder>, name: &str) -> Said<Self> {
        {
            let mut record = host.lock();
            let known = &mut record.databases.known;
            let is_opened = known.get(name).is_some_and(|session| session.is_opened);
            if !is_opened && known.values().filter(|session| session.is_opened).count() >= OPEN_MAX {
                return Err(refused(format!("an execution may open at most {OPEN_MAX} databases")));
            }
            if let Some(session) = known.get_mut(name) {
                session.is_opened = true;
            } else {
                let connection = Connection::new()?;
                let session = Session { connection, is_opened: true, is_open: false, is_lost: false, step: None };
                known.insert(name.to_owned(), session);
            }
        }
        Ok(Self { host, name: name.to_owned() })
    }

    /// With what is known of it, and how many bytes it may have.
    fn on<T>(&self, run: impl FnOnce(&mut Session, u64) -> Said<T>) -> Said<T> {
        let mut record = self.host.lock();
        let bytes_max = record.databases.bytes_max(&self.name);
        let session = record.databases.known.get_mut(&self.name);
        run(session.ok_or_else(|| refused("no database of that number is open"))?, bytes_max)
    }

    pub(in crate::database) fn migrate(&self, migrations: &[(u32, &str)]) -> Said<u32> {
        self.on(|session, bytes_max| {
            session.check_none_open("a migration")?;
            let mut count = 0;
            for place in session.connection.to_apply(migrations)? {
                session.connection.apply(bytes_max, migrations[place])?;
                count += 1;
            }
            Ok(count)
        })
    }

    #[allow(clippy::needless_pass_by_value)] // As a real host takes them.
    pub(in crate::database) fn query(&self, sql: &str, parameters: Vec<Value>) -> Said<Rows> {
        self.on(|session, bytes_max| {
            if session.is_open()? {
                return session.in_open(|connection| connection.query(sql, &parameters));
            }
            let connection = &session.connection;
            match connection.read(sql, &parameters)? {
                Queried::Rows(rows) => Ok(rows),
                Queried::Writes => connection.in_own(bytes_max, || connection.query(sql, &parameters)),
            }
        })
    }

    #[allow(clippy::needless_pass_by_value)] // As a real host takes them.
    pub(in crate::database) fn execute(&self, sql: &str, parameters: Vec<Value>) -> Said<u64> {
        self.on(|session, bytes_max| {
            if session.is_open()? {
                return session.in_open(|connection| connection.execute(sql, &parameters));
            }
            let connection = &session.connection;
            connection.in_own(bytes_max, || connection.execute(sql, &parameters))
        })
    }

    pub(in crate::database) fn begin(&self) -> Said<()> {
        self.on(|session, bytes_max| {
            session.check_outside_of_steps()?;
            session.begin(bytes_max)
        })
    }

    pub(in crate::database) fn commit(&self) -> Said<()> {
        self.on(|session, _| {
            session.check_outside_of_steps()?;
            session.commit_with(|_| Ok(()))
        })
    }

    pub(in crate::database) fn rollback(&self) -> Said<()> {
        self.on(|session, _| {
            session.check_outside_of_steps()?;
            session.roll_back();
            Ok(())
        })
    }

    pub(in crate::database) fn begin_step(&self, context: &Context, name: &str, shape: &str) -> Said<Begun> {
        self.on(|session, _| session.check_outside_of_steps())?;
        let key = match context.begin_step(name, shape).map_err(DatabaseError::Refused)? {
            Begun::Recorded(result) => return Ok(Begun::Recorded(result)),
            Begun::Run(key) => key,
        };
        let shape = cut(shape, SHAPE_BYTES_MAX);
        let known = self.on(|session, bytes_max| {
            session.begin(bytes_max)?;
            let known = session.in_open(|connection| connection.recorded_step(&key));
            match known {
                Ok(None) => session.step = Some(OpenStep { key: key.clone(), shape: shape.clone() }),
                Ok(Some(_)) | Err(_) => session.roll_back(),
            }
            known
        });
        match known {
            Ok(None) => Ok(Begun::Run(key)),
            // The host died between the two places where it is recorded.
            Ok(Some((was, result))) if was == shape => {
                let recorded = context.record_step(&result);
                // Whoever asks for it anew finds it there again.
                let recorded = recorded.inspect_err(|_| context.abandon_step());
                recorded.map(|()| Begun::Recorded(result)).map_err(DatabaseError::Unavailable)
            }
            Ok(Some((was, _))) => {
                context.abandon_step();
                Err(refused(format!("the result of step `{name}` was recorded as `{was}`; it can't be `{shape}` now")))
            }
            Err(error) => {
                context.abandon_step();
                Err(error)
            }
        }
    }

    pub(in crate::database) fn record_step(&self, context: &Context, result: &str) -> Said<()> {
        let step = self.on(|session, _| Ok(session.step.clone()))?;
        let Some(OpenStep { key, shape }) = step else {
            return Err(refused("no step is begun in this database that could be recorded"));
        };
        // Before it is committed here: what is not taken there must not have happened.
        let result = context.checked_step(result).map_err(DatabaseError::Refused)?;
        let committed = self.on(|session, _| {
            session.step = None;
            session.commit_with(|connection| connection.record_step(&key, &shape, &result))
        });
        if committed.is_err() {
            self.on(|session, _| {
                session.roll_back();
                Ok(())
            })?;
            context.abandon_step();
            return committed;
        }
        let recorded = context.record_step(&result);
        recorded.inspect_err(|_| context.abandon_step()).map_err(DatabaseError::Unavailable)
    }

    pub(in crate::database) fn abandon_step(&self, context: &Context) -> Said<()> {
        let was_open = self.on(|session, _| {
            let was_open = session.step.take().is_some();
            if was_open {
                session.roll_back();
            }
            Ok(was_open)
        })?;
        if was_open {
            context.abandon_step();
        }
        Ok(())
    }
}
