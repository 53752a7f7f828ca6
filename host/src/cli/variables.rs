//! `STOKER_*` variables that mean nothing: mostly misspelt, and a limit that was meant to hold does not.

use std::ffi::OsString;

/// What every variable of ours begins with.
const PREFIX: &str = "STOKER_";
/// Of the test harness, which hands them to libraries of its own.
const TEST_PREFIX: &str = "STOKER_TEST_";
/// Names less alike than this are not suggested.
const SUGGESTION_LIKENESS_MIN: f64 = 0.85;

/// One sentence for each of the `set` variables that `command` and its subcommands don't know.
pub(super) fn unknown(command: &clap::Command, set: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut known = Vec::new();
    collect(command, &mut known);
    let mut unknown: Vec<String> = set
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !name.starts_with(TEST_PREFIX) && !known.contains(name))
        .collect();
    unknown.sort_unstable();
    unknown.into_iter().map(|name| sentence(&name, &known)).collect()
}

fn collect(command: &clap::Command, known: &mut Vec<String>) {
    known.extend(command.get_arguments().filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned())));
    command.get_subcommands().for_each(|command| collect(command, known));
}

fn sentence(name: &str, known: &[String]) -> String {
    let likeness =
        |known: &String| strsim::jaro_winkler(&name[PREFIX.len()..], known.get(PREFIX.len()..).unwrap_or(""));
    let alike = known.iter().map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match alike {
        Some((likeness, known)) if likeness >= SUGGESTION_LIKENESS_MIN => {
            format!("the environment variable {name} means nothing; did you mean {known}?")
        }
        _ => format!("the environment variable {name} means nothing; `stoker serve --help` names those that do"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn misspelt_variables_are_told_and_others_are_not() {
        let command = super::super::Cli::command();
        let set = ["STOKER_WORKRES", "STOKER_WORKERS", "STOKER_URL", "STOKER_TEST_X", "STOKER_ZZZ", "PATH"];
        let unknown = unknown(&command, set.into_iter().map(OsString::from));
        assert_eq!(unknown.len(), 2, "{unknown:?}");
        assert!(unknown[0].contains("did you mean STOKER_WORKERS?"), "{unknown:?}");
        assert!(unknown[1].contains("STOKER_ZZZ") && unknown[1].contains("--help"), "{unknown:?}");
    }
}
