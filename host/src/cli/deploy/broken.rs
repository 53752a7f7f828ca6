//! Waiting jobs that a version would break, as text: which, where, and what can be done before that.

use crate::cli::hints::{self, addressed};
use crate::cli::terminal::{Colours, Tone, line};
use crate::cli::versions::short;
use crate::cli::wire::VersionChanges;

/// Kinds for which a command is written out.
const KINDS_LISTED_MAX: usize = 8;

/// The step that would break them.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Step<'a> {
    /// A handler is deployed under this name.
    Handler(&'a str),
    /// A plain command is.
    Command(&'a str),
    /// The module goes back.
    Rollback(&'a str),
}

impl<'a> Step<'a> {
    /// A deploy of a module of this type, in the API's word.
    pub(in crate::cli) fn deploy(module: &'a str, guest: &str) -> Self {
        if guest == "handler" { Step::Handler(module) } else { Step::Command(module) }
    }
}

/// Which jobs break, where, and what can be done before that.
pub(in crate::cli) fn broken_jobs(changes: &VersionChanges, step: Step<'_>, colours: Colours) -> String {
    let mut rows = broken_rows(changes, colours);
    let broken = || changes.kinds.iter().filter(|kind| kind.breaks_jobs());
    let (refused, unserved) =
        (broken().any(|kind| kind.change != "removed"), broken().any(|kind| kind.change == "removed"));
    rows.push("what to do, one of:".to_owned());
    match step {
        Step::Handler(_) if refused => rows.extend(ways_to_take(changes).into_iter().map(ToOwned::to_owned)),
        Step::Command(_) if refused => {
            rows.push("  leave `stdin` in the [settings] of handler.toml as it was until they have ended".to_owned());
        }
        Step::Rollback(..) => rows.push("  mend the active version and deploy that, instead of going back".to_owned()),
        Step::Handler(_) | Step::Command(_) => {}
    }
    if unserved && !matches!(step, Step::Rollback(..)) {
        rows.push("  keep serving the kind until its jobs have ended".to_owned());
    }
    rows.push("  let them end first on what is active; those that have not are listed by".to_owned());
    for kind in broken().take(KINDS_LISTED_MAX) {
        rows.push(format!("    {}", hints::command(&format!("stoker jobs --unfinished --kind {}", line(&kind.kind)))));
    }
    rows.push(addressed("  `stoker cancel` those that are not needed any more"));
    let (Step::Handler(module) | Step::Command(module) | Step::Rollback(module)) = step;
    rows.push(format!("  go on all the same with --force; {}", take_back(changes, module)));
    rows.join("\n")
}

/// What undoes it. By its digest: what was active need not be the version to go back to.
pub(in crate::cli) fn take_back(changes: &VersionChanges, module: &str) -> String {
    let active = changes.active.as_deref().map_or_else(String::new, |digest| format!(" {}", short(digest)));
    addressed(format!("`stoker rollback {module}{active}` takes it back"))
}

/// How a new type takes what waits, by what it refuses. The words are those of the checker.
fn ways_to_take(changes: &VersionChanges) -> Vec<&'static str> {
    const MISSING: &str = "is a required property";
    const SURPLUS: &str = "properties are not allowed";
    let said = |words: &str| {
        let mut violations = changes.kinds.iter().flat_map(|kind| &kind.jobs.violations);
        violations.any(|violation| violation.message.contains(words))
    };
    let mut violations = changes.kinds.iter().flat_map(|kind| &kind.jobs.violations);
    let is_else = violations.any(|one| !one.message.contains(MISSING) && !one.message.contains(SURPLUS));
    let ways = [
        (
            said(MISSING),
            "  let what is new be left out: `#[serde(default)]` on the field, or `Option<…>`; if it only has a new name: \
             `#[serde(alias = \"its old name\")]`",
        ),
        (
            said(SURPLUS),
            "  read the old field still, or under its new name with `#[serde(alias = \"its old name\")]`; or leave out \
             `#[serde(deny_unknown_fields)]`",
        ),
        (
            is_else,
            "  take the old values beside the new: an enum of both types with `#[serde(untagged)]`, wider bounds",
        ),
    ];
    ways.into_iter().filter(|(fits, _)| *fits).map(|(_, way)| way).collect()
}

/// Which jobs break, and where.
pub(in crate::cli) fn broken_rows(changes: &VersionChanges, colours: Colours) -> Vec<String> {
    let mut rows = Vec::new();
    for kind in changes.kinds.iter().filter(|kind| kind.breaks_jobs()) {
        let name = line(&kind.kind);
        if kind.change == "removed" {
            rows.push(format!("  `{name}` is no longer served: {} would find no_handler", jobs(kind.jobs.unfinished)));
            continue;
        }
        rows.push(format!("  {} of `{name}` would fail with invalid_payload:", jobs(kind.jobs.refused)));
        for violation in &kind.jobs.violations {
            let pointer =
                if violation.pointer.is_empty() { "(the whole payload)".into() } else { line(&violation.pointer) };
            let id = colours.paint(Tone::Strong, &line(&violation.example));
            let whose = if violation.jobs == 1 { id } else { format!("{} jobs, e.g. {id}", violation.jobs) };
            rows.push(format!("    {pointer}: {} ({whose})", line(&violation.message)));
        }
        if let more @ 1.. = kind.jobs.violations_more {
            rows.push(format!("    … and {more} other {}", if more == 1 { "reason" } else { "reasons" }));
        }
    }
    rows
}

fn jobs(count: u64) -> String {
    if count == 1 { "1 waiting job".to_owned() } else { format!("{count} waiting jobs") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn changes(kinds: &str) -> VersionChanges {
        serde_json::from_str(&format!(r#"{{"active":"sha256:00","kinds":[{kinds}]}}"#)).unwrap()
    }

    const REFUSED: &str = r#"{"kind":"email.send","change":"changed","jobs":{"unfinished":60,"checked":60,"refused":38,
        "violations":[{"pointer":"","message":"\"name\" is a required property","jobs":37,"example":"job_01"},
            {"pointer":"/to","message":"1\u001b[2J is not of type \"string\"","jobs":1,"example":"job_02"}],
        "violations_more":3}}"#;
    const REMOVED: &str = r#"{"kind":"email.old","change":"removed","jobs":{"unfinished":1}}"#;

    #[test]
    fn what_breaks_is_named_with_what_to_do() {
        let both = changes(&format!(
            "{REFUSED},{REMOVED},{}",
            r#"{"kind":"same","change":"unchanged","jobs":{"unfinished":7}}"#
        ));
        insta::assert_snapshot!(broken_jobs(&both, Step::Handler("mail"), Colours::Off));
    }

    #[test]
    fn the_advice_fits_what_is_refused() {
        for (message, said) in [
            (r#""whom" is a required property"#, "`#[serde(default)]`"),
            ("Additional properties are not allowed ('name' was unexpected)", "`#[serde(deny_unknown_fields)]`"),
            ("Unevaluated properties are not allowed ('name' was unexpected)", "`#[serde(deny_unknown_fields)]`"),
            (r#"it is not of type "integer""#, "`#[serde(untagged)]`"),
        ] {
            let message = serde_json::to_string(message).unwrap();
            let kind = format!(
                r#"{{"kind":"k","change":"changed","jobs":{{"unfinished":1,"refused":1,"violations":[{{"message":{message}}}]}}}}"#
            );
            let ways = ways_to_take(&changes(&kind));
            assert!(ways.len() == 1 && ways[0].contains(said), "{message}: {ways:?}");
        }
    }

    #[test]
    fn a_plain_command_has_settings_and_a_way_back_has_neither() {
        insta::assert_snapshot!(broken_jobs(&changes(REFUSED), Step::Command("mail"), Colours::Off));
        insta::assert_snapshot!(broken_jobs(&changes(REMOVED), Step::Rollback("mail"), Colours::Off));
    }
}
