//! `stoker deploy` and what other commands take from it: a version is stored, compared with the active one, shown, and
//! activated unless waiting jobs would break.

mod activation;
mod broken;
mod command;
mod owned;
mod progress;
mod shown;
mod steps;

pub(super) use activation::{Activation, activate_checked};
pub(super) use broken::{Step, broken_jobs, broken_rows, take_back};
pub(super) use command::{Arguments, run};
pub(super) use shown::{changes_rows, gone_row};
// For who deploys on every change.
pub(super) use steps::{Deployment, deploy};
