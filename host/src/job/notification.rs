//! What a handler tells a user: how grave it is, to whom, and within which bounds. Pure.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use super::text::control_character;

/// Most bytes of a user's name.
pub const USER_BYTES_MAX: usize = 128;
/// Most bytes of a message.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Most bytes of what comes with it, JSON text.
pub const NOTIFICATION_DATA_BYTES_MAX: usize = 64 << 10;
/// Most notifications kept of one user; the oldest go.
pub const NOTIFICATIONS_OF_USER_MAX: u64 = 1_000;

/// Whom an application calls a user, in its own words: compared, never looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Arc<str>);

/// A text that is no user's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user's name {0}")]
pub struct UserNameError(String);

impl UserName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        if text.is_empty() || text.len() > USER_BYTES_MAX {
            return Err(UserNameError(format!("must have 1 to {USER_BYTES_MAX} bytes, not {}", text.len())));
        }
        match control_character(text) {
            Some(sentence) => Err(UserNameError(sentence)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

/// A word that is no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of `info`, `success`, `warning`, `error`")]
pub struct NotificationLevelError;

impl NotificationLevel {
    /// Each of them.
    pub const ALL: [NotificationLevel; 4] =
        [NotificationLevel::Info, NotificationLevel::Success, NotificationLevel::Warning, NotificationLevel::Error];

    /// The word for it in the store and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            NotificationLevel::Info => "info",
            NotificationLevel::Success => "success",
            NotificationLevel::Warning => "warning",
            NotificationLevel::Error => "error",
        }
    }

    /// The word for it on the hub, as applications expect it of `ReceiveNotification`.
    pub const fn type_word(self) -> &'static str {
        match self {
            NotificationLevel::Info => "Info",
            NotificationLevel::Success => "Success",
            NotificationLevel::Warning => "Warning",
            NotificationLevel::Error => "Error",
        }
    }
}

impl FromStr for NotificationLevel {
    type Err = NotificationLevelError;

    fn from_str(text: &str) -> Result<Self, NotificationLevelError> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(NotificationLevelError)
    }
}

/// A notification that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotification {
    /// To whom.
    pub user: UserName,
    /// How grave it is.
    pub level: NotificationLevel,
    /// For the user to read.
    pub message: String,
    /// For the application to read, JSON text.
    pub data: Option<Bytes>,
}

impl NewNotification {
    /// What it takes.
    pub fn bytes(&self) -> usize {
        let NewNotification { user, level: _, message, data } = self;
        user.as_str().len() + message.len() + data.as_ref().map_or(0, Bytes::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_users_have_bounds() {
        for good in ["a", "ann@example.com", "Zoë 7", &"x".repeat(USER_BYTES_MAX)] {
            assert_eq!(good.parse::<UserName>().map(|user| user.to_string()), Ok(good.to_owned()));
        }
        for (wrong, said) in [
            (String::new(), "1 to 128 bytes"),
            ("x".repeat(USER_BYTES_MAX + 1), "not 129"),
            ("a\nb".to_owned(), "place 2 is U+000A"),
            ("\u{85}".to_owned(), "U+0085"),
        ] {
            let error = wrong.parse::<UserName>().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with("a user's name ") && error.contains(said), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn levels_have_two_words() {
        for level in NotificationLevel::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(level.type_word().to_lowercase(), level.as_str());
        }
        assert_eq!("Info".parse::<NotificationLevel>(), Err(NotificationLevelError));
    }
}
