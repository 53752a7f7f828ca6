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
    /// let host = FakeHost::new();
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
    use crate::{Context, EffectError};

    /// The bounds of a real host.
    const USER_BYTES_MAX: usize = 128;
    const MESSAGE_BYTES_MAX: usize = 4 << 10;
    const DATA_BYTES_MAX: usize = 64 << 10;

    /// A notification as a fake host collected it.
    ///
    /// ```
    /// # use stoker_sdk::NotificationLevel;
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new();
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
            let refused = |sentence: String| Err(EffectError::Refused(sentence));
            if user.is_empty() || user.len() > USER_BYTES_MAX {
                return refused(format!("a user's name must have 1 to {USER_BYTES_MAX} bytes, not {}", user.len()));
            }
            if user.chars().any(char::is_control) {
                return refused("a user's name must hold no control characters".to_owned());
            }
            if message.is_empty() || message.len() > MESSAGE_BYTES_MAX {
                let bytes = message.len();
                return refused(format!("a message to a user must have 1 to {MESSAGE_BYTES_MAX} bytes, not {bytes}"));
            }
            if let Some(data) = data.as_ref().filter(|data| data.len() > DATA_BYTES_MAX) {
                let bytes = data.len();
                return refused(format!("the data of a notification has {bytes} bytes; it may have at most 64KiB"));
            }
            let told = Notified { user: user.to_owned(), level, message: message.to_owned(), data };
            self.recorder().lock().effects.notified.push(told);
            Ok(())
        }
    }
}
