//! `stoker schedules`: what recurs, shown (`shown.rs`), put and acted on (`command.rs`).

mod command;
mod shown;

pub(super) use command::{Arguments, run};
