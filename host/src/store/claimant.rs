//! Who is given jobs. The writer claims for it at the end of a transaction, so that a job made ready is claimed by the
//! commit that made it so, and no thread has to be woken only to ask.

use std::sync::{Arc, OnceLock, Weak};

use super::model::{ClaimRequest, Claimed, LeaseKey};

/// The one party of this process that is given jobs. Both calls come from the writer's thread and must be quick.
pub trait Claimant: Send + Sync {
    /// What it would take now; `None`: nothing.
    fn wants(&self) -> Option<ClaimRequest>;

    /// What it was given. Called after the commit, in the order of commits, and before the callers of the same
    /// transaction are answered: whoever is told of a later change to a job may rely on its holder knowing the job.
    fn take(&self, claimed: Claimed);

    /// Lets go of a job it was given and whose guest it has not entered: `true` if it will never enter it under this lease.
    /// It then gives the lease back, which is stale if the transaction that asked was committed.
    fn let_go(&self, lease: LeaseKey) -> bool;

    /// Whether it has entered the guest of this lease.
    fn has_entered(&self, lease: LeaseKey) -> bool;
}

/// Where the store keeps its claimant, once there is one. Not owned: it holds the store.
pub(super) type ClaimantCell = Arc<OnceLock<Weak<dyn Claimant>>>;
