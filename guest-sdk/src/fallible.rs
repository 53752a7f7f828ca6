//! What an error means for the job, said where it is passed on.

use std::error::Error;
use std::time::Duration;

use crate::Failure;
use crate::failure::chain;

/// Says of any error what it means for the job, before `?`. Without it `?` means "try again later".
///
/// On every `Result` whose error converts into `Box<dyn Error>`: each error type, `anyhow::Error`, a `String`. The
/// message keeps the chain of causes.
///
/// ```
/// use std::time::Duration;
/// use stoker_sdk::{Context, Failure, Fallible, handler};
///
/// #[handler(kind = "page.count")]
/// fn count(_context: &Context, text: String) -> Result<u32, Failure> {
///     let pages: u32 = text.parse().fatal()?;              // it will never parse: do not try again
///     let page = read(pages).retry_after(Duration::from_secs(60))?;
///     let line = read(page)?;                              // by the kind's retry policy
///     Ok(line)
/// }
/// # fn read(page: u32) -> Result<u32, std::io::Error> { Ok(page) }
/// # assert_eq!(
/// #     count(&Context::for_test(), "x".into()),
/// #     Err(Failure::fatal("invalid digit found in string")),
/// # );
/// ```
pub trait Fallible<T> {
    /// Trying again is pointless: the job fails at once.
    ///
    /// ```
    /// # use stoker_sdk::{Failure, Fallible};
    /// let parsed = "x".parse::<u32>().fatal();
    /// assert_eq!(parsed, Err(Failure::fatal("invalid digit found in string")));
    /// ```
    fn fatal(self) -> Result<T, Failure>;

    /// Try again after exactly so long, whatever the kind's retry policy says.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::{Failure, Fallible};
    /// let answer: Result<u32, &str> = Err("too many requests");
    /// let after = Duration::from_secs(60);
    /// assert_eq!(answer.retry_after(after), Err(Failure::retry_after("too many requests", after)));
    /// ```
    fn retry_after(self, after: Duration) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error>>> Fallible<T> for Result<T, E> {
    fn fatal(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Fatal { message: chain(error) })
    }

    fn retry_after(self, after: Duration) -> Result<T, Failure> {
        self.map_err(|error| Failure::Retry { message: chain(error), after: Some(after) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_kept_and_boxed_errors_do() {
        let fail = || -> Result<(), Box<dyn Error>> { Err(Box::new(std::fmt::Error)) };
        assert_eq!(fail().fatal(), Err(Failure::fatal(std::fmt::Error)));
        let after = Duration::from_secs(1);
        let chained = Err::<(), _>(anyhow::anyhow!("no route").context("cannot send"));
        assert_eq!(chained.retry_after(after), Err(Failure::retry_after("cannot send: no route", after)));
    }
}
