//! Users who are told when the job succeeds.

use serde::Serialize;

use super::EffectError;
use crate::{Context, json};

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotificationLevel {
    /// Something happened.
    Info,
    /// Something went well.
    Success,
    /// Something wants to be looked at.
    Warning,
    /// Something went wrong.
    Error,
}

impl Context {
    /// Tells a user when this job succeeds, in the transaction that says so, or not at all: in their inbox, and at once on every page
    /// that follows it (`/v1/notifications/stream`, `/hubs/notifications`). The user is named as the application names them, in at
    /// most 128 bytes without control characters; a message has at most 4 KiB. The kind has to be granted it
    /// (`grants(notify = true)`).
    ///
    /// Asks the host, and so needs one of version 1.3 of `stoker:handler`.
    ///
    /// ```
    /// use stoker_sdk::testing::FakeHost;
    /// use stoker_sdk::{Context, Failure, NotificationLevel, handler};
    ///
    /// #[handler(kind = "export", grants(notify = true))]
    /// fn export(context: &Context, user: String) -> Result<(), Failure> {
    ///     context.notify(&user, NotificationLevel::Success, "Your export is ready")?;
    ///     Ok(())
    /// }
    ///
    /// let host = FakeHost::new();
    /// assert_eq!(host.run::<export>("ann".into()), Ok(()));
    /// let told = &host.notifications()[0];
    /// assert_eq!((told.user.as_str(), told.level), ("ann", NotificationLevel::Success));
    /// assert_eq!(told.message, "Your export is ready");
    /// ```
    pub fn notify(&self, user: &str, level: NotificationLevel, message: &str) -> Result<(), EffectError> {
        self.notify_json(user, level, message, None)
    }

    /// The same with data for the application, at most 64 KiB of JSON. It is in the inbox and on the stream; the hub says level and
    /// message alone.
    ///
    /// ```
    /// # use stoker_sdk::NotificationLevel;
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().may_notify();
    /// host.context().notify_with("ann", NotificationLevel::Warning, "Nearly full", &[97, 100]).unwrap();
    /// assert_eq!(host.notifications()[0].data.as_deref(), Some("[97,100]"));
    /// ```
    pub fn notify_with<T: Serialize + ?Sized>(
        &self,
        user: &str,
        level: NotificationLevel,
        message: &str,
        data: &T,
    ) -> Result<(), EffectError> {
        let data = json::print(data).map_err(|error| EffectError::Refused(error.message().to_owned()))?;
        self.notify_json(user, level, message, Some(data))
    }
}

#[cfg(target_family = "wasm")]
mod calls {
    use super::NotificationLevel;
    use crate::bindings::stoker::handler::notifications::{Error, Level, notify};
    use crate::{Context, EffectError};

