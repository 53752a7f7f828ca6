//! Databases, as clients see them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::time::Instant;
use crate::job::database::Engine;
use crate::job::{DatabaseName, SecretName};
use crate::store::{AppliedScript, DatabasePlace, DatabaseRow};

/// What runs a database.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DatabaseEngine)]
pub enum EngineWord {
    /// A file of the host.
    Sqlite,
    /// A server.
    Postgres,
}

impl From<Engine> for EngineWord {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => EngineWord::Sqlite,
            Engine::Postgres => EngineWord::Postgres,
        }
    }
}

/// A database.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Database<'a> {
    /// Its name.
    #[schema(value_type = String)]
    pub name: &'a DatabaseName,
    /// What runs it.
    pub engine: EngineWord,
    /// Of a file its size, bytes; its log aside.
    #[schema(required = true)]
    pub size_bytes: Option<u64>,
    /// What all files of the tenant may have together, bytes; `null`: any number, or it is no file.
    #[schema(required = true)]
    pub quota_bytes: Option<u64>,
    /// Of a server: the secret that holds its URL.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_secret: Option<&'a SecretName>,
    /// Of a server: where inside of a network it may be reached.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<&'a [SocketAddr]>,
    /// When it was made, or named.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
}

impl<'a> Database<'a> {
    /// Of a row, with the size of its file.
    pub fn of(row: &'a DatabaseRow, size_bytes: u64, quota_bytes: Option<u64>) -> Self {
        let DatabaseRow { name, place, created_at } = row;
        let (size_bytes, quota_bytes, url_secret, addresses) = match place {
            DatabasePlace::Sqlite => (Some(size_bytes), quota_bytes, None, None),
            DatabasePlace::Postgres { url_secret, addresses } => {
                (None, None, Some(url_secret), Some(addresses.as_slice()))
            }
        };
        let (engine, created_at) = (place.engine().into(), Instant(*created_at));
        Database { name, engine, size_bytes, quota_bytes, url_secret, addresses, created_at }
    }
}

/// A database with what was applied to it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DatabaseDetail<'a> {
    /// The database.
    #[serde(flatten)]
    pub database: Database<'a>,
    /// Scripts that were applied, in the order of their numbers.
    pub migrations: Vec<AppliedMigration>,
}

/// A script that was applied.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AppliedMigration {
    /// Its number.
    pub number: u32,
    /// Of its text, hexadecimal.
    pub sha256: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub applied_at: Instant,
}

impl From<&AppliedScript> for AppliedMigration {
    fn from(script: &AppliedScript) -> Self {
        let AppliedScript { applied, applied_at } = script;
        AppliedMigration {
            number: applied.number,
            sha256: applied.digest.to_string(),
            applied_at: Instant(*applied_at),
        }
    }
}
