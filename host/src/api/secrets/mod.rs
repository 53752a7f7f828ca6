//! Secrets: set, listed, removed. No answer ever holds a value.

mod delete;
mod list;
mod put;

pub(super) use delete::*;
pub(super) use list::*;
pub(super) use put::*;
