//! Work on schemas that takes long, off the threads of the API and of guests: a few at a time, each on a thread of its
//! own with a stack of known size.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::bounded::{BoundedSchema, Effort, Verdict};
use super::budget::Exhausted;
use super::deep_stack::spawn_deep;

/// Long checks at a time. Each uses a core.
const SLOW_CHECKS_MAX: usize = 2;

/// The turns of what takes long. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SlowWork(Arc<Semaphore>);

impl Default for SlowWork {
    fn default() -> Self {
        Self::with_turns(SLOW_CHECKS_MAX)
    }
}

impl SlowWork {
    /// So much at a time.
    pub fn with_turns(turns: usize) -> Self {
        Self(Arc::new(Semaphore::new(turns)))
    }

    /// Waits for a turn, and keeps it from others as long as it is held. `None` never comes.
    pub async fn take_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }

    /// Does the work when it is its turn, on a thread of its own. `None`: there is no memory for one.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = self.take_turn().await?;
        let (tell, told) = oneshot::channel();
        spawn_deep(move || {
            // Held to the end of the work, also when nobody waits any more.
            let _turn = turn;
            // Nobody may be there to hear it.
            let _unheard = tell.send(work());
        })
        .ok()?;
        told.await.ok()
    }
}

/// A schema and where values that take long are checked against it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedSchema {
    schema: Arc<BoundedSchema>,
    slow: SlowWork,
}

impl SharedSchema {
    /// To be checked in these turns.
    pub fn new(schema: BoundedSchema, slow: SlowWork) -> Self {
        Self { schema: Arc::new(schema), slow }
    }

    /// Memory it takes, about.
    pub fn bytes(&self) -> usize {
        self.schema.bytes()
    }

    /// On this thread, at once.
    pub fn check_here(&self, value: &Value, effort: Effort, violations_max: usize) -> Verdict {
        self.schema.check(value, effort, violations_max)
    }

    /// On this thread, and when that takes long, as long as it may on another one.
    pub async fn check(&self, value: Value, violations_max: usize) -> Verdict {
        match self.schema.check(&value, Effort::Quick, violations_max) {
            Verdict::Unfinished(Exhausted::Time | Exhausted::Depth) => {}
            verdict => return verdict,
        }
        let schema = Arc::clone(&self.schema);
        let checked = self.slow.run(move || schema.check(&value, Effort::Thorough, violations_max)).await;
        checked.unwrap_or(Verdict::Unfinished(Exhausted::Time))
    }
}
