//! Steps of databases that go wrong between their two places: the database and the job.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::Engine;

use super::*;
use crate::job::database::RecordedStep;
use crate::job::{JobId, Step};
use crate::sandbox::model::{EventReceived, OfDatabase, StepRecorded, Steps, Told};
use crate::sandbox::state::AttemptParts;
use crate::sandbox::{Interrupt, ProgressCell};
use crate::system_clock::SystemClock;

/// What both places hold, and which of them is out of order.
#[derive(Debug, Default)]
struct Places {
    is_database_broken: AtomicBool,
    is_job_broken: AtomicBool,
    in_database: Mutex<Vec<DatabaseStep>>,
    in_job: Mutex<Vec<Step>>,
    rolled_back: Mutex<u32>,
}

impl Places {
    fn database(&self) -> Result<(), DatabaseError> {
        let is_broken = self.is_database_broken.load(Ordering::Relaxed);
        if is_broken { Err(DatabaseError::Unavailable("it is down".to_owned())) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct JobsSteps(Arc<Places>);

impl Steps for JobsSteps {
    fn job(&self) -> JobId {
        JobId::from_u128(7)
    }

    fn execution(&self) -> i64 {
        1
    }

    fn recorded(&self) -> Told<'_, Vec<Step>> {
        Box::pin(async { Ok(self.0.in_job.lock().clone()) })
    }

    fn record(&self, step: Step) -> Told<'_, StepRecorded> {
        Box::pin(async {
            if self.0.is_job_broken.load(Ordering::Relaxed) {
                return Err("the store is down".to_owned());
            }
            self.0.in_job.lock().push(step);
            Ok(StepRecorded::Done)
        })
    }

    fn receive(&self, _step: Step) -> Told<'_, EventReceived> {
        Box::pin(async { Ok(EventReceived::StaleLease) })
    }
}

#[derive(Debug)]
struct Database(Arc<Places>);

impl OpenDatabase for Database {
    fn migrate(&mut self, _scripts: Vec<Script>) -> OfDatabase<'_, u32> {
        Box::pin(async { Ok(0) })
    }

    fn query(&mut self, _sql: String, _parameters: Vec<SqlValue>) -> OfDatabase<'_, SqlRows> {
        Box::pin(async { Ok(SqlRows::default()) })
    }

    fn execute(&mut self, _sql: String, _parameters: Vec<SqlValue>) -> OfDatabase<'_, u64> {
        Box::pin(async { Ok(0) })
    }

    fn begin(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(async { self.0.database() })
    }

    fn commit(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(async { self.0.database() })
    }

    fn rollback(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(async {
            *self.0.rolled_back.lock() += 1;
            self.0.database()
        })
    }

    fn begin_step(&mut self, name: StepName, occurrence: u32) -> OfDatabase<'_, Option<RecordedStep>> {
        Box::pin(async move {
            self.0.database()?;
            let known = self.0.in_database.lock();
            let known = known.iter().find(|known| known.name == name && known.occurrence == occurrence);
            Ok(known.map(|DatabaseStep { shape, result, .. }| RecordedStep {
                shape: shape.clone(),
                result: result.clone(),
            }))
        })
    }

    fn commit_step(&mut self, step: DatabaseStep) -> OfDatabase<'_, ()> {
        Box::pin(async {
            self.0.database()?;
            self.0.in_database.lock().push(step);
            Ok(())
        })
    }
}

fn attempt() -> (AttemptState, Arc<Places>) {
    let places = Arc::<Places>::default();
    let mut state = AttemptState::new(AttemptParts {
        engine: Engine::default(),
        clock: Arc::new(SystemClock::default()),
        deadline: Duration::MAX,
        interrupt: Interrupt::default(),
        progress: ProgressCell::default(),
        memory_bytes_max: 0,
        host_calls_max: 1_000,
        log_bytes_max: 0,
        slot_at: None,
        plain: None,
        parents: None,
        grants: Arc::default(),
        secrets: None,
        kv: None,
        steps: Some(Arc::new(JobsSteps(Arc::clone(&places)))),
        mail_sender: None,
        databases: None,
        egress: None,
    });
    let database = Box::new(Database(Arc::clone(&places)));
    state.open_databases.push(OpenedDatabase { name: "app".parse().unwrap(), database, step: None });
    (state, places)
}

