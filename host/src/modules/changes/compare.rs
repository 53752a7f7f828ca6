//! What activating a stored version would change: kinds that come, go and change, in sentences, and which waiting jobs
//! its schemas refuse. Only looks. Payloads are checked in turns of their own, in batches, as many as named here: the
//! answer is a warning to who deploys, not a promise.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::facade::Modules;
use super::validators::accepts_anything;
use crate::job::{
    Digest, GuestType, JobId, KindDescription, KindName, KindSettings, ModuleName, SettingsWire, StdinFormat,
};
use crate::schema::{BoundedSchema, Effort, Verdict, Violation, difference};
use crate::store::{Catalog, KindEntry, StoreError, TenantId, VersionRow};

/// Payloads checked for one answer, of all kinds together. Each takes microseconds; a hostile one some milliseconds.
const PAYLOADS_CHECKED_MAX: usize = 2_000;
/// Pages of unfinished jobs read for one answer.
const PAGES_MAX: usize = 20;
/// Jobs of a kind named as examples.
const EXAMPLES_MAX: usize = 5;
/// Places named in the payload of one.
const VIOLATIONS_MAX: usize = 5;

/// What would change.
#[derive(Clone, Debug)]
pub struct Changes {
    /// What is active now.
    pub active: Option<Digest>,
    /// Every kind of either version, by name.
    pub kinds: Vec<KindChanges>,
}

/// One kind.
#[derive(Clone, Debug)]
pub struct KindChanges {
    /// The kind.
    pub kind: KindName,
    /// Whether anything changes.
    pub change: KindChange,
    /// What changes of the payload, in sentences.
    pub input: Vec<String>,
    /// What changes of the output.
    pub output: Vec<String>,
    /// What changes of the module's own settings.
    pub settings: Vec<String>,
    /// The jobs that would meet it.
    pub jobs: JobsMet,
}

/// What becomes of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KindChange {
    /// The active version does not serve it.
    Added,
    /// Only the active version serves it: its jobs would wait.
    Removed,
    /// Both serve it, not in the same way.
    Changed,
    /// Both serve it, in the same way.
    Unchanged,
}

/// Jobs that have not ended, and what the new schema says to them.
#[derive(Clone, Debug, Default)]
pub struct JobsMet {
    /// So many have not ended.
    pub unfinished: u64,
    /// Payloads of so many of those that wait were checked, oldest first; none where the payload's schema stays.
    pub checked: u64,
    /// So many of those are refused.
    pub refused: u64,
    /// The first of them.
    pub examples: Vec<RefusedJob>,
}

/// A waiting job whose payload the new schema refuses.
#[derive(Clone, Debug)]
pub struct RefusedJob {
    /// The job.
    pub id: JobId,
    /// Where and why, by pointers into the payload.
    pub errors: Vec<Violation>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored schema does not compile: a damaged store.
    #[error("the input schema of kind `{0}` {1}")]
    Schema(KindName, String),
    /// There is no memory for a thread.
    #[error("the host lacks memory to compare versions now")]
    NoRoom,
}

/// What is left of the bounds of one answer.
struct Allowance {
    payloads: usize,
    pages: usize,
}

impl Modules {
    pub(super) async fn changes_to(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
    ) -> Result<Option<Changes>, ChangesError> {
        let Some(new) = self.store().version(tenant, module.clone(), digest).await? else { return Ok(None) };
        let active = self.store().module(tenant, module).await?.filter(|version| version.active);
        let catalog = self.store().catalog();
        let unfinished = self.unfinished(tenant, &catalog).await?;
        let mut names: Vec<&KindName> =
            active.iter().chain([&new]).flat_map(|version| &version.kinds).map(|kind| &kind.name).collect();
        names.sort_unstable();
        names.dedup();
        let mut allowance = Allowance { payloads: PAYLOADS_CHECKED_MAX, pages: PAGES_MAX };
        let mut kinds = Vec::with_capacity(names.len());
        for name in names {
            // A kind of another module's is not this one's to take, nor are its jobs.
            let entry = catalog
                .kind(tenant, name)
                .filter(|entry| entry.version.as_ref().is_none_or(|version| version.module == new.module));
            let after = described(&new, name);
            let mut changes = self.compare(active.as_ref(), &new, name, entry).await?;
            changes.jobs.unfinished = entry.and_then(|_| unfinished.get(name)).copied().unwrap_or(0);
            if let (Some(entry), Some(after)) = (entry, after)
                && changes.change != KindChange::Unchanged
                && (changes.change == KindChange::Added || !changes.input.is_empty())
                && changes.jobs.unfinished > 0
            {
                let schema = payload_schema(after, new.guest, &entry.operator_settings).to_owned();
                self.meet(tenant, entry, schema, &mut changes.jobs, &mut allowance).await?;
            }
            kinds.push(changes);
        }
        Ok(Some(Changes { active: active.map(|version| version.digest), kinds }))
    }

