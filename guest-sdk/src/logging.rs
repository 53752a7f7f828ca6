//! Lines of the attempt's log.

use std::fmt;

use crate::host;
use crate::text::printed;

/// How much a line matters.
///
/// ```
/// # use stoker_sdk::Level;
/// assert!(Level::Error > Level::Info);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// What was done.
    Info,
    /// Odd, but the attempt goes on.
    Warn,
    /// It went wrong.
    Error,
}

/// Adds a line to the attempt's log. Past the log limit lines are dropped and counted.
/// The macros [`info!`](crate::info) … do this with formatting.
///
/// ```
/// # use stoker_sdk::Level;
/// stoker_sdk::log(Level::Warn, "the list is empty");
/// ```
pub fn log(level: Level, message: impl fmt::Display) {
    host::log(level, &printed(&message));
}

macro_rules! level_macros {
    ($dollar:tt $($(#[$doc:meta])* $name:ident $level:ident,)*) => {
        $(
            $(#[$doc])*
            #[macro_export]
            macro_rules! $name {
                ($dollar($dollar argument:tt)+) => {
                    $crate::log($crate::Level::$level, ::core::format_args!($dollar($dollar argument)+))
                };
            }
        )*
    };
}

level_macros! { $
    /// Logs a line at [`Level::Trace`](crate::Level::Trace), formatted like `println!`.
    ///
    /// ```
    /// stoker_sdk::trace!("entering {}", "parse");
    /// ```
    trace Trace,
    /// Logs a line at [`Level::Debug`](crate::Level::Debug), formatted like `println!`.
    ///
    /// ```
    /// stoker_sdk::debug!("{} rows", 3);
    /// ```
    debug Debug,
    /// Logs a line at [`Level::Info`](crate::Level::Info), formatted like `println!`.
    ///
    /// ```
    /// let recipients = 3;
    /// stoker_sdk::info!("sent to {recipients} recipients");
    /// ```
    info Info,
    /// Logs a line at [`Level::Warn`](crate::Level::Warn), formatted like `println!`.
    ///
    /// ```
    /// stoker_sdk::warn!("no address for {}", "Ada");
    /// ```
    warn Warn,
    /// Logs a line at [`Level::Error`](crate::Level::Error), formatted like `println!`.
    ///
    /// ```
    /// stoker_sdk::error!("the index is damaged");
    /// ```
    error Error,
}
