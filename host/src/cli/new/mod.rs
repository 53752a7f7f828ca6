//! `stoker new`: a folder that builds, tests and deploys at once. Its files are the templates in `templates/`.
//! Guarantees: the folder appears whole or not at all, and nothing that exists is overwritten.

mod folder;
mod name;
mod run;
mod sdk;
mod templates;

pub(super) use run::{Arguments, run};
