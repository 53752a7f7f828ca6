//! The log of one attempt: lines of the logging interface, of standard output and of standard error, in order,
//! bounded. What does not fit is dropped and counted; the guest is never ended for it.
//!
//! The end of standard error is kept apart, whatever else was logged: an uncaught exception shows there and nowhere
//! else.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::redaction::{Automaton, RedactedStream};
use crate::job::{Clock, LogLevel, LogLine};

/// A longer line is cut into several.
const LINE_BYTES_MAX: usize = 16 << 10;
/// What a line costs beside its text, so that a flood of empty lines is bounded too.
const LINE_COST_BYTES: u64 = 16;

/// Kept of the end of standard error.
const STDERR_TAIL_BYTES: usize = 4 << 10;

/// The log of one attempt, shared by the guest's streams.
pub(super) type SharedLog = Arc<Mutex<AttemptLog>>;

pub(super) struct AttemptLog {
    clock: Arc<dyn Clock>,
    bytes_max: u64,
    bytes: u64,
    lines: Vec<LogLine>,
    lines_dropped: u64,
    /// Unfinished lines.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stderr_tail: VecDeque<u8>,
    /// From the first secret on that the guest was given.
    redaction: Option<Box<LogRedaction>>,
}

/// What takes secrets out of a log: before lines are made, since a secret may have several.
struct LogRedaction {
    finder: Arc<Automaton>,
    stdout: RedactedStream,
    stderr: RedactedStream,
}

/// Which of the guest's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl LogRedaction {
    fn of(&mut self, stream: Stream) -> (&Automaton, &mut RedactedStream) {
        let held = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        (&self.finder, held)
    }
}

