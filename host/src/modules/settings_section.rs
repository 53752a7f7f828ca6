//! Settings written into a plain command: a custom section of the module with the JSON that the settings of a described kind
//! have. Owns its name, its bounds and its form, writing and reading. They are part of the bytes, and so of the version.

use std::borrow::Cow;

use wasm_encoder::{CustomSection, Section};

use crate::job::{ByteSize, FieldError, GuestType, KindSettings, Limits, SettingsWire, ceilings, cut_quote};

/// What the section is called.
pub const SETTINGS_SECTION: &str = "stoker:settings";
/// Largest one, bytes: as much as an operator may set.
const SETTINGS_BYTES_MAX: usize = 256 << 10;

/// Longest description of a mistake, bytes: what to do about it has room beside it in a problem document.
const MISTAKE_BYTES_MAX: usize = 352;

/// Why the settings in a module are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// A handler has another place for them.
    #[error(
        "the module has a custom section `{SETTINGS_SECTION}`, which is for plain commands, and it is a handler component: \
         declare the settings in its code, as in #[handler(kind = \"…\", timeout = \"5s\")], and build it without the section \
         ([settings] of handler.toml makes one)"
    )]
    OfHandler,
    /// Nobody could say which one holds.
    #[error(
        "the module has more than one custom section `{SETTINGS_SECTION}`: [settings] of handler.toml makes one, so leave \
         those out where the build writes the section itself"
    )]
    Several,
    /// Past the bound.
    #[error(
        "the custom section `{SETTINGS_SECTION}` has {} bytes, and {} is the most: say less in [settings] of handler.toml",
        .0, ByteSize(SETTINGS_BYTES_MAX as u64)
    )]
    TooLarge(usize),
    /// Not the JSON of settings.
    #[error(
        "the custom section `{SETTINGS_SECTION}` is not the JSON of a kind's settings: {0}. Mend [settings] of handler.toml, or \
         what else wrote the section"
    )]
    Unreadable(String),
    /// Settings that are not allowed.
    #[error(
        "the settings in the custom section `{SETTINGS_SECTION}` of the module are not allowed here: change them in [settings] \
         of handler.toml, or in what else wrote the section"
    )]
    Wrong(Vec<FieldError>),
}

/// Writes them behind everything else of a module or component; nothing where nothing is set. Equal settings give equal
/// bytes.
pub fn append_settings(wasm: &mut Vec<u8>, settings: &SettingsWire) -> Result<(), serde_json::Error> {
    if *settings == SettingsWire::default() {
        return Ok(());
    }
    let data = Cow::Owned(serde_json::to_vec(settings)?);
    CustomSection { name: Cow::Borrowed(SETTINGS_SECTION), data }.append_to(wasm);
    Ok(())
}

/// What a guest's sections of that name say, of which there should be at most one.
pub(super) fn settings_in(
    sections: &[&[u8]],
    guest: GuestType,
    ceilings: &Limits,
) -> Result<KindSettings, SectionError> {
    let section = match (sections, guest) {
        ([], _) => return Ok(KindSettings::default()),
        (_, GuestType::Handler) => return Err(SectionError::OfHandler),
        ([section], GuestType::ComponentCommand | GuestType::CoreCommand) => section,
        _ => return Err(SectionError::Several),
    };
    if section.len() > SETTINGS_BYTES_MAX {
        return Err(SectionError::TooLarge(section.len()));
    }
    let text = std::str::from_utf8(section).map_err(|error| SectionError::Unreadable(error.to_string()))?;
    let settings = SettingsWire::domain_from_json(text).map_err(|mut errors| {
        match errors.iter().position(|error| error.pointer.is_empty()) {
            Some(whole) => SectionError::Unreadable(cut_quote(&errors.swap_remove(whole).message, MISTAKE_BYTES_MAX)),
            None => SectionError::Wrong(errors),
        }
    })?;
    let mut errors = Vec::new();
    ceilings::check(&settings.limits, ceilings, &mut errors);
    if errors.is_empty() { Ok(settings) } else { Err(SectionError::Wrong(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{LimitBounds, StdinFormat};

    fn read(sections: &[&[u8]]) -> Result<KindSettings, SectionError> {
        settings_in(sections, GuestType::CoreCommand, &LimitBounds::default().ceilings)
    }

    #[test]
    fn what_is_written_is_read() {
        let settings: SettingsWire =
            serde_json::from_str(r#"{"env": {"B": "2", "A": "1"}, "stdin": "text", "timeout": "90s"}"#).unwrap();
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        append_settings(&mut wasm, &settings).unwrap();
        // Custom, 74 bytes, a name of 15; fields in the order of their table, times and sizes in their shortest form.
        let section =
            b"\0\x4a\x0fstoker:settings{\"timeout\":\"1m30s\",\"stdin\":\"text\",\"env\":{\"A\":\"1\",\"B\":\"2\"}}";
        assert_eq!(String::from_utf8_lossy(&wasm[8..]), String::from_utf8_lossy(section));
        let read = read(&[&wasm[8 + 2 + 1 + SETTINGS_SECTION.len()..]]).unwrap();
        assert_eq!((read.stdin, read.limits.timeout_ms), (Some(StdinFormat::Text), Some(90_000)));
        assert_eq!(SettingsWire::from(&read), settings);
    }

    #[test]
    fn where_nothing_is_set_the_bytes_stay() {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        append_settings(&mut wasm, &SettingsWire::default()).unwrap();
        assert_eq!(wasm, b"\0asm\x01\0\0\0");
        assert_eq!(read(&[]), Ok(KindSettings::default()));
        assert_eq!(read(&[b"{}"]), Ok(KindSettings::default()));
    }

    #[test]
    fn what_is_not_allowed_is_refused_with_the_section_and_the_file() {
        let large = format!(r#"{{"args": ["{}"]}}"#, "x".repeat(SETTINGS_BYTES_MAX));
        for (sections, said) in [
            (&[&b"{}"[..], b"{}"][..], "more than one"),
            (&[large.as_bytes()], "256KiB is the most"),
            (&[b"{\"stdin\": \xff}"], "utf-8"),
            (&[b""], "must be a JSON object"),
            (&[b"[]"], "must be a JSON object"),
            (&[b"{\"stdin\": "], "EOF"),
            (&[b"{\"stdinn\": \"text\"}"], "unknown field `stdinn`"),
            (&[b"{\"stdin\": \"xml\"}"], "unknown variant `xml`"),
            (&[br#"{"env": {"A": "1", "B": "2", "A": "3"}}"#], "duplicate field `A`"),
            (&[format!(r#"{{"{}": 1}}"#, "x".repeat(9_000)).as_bytes()], "` at line 1"),
        ] {
            let refused = read(sections).unwrap_err().to_string();
            for words in [said, "`stoker:settings`", "handler.toml"] {
                assert!(refused.contains(words), "no `{words}` in {refused}");
            }
            assert!(refused.len() <= crate::job::field::FIELD_ERROR_BYTES_MAX, "{refused} would be cut");
        }
        for (section, pointer) in [(&b"{\"timeout\": \"2h\"}"[..], "/timeout"), (b"{\"priority\": 10}", "/priority")] {
            let Err(refused @ SectionError::Wrong(errors)) = &read(&[section]) else { panic!("{section:?}") };
            assert_eq!(errors[0].pointer, pointer);
            assert!(refused.to_string().contains("handler.toml"), "{refused}");
        }
        let of_handler = settings_in(&[b"{}"], GuestType::Handler, &LimitBounds::default().ceilings).unwrap_err();
        assert!(of_handler.to_string().contains("#[handler("), "{of_handler}");
    }
}
