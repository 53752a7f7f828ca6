//! What the environment alone tells `stoker serve`: each variable is read by itself, so that a bad one takes nothing from
//! the others.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::{Args, Command, FromArgMatches};

use super::serve;
use crate::config::Settings;

/// The settings of the variables that are right, and a sentence for each that is wrong.
pub(super) fn settings() -> (Settings, Vec<String>) {
    read(|name| std::env::var_os(name))
}

fn read(variable: impl Fn(&OsStr) -> Option<OsString>) -> (Settings, Vec<String>) {
    let described = serve::Arguments::augment_args(Command::new("serve").no_binary_name(true));
    // The same arguments, none of them looked up.
    let command = described.clone().mut_args(|argument| argument.env(Resettable::Reset));
    let (mut flags, mut wrong) = (Vec::new(), Vec::new());
    for argument in described.get_arguments() {
        let (Some(name), Some(long)) = (argument.get_env(), argument.get_long()) else { continue };
        let Some(value) = variable(name) else { continue };
        let mut flag = OsString::from(format!("--{long}="));
        flag.push(value);
        match command.clone().try_get_matches_from([&flag]) {
            Ok(_) => flags.push(flag),
            Err(error) => wrong.push(format!("{}: {}", name.to_string_lossy(), first_line(&error))),
        }
    }
    let together = command.try_get_matches_from(flags);
    match together.and_then(|matches| serve::Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => (arguments.settings, wrong),
        Err(error) => {
            wrong.push(first_line(&error));
            (Settings::default(), wrong)
        }
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_variable_is_named_and_takes_nothing_from_the_others() {
        let (settings, wrong) = read(|name| match name.to_str()? {
            "STOKER_WORKERS" => Some("many".into()),
            "STOKER_TIMEOUT" => Some("soon".into()),
            "STOKER_FUEL" => Some("7".into()),
            "STOKER_ADMIN_KEY" => Some("--secret words".into()),
            "STOKER_ALLOWED_HOSTS" => Some("a,b".into()),
            _ => None,
        });
        assert_eq!((settings.fuel, settings.workers, settings.timeout), (Some(7), None, None));
        assert_eq!(settings.admin_key.as_deref(), Some("--secret words"));
        assert_eq!(settings.allowed_hosts.map(|names| names.len()), Some(2));
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        for (name, value) in [("STOKER_WORKERS: ", "many"), ("STOKER_TIMEOUT: ", "soon")] {
            assert!(wrong.iter().any(|said| said.starts_with(name) && said.contains(value)), "{wrong:?}");
        }
        assert_eq!(read(|_| None), (Settings::default(), Vec::new()));
    }
}
