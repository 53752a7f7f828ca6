//! Lines of the attempt's log.

use std::fmt;

use crate::host;

/// How much a line matters.
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
pub fn log(level: Level, message: impl fmt::Display) {
    host::log(level, &message.to_string());
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
    trace Trace,
    /// Logs a line at [`Level::Debug`](crate::Level::Debug), formatted like `println!`.
    debug Debug,
    /// Logs a line at [`Level::Info`](crate::Level::Info), formatted like `println!`.
    ///
    /// ```
    /// let recipients = 3;
    /// stoker_sdk::info!("sent to {recipients} recipients");
    /// ```
    info Info,
    /// Logs a line at [`Level::Warn`](crate::Level::Warn), formatted like `println!`.
    warn Warn,
    /// Logs a line at [`Level::Error`](crate::Level::Error), formatted like `println!`.
    error Error,
}
