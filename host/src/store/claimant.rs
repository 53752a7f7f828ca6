//! Who is given jobs. The writer claims for it at the end of a transaction, so that a job made ready is claimed by the
//! commit that made it so, and no thread has to be woken only to ask.

use super::model::{ClaimRequest, Claimed};

/// The one party of this process that is given jobs. Both calls come from the writer's thread and must be quick.
pub trait Claimant: Send + Sync {
    /// What it would take now; `None`: nothing.
    fn wants(&self) -> Option<ClaimRequest>;

    /// What it was given. Called after the commit, in the order of commits, and before the callers of the same
    /// transaction are answered: whoever is told of a later change to a job may rely on its holder knowing the job.
    fn take(&self, claimed: Claimed);
}
