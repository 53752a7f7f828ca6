//! `stoker help`: the subcommands by what a person wants to do, and the first steps.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::Cli;

/// Every subcommand, where it is looked for.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Write handlers", &["new", "run", "dev"]),
    ("Bring them to a host", &["deploy", "rollback", "modules", "kinds", "secrets", "kv"]),
    (
        "Work with jobs",
        &[
            "enqueue",
            "jobs",
            "job",
            "logs",
            "replay",
            "retry",
            "cancel",
            "edit",
            "run-now",
            "bulk",
            "operations",
            "mail",
            "dead-letters",
            "schedules",
            "batches",
            "workflows",
            "notifications",
        ],
    ),
    ("Run a host", &["serve", "queues", "tenants", "usage", "keys", "audit", "backup", "doctor", "completions"]),
];

const FIRST_STEPS: &str = "\
First steps:
  stoker new greet; cd greet; cargo test             a handler of your own, and its tests
  stoker run . '{\"name\":\"Ada\"}'                      one job of it, here, without a host
  stoker serve                                       a host, its data in ./stoker-data
  stoker deploy                                      in another terminal: the handler on it
  stoker enqueue greet '{\"name\":\"Ada\"}' --wait       a job, and its output
  stoker jobs --state failed                         what went wrong; `stoker job ID` says why

`stoker help COMMAND` explains a command, with examples. Every command takes --json.
The exit code is 0 only if what was asked for has happened.
--url and STOKER_URL name another host, STOKER_KEY its key, STOKER_TENANT the tenant.";

/// The definition of the command line, with its subcommands in groups.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let listing = listing(&command);
    command
        .help_template(format!(
            "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listing}Options:\n{{options}}{{after-help}}"
        ))
        .after_help(FIRST_STEPS)
}

fn listing(command: &Command) -> String {
    let mut listing = String::new();
    for (heading, names) in GROUPS {
        let found: Vec<&Command> = names.iter().filter_map(|name| command.find_subcommand(name)).collect();
        if found.is_empty() {
            continue;
        }
        // Writing to a string can't fail.
        let _infallible = writeln!(listing, "{heading}:");
        for subcommand in found {
            let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
            let _infallible = writeln!(listing, "  {:<13} {about}", subcommand.get_name());
        }
        listing.push('\n');
    }
    listing
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_is_in_one_group() {
        for subcommand in Cli::command().get_subcommands() {
            let name = subcommand.get_name();
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&name)).count();
            assert_eq!(groups, 1, "`{name}` belongs into one of GROUPS");
        }
    }

    #[test]
    fn help_begins_with_what_a_person_wants_to_do() {
        insta::assert_snapshot!(command().render_help());
    }
}
