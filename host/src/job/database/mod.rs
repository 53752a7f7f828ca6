//! SQL databases of tenants, as handlers and operators speak of them: names, values, scripts, errors, and the bounds of each. Pure:
//! what runs a statement is the store's, or a server's.

mod error;
mod model;
mod script;
mod statement;

pub use error::DatabaseError;
pub use model::*;
pub use script::{Applied, Script, ScriptDigest, check_scripts};
pub use statement::{HOST_PREFIX, names_host_table, refused_word};
