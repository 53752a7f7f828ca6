//! Users' inboxes. Guarantees: a notification is committed with the success of its job; its id is greater than those of all
//! before it, so that whoever remembers the last one they saw misses none that is kept; how many a user has, and has not read, is
//! kept in the transaction.

mod inbox;
mod keep;
mod list;
mod mark;
mod model;
mod notify;
mod operations;
mod removal;
mod token_key;

pub use model::{MarkedNotification, NotificationFilter, NotificationPage, NotificationRow, UserTokenSecret};
pub(super) use notify::{bytes_of, notify};
pub(super) use removal::{REMOVE_NOTIFICATIONS, REMOVE_NOTIFIED_USERS};
pub(super) use token_key::FORGET_KEY;