    /// How many jobs of each kind have not ended.
    async fn unfinished(&self, tenant: TenantId, catalog: &Catalog) -> Result<BTreeMap<KindName, u64>, StoreError> {
        let mut unfinished = BTreeMap::new();
        let tenant = catalog.tenant_name(tenant);
        for counter in self.store().counters().await? {
            if Some(&counter.tenant) == tenant && !counter.state.is_terminal() {
                *unfinished.entry(counter.kind).or_default() += counter.jobs;
            }
        }
        Ok(unfinished)
    }

    /// What the schemas and settings say, off the threads of the API: schemas may be large.
    async fn compare(
        &self,
        active: Option<&VersionRow>,
        new: &VersionRow,
        name: &KindName,
        entry: Option<&Arc<KindEntry>>,
    ) -> Result<KindChanges, ChangesError> {
        let nothing = |change| KindChanges {
            kind: name.clone(),
            change,
            input: Vec::new(),
            output: Vec::new(),
            settings: Vec::new(),
            jobs: JobsMet::default(),
        };
        let before = active.and_then(|version| Some((version.guest, described(version, name)?)));
        let ((guest, before), after) = match (before, described(new, name)) {
            (None, _) => return Ok(nothing(KindChange::Added)),
            (Some(_), None) => return Ok(nothing(KindChange::Removed)),
            (Some(before), Some(after)) => (before, after),
        };
        let operator = entry.map(|entry| entry.operator_settings.clone()).unwrap_or_default();
        let pairs = [
            (
                payload_schema(before, guest, &operator).to_owned(),
                payload_schema(after, new.guest, &operator).to_owned(),
            ),
            (before.output_schema.clone(), after.output_schema.clone()),
        ];
        let [input, output] = if pairs.iter().all(|(before, after)| before == after) {
            [Vec::new(), Vec::new()]
        } else {
            let compared = self.comparisons().run(move || pairs.map(|(before, after)| sentences(&before, &after)));
            compared.await.ok_or(ChangesError::NoRoom)?
        };
        let mut settings = changed_settings(&before.settings, &after.settings, &operator);
        if guest != new.guest {
            settings.insert(0, format!("it is run as {} now (was {})", new.guest.as_str(), guest.as_str()));
        }
        let is_same = input.is_empty() && output.is_empty() && settings.is_empty();
        let change = if is_same { KindChange::Unchanged } else { KindChange::Changed };
        Ok(KindChanges { input, output, settings, ..nothing(change) })
    }

