//! Numbered scripts that bring a database to the shape a handler knows. Forward only: what has been applied is never another text,
//! and nothing is applied behind what was applied after it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::error::DatabaseError;
use super::model::SQL_BYTES_MAX;

/// Most scripts of one database.
pub const SCRIPTS_MAX: usize = 1_000;

/// One script; it may hold several statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// From 1.
    pub number: u32,
    /// Its text.
    pub sql: String,
}

/// What a script is known again by: the SHA-256 of its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScriptDigest(pub [u8; 32]);

impl ScriptDigest {
    /// Of a text.
    pub fn of(sql: &str) -> Self {
        Self(Sha256::digest(sql).into())
    }
}

impl fmt::Display for ScriptDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ScriptDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A script that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub number: u32,
    /// Of its text.
    pub digest: ScriptDigest,
}

/// Which of `scripts` are still to be applied, by their place; `applied` in the order of their numbers.
pub fn check_scripts(scripts: &[Script], applied: &[Applied]) -> Result<Vec<usize>, DatabaseError> {
    if scripts.len() > SCRIPTS_MAX {
        return Err(DatabaseError::refused(format!("there may be at most {SCRIPTS_MAX} migrations")));
    }
    let mut to_apply = Vec::new();
    let (mut before, last) = (0, applied.last().map_or(0, |applied| applied.number));
    for (place, Script { number, sql }) in scripts.iter().enumerate() {
        if *number <= before {
            return Err(DatabaseError::refused(format!(
                "migration {number} stands behind {before}: number them from 1, upwards"
            )));
        }
        before = *number;
        if sql.len() > SQL_BYTES_MAX {
            return Err(DatabaseError::refused(format!(
                "migration {number} has {} bytes; one may have at most {SQL_BYTES_MAX}",
                sql.len()
            )));
        }
        match applied.iter().find(|applied| applied.number == *number) {
            Some(applied) if applied.digest == ScriptDigest::of(sql) => {}
            Some(_) => {
                return Err(DatabaseError::refused(format!(
                    "migration {number} was applied with another text: one that was applied is never changed; put its text \
                     back, and what is to be different into a new migration"
                )));
            }
            None if *number < last => {
                return Err(DatabaseError::refused(format!(
                    "migration {number} is new, and {last} was applied already: a new one has a higher number"
                )));
            }
            None => to_apply.push(place),
        }
    }
    Ok(to_apply)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn script(number: u32, sql: &str) -> Script {
        Script { number, sql: sql.to_owned() }
    }

    fn applied(number: u32, sql: &str) -> Applied {
        Applied { number, digest: ScriptDigest::of(sql) }
    }

    #[test]
    fn scripts_go_forward_and_never_change() {
        let known = [applied(1, "a"), applied(3, "c")];
        let all = [script(1, "a"), script(3, "c"), script(4, "d"), script(5, "e")];
        assert_eq!(check_scripts(&all, &known), Ok(vec![2, 3]));
        assert_eq!(check_scripts(&all, &[]), Ok(vec![0, 1, 2, 3]));
        // An older version of the handler knows fewer.
        assert_eq!(check_scripts(&all[..1], &known), Ok(vec![]));
        for (scripts, said) in [
            (vec![script(1, "b")], "migration 1 was applied with another text"),
            (vec![script(1, "a"), script(2, "b")], "migration 2 is new, and 3 was applied"),
            (vec![script(4, "b"), script(4, "b")], "migration 4 stands behind 4"),
            (vec![script(0, "b")], "migration 0 stands behind 0"),
            (vec![script(1, &"x".repeat(SQL_BYTES_MAX + 1))], "at most 262144"),
        ] {
            let refused = check_scripts(&scripts, &known).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
