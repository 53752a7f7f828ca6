//! What a caller may do, as five words that contain each other.

use std::fmt;
use std::str::FromStr;

/// From the least to the greatest: each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads what is for one user of an application. Of tokens only: no key has it.
    User,
    /// Looks at one tenant.
    Viewer,
    /// And enqueues jobs.
    Producer,
    /// And does everything else in it.
    Operator,
    /// The host's: every tenant, and what is no tenant's.
    Admin,
}

/// A word that is no role.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of `viewer`, `producer`, `operator`, `admin`")]
pub struct RoleError;

impl Role {
    /// Every role, the least first.
    pub const ALL: [Role; 5] = [Role::User, Role::Viewer, Role::Producer, Role::Operator, Role::Admin];

    /// The word for it everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Viewer => "viewer",
            Role::Producer => "producer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contains_those_before_it() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for wrong in ["", "Admin", "root", "viewer "] {
            assert_eq!(wrong.parse::<Role>(), Err(RoleError), "{wrong}");
        }
    }
}
