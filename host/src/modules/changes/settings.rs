//! What a version's own settings say otherwise than those of the active one, in sentences.

use serde_json::{Map, Value};

use crate::job::{ByteSize, Grants, KindSettings, Limits, SettingsWire, ceilings};

/// What the module says otherwise than before, and where that is of no consequence.
pub(super) fn changed_settings(
    before: &KindSettings,
    after: &KindSettings,
    operator: &KindSettings,
    ceilings: &Limits,
) -> Vec<String> {
    let passed = ceilings::passed(&after.limits, ceilings);
    let (before_settings, after_settings, operator_settings) = (before, after, operator);
    let (before, after, operator) = (values(before), values(after), values(operator));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let sentence = |name: &String| {
        let shown = |value: &Value| shown(name, value);
        let said = match (before.get(name), after.get(name)) {
            (before, after) if before == after => return None,
            (Some(before), Some(after)) => format!("`{name}` is {} now (was {})", shown(after), shown(before)),
            (None, Some(after)) => format!("`{name}` is {} now (was left to the host)", shown(after)),
            (Some(before), None) => format!("`{name}` is left to the host now (was {})", shown(before)),
            (None, None) => return None,
        };
        Some(in_force(said, name, &operator, &passed))
    };
    let told = names.into_iter().filter_map(sentence);
    told.chain(changed_asks(before_settings, after_settings, operator_settings)).collect()
}

/// What the module says of a kind that is new, and where that is of no consequence.
pub(super) fn stated_settings(stated: &KindSettings, operator: &KindSettings, ceilings: &Limits) -> Vec<String> {
    let passed = ceilings::passed(&stated.limits, ceilings);
    let asks = changed_asks(&KindSettings::default(), stated, operator);
    let (stated, operator) = (values(stated), values(operator));
    let sentence = |(name, value): (&String, &Value)| {
        in_force(format!("`{name}` is {}", shown(name, value)), name, &operator, &passed)
    };
    stated.iter().map(sentence).chain(asks).collect()
}

/// What a module asks for and its kind is not granted, by name.
pub(super) fn not_granted(stated: &KindSettings, operator: &KindSettings) -> Vec<String> {
    let granted = operator.grants.as_deref().cloned().unwrap_or_default();
    stated.grants.as_deref().map(|asked| granted.missing(asked).names()).unwrap_or_default()
}

/// What a module asks for otherwise than before, and whether it is granted.
fn changed_asks(before: &KindSettings, after: &KindSettings, operator: &KindSettings) -> Vec<String> {
    let names = |settings: &KindSettings| settings.grants.as_deref().map(Grants::names).unwrap_or_default();
    let (before, now, missing) = (names(before), names(after), not_granted(after, operator));
    let asks = now.iter().filter(|name| !before.contains(name)).map(|name| {
        if missing.contains(name) {
            format!("asks for `{name}` now, which is not granted: what needs it fails until an operator grants it")
        } else {
            format!("asks for `{name}` now, which is granted")
        }
    });
    let no_longer = before.iter().filter(|name| !now.contains(name));
    asks.chain(no_longer.map(|name| format!("asks for `{name}` no longer"))).collect()
}

fn values(settings: &KindSettings) -> Map<String, Value> {
    match serde_json::to_value(SettingsWire::from(settings)) {
        Ok(Value::Object(mut values)) => {
            // Told one by one: they are asked for, and not set.
            values.remove("grants");
            values
        }
        _ => Map::new(),
    }
}

/// With what the operator's setting or the host's ceiling makes of it.
fn in_force(said: String, name: &str, operator: &Map<String, Value>, passed: &[(&str, String)]) -> String {
    if let Some(value) = operator.get(name) {
        return format!("{said}; without effect here, the operator set {}", shown(name, value));
    }
    match passed.iter().find(|(passed, _)| *passed == name) {
        Some((_, ceiling)) => format!("{said}; it gets {ceiling}, the host's ceiling (`{name}_max`)"),
        None => said,
    }
}

/// Text without its quotes, sizes as people write them, anything else as JSON.
fn shown(name: &str, value: &Value) -> String {
    match (name, value) {
        (_, Value::String(text)) => text.clone(),
        ("memory" | "output" | "logs", Value::Number(bytes)) => {
            bytes.as_u64().map_or_else(|| bytes.to_string(), |bytes| ByteSize(bytes).to_string())
        }
        (_, value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::LimitBounds;

    fn settings(text: &str) -> KindSettings {
        SettingsWire::domain_from_json(text).expect("settings")
    }

    #[test]
    fn settings_that_changed_are_told() {
        let before = settings(r#"{"timeout": "5s", "fuel": 7, "queue": "slow"}"#);
        let after = settings(r#"{"timeout": "30s", "memory": "64MiB", "queue": "slow"}"#);
        let operator = settings(r#"{"memory": "1MiB"}"#);
        let ceilings = LimitBounds::default().ceilings;
        assert_eq!(
            changed_settings(&before, &after, &operator, &ceilings),
            [
                "`fuel` is left to the host now (was 7)",
                "`memory` is 64MiB now (was left to the host); without effect here, the operator set 1MiB",
                "`timeout` is 30s now (was 5s)",
            ]
        );
        assert!(changed_settings(&after, &after, &operator, &ceilings).is_empty());
        assert_eq!(
            stated_settings(&after, &operator, &ceilings),
            ["`memory` is 64MiB; without effect here, the operator set 1MiB", "`queue` is slow", "`timeout` is 30s"]
        );
    }

    #[test]
    fn what_is_asked_for_is_told_with_whether_it_is_granted() {
        let before = settings(r#"{"grants": {"http": ["a.example"], "kv": ["old"]}}"#);
        let after = settings(r#"{"grants": {"http": ["a.example", "b.example"], "secrets": ["key"]}}"#);
        let operator = settings(r#"{"grants": {"http": ["b.example"]}}"#);
        let ceilings = LimitBounds::default().ceilings;
        assert_eq!(
            changed_settings(&before, &after, &operator, &ceilings),
            [
                "asks for `http b.example` now, which is granted",
                "asks for `secret key` now, which is not granted: what needs it fails until an operator grants it",
                "asks for `kv old` no longer",
            ]
        );
        assert_eq!(not_granted(&after, &operator), ["http a.example", "secret key"]);
        assert_eq!(stated_settings(&before, &operator, &ceilings).len(), 2);
    }

    #[test]
    fn what_the_host_does_not_give_is_told() {
        let after = settings(r#"{"timeout": "2h", "fuel": 2000000000000, "memory": "3GiB", "output": "16MiB"}"#);
        let operator = settings(r#"{"fuel": 7}"#);
        let ceilings = LimitBounds::default().ceilings;
        let before = settings(r#"{"timeout": "30s"}"#);
        let told = changed_settings(&before, &after, &operator, &ceilings);
        assert_eq!(told[3], "`timeout` is 2h now (was 30s); it gets 1h, the host's ceiling (`timeout_max`)");
        assert_eq!(
            stated_settings(&after, &operator, &ceilings),
            [
                "`fuel` is 2000000000000; without effect here, the operator set 7",
                "`memory` is 3GiB; it gets 1GiB, the host's ceiling (`memory_max`)",
                "`output` is 16MiB",
                "`timeout` is 2h; it gets 1h, the host's ceiling (`timeout_max`)",
            ]
        );
    }
}
