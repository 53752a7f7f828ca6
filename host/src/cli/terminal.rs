//! What reaches the user's terminal: text of strangers made harmless, colours only where they are wanted, a closed
//! pipe taken as "enough" rather than as an error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

/// Whether line ends may pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    OneLine,
    Block,
}

/// Text for one line: every control character, line ends included, is shown as an escape.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escape(text, Layout::OneLine)
}

/// Text of many lines: line ends and tabs pass, every other control character is shown as an escape.
pub(super) fn block(text: &str) -> Cow<'_, str> {
    escape(text, Layout::Block)
}

/// JSON text as it may be printed: the few dangerous characters JSON lets stand unescaped are written as `\u00xx`,
/// and a carriage return between values as a space, which changes nothing for who parses it.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    let passes = |c: char| !is_dangerous(c) || matches!(c, '\n' | '\t');
    if text.chars().all(passes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\r' {
            safe.push(' ');
        } else if !passes(c) {
            // All of them lie in the basic plane: one unit of UTF-16. Writing to a string can't fail.
            let _infallible = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

fn escape(text: &str, layout: Layout) -> Cow<'_, str> {
    let passes = |c: char| !is_dangerous(c) || (layout == Layout::Block && matches!(c, '\n' | '\t'));
    if text.chars().all(passes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if passes(c) {
            safe.push(c);
        } else if layout == Layout::OneLine && matches!(c, '\n' | '\r' | '\t') {
            safe.extend(c.escape_default());
        } else {
            safe.extend(c.escape_unicode());
        }
    }
    Cow::Owned(safe)
}

/// Characters that move a cursor, start an escape sequence (C0, DEL, C1), end a line for some terminals, turn the reading
/// direction, or show nothing at all: text looks like what it is not. (Joiners pass: scripts and emoji need them.)
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(
            c,
            '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        )
}

/// How text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// A heading.
    Strong,
    /// Went well.
    Good,
    /// Went wrong.
    Bad,
    /// Waiting, or worth a look.
    Notable,
    /// Less important.
    Faint,
}

/// Whether tones become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// They do.
    On,
    /// They don't.
    Off,
}

impl Colours {
    /// For standard output: a terminal, no `NO_COLOR`, not a dumb one.
    pub(super) fn of_stdout() -> Colours {
        Self::wanted(std::io::stdout().is_terminal())
    }

    /// The same for standard error.
    pub(super) fn of_stderr() -> Colours {
        Self::wanted(std::io::stderr().is_terminal())
    }

    fn wanted(is_terminal: bool) -> Colours {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if is_terminal && !unwanted { Colours::On } else { Colours::Off }
    }

    /// `text` in `tone`.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Notable => "33",
            Tone::Faint => "2",
        };
        match self {
            Colours::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Colours::Off => text.to_owned(),
        }
    }
}

/// How wide standard output is, if it is a terminal.
pub(super) fn columns() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// An output as it may be printed: JSON, or with `raw` a string without its quotes.
pub(super) fn output(json: &str, raw: bool) -> String {
    if raw && let Ok(text) = serde_json::from_str::<String>(json) {
        // Asked for as it is; harmless where a person would see it, untouched where a program reads it.
        return if std::io::stdout().is_terminal() { block(&text).into_owned() } else { text };
    }
    self::json(json).into_owned()
}

/// Prints to standard output, with one line end. A reader that has gone away (`| head`) is no error.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") })
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A remark beside the result, to standard error. There is nobody left to tell when that fails.
pub(super) fn remark(text: &str) {
    let _nobody_listens = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_strangers_do_not_reach_the_terminal() {
        for (text, one_line, many_lines) in [
            ("plain – ünï ✓", "plain – ünï ✓", "plain – ünï ✓"),
            ("a\nb\tc", "a\\nb\\tc", "a\nb\tc"),
            ("\x1b[31mred", "\\u{1b}[31mred", "\\u{1b}[31mred"),
            ("title\x07", "title\\u{7}", "title\\u{7}"),
            ("over\rwritten", "over\\rwritten", "over\\u{d}written"),
            ("\u{9b}2J", "\\u{9b}2J", "\\u{9b}2J"),
            ("\u{7f}", "\\u{7f}", "\\u{7f}"),
            ("exe.\u{202e}gpj", "exe.\\u{202e}gpj", "exe.\\u{202e}gpj"),
            ("next\u{2028}line", "next\\u{2028}line", "next\\u{2028}line"),
            ("same\u{200b}\u{feff}", "same\\u{200b}\\u{feff}", "same\\u{200b}\\u{feff}"),
            ("\u{1f469}\u{200d}\u{1f467}", "\u{1f469}\u{200d}\u{1f467}", "\u{1f469}\u{200d}\u{1f467}"),
        ] {
            assert_eq!(line(text), one_line);
            assert_eq!(block(text), many_lines);
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = "{\"a\":\r\t\"\u{9b}2J \u{202e} \u{7f} ü\"}";
        let safe = json(text);
        assert!(safe.chars().all(|c| !is_dangerous(c) || c == '\t'), "{safe}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert_eq!(parse(&safe), parse(text));
        assert_eq!(json("{\n}"), "{\n}");
        assert_eq!(json("no \u{1b}[2J JSON"), "no \\u001b[2J JSON");
    }

    #[test]
    fn colours_only_where_wanted() {
        assert_eq!(Colours::On.paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Colours::Off.paint(Tone::Bad, "x"), "x");
    }
}
