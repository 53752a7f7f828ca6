//! Secrets, as clients see them: never with their values.

use serde::Serialize;

use super::time::Instant;
use crate::job::{KindName, SecretName};
use crate::store::SecretRow;

/// A secret without its value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Secret<'a> {
    /// Its name.
    #[schema(value_type = String)]
    pub name: &'a SecretName,
    /// How many values it has had.
    pub version: u64,
    /// The id of the key it is encrypted under.
    pub key: String,
    /// When it was first set.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When its value was set.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Instant,
}

impl<'a> From<&'a SecretRow> for Secret<'a> {
    fn from(row: &'a SecretRow) -> Self {
        let SecretRow { name, version, key, created_at, updated_at } = row;
        let (created_at, updated_at) = (Instant(*created_at), Instant(*updated_at));
        Secret { name, version: *version, key: key.to_string(), created_at, updated_at }
    }
}

/// A secret that was removed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DeletedSecret<'a> {
    /// Its name.
    #[schema(value_type = String)]
    pub name: &'a SecretName,
    /// Kinds that are granted it all the same, a hundred at most: their handlers find none until it is set again.
    #[schema(value_type = Vec<String>)]
    pub granted_to: Vec<&'a KindName>,
}
