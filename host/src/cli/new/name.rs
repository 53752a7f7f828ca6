//! Which names a new project may have: the module's, the package's and the function's at once.

use anyhow::bail;

use super::templates::Template;
use crate::job::ModuleName;

/// Longest name, characters; a folder and a crate are called by it.
const NAME_LENGTH_MAX: usize = 64;
/// Words no function or crate of Rust can be called by.
const RUST_WORDS: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum \
    extern false final fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub ref return \
    self static std struct super test trait true try type typeof unsafe unsized use virtual where while yield";
/// Types of Rust itself: what is made of a function by such a name hides them from the code around it.
const RUST_TYPES: &str = "bool char f16 f32 f64 f128 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize";
/// Names the templates use themselves.
const TEMPLATE_WORDS: &str =
    "attempt context failure handler input output schemars serde serde_json stoker_sdk tests whom";
/// Folders cargo makes where it puts programs; none may be called so.
const CARGO_FOLDERS: &str = "build deps examples incremental";

/// Refuses a name that would not build or not deploy, and proposes one that would.
pub(super) fn check_name(name: &str, template: Template) -> anyhow::Result<()> {
    let accepted = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(accepted)
        && name.len() <= NAME_LENGTH_MAX
        && name.parse::<ModuleName>().is_ok();
    if !is_well_formed {
        let proposal = match proposal(name) {
            Some(proposal) => format!("; `{proposal}` would do"),
            None => String::new(),
        };
        bail!(
            "`{name}` can't be the name of a module and its package: it must be 1 to {NAME_LENGTH_MAX} characters of a-z, 0-9, `-` \
             and `_`, beginning with a letter{proposal}"
        );
    }
    let word = name.replace('-', "_");
    let is_one_of = |words: &str| words.split_whitespace().any(|reserved| reserved == word);
    if matches!(template, Template::Handler | Template::PlainRust) && is_one_of(RUST_WORDS) {
        bail!("`{name}` means something to Rust and can't be a package's name; `{name}-job` would do");
    }
    if template == Template::Handler && is_one_of(RUST_TYPES) {
        bail!("`{name}` is a type of Rust and can't be a handler's function as well; `{name}-job` would do");
    }
    if template == Template::PlainRust && is_one_of(CARGO_FOLDERS) {
        bail!("`{name}` is a folder of cargo's and can't be a program as well; `{name}-job` would do");
    }
    if template == Template::Handler && is_one_of(TEMPLATE_WORDS) {
        bail!("`{name}` would clash with what the new code uses; `{name}-job` would do");
    }
    Ok(())
}

/// The name somebody may have meant.
fn proposal(name: &str) -> Option<String> {
    let mut proposal = String::new();
    for c in name.chars().take(NAME_LENGTH_MAX) {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '_' | '-') => proposal.push(c),
            _ if proposal.ends_with('-') => {}
            _ => proposal.push('-'),
        }
    }
    let proposal = proposal.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('-');
    (!proposal.is_empty()).then(|| proposal.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_that_build_and_deploy_pass() {
        for name in ["greet", "a", "email-send", "x2", "word_count"] {
            assert!(check_name(name, Template::Handler).is_ok(), "{name}");
        }
        // To C a word of Rust is a word like any other.
        assert!(check_name("match", Template::C).is_ok());
        for (name, template) in [
            ("input", Template::PlainRust),
            ("u32", Template::PlainRust),
            ("tests", Template::PlainRust),
            ("deps", Template::Handler),
            ("build", Template::C),
            ("strings", Template::Go),
        ] {
            assert!(check_name(name, template).is_ok(), "{name}");
        }
    }

    #[test]
    fn others_are_refused_with_one_that_would_do() {
        for (name, said) in [
            ("Greet", "; `greet` would do"),
            ("email.send", "; `email-send` would do"),
            ("a b/c", "; `a-b-c` would do"),
            ("1st", "; `st` would do"),
            ("../../etc", "; `etc` would do"),
            ("", "beginning with a letter"),
            ("ü", "beginning with a letter"),
            ("match", "`match-job` would do"),
            ("stoker-sdk", "`stoker-sdk-job` would do"),
            ("input", "`input-job` would do"),
            ("tests", "`tests-job` would do"),
            ("u32", "is a type of Rust and can't be a handler's function as well; `u32-job` would do"),
            ("str", "`str-job` would do"),
            ("core", "`core-job` would do"),
            ("std", "`std-job` would do"),
        ] {
            let refused =
                check_name(name, Template::Handler).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(refused.ends_with(said), "{name}: {refused}");
        }
        for name in ["deps", "build", "examples", "incremental"] {
            let refused = check_name(name, Template::PlainRust).unwrap_err().to_string();
            assert!(refused.contains("folder of cargo's") && refused.contains("-job` would do"), "{refused}");
        }
        assert!(check_name(&"a".repeat(NAME_LENGTH_MAX + 1), Template::Go).is_err());
    }
}
