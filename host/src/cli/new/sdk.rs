//! Where the crate `stoker-sdk` lies, and how a new package's manifest refers to it.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::regular_file;

/// Larger manifests are of something else, bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// The crate's name.
const SDK_PACKAGE: &str = "stoker-sdk";
/// Its folder in a checkout.
const SDK_FOLDER: &str = "guest-sdk";
/// Where it was when this program was built.
const SDK_BUILT_BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk");

/// The folder that was named, or else the one of the checkout this program comes from, or else of the one the current
/// folder belongs to: what is found there is built and run, so it must be nobody's who is a stranger here.
pub(super) fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        if !is_sdk(named) {
            bail!(
                "{} is not the SDK: it has no Cargo.toml of a package `{SDK_PACKAGE}`. Name the folder `{SDK_FOLDER}` of a \
                 checkout of Stoker with --sdk or STOKER_SDK",
                named.display()
            );
        }
        return canonical(named);
    }
    let built_beside = PathBuf::from(SDK_BUILT_BESIDE);
    if is_sdk(&built_beside) && !is_writable_by_others(&built_beside) {
        // The program itself names it, whoever's checkout that is.
        return canonical(&built_beside);
    }
    let program = std::env::current_exe().ok();
    // Who can change this program can have anything built anyway.
    let owner = program.as_deref().and_then(|program| std::fs::metadata(program).ok()).map(|metadata| metadata.uid());
    let mut distrusted = None;
    for place in [program, std::env::current_dir().ok()].into_iter().flatten() {
        for folder in place.ancestors().map(|above| above.join(SDK_FOLDER)).filter(|folder| is_sdk(folder)) {
            match why_distrusted(&folder, owner) {
                None => return canonical(&folder),
                Some(why) => {
                    let _the_first =
                        distrusted.get_or_insert_with(|| format!("; {} is not taken: {why}", folder.display()));
                }
            }
        }
    }
    bail!(
        "the crate `{SDK_PACKAGE}` is not found beside this program{}. Name the folder `{SDK_FOLDER}` of a checkout of Stoker \
         that you trust with --sdk or STOKER_SDK, or make a plain command, which needs none: --plain",
        distrusted.unwrap_or_default()
    )
}

fn canonical(folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::canonicalize(folder).with_context(|| format!("cannot open {}", folder.display()))
}

/// Why nothing found by chance in this folder should be built: others could have put it there. Nothing, if only this
/// user, the system's or `owner`, the program's, could.
fn why_distrusted(folder: &Path, owner: Option<u32>) -> Option<String> {
    let ours = [Some(rustix::process::geteuid().as_raw()), Some(0), owner];
    let stranger = of_package(folder).into_iter().find_map(|path| {
        let uid = std::fs::metadata(&path).ok()?.uid();
        (!ours.contains(&Some(uid))).then(|| format!("{} belongs to another user ({uid})", path.display()))
    });
    stranger.or_else(|| is_writable_by_others(folder).then(|| "other users can write to it".to_owned()))
}

fn is_writable_by_others(folder: &Path) -> bool {
    of_package(folder).into_iter().filter_map(|path| std::fs::metadata(path).ok()).any(|metadata| {
        let by_group = metadata.mode() & 0o020 != 0 && metadata.gid() != rustix::process::getegid().as_raw();
        by_group || metadata.mode() & 0o002 != 0
    })
}

/// What is looked at of a package: links are followed, as cargo does.
fn of_package(folder: &Path) -> Vec<PathBuf> {
    let parts = ["", "Cargo.toml", "src", "build.rs", "macros", "macros/Cargo.toml", "macros/src", "../wit"];
    parts.into_iter().map(|part| folder.join(part)).collect()
}

