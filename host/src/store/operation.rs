//! What callers hand to the writer: something to carry out, and somebody to answer after the commit.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::draft::Draft;
use super::error::StoreError;
use super::facade::Durability;
use super::finish::write_finish;
use super::model::{Finish, FinishResult};
use crate::job::Actor;

/// One operation in the writer's queue. May be carried out more than once before it is answered, when a neighbour's
/// failure takes the transaction back.
pub(super) trait Operation: Send {
    /// What its answer waits for.
    fn durability(&self) -> Durability;
    /// Carries it out inside the open transaction and keeps the result.
    fn run(&mut self, sql: &Connection, draft: &mut Draft) -> Result<(), StoreError>;
    /// Answers with the kept result, or with the error.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// What the writer's queue holds.
pub(super) enum Queued {
    /// Carry this out.
    Operation(Box<dyn Operation>),
    /// The commonest one, apart, so that a full queue can give it back.
    Finish(Box<PendingFinishes>),
    /// Look whether the claimant wants jobs; every transaction does.
    Look,
    /// Carry out what came before, then stop.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// Any operation written as a closure.
pub(super) struct Pending<T, F> {
    body: F,
    output: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    durability: Durability,
    actor: Option<Actor>,
}

impl<T, F> Pending<T, F>
where
    T: Send + 'static,
    F: FnMut(&Connection, &mut Draft) -> Result<T, StoreError> + Send + 'static,
{
    pub(super) fn new(
        durability: Durability,
        actor: Option<Actor>,
        body: F,
    ) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { body, output: None, reply, durability, actor }, answer)
    }
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send + 'static,
    F: FnMut(&Connection, &mut Draft) -> Result<T, StoreError> + Send + 'static,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, sql: &Connection, draft: &mut Draft) -> Result<(), StoreError> {
        draft.actor.clone_from(&self.actor);
        self.output = Some((self.body)(sql, draft)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { output, reply, .. } = *self;
        let result = outcome.and_then(|()| output.ok_or_else(|| StoreError::internal("an operation was skipped")));
        // The caller may have gone; what is committed stays committed.
        let _gone = reply.send(result);
    }
}

/// What the caller of `finish_all` waits for; on error the finishes come back to be handed in again.
pub(super) type FinishAnswer = Result<Vec<FinishResult>, (Vec<Finish>, StoreError)>;

/// Finishes on their way. They are always answered: even when dropped they go back to their caller.
pub(super) struct PendingFinishes {
    finishes: Vec<Finish>,
    results: Vec<FinishResult>,
    reply: Option<oneshot::Sender<FinishAnswer>>,
}

impl PendingFinishes {
    pub(super) fn new(finishes: Vec<Finish>) -> (Self, oneshot::Receiver<FinishAnswer>) {
        let (reply, answer) = oneshot::channel();
        (Self { results: Vec::with_capacity(finishes.len()), finishes, reply: Some(reply) }, answer)
    }

    pub(super) fn run(&mut self, sql: &Connection, draft: &mut Draft) -> Result<(), StoreError> {
        // It may have run before, in a transaction that was taken back.
        self.results.clear();
        for finish in &self.finishes {
            self.results.push(write_finish(sql, draft, finish)?);
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, outcome: Result<(), StoreError>) {
        let Some(reply) = self.reply.take() else { return };
        let finishes = std::mem::take(&mut self.finishes);
        let result = match outcome {
            Ok(()) => Ok(std::mem::take(&mut self.results)),
            Err(error) => Err((finishes, error)),
        };
        let _gone = reply.send(result);
    }
}

impl Drop for PendingFinishes {
    fn drop(&mut self) {
        self.answer(Err(StoreError::Closed));
    }
}
