//! The terms of an attempt, one piece of code for everybody who makes one: the dispatcher of a host, and `stoker run`.
//!
//! From settings, options and bounds to what the sandbox is told; from how an execution ended to what follows. Knows no
//! queue and no store that is open; draws no lots: chance is an argument.

mod effects;
mod parents;
mod terms;

pub use effects::{JobRequests, resolve};
pub use parents::{PARENT_OUTPUTS, parent_outputs};
pub use terms::Terms;