    #[allow(clippy::unused_self, clippy::needless_pass_by_value)] // A fake host has them behind a context, and keeps what it is given.
    impl Context {
        pub(super) fn notify_json(
            &self,
            user: &str,
            level: NotificationLevel,
            message: &str,
            data: Option<String>,
        ) -> Result<(), EffectError> {
            let level = match level {
                NotificationLevel::Info => Level::Info,
                NotificationLevel::Success => Level::Success,
                NotificationLevel::Warning => Level::Warning,
                NotificationLevel::Error => Level::Error,
            };
            notify(user, level, message, data.as_deref()).map_err(|error| match error {
                Error::NotGranted => EffectError::NotGranted,
                Error::Refused(why) => EffectError::Refused(why),
            })
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub(crate) mod fake {
    //! What a fake host collects.

    use super::NotificationLevel;
    use crate::testing::bounds::{MESSAGE_BYTES_MAX, NOTIFICATION_DATA_BYTES_MAX, USER_BYTES_MAX};
    use crate::testing::texts::{control_character, size, stumbling_block};
    use crate::{Context, EffectError};

    /// A notification as a fake host collected it.
    ///
    /// ```
    /// # use stoker_sdk::NotificationLevel;
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().may_notify();
    /// let refused = host.context().notify("a\nb", NotificationLevel::Info, "Hello");
    /// assert!(refused.is_err() && host.notifications().is_empty());
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Notified {
        /// To whom.
        pub user: String,
        /// How grave it is.
        pub level: NotificationLevel,
        /// For the user to read.
        pub message: String,
        /// JSON text, for the application to read.
        pub data: Option<String>,
    }

    impl Context {
        pub(super) fn notify_json(
            &self,
            user: &str,
            level: NotificationLevel,
            message: &str,
            data: Option<String>,
        ) -> Result<(), EffectError> {
            let mut record = self.recorder().lock();
            if !record.grants.allows_notify() {
                return Err(EffectError::NotGranted);
            }
            check(user, message, data.as_deref()).map_err(EffectError::Refused)?;
            // What is kept is read by others.
            let (user, message) = (record.redacted(user), record.redacted(message));
            let data = data.map(|data| record.redacted(&data));
            record.effects.take(user.len() + message.len() + data.as_ref().map_or(0, String::len))?;
            let told = Notified { user, level, message, data };
            record.effects.notified.push(told);
            Ok(())
        }
    }

    fn check(user: &str, message: &str, data: Option<&str>) -> Result<(), String> {
        if message.is_empty() || message.len() > MESSAGE_BYTES_MAX {
            let bytes = message.len();
            return Err(format!("a message to a user must have 1 to {MESSAGE_BYTES_MAX} bytes, not {bytes}"));
        }
        if let Some(data) = data.filter(|data| data.len() > NOTIFICATION_DATA_BYTES_MAX) {
            let most = size(NOTIFICATION_DATA_BYTES_MAX as u64);
            return Err(format!("the data of a notification has {} bytes; it may have at most {most}", data.len()));
        }
        if user.is_empty() || user.len() > USER_BYTES_MAX {
            return Err(format!("a user's name must have 1 to {USER_BYTES_MAX} bytes, not {}", user.len()));
        }
        if let Some(sentence) = control_character(user) {
            return Err(format!("a user's name {sentence}"));
        }
        let block = data.and_then(stumbling_block);
        block.map_or(Ok(()), |sentence| Err(format!("the data of a notification {sentence}")))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::testing::FakeHost;

        #[test]
        fn a_notification_keeps_to_its_bounds_and_its_grant() {
            let host = FakeHost::new().may_notify();
            let (user, message) = ("x".repeat(USER_BYTES_MAX), "x".repeat(MESSAGE_BYTES_MAX));
            for (user, message, data, said) in [
                ("", "m", 0, "a user's name must have 1 to 128 bytes, not 0"),
                (&*format!("{user}x"), "m", 0, "a user's name must have 1 to 128 bytes, not 129"),
                ("a\nb", "m", 0, "a user's name must hold no control characters: the one in place 2 is U+000A"),
                ("a", "", 0, "a message to a user must have 1 to 4096 bytes, not 0"),
                ("a", &*format!("{message}x"), 0, "a message to a user must have 1 to 4096 bytes, not 4097"),
                ("a", "m", NOTIFICATION_DATA_BYTES_MAX, "has 65538 bytes; it may have at most 64KiB"),
            ] {
                let asked = host.context().notify_with(user, NotificationLevel::Info, message, &"x".repeat(data));
                assert!(matches!(&asked, Err(EffectError::Refused(sentence)) if sentence.ends_with(said)), "{asked:?}");
            }
            assert!(host.notifications().is_empty());
            assert_eq!(host.context().notify(&user, NotificationLevel::Info, &message), Ok(()));
            let closed = FakeHost::new();
            assert_eq!(closed.context().notify("a", NotificationLevel::Info, "m"), Err(EffectError::NotGranted));
        }
    }
}
