//! A field of a change: left out, it changes nothing; `null` takes away what was set.

use serde::{Deserialize, Deserializer};

/// Whether a field stands there, and `null` or not. Goes with `#[serde(default)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::api) enum Given<T> {
    /// It does not.
    #[default]
    Absent,
    /// It does, as `null`.
    Null,
    /// It does.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Given::Null, Given::Value))
    }
}

impl<T> Given<T> {
    /// `null` where it is left out.
    pub(in crate::api) fn or_null(self) -> Self {
        if let Given::Absent = self { Given::Null } else { self }
    }

    /// Whether it stands there, be it as `null`.
    pub(in crate::api) fn is_there(&self) -> bool {
        !matches!(self, Given::Absent)
    }

    /// What was given, if anything but `null` was.
    pub(in crate::api) fn value(self) -> Option<T> {
        if let Given::Value(value) = self { Some(value) } else { None }
    }

    /// What of it `change` makes, unless it does not stand there.
    pub(in crate::api) fn map<C>(self, change: impl FnOnce(Option<T>) -> C) -> Option<C> {
        match self {
            Given::Absent => None,
            Given::Null => Some(change(None)),
            Given::Value(value) => Some(change(Some(value))),
        }
    }
}
