//! What a check found, and how all of it is shown.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::super::terminal::{Colours, Tone, line};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is broken.
    Note,
    /// To be mended.
    Problem,
}

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    check: &'static str,
    level: Level,
    message: String,
    /// What to do.
    advice: Option<String>,
}

/// All of them, in order.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// As it should be.
    pub(super) fn ok(&mut self, check: &'static str, message: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Ok, message: message.into(), advice: None });
    }

    /// Worth knowing.
    pub(super) fn note(&mut self, check: &'static str, message: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Note, message: message.into(), advice: Some(advice.into()) });
    }

    /// To be mended.
    pub(super) fn problem(&mut self, check: &'static str, message: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Problem, message: message.into(), advice: Some(advice.into()) });
    }

    /// How many there are to be mended.
    pub(super) fn problems(&self) -> usize {
        self.0.iter().filter(|finding| finding.level == Level::Problem).count()
    }

    /// One line each, what to do below it, and how many problems there are.
    pub(super) fn render(&self, colours: Colours) -> String {
        let mut rows = Vec::new();
        for Finding { check, level, message, advice } in &self.0 {
            let (word, tone) = match level {
                Level::Ok => ("ok", Tone::Good),
                Level::Note => ("note", Tone::Notable),
                Level::Problem => ("problem", Tone::Bad),
            };
            rows.push(format!("{} {check}: {}", colours.paint(tone, &format!("{word:<7}")), line(message)));
            rows.extend(advice.iter().map(|advice| format!("        → {}", line(advice))));
        }
        rows.push(match self.problems() {
            0 => "no problems".to_owned(),
            1 => "1 problem".to_owned(),
            several => format!("{several} problems"),
        });
        rows.join("\n")
    }
}

impl Serialize for Findings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Findings", 2)?;
        object.serialize_field("findings", &self.0)?;
        object.serialize_field("problems", &self.problems())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below() {
        let mut findings = Findings::default();
        findings.ok("clock", "2026");
        findings.note("go", "not found", "install it");
        findings.problem("disk", "full\u{1b}[2J", "make room");
        insta::assert_snapshot!(findings.render(Colours::Off), @r"
        ok      clock: 2026
        note    go: not found
                → install it
        problem disk: full\u{1b}[2J
                → make room
        1 problem
        ");
    }
}