/// `sdk` as the manifest of a package in `target` names it: relative inside one checkout, which may be moved as a
/// whole; else absolute.
pub(super) fn written_from(sdk: &Path, target: &Path) -> String {
    let relative = || {
        let checkout = sdk.parent()?;
        // The folder itself does not exist yet; the nearest ancestor that does tells through which links it goes.
        let existing = target.ancestors().skip(1).find(|ancestor| ancestor.exists())?;
        let below = target.strip_prefix(existing).ok()?;
        let resolved = std::fs::canonicalize(existing).ok()?.join(below);
        let depth = resolved.strip_prefix(checkout).ok()?.components().count();
        Some(format!("{}{}", "../".repeat(depth), sdk.file_name()?.to_string_lossy()))
    };
    // As the inside of a TOML string.
    let written = relative().unwrap_or_else(|| sdk.display().to_string());
    let escaped = |c: char| match c {
        '\\' | '"' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    written.chars().map(escaped).collect()
}

fn is_sdk(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let mut text = String::new();
    let file = regular_file::open_to_read(&folder.join("Cargo.toml")).ok();
    let is_read = file.is_some_and(|file| file.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).is_ok());
    let manifest: Option<Manifest> = is_read.then(|| toml::from_str(&text).ok()).flatten();
    manifest.is_some_and(|manifest| manifest.package.name == SDK_PACKAGE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_of_this_checkout_is_found_and_another_folder_is_refused() {
        let found = find(None).unwrap();
        assert!(found.join("src/lib.rs").is_file() && found.ends_with(SDK_FOLDER), "{}", found.display());
        assert_eq!(find(Some(&found)).unwrap(), found);
        let folder = tempfile::tempdir().unwrap();
        let refused = find(Some(folder.path())).unwrap_err().to_string();
        assert!(refused.contains("--sdk") && refused.contains("STOKER_SDK"), "{refused}");
    }

    #[test]
    fn what_others_could_have_put_there_is_not_taken() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let sdk = home.path().join(SDK_FOLDER);
        std::fs::create_dir_all(sdk.join("src")).unwrap();
        std::fs::create_dir_all(sdk.join("macros/src")).unwrap();
        std::fs::write(sdk.join("Cargo.toml"), "[package]\nname = \"stoker-sdk\"\n").unwrap();
        let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        for path in [&sdk, &sdk.join("src"), &sdk.join("Cargo.toml"), &sdk.join("macros"), &sdk.join("macros/src")] {
            set(path, 0o755);
        }
        assert_eq!(why_distrusted(&sdk, None), None);
        set(&sdk.join("src"), 0o775);
        assert_eq!(why_distrusted(&sdk, None), None, "the user's own group");
        set(&sdk.join("src"), 0o757);
        assert_eq!(why_distrusted(&sdk, None).unwrap(), "other users can write to it");
        set(&sdk.join("src"), 0o755);
        set(&sdk.join("macros/src"), 0o757);
        assert_eq!(why_distrusted(&sdk, None).unwrap(), "other users can write to it", "what runs at build time");
        set(&sdk.join("macros/src"), 0o755);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&sdk, Some(12_345), None).unwrap();
            assert!(why_distrusted(&sdk, None).unwrap().ends_with("belongs to another user (12345)"));
            assert_eq!(why_distrusted(&sdk, Some(12_345)), None, "whose program this is");
        }
    }

    #[test]
    fn inside_one_checkout_the_path_is_relative() {
        let checkout = tempfile::tempdir().unwrap();
        let checkout = std::fs::canonicalize(checkout.path()).unwrap();
        let sdk = checkout.join(SDK_FOLDER);
        std::fs::create_dir_all(checkout.join("jobs")).unwrap();
        for (target, written) in [
            (checkout.join("greet"), "../guest-sdk".to_owned()),
            (checkout.join("jobs/greet"), "../../guest-sdk".to_owned()),
            (checkout.join("new/deeper/greet"), "../../../guest-sdk".to_owned()),
            (PathBuf::from("/elsewhere/greet"), sdk.display().to_string()),
        ] {
            assert_eq!(written_from(&sdk, &target), written, "{}", target.display());
        }
        let odd = Path::new("/a \"b\"/guest-sdk");
        assert_eq!(written_from(odd, Path::new("/elsewhere/greet")), "/a \\\"b\\\"/guest-sdk");
        assert_eq!(written_from(Path::new("/a\nb/guest-sdk"), Path::new("/elsewhere/greet")), "/a\\u000Ab/guest-sdk");
    }
}
