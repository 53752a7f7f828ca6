//! What the rest of the host sees of databases.

use std::net::SocketAddr;

use crate::job::database::{Applied, Engine};
use crate::job::{DatabaseName, QuotaExceeded, SecretName, Timestamp};

/// A database as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRow {
    /// Its name.
    pub name: DatabaseName,
    /// What runs it, and where.
    pub place: DatabasePlace,
    /// When it was made, or named.
    pub created_at: Timestamp,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabasePlace {
    /// In a file of this host.
    Sqlite,
    /// On a server.
    Postgres {
        /// The secret that holds its URL.
        url_secret: SecretName,
        /// Of the inside of a network, where it may be reached.
        addresses: Vec<SocketAddr>,
    },
}

impl DatabasePlace {
    /// What runs it.
    pub fn engine(&self) -> Engine {
        match self {
            DatabasePlace::Sqlite => Engine::Sqlite,
            DatabasePlace::Postgres { .. } => Engine::Postgres,
        }
    }
}

/// What became of a database that was to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutDatabaseResult {
    /// It is new.
    Created(DatabaseRow),
    /// It was there, and is as it was asked for.
    There(DatabaseRow),
    /// One of that name is run by something else.
    Other(Engine),
    /// The tenant may have no more.
    OverQuota(QuotaExceeded),
}

/// What became of a database that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteDatabaseResult {
    /// It is gone, and its file with it.
    Deleted,
    /// There is none.
    NotFound,
    /// Handlers are at it, and did not come to an end in time.
    InUse,
}

/// A script that was applied to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedScript {
    /// Its number and what its text was.
    pub applied: Applied,
    /// When.
    pub applied_at: Timestamp,
}
