//! The settings a project of a plain command wants its kind to have: put over what the operator has set, the rest of which
//! stays.

use anyhow::Context;
use http::Method;
use serde_json::{Map, Value};

use crate::cli::client::Client;
use crate::cli::wire::Kind;
use crate::job::{KindName, ModuleName, SettingsWire};

/// Sets them where they differ. A plain command's kind has the module's name.
pub(in crate::cli) fn set_for_project(
    client: &Client,
    module: &ModuleName,
    wanted: &SettingsWire,
) -> anyhow::Result<()> {
    let kind = KindName::from(module.clone());
    let current: Kind = client.get(&format!("/v1/kinds/{kind}")).send()?.parse()?;
    let Some(settings) = laid_over(&current.operator_settings, wanted)? else { return Ok(()) };
    client
        .call(Method::PUT, &format!("/v1/kinds/{kind}/settings"))
        .send_body("application/json", serde_json::to_vec(&settings)?)
        .context("the version is active, but the host refuses the [settings] of handler.toml")?;
    Ok(())
}

/// `None`: they are so already.
fn laid_over(current: &Map<String, Value>, wanted: &SettingsWire) -> anyhow::Result<Option<Map<String, Value>>> {
    let Value::Object(wanted) = serde_json::to_value(wanted)? else { return Ok(None) };
    let mut settings = current.clone();
    settings.extend(wanted.into_iter().filter(|(_, value)| !value.is_null()));
    Ok((settings != *current).then_some(settings))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_project_does_not_name_stays() {
        let wanted: SettingsWire = serde_json::from_value(json!({"stdin": "text", "timeout": "5s"})).unwrap();
        let current = json!({"timeout": "9s", "queue": "slow"}).as_object().unwrap().clone();
        let settings = laid_over(&current, &wanted).unwrap().unwrap();
        assert_eq!((&settings["stdin"], &settings["queue"]), (&json!("text"), &json!("slow")));
        assert_ne!(settings["timeout"], json!("9s"));
        assert_eq!(laid_over(&settings, &wanted).unwrap(), None);
    }
}