async fn begins(state: &mut AttemptState, name: &str) -> Result<WireBegun, Error> {
    begin_step(state, 0, name.to_owned(), "u32".to_owned()).await.unwrap()
}

async fn records(state: &mut AttemptState, result: &str) -> Result<(), Error> {
    record_step(state, 0, result.to_owned()).await.unwrap()
}

fn names(places: &Places) -> (Vec<String>, Vec<String>) {
    let in_database = places.in_database.lock().iter().map(|step| step.name.to_string()).collect();
    (in_database, places.in_job.lock().iter().map(|step| step.asked.name.to_string()).collect())
}

#[tokio::test]
async fn after_a_step_that_could_not_be_begun_or_recorded_another_is() {
    let (mut state, places) = attempt();
    places.is_database_broken.store(true, Ordering::Relaxed);
    assert!(matches!(begins(&mut state, "a").await, Err(Error::Unavailable(_))));
    places.is_database_broken.store(false, Ordering::Relaxed);
    assert!(matches!(begins(&mut state, "b").await, Ok(WireBegun::Run(_))));
    places.is_database_broken.store(true, Ordering::Relaxed);
    assert!(matches!(records(&mut state, "1").await, Err(Error::Unavailable(_))));
    assert_eq!(*places.rolled_back.lock(), 1);
    places.is_database_broken.store(false, Ordering::Relaxed);
    assert!(matches!(begins(&mut state, "c").await, Ok(WireBegun::Run(_))));
    assert!(records(&mut state, "3").await.is_ok());
    assert_eq!(names(&places), (vec!["c".to_owned()], vec!["c".to_owned()]));
}

#[tokio::test]
async fn what_is_done_in_the_database_and_not_known_to_the_job_is_found_there() {
    let (mut state, places) = attempt();
    assert!(matches!(begins(&mut state, "a").await, Ok(WireBegun::Run(_))));
    places.is_job_broken.store(true, Ordering::Relaxed);
    assert!(matches!(records(&mut state, "1").await, Err(Error::Unavailable(_))));
    // Found, and still not to be recorded: it is asked for once more.
    assert!(matches!(begins(&mut state, "a").await, Err(Error::Unavailable(_))));
    places.is_job_broken.store(false, Ordering::Relaxed);
    assert!(matches!(begins(&mut state, "a").await, Ok(WireBegun::Recorded(result)) if result == "1"));
    assert!(matches!(begins(&mut state, "b").await, Ok(WireBegun::Run(_))));
    assert_eq!(names(&places), (vec!["a".to_owned()], vec!["a".to_owned()]));
}

#[tokio::test]
async fn no_step_gets_the_result_of_another() {
    let (mut state, places) = attempt();
    assert!(matches!(begins(&mut state, "a").await, Ok(WireBegun::Run(_))));
    assert!(
        steps::record(&mut state, "1".to_owned())
            .await
            .unwrap()
            .is_err_and(|sentence| sentence.contains("one of a database"))
    );
    // Ended by the other interface, behind the back of the database.
    steps::abandon(&mut state);
    let asked = steps::ask(&mut state, StepType::Step, "b", "u32".to_owned(), None).await.unwrap();
    assert_eq!(asked, Ok(Begun::Run(0)));
    let refused = records(&mut state, "1").await;
    assert!(matches!(&refused, Err(Error::Refused(sentence)) if sentence.contains("step `a`")), "{refused:?}");
    assert_eq!((names(&places), *places.rolled_back.lock()), ((vec![], vec![]), 1));
    // The other one is still its own.
    assert!(abandon_step(&mut state, 0).await.unwrap().is_ok());
    assert!(steps::record(&mut state, "2".to_owned()).await.unwrap().is_ok());
    assert_eq!(names(&places), (vec![], vec!["b".to_owned()]));
}
