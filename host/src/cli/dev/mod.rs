//! `stoker dev`: builds and deploys a project at every change, and shows its jobs as they end.
//! Guarantees: a build that fails leaves the version before active; a host started here ends with this process,
//! however that ends.

mod event;
mod example;
mod follow;
mod kept;
mod own_host;
mod run;
mod session;
mod signals;
mod snapshot;
mod watch;

pub(super) use run::{Arguments, run};
