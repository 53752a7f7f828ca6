//! How an attempt ends when it does not succeed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::text::printed;

/// How an attempt ends when it does not succeed.
///
/// Anything that converts into `Box<dyn Error>` (each error type, `anyhow::Error`, a `String`) becomes
/// [`Failure::Retry`] with its chain of causes, so that `?` means "try again later":
///
/// ```
/// # use stoker_sdk::{Context, Failure, handler};
/// #[handler(kind = "parse")]
/// fn parse(_context: &Context, text: String) -> Result<u32, Failure> {
///     if text.is_empty() {
///         return Err(Failure::fatal("nothing to parse"));
///     }
///     Ok(text.parse::<u32>()?)
/// }
/// # assert_eq!(
/// #     parse(&Context::for_test(), "x".into()),
/// #     Err(Failure::retry("invalid digit found in string")),
/// # );
/// ```
///
/// It prints as its message, and is no `std::error::Error` itself: it is the end of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may go right later.
    Retry {
        /// What went wrong.
        message: String,
        /// Overrides the kind's retry delays.
        after: Option<Duration>,
    },
    /// Trying again is pointless: the job fails at once.
    Fatal {
        /// What is wrong.
        message: String,
    },
    /// Nothing is wrong, it is only too early: run the handler again later, from its top. Uses no attempt.
    Snooze {
        /// From now.
        after: Duration,
    },
}

impl Failure {
    /// Try again, after the kind's retry delay.
    ///
    /// ```
    /// # use stoker_sdk::Failure;
    /// assert_eq!(Failure::retry("no answer").to_string(), "no answer");
    /// ```
    pub fn retry(message: impl fmt::Display) -> Self {
        Failure::Retry { message: printed(&message), after: None }
    }

    /// Try again, after this long; for instance what a `Retry-After` header said.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::Failure;
    /// let failure = Failure::retry_after("too many requests", Duration::from_secs(60));
    /// assert!(matches!(failure, Failure::Retry { after: Some(_), .. }));
    /// ```
    pub fn retry_after(message: impl fmt::Display, after: Duration) -> Self {
        Failure::Retry { message: printed(&message), after: Some(after) }
    }

    /// Trying again is pointless.
    ///
    /// ```
    /// # use stoker_sdk::Failure;
    /// let parsed = "x".parse::<u32>().map_err(Failure::fatal);
    /// assert_eq!(parsed, Err(Failure::Fatal { message: "invalid digit found in string".into() }));
    /// ```
    pub fn fatal(message: impl fmt::Display) -> Self {
        Failure::Fatal { message: printed(&message) }
    }

    /// Come back after this long; uses no attempt.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::Failure;
    /// let failure = Failure::snooze(Duration::from_secs(3_600));
    /// assert_eq!(failure, Failure::Snooze { after: Duration::from_secs(3_600) });
    /// ```
    pub fn snooze(after: Duration) -> Self {
        Failure::Snooze { after }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Retry { message, .. } | Failure::Fatal { message } => f.write_str(message),
            Failure::Snooze { after } => write!(f, "snoozes for {} ms", whole_ms(*after)),
        }
    }
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Retry { message: chain(error), after: None }
    }
}

/// What an error says, and its causes.
pub(crate) fn chain(error: impl Into<Box<dyn Error>>) -> String {
    chain_of(&*error.into())
}

// Not generic: one copy, however many types of errors there are.
fn chain_of(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        // Some errors print their cause themselves; saying it twice helps nobody.
        if !message.ends_with(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = inner.source();
    }
    message
}

/// Milliseconds, as the contract counts time.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn an_error_keeps_its_chain() {
        let error = Layer("cannot send", Some(Box::new(Layer("no route", Some(Box::new(Layer("cable cut", None)))))));
        assert_eq!(Failure::from(error), Failure::retry("cannot send: no route: cable cut"));
    }

    #[test]
    fn a_cause_the_error_prints_itself_is_not_repeated() {
        let error = Layer("cannot send: no route", Some(Box::new(Layer("no route", None))));
        assert_eq!(Failure::from(error), Failure::retry("cannot send: no route"));
    }

    #[test]
    fn strings_convert_too() {
        let failed: Result<(), Failure> = (|| Err("odd".to_owned())?)();
        assert_eq!(failed, Err(Failure::retry("odd")));
    }

    #[test]
    fn long_durations_saturate() {
        assert_eq!(whole_ms(Duration::MAX), u64::MAX);
    }
}
