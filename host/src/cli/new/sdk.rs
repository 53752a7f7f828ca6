//! Where the crate `stoker-sdk` lies, and how a new package's manifest refers to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The crate's name.
const SDK_PACKAGE: &str = "stoker-sdk";
/// Its folder in a checkout.
const SDK_FOLDER: &str = "guest-sdk";
/// Where it was when this program was built.
const SDK_BUILT_BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk");

/// The folder that was named, or else the one of a checkout this program or the current folder belongs to.
pub(super) fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        if !is_sdk(named) {
            bail!(
                "{} is not the SDK: it has no Cargo.toml of a package `{SDK_PACKAGE}`. Name the folder `{SDK_FOLDER}` of a \
                 checkout of Stoker with --sdk or STOKER_SDK",
                named.display()
            );
        }
        return std::fs::canonicalize(named).with_context(|| format!("cannot open {}", named.display()));
    }
    let places = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let beside = places.iter().flatten().flat_map(|place| place.ancestors()).map(|folder| folder.join(SDK_FOLDER));
    let found = beside.chain([PathBuf::from(SDK_BUILT_BESIDE)]).find(|folder| is_sdk(folder));
    let found = found.with_context(|| {
        format!(
            "the crate `{SDK_PACKAGE}` is not found beside this program; name the folder `{SDK_FOLDER}` of a checkout of \
             Stoker with --sdk or STOKER_SDK, or make a plain command, which needs none: --plain"
        )
    })?;
    std::fs::canonicalize(&found).with_context(|| format!("cannot open {}", found.display()))
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
    relative().unwrap_or_else(|| sdk.display().to_string()).replace('\\', "\\\\").replace('"', "\\\"")
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
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok();
    let manifest: Option<Manifest> = manifest.and_then(|text| toml::from_str(&text).ok());
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
    }
}