    /// Shows payloads of waiting jobs to the new schema, page by page.
    async fn meet(
        &self,
        tenant: TenantId,
        entry: &KindEntry,
        schema: String,
        met: &mut JobsMet,
        allowance: &mut Allowance,
    ) -> Result<(), ChangesError> {
        if accepts_anything(&schema) {
            return Ok(());
        }
        let compiled = self.comparisons().run(move || BoundedSchema::compile(&schema));
        let compiled = compiled.await.ok_or(ChangesError::NoRoom)?;
        let schema = Arc::new(compiled.map_err(|message| ChangesError::Schema(entry.name.clone(), message))?);
        let mut after = None;
        while allowance.pages > 0 && allowance.payloads > 0 {
            allowance.pages -= 1;
            let mut page = self.store().unfinished_payloads(tenant, entry.id, after).await?;
            page.waiting.truncate(allowance.payloads);
            allowance.payloads -= page.waiting.len();
            if !page.waiting.is_empty() {
                let schema = Arc::clone(&schema);
                let checked = self.comparisons().run(move || check(&schema, &page.waiting));
                let checked = checked.await.ok_or(ChangesError::NoRoom)?;
                met.checked += checked.checked;
                met.refused += checked.refused;
                met.examples.extend(checked.examples);
                met.examples.truncate(EXAMPLES_MAX);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// One page of payloads.
fn check(schema: &BoundedSchema, waiting: &[(JobId, Bytes)]) -> JobsMet {
    let mut met = JobsMet::default();
    for (id, payload) in waiting {
        let Ok(payload) = serde_json::from_slice::<Value>(payload) else { continue };
        match schema.check(&payload, Effort::Quick, VIOLATIONS_MAX) {
            // Nobody can say in a hurry; the attempt will take its time.
            Verdict::Unfinished(_) => continue,
            Verdict::Valid => {}
            Verdict::Invalid(errors) => {
                met.refused += 1;
                if met.examples.len() < EXAMPLES_MAX {
                    met.examples.push(RefusedJob { id: *id, errors });
                }
            }
        }
        met.checked += 1;
    }
    met
}

fn described<'a>(version: &'a VersionRow, name: &KindName) -> Option<&'a KindDescription> {
    version.kinds.iter().find(|kind| kind.name == *name)
}

/// As [`KindEntry::payload_schema`] will have it once the version is active.
fn payload_schema<'a>(kind: &'a KindDescription, guest: GuestType, operator: &KindSettings) -> &'a str {
    let stdin = operator.stdin.or(kind.settings.stdin);
    if guest != GuestType::Handler && stdin == Some(StdinFormat::Text) {
        r#"{"type":"string"}"#
    } else {
        &kind.input_schema
    }
}

fn sentences(before: &str, after: &str) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    match (serde_json::from_str(before), serde_json::from_str(after)) {
        (Ok(before), Ok(after)) => difference(&before, &after),
        // Schemas are read at upload: one that is no JSON now is a damaged store's.
        _ => vec!["its schema changed, and can't be read".to_owned()],
    }
}

/// What the module says otherwise than before, and where that is of no consequence.
fn changed_settings(before: &KindSettings, after: &KindSettings, operator: &KindSettings) -> Vec<String> {
    let values = |settings: &KindSettings| match serde_json::to_value(SettingsWire::from(settings)) {
        Ok(Value::Object(values)) => values,
        _ => serde_json::Map::new(),
    };
    let (before, after, operator) = (values(before), values(after), values(operator));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let sentence = |name: &String| {
        let said = match (before.get(name), after.get(name)) {
            (before, after) if before == after => return None,
            (Some(before), Some(after)) => format!("`{name}` is {} now (was {})", shown(after), shown(before)),
            (None, Some(after)) => format!("`{name}` is {} now (was left to the host)", shown(after)),
            (Some(before), None) => format!("`{name}` is left to the host now (was {})", shown(before)),
            (None, None) => return None,
        };
        Some(match operator.get(name) {
            Some(value) => format!("{said}; without effect here, the operator set {}", shown(value)),
            None => said,
        })
    };
    names.into_iter().filter_map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> KindSettings {
        SettingsWire::domain_from_json(text).expect("settings")
    }

    #[test]
    fn settings_that_changed_are_told() {
        let before = settings(r#"{"timeout": "5s", "fuel": 7, "queue": "slow"}"#);
        let after = settings(r#"{"timeout": "30s", "memory": "64MiB", "queue": "slow"}"#);
        let operator = settings(r#"{"memory": "1MiB"}"#);
        assert_eq!(
            changed_settings(&before, &after, &operator),
            [
                "`fuel` is left to the host now (was 7)",
                "`memory` is 67108864 now (was left to the host); without effect here, the operator set 1048576",
                "`timeout` is 30s now (was 5s)",
            ]
        );
        assert!(changed_settings(&after, &after, &operator).is_empty());
    }

    #[test]
    fn a_page_of_payloads_is_checked() {
        let schema = BoundedSchema::compile(r#"{"type": "object", "required": ["name"]}"#).expect("a schema");
        let payloads = (0..20).map(|n| {
            let payload = if n % 2 == 0 { "{}" } else { r#"{"name": 1}"# };
            (JobId::from_u128(n), Bytes::from_static(payload.as_bytes()))
        });
        let met = check(&schema, &payloads.collect::<Vec<_>>());
        assert_eq!((met.checked, met.refused, met.examples.len()), (20, 10, EXAMPLES_MAX));
        assert_eq!(met.examples[0].id, JobId::from_u128(0));
        assert!(met.examples[0].errors[0].message.contains("name"), "{:?}", met.examples[0]);
    }
}
