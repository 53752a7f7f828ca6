//! One execution of one job without a host: the same sandbox, compiler process, limits, checks and rules, and no store,
//! queue or API. What a host would refuse is refused in its words; what follows is told, not done.

mod granted;
mod parents;
mod report;
mod workbench;

pub use granted::GivenSecrets;
pub use parents::GivenParent;
pub use report::{GivenUp, Report, ReportedFailure, TriedModule};
pub use workbench::{Loaded, Order, Repeated, TrialError, Workbench};