impl std::fmt::Debug for AttemptLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttemptLog").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl AttemptLog {
    pub(super) fn new(clock: Arc<dyn Clock>, bytes_max: u64) -> Self {
        Self {
            clock,
            bytes_max,
            bytes: 0,
            lines: Vec::new(),
            lines_dropped: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            stderr_tail: VecDeque::new(),
            redaction: None,
        }
    }

    /// From now on these secrets are taken out of it, beside those before.
    pub(super) fn redact(&mut self, finder: &Arc<Automaton>) {
        match &mut self.redaction {
            Some(redaction) => redaction.finder = Arc::clone(finder),
            redaction => {
                let (stdout, stderr) = <(RedactedStream, RedactedStream)>::default();
                *redaction = Some(Box::new(LogRedaction { finder: Arc::clone(finder), stdout, stderr }));
            }
        }
    }

    /// Adds a line, or counts it as dropped.
    pub(super) fn line(&mut self, level: LogLevel, message: &str) {
        match self.redaction.as_ref().map(|redaction| redaction.finder.redact(message.as_bytes())) {
            Some(Cow::Owned(redacted)) => self.add(level, &String::from_utf8_lossy(&redacted)),
            None | Some(Cow::Borrowed(_)) => self.add(level, message),
        }
    }

    fn add(&mut self, level: LogLevel, message: &str) {
        let cost = u64::try_from(message.len()).unwrap_or(u64::MAX).saturating_add(LINE_COST_BYTES);
        match self.bytes.checked_add(cost).filter(|bytes| *bytes <= self.bytes_max) {
            Some(bytes) => {
                self.bytes = bytes;
                self.lines.push(LogLine { at: self.clock.now(), level, message: message.to_owned() });
            }
            None => self.lines_dropped += 1,
        }
    }

    /// Bytes a stream wrote; whole lines are added, the rest waits.
    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        match &mut self.redaction {
            None => self.cut_into_lines(stream, bytes),
            Some(redaction) => {
                let mut redacted = Vec::with_capacity(bytes.len());
                let (finder, held) = redaction.of(stream);
                held.write(finder, bytes, &mut redacted);
                self.cut_into_lines(stream, &redacted);
            }
        }
    }

    /// What was held back of the streams, should a secret begin there, is written now: nothing comes any more.
    fn let_go(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(redaction) = &mut self.redaction else { return };
            let mut redacted = Vec::new();
            let (finder, held) = redaction.of(stream);
            held.finish(finder, &mut redacted);
            self.cut_into_lines(stream, &redacted);
        }
    }

    fn cut_into_lines(&mut self, stream: Stream, mut bytes: &[u8]) {
        if stream == Stream::Stderr {
            self.keep_tail(bytes);
        }
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let pending = self.pending(stream);
            let room = LINE_BYTES_MAX.saturating_sub(pending.len());
            let taken = end.unwrap_or(bytes.len()).min(room);
            pending.extend_from_slice(&bytes[..taken]);
            let complete = end == Some(taken);
            if complete || pending.len() >= LINE_BYTES_MAX {
                self.finish_line(stream);
            }
            bytes = &bytes[taken + usize::from(complete)..];
        }
    }

    /// How many whole lines there are, and how many were dropped.
    pub(super) fn length(&self) -> (usize, u64) {
        (self.lines.len(), self.lines_dropped)
    }

    /// A copy of these lines, as many as have so many bytes of text together, at least one if there is one.
    pub(super) fn piece(&self, lines: Range<usize>, bytes_max: usize) -> Vec<LogLine> {
        let end = lines.end.min(self.lines.len());
        let mut bytes = 0;
        let is_in = |line: &&LogLine| {
            let is_in = bytes < bytes_max;
            bytes += line.message.len().saturating_add(usize::try_from(LINE_COST_BYTES).unwrap_or(0));
            is_in
        };
        self.lines.get(lines.start..end).unwrap_or_default().iter().take_while(is_in).cloned().collect()
    }

    /// A copy of the whole lines after the first `known`.
    pub(super) fn after(&self, known: usize) -> Vec<LogLine> {
        self.lines.get(known..).unwrap_or_default().to_vec()
    }

    /// Ends unfinished lines and gives everything out: lines, and how many were dropped.
    pub(super) fn finish(&mut self) -> (Vec<LogLine>, u64) {
        self.let_go();
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.pending(stream).is_empty() {
                self.finish_line(stream);
            }
        }
        (std::mem::take(&mut self.lines), self.lines_dropped)
    }

    /// The end of standard error, once the guest has ended; invalid UTF-8 is replaced.
    pub(super) fn stderr_tail(&mut self) -> String {
        self.let_go();
        String::from_utf8_lossy(self.stderr_tail.make_contiguous()).into_owned()
    }

    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn finish_line(&mut self, stream: Stream) {
        let level = match stream {
            Stream::Stdout => LogLevel::Stdout,
            Stream::Stderr => LogLevel::Stderr,
        };
        let mut bytes = std::mem::take(self.pending(stream));
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        self.add(level, &String::from_utf8_lossy(&bytes));
        bytes.clear();
        *self.pending(stream) = bytes;
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(STDERR_TAIL_BYTES)..];
        let excess = (self.stderr_tail.len() + bytes.len()).saturating_sub(STDERR_TAIL_BYTES);
        self.stderr_tail.drain(..excess);
        self.stderr_tail.extend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_clock::SystemClock;

    fn log(bytes_max: u64) -> AttemptLog {
        AttemptLog::new(Arc::new(SystemClock::default()), bytes_max)
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.message.as_str()).collect()
    }

    #[test]
    fn streams_are_cut_into_lines_however_they_are_written() {
        let mut log = log(1 << 20);
        log.write(Stream::Stdout, b"one\r\ntw");
        log.write(Stream::Stderr, b"bad \xff\n");
        log.write(Stream::Stdout, b"o\n\nlast");
        assert_eq!(
            texts(&log.piece(0..9, 1_000)),
            ["one", "bad \u{fffd}", "two", ""],
            "what is no whole line yet is not shown"
        );
        assert_eq!(texts(&log.after(2)), ["two", ""]);
        assert!(log.after(9).is_empty());
        assert_eq!((log.length(), texts(&log.piece(1..3, 1_000))), ((4, 0), vec!["bad \u{fffd}", "two"]));
        assert_eq!(texts(&log.piece(1..9, 17)), ["bad \u{fffd}"]);
        assert!(log.piece(4..9, 17).is_empty() && log.piece(9..12, 17).is_empty());
        let (lines, dropped) = log.finish();
        assert_eq!(texts(&lines), ["one", "bad \u{fffd}", "two", "", "last"]);
        assert_eq!(lines[1].level, LogLevel::Stderr);
        assert_eq!(dropped, 0);
    }

    #[test]
    fn a_flood_is_dropped_and_counted_and_the_end_of_stderr_kept() {
        let mut log = log(100);
        for number in 0..10_000 {
            log.write(Stream::Stderr, format!("line {number}\n").as_bytes());
        }
        let tail = log.stderr_tail();
        assert!(tail.ends_with("line 9999\n") && tail.len() <= STDERR_TAIL_BYTES);
        let (lines, dropped) = log.finish();
        assert_eq!(lines.len() as u64 + dropped, 10_000);
        assert!(lines.len() <= 6);
    }

    #[test]
    fn a_secret_is_taken_out_before_lines_are_made() {
        let mut given = crate::sandbox::redaction::Given::default();
        let value = crate::secrets::SecretValue::new(b"first half\nsecond half".to_vec()).expect("long enough");
        assert!(given.add("key", &value));
        let mut log = log(1 << 20);
        log.write(Stream::Stderr, b"first half\nsecond half\nfirst ");
        log.redact(given.finder().expect("one was given"));
        for piece in ["is first ha", "lf\nsecond ", "half!\nfirst half\nsecond h"] {
            log.write(Stream::Stdout, piece.as_bytes());
            log.write(Stream::Stderr, piece.as_bytes());
        }
        log.line(LogLevel::Info, "it is first half\nsecond half.");
        assert!(log.stderr_tail().contains("is [secret key]!\nfirst half\nsecond h"), "what is no whole secret stays");
        let (lines, _) = log.finish();
        assert_eq!(
            texts(&lines),
            [
                "first half",
                "second half",
                "is [secret key]!",
                "first is [secret key]!",
                "it is [secret key].",
                "first half",
                "first half",
                "second h",
                "second h",
            ]
        );
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut log = log(1 << 20);
        log.write(Stream::Stdout, &vec![b'x'; LINE_BYTES_MAX * 2 + 1]);
        let (lines, _) = log.finish();
        assert_eq!(
            lines.iter().map(|line| line.message.len()).collect::<Vec<_>>(),
            [LINE_BYTES_MAX, LINE_BYTES_MAX, 1]
        );
    }
}
