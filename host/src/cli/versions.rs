//! A module's versions, all of them, and the one that words stand for: a digest's beginning, or the one to go back to.

use std::borrow::Cow;

use anyhow::{Context, bail};
use serde_json::value::RawValue;

use super::client::{Client, ClientError, segment};
use super::hints::addressed;
use super::terminal::line;
use super::wire::{Deployed, Page};
use crate::job::{Digest, ModuleName};

/// Versions listed at once.
const PAGE_VERSIONS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;
/// Characters of a digest that are shown where the whole is not needed.
const DIGEST_CHARS: usize = 19;
/// Fewest characters that stand for a digest, without `sha256:`.
const BEGINNING_CHARS_MIN: usize = 4;

/// Newest first, as the host has them.
pub(super) fn versions(client: &Client, module: &ModuleName) -> Result<Page<Box<RawValue>>, ClientError> {
    client.pages(&format!("/v1/modules/{}/versions", segment(module)), PAGE_VERSIONS_MAX, PAGES_MAX)
}

/// The same, read.
pub(super) fn parsed(page: &Page<Box<RawValue>>) -> anyhow::Result<Vec<Deployed>> {
    let read = page.items.iter().map(|version| serde_json::from_str(version.get()));
    read.collect::<Result<_, _>>().context("the host's list of versions can't be understood")
}

/// The one that is active now, if one is.
pub(super) fn active(client: &Client, module: &ModuleName) -> Result<Option<Digest>, ClientError> {
    match client.get(&format!("/v1/modules/{}", segment(module))).send() {
        Ok(answer) => {
            Ok(Some(answer.parse::<Deployed>()?).filter(|version| version.active).map(|version| version.digest))
        }
        Err(ClientError::Problem(problem)) if problem.code == "module_not_found" => Ok(None),
        Err(error) => Err(error),
    }
}

/// A digest, cut. What a host gives for one may be anything, and is made harmless.
pub(super) fn short(digest: &str) -> Cow<'_, str> {
    line(digest.get(..DIGEST_CHARS).unwrap_or(digest))
}

/// The version to go back to: that with this digest (or beginning of one), or the one that was active before. When it was
/// last active is all that is known of a version: after a rollback, the latest is the one that was left. So only those
/// count that were uploaded before the active one.
pub(super) fn choose<'v>(
    versions: &'v [Deployed],
    module: &ModuleName,
    digest: Option<&str>,
) -> anyhow::Result<&'v Deployed> {
    let list = addressed(format!("`stoker modules {module}` lists its versions"));
    let Some(digest) = digest else {
        let last_active = |among: &'v [Deployed]| {
            let before = among.iter().filter(|version| !version.active && version.activated_at.is_some());
            before.max_by(|one, other| one.activated_at.cmp(&other.activated_at))
        };
        // Newest first.
        let older = versions.iter().position(|version| version.active).and_then(|active| versions.get(active..));
        let chosen = last_active(older.unwrap_or(versions));
        return chosen.with_context(|| match last_active(versions) {
            None => format!("no other version of `{module}` was ever active; {list}"),
            Some(newer) => {
                let digest = newer.digest.to_string();
                let forward = addressed(format!("`stoker rollback {module} {}`", short(&digest)));
                format!(
                    "no version of `{module}` from before the active one was ever active; {forward} goes to a newer one, \
                     {list}"
                )
            }
        });
    };
    let beginning = digest.strip_prefix("sha256:").unwrap_or(digest);
    if beginning.len() < BEGINNING_CHARS_MIN {
        bail!("`{digest}` is too short for a digest: give {BEGINNING_CHARS_MIN} characters or more; {list}");
    }
    let fits = |version: &&Deployed| version.digest.to_string().trim_start_matches("sha256:").starts_with(beginning);
    let mut found = versions.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(version), None) => Ok(version),
        (None, _) => bail!("no version of `{module}` begins with {digest}; {list}"),
        (Some(one), Some(other)) => {
            bail!(
                "{digest} is the beginning of several, {} and {} among them; give more of it",
                one.digest,
                other.digest
            )
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn version(digest: &str, activated_at: Option<&str>, active: bool) -> Deployed {
        let json = serde_json::json!({"name": "m", "digest": format!("sha256:{digest:0<64}"), "activated_at": activated_at,
            "active": active});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn going_back_twice_goes_two_back() {
        let module: ModuleName = "m".parse().unwrap();
        // The active one, and when each was active last; newest first.
        let chosen = |active: &str, at: [u32; 4]| {
            let all = ["dddd", "cccc", "bbbb", "aaaa"].iter().zip(at);
            let all: Vec<Deployed> = all
                .map(|(digest, at)| {
                    let at = format!("2026-11-21T09:00:0{at}.000Z");
                    version(digest, (!at.contains(":00.")).then_some(at.as_str()), *digest == active)
                })
                .collect();
            choose(&all, &module, None).map(|version| version.digest.to_string()[7..11].to_owned())
        };
        assert_eq!(chosen("cccc", [0, 3, 2, 1]).unwrap(), "bbbb");
        assert_eq!(chosen("bbbb", [0, 3, 4, 1]).unwrap(), "aaaa");
        let last = chosen("aaaa", [0, 3, 4, 5]).unwrap_err().to_string();
        assert!(last.contains("`stoker rollback m sha256:bbbb00000000` goes to a newer one"), "{last}");
        // A new one after that: back to what was active, not to what was left before.
        assert_eq!(chosen("dddd", [6, 3, 4, 5]).unwrap(), "aaaa");
    }

    #[test]
    fn the_version_before_or_the_one_named() {
        let module: ModuleName = "m".parse().unwrap();
        let versions = [
            version("abcd4", None, false),
            version("abcd3", Some("2026-11-21T09:00:03.000Z"), true),
            version("abc02", Some("2026-11-21T09:00:01.000Z"), false),
            version("abc01", Some("2026-11-21T09:00:02.000Z"), false),
        ];
        for (digest, expected) in [
            (None, Ok("abc01")),
            (Some("abc02"), Ok("abc02")),
            (Some("sha256:abcd4"), Ok("abcd4")),
            (Some("abcd"), Err("several")),
            (Some("abc"), Err("too short")),
            (Some("ffff"), Err("no version")),
        ] {
            match (choose(&versions, &module, digest), expected) {
                (Ok(version), Ok(expected)) => assert!(version.digest.to_string().contains(expected), "{digest:?}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (chosen, expected) => panic!("{digest:?}: {chosen:?}, wanted {expected:?}"),
            }
        }
        assert!(choose(&versions[..2], &module, None).unwrap_err().to_string().contains("ever active"));
    }
}
