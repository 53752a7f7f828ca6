//! What happened, published after the commit that made it so. Subscribers are hints' takers: bounded, and told to
//! read again when they lag.

mod job_waiters;
mod notification_watchers;

pub use job_waiters::{JobWait, JobWaiters};
pub use notification_watchers::{NotificationWatch, NotificationWatchers};
