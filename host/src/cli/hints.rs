//! Commands that are hinted at, as they can be copied: where this one was told of a host by `--url`, so must they be.
//! Owns nothing but that address, which is one for the process.

use std::sync::OnceLock;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// What `--url` said; nothing where the environment or the default did, which hold for the next command as well.
static ADDRESS: OnceLock<String> = OnceLock::new();

/// What a command that talks to a host begins with.
const CLIENTS: &[&str] = &[
    "deploy",
    "rollback",
    "modules",
    "kinds",
    "enqueue",
    "jobs",
    "job",
    "logs",
    "replay",
    "mail",
    "retry",
    "cancel",
    "dead-letters",
    "notifications",
    "queues",
    "schedules",
    "secrets",
    "kv",
    "tenants",
    "usage",
    "batches",
    "workflows",
    "edit",
    "run-now",
    "bulk",
    "operations",
    "keys",
    "audit",
    "backup",
];

/// Learns from the command line whether `--url` stands in it.
pub(super) fn learn(matches: &ArgMatches) {
    let Some((_, mut subcommand)) = matches.subcommand() else { return };
    while let Some((_, inner)) = subcommand.subcommand() {
        subcommand = inner;
    }
    // A subcommand without `--url` has no such argument to ask about.
    let Ok(Some(url)) = subcommand.try_get_one::<String>("url") else { return };
    if subcommand.value_source("url") == Some(ValueSource::CommandLine) {
        host_at(url);
    }
}

/// Whether the address of a host is known that other commands would not look at.
pub(super) fn is_named() -> bool {
    ADDRESS.get().is_some()
}

/// From now on the host is at an address other commands would not look at. The first one counts.
pub(super) fn host_at(url: &str) {
    let _known = ADDRESS.set(url.trim_end_matches('/').to_owned());
}

/// Words of ours with each command in backticks as it can be copied. Not for what others say.
pub(super) fn addressed(words: impl Into<String>) -> String {
    let words = words.into();
    match ADDRESS.get() {
        None => words,
        Some(url) => with_address(&words, url),
    }
}

/// One command, without backticks.
pub(super) fn command(command: &str) -> String {
    ADDRESS.get().map_or_else(|| command.to_owned(), |url| one(command, url))
}

fn with_address(words: &str, url: &str) -> String {
    let told = words.split('`').enumerate().map(|(index, part)| {
        // Every other part stands between two.
        if index % 2 == 1 { one(part, url) } else { part.to_owned() }
    });
    told.collect::<Vec<_>>().join("`")
}

fn one(command: &str, url: &str) -> String {
    let mut words = command.split(' ');
    let is_client = words.next() == Some("stoker") && words.next().is_some_and(|word| CLIENTS.contains(&word));
    if is_client { format!("{command} --url {}", for_a_shell(url)) } else { command.to_owned() }
}

/// An address of ordinary characters as it is; brackets of IPv6 and the like are quoted.
fn for_a_shell(url: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || ":/.-_".contains(character);
    if url.chars().all(is_plain) { url.to_owned() } else { format!("'{}'", url.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_for_a_host_carry_its_address_and_nothing_else_does() {
        for (words, expected) in [
            ("see `stoker job j` and `stoker logs j`", "see `stoker job j --url U` and `stoker logs j --url U`"),
            (
                "`fuel` above what `stoker kinds k` shows (`--set fuel=…`)",
                "`fuel` above what `stoker kinds k --url U` shows (`--set fuel=…`)",
            ),
            ("start one with `stoker serve`; stoker job j", "start one with `stoker serve`; stoker job j"),
            ("`stoker kinds` lists", "`stoker kinds --url U` lists"),
        ] {
            assert_eq!(with_address(words, "U"), expected);
        }
        assert_eq!(one("stoker jobs", "http://[::1]:7"), "stoker jobs --url 'http://[::1]:7'");
        assert_eq!(addressed("`stoker jobs`"), "`stoker jobs`", "where nobody gave one");
    }

    #[test]
    fn every_client_is_known_by_its_address() {
        use clap::{Command, CommandFactory};
        fn takes_url(command: &Command) -> bool {
            command.get_arguments().any(|argument| argument.get_id() == "url")
                || command.get_subcommands().any(takes_url)
        }
        let with_url: Vec<String> = super::super::Cli::command()
            .get_subcommands()
            .filter(|subcommand| takes_url(subcommand))
            .map(|subcommand| subcommand.get_name().to_owned())
            .collect();
        for name in with_url.iter().filter(|name| !["dev", "doctor"].contains(&name.as_str())) {
            assert!(CLIENTS.contains(&name.as_str()), "`{name}` belongs into CLIENTS");
        }
        assert!(CLIENTS.iter().all(|name| with_url.iter().any(|known| known == name)));
    }
}
