//! What goes in and out of the operations on notifications.

use bytes::Bytes;

use crate::job::{JobId, NotificationId, NotificationLevel, Timestamp, UserName};

/// A notification as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRow {
    /// Greater than those of all before it.
    pub id: NotificationId,
    /// Whose.
    pub user: UserName,
    /// How grave it is.
    pub level: NotificationLevel,
    /// For the user to read.
    pub message: String,
    /// For the application to read, JSON text.
    pub data: Option<Bytes>,
    /// With whose success it came.
    pub job: JobId,
    /// When.
    pub created_at: Timestamp,
    /// When the user read it.
    pub read_at: Option<Timestamp>,
}

/// A page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationPage {
    /// The newest first.
    pub rows: Vec<NotificationRow>,
    /// There are more.
    pub is_more: bool,
}

/// Which of a tenant's are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// Only this user's.
    pub user: Option<UserName>,
    /// Only those that were not read.
    pub unread: bool,
}

/// What became of one that was to be marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkedNotification {
    /// It is as it was to be.
    Done(Box<NotificationRow>),
    /// There is none, or it is somebody else's.
    NotFound,
}

/// What tokens of users are signed with. Never shown.
#[derive(Clone)]
pub struct UserTokenSecret(pub [u8; 32]);

impl std::fmt::Debug for UserTokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserTokenSecret(…)")
    }
}
