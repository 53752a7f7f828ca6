//! The macros of the `log` and `tracing` crates, on their way into the attempt's log. Each is a feature of its own.

#[cfg(feature = "log")]
mod log_lines;
#[cfg(feature = "tracing")]
mod tracing_events;

/// Takes what these crates' macros say, from here on. Whoever was there before stays.
pub(crate) fn install() {
    #[cfg(feature = "log")]
    log_lines::install();
    #[cfg(feature = "tracing")]
    tracing_events::install();
}

#[cfg(all(test, feature = "log", feature = "tracing"))]
mod tests {
    use crate::Level;
    use crate::testing::{FakeHost, LogLine};

    #[test]
    fn both_reach_the_log_with_level_target_and_fields() {
        let host = FakeHost::new();
        log::warn!(target: "mail", "late by {} s", 3);
        tracing::info!(target: "mail", rows = 7, name = "a", "imported");
        tracing::error_span!("import", file = "x.csv").in_scope(|| {
            tracing::debug!(target: "csv", "row {}", 1);
            tracing::info_span!("inner", n = 2).in_scope(|| tracing::trace!(target: "csv", a = ?Some(1)));
        });
        tracing::error!(target: "csv", "outside");
        let line = |level, message: &str| LogLine { level, message: message.into() };
        assert_eq!(
            host.logs(),
            [
                line(Level::Warn, "mail: late by 3 s"),
                line(Level::Info, "mail: imported rows=7 name=a"),
                line(Level::Debug, "csv: import{file=x.csv}: row 1"),
                line(Level::Trace, "csv: import{file=x.csv}: inner{n=2}: a=Some(1)"),
                line(Level::Error, "csv: outside"),
            ]
        );
    }
}
