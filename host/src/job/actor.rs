//! Who asks for a change, as the audit log names them.

use std::sync::Arc;

/// Through what somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// An HTTP client of somebody's own.
    Api,
    /// `stoker …`.
    Cli,
    /// The dashboard, with a session.
    Dashboard,
}

impl Via {
    /// Each, in the order of their codes.
    pub const ALL: [Via; 3] = [Via::Api, Via::Cli, Via::Dashboard];

    /// The word for it everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Via::Api => "api",
            Via::Cli => "cli",
            Via::Dashboard => "dashboard",
        }
    }
}

/// Somebody whose credential was accepted, or who needed none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `key:NAME:stk_PREFIX`, `jwt:USER`, `admin_key`, `loopback`, or `data_dir` (who may write to the files).
    pub who: Arc<str>,
    /// Through what.
    pub via: Via,
}
