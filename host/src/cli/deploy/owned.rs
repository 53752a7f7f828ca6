//! A version that can't be activated, because another module serves what it would.

use std::fmt;

use crate::cli::client::segment;
use crate::cli::terminal::line;
use crate::cli::wire::VersionChanges;
use crate::job::ModuleName;

/// Kinds named in the sentence.
const KINDS_SHOWN_MAX: usize = 12;

/// Which kinds, and who serves them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KindsOwned {
    module: ModuleName,
    /// Kind and module, at least one.
    kinds: Vec<(String, String)>,
    url: String,
}

impl KindsOwned {
    /// Refuses a version of which that is so.
    pub(super) fn refuse(changes: &VersionChanges, module: &ModuleName, url: &str) -> Result<(), KindsOwned> {
        let owned =
            changes.kinds.iter().filter_map(|kind| Some((kind.kind.clone(), kind.owned_by.as_ref()?.module.clone())));
        let kinds: Vec<_> = owned.collect();
        if kinds.is_empty() { Ok(()) } else { Err(KindsOwned { module: module.clone(), kinds, url: url.to_owned() }) }
    }
}

impl fmt::Display for KindsOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KindsOwned { module, kinds, url } = self;
        write!(f, "{module} can't become active: what it serves is served by another module, and nothing was changed")?;
        for (kind, owner) in kinds.iter().take(KINDS_SHOWN_MAX) {
            write!(f, "\n  `{}` is served by `{}`", line(kind), line(owner))?;
        }
        if let Some(more @ 1..) = kinds.len().checked_sub(KINDS_SHOWN_MAX) {
            write!(f, "\n  … and {more} more")?;
        }
        f.write_str("\nwhat to do, one of:")?;
        let mut owners: Vec<&str> = kinds.iter().map(|(_, owner)| owner.as_str()).collect();
        owners.sort_unstable();
        owners.dedup();
        // A plain command's kind is called as its module is.
        if kinds.iter().any(|(kind, _)| kind != module.as_str()) {
            f.write_str("\n  give the kind another name: `kind` in #[handler(…)]")?;
        } else {
            f.write_str("\n  deploy it under another name, which is its kind's as well: --name")?;
        }
        if let [owner] = owners[..] {
            write!(
                f,
                "\n  if it is the same module with a new name, deploy it under the old one: --name {}",
                line(owner)
            )?;
        }
        for owner in owners.iter().take(KINDS_SHOWN_MAX) {
            write!(
                f,
                "\n  delete the other one, all its versions with it: curl -X DELETE {url}/v1/modules/{}",
                segment(owner)
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for KindsOwned {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn changes(kinds: &[(&str, Option<&str>)]) -> VersionChanges {
        let kind = |(kind, owner): &(&str, Option<&str>)| serde_json::json!({"kind": kind, "change": "added", "owned_by": owner.map(|module| serde_json::json!({"module": module}))});
        let kinds: Vec<_> = kinds.iter().map(kind).collect();
        serde_json::from_value(serde_json::json!({"active": null, "kinds": kinds})).unwrap()
    }

    #[test]
    fn who_serves_it_and_what_to_do_is_said() {
        let module = "mail".parse().unwrap();
        assert_eq!(KindsOwned::refuse(&changes(&[("email.send", None)]), &module, "http://h"), Ok(()));
        let handler = changes(&[("email.send", Some("post")), ("email.list", None)]);
        let refused = KindsOwned::refuse(&handler, &module, "http://127.0.0.1:7700").unwrap_err();
        insta::assert_snapshot!(refused, @r"
        mail can't become active: what it serves is served by another module, and nothing was changed
          `email.send` is served by `post`
        what to do, one of:
          give the kind another name: `kind` in #[handler(…)]
          if it is the same module with a new name, deploy it under the old one: --name post
          delete the other one, all its versions with it: curl -X DELETE http://127.0.0.1:7700/v1/modules/post
        ");
        let command =
            KindsOwned::refuse(&changes(&[("mail", Some("post"))]), &module, "http://h").unwrap_err().to_string();
        assert!(command.contains("under another name") && !command.contains("#[handler"), "{command}");
    }
}
