//! Tenants: made, set, suspended, and removed with everything they have. Numbers are never used again. What is set on them
//! stands in the catalog, so that no request and no claim reads a table for it.

mod change;
mod inspect;
pub mod model;
mod removal;
mod rows;

pub(super) use change::{change_tenant, create_tenant, delete_tenant, note_export};
pub(super) use inspect::{tenant, tenants};
pub(super) use removal::remove_further;
pub(super) use rows::load_tenants;
