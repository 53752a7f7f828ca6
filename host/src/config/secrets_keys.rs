//! The keys secrets are encrypted under, from the settings that name them.

use super::check::ConfigError;
use super::sources::Settings;
use crate::secrets::{KeyError, KeyRing, SecretsKey};

/// Most keys given beside the current one.
const PREVIOUS_KEYS_MAX: usize = 8;

/// Reads the keys. Which of them the store needs is found out when it is open.
pub(super) fn secrets_keys(settings: &Settings) -> Result<KeyRing, ConfigError> {
    let current = match (&settings.secrets_key_file, &settings.secrets_key) {
        (Some(_), Some(_)) => {
            return Err(invalid("secrets_key_file", "give the key by `secrets_key` or in a file, not both"));
        }
        (Some(file), None) => Some(SecretsKey::read(file).map_err(|error| unusable("secrets_key_file", &error))?),
        (None, Some(text)) => Some(SecretsKey::parse(text.reveal()).map_err(|error| unusable("secrets_key", &error))?),
        (None, None) => None,
    };
    let files = settings.secrets_key_previous_file.as_deref().unwrap_or_default();
    if current.is_none() && !files.is_empty() {
        let message = "there is no key to re-encrypt with; give the new one as `secrets_key_file`";
        return Err(invalid("secrets_key_previous_file", message));
    }
    if files.len() > PREVIOUS_KEYS_MAX {
        let message = format!("can be at most {PREVIOUS_KEYS_MAX} files; one whose key no secret needs can go");
        return Err(invalid("secrets_key_previous_file", message));
    }
    let read = files.iter().map(|file| SecretsKey::read(file));
    let previous = read.collect::<Result<Vec<_>, _>>();
    Ok(KeyRing::new(current, previous.map_err(|error| unusable("secrets_key_previous_file", &error))?))
}

fn unusable(setting: &'static str, error: &KeyError) -> ConfigError {
    invalid(setting, error.to_string())
}

fn invalid(setting: &'static str, message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { setting, message: message.into() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn keys(text: &str) -> Result<KeyRing, ConfigError> {
        secrets_keys(&Settings::from_toml(text, Path::new("stoker.toml")).unwrap())
    }

    #[test]
    fn keys_come_from_a_text_or_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, digits: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, digits.repeat(32)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path.display().to_string()
        };
        let (new, old) = (file("new", "02"), file("old", "01"));
        let id = |digits: &str| SecretsKey::parse(&digits.repeat(32)).unwrap().id();
        assert!(keys("").unwrap().current().is_none());
        let text = "03".repeat(32);
        assert_eq!(keys(&format!("secrets_key = \"{text}\"")).unwrap().current().map(SecretsKey::id), Some(id("03")));
        let both = keys(&format!("secrets_key_file = \"{new}\"\nsecrets_key_previous_file = [\"{old}\"]")).unwrap();
        assert_eq!(both.current().map(SecretsKey::id), Some(id("02")));
        assert!(both.find(id("01")).is_some() && both.find(id("03")).is_none());
        for (text, setting) in [
            ("secrets_key = \"short\"".to_owned(), "secrets_key"),
            (format!("secrets_key = \"{text}\"\nsecrets_key_file = \"{new}\""), "secrets_key_file"),
            ("secrets_key_file = \"/nowhere/at/all\"".to_owned(), "secrets_key_file"),
            (format!("secrets_key_previous_file = [\"{old}\"]"), "secrets_key_previous_file"),
        ] {
            match keys(&text) {
                Err(ConfigError::Invalid { setting: found, message }) => {
                    assert_eq!(found, setting, "{text}");
                    assert!(!message.contains("short") && !message.contains("0303"), "{message}");
                }
                other => panic!("{text} gave {other:?}"),
            }
        }
    }
}
