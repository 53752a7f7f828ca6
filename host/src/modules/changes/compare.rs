//! Two versions of a module, kind by kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::allowance::Allowance;
use super::meet::{Unfinished, meet, unlooked};
use super::model::{Changes, ChangesError, JobsMet, KindChange, KindChanges};
use super::settings::{changed_settings, not_granted, stated_settings};
use crate::job::{
    Digest, GuestType, JobState, KindDescription, KindName, KindSettings, Limits, ModuleName, StdinFormat,
};
use crate::modules::Modules;
use crate::schema::difference;
use crate::store::{Catalog, KindEntry, StoreError, TenantId, VersionRow};

/// Where there is no time to say what a schema changes.
const NO_TIME: &str = "it changed; to say how takes longer than this answer may";

impl Modules {
    pub(in crate::modules) async fn changes_to(
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
        let mut allowance = Allowance::of_one_answer(self.comparisons());
        let mut kinds = Vec::with_capacity(names.len());
        for name in names {
            let after = described(&new, name);
            let registered = catalog.kind(tenant, name);
            let owner = registered.and_then(|entry| entry.version.as_ref()).map(|version| &version.module);
            let owner = owner.filter(|owner| **owner != new.module).cloned();
            // A kind of another module's is not this one's to take, nor are its jobs.
            let entry = registered.filter(|_| owner.is_none());
            let mut changes =
                compare(active.as_ref(), &new, name, entry, (&allowance, &self.options().ceilings)).await?;
            changes.owner = owner.filter(|_| after.is_some());
            let unfinished = entry.and_then(|_| unfinished.get(name)).copied().unwrap_or_default();
            changes.jobs = match (entry, after, changes.change) {
                (Some(entry), Some(after), KindChange::Added | KindChange::Changed) if unfinished.jobs > 0 => {
                    if changes.change == KindChange::Changed && changes.input.is_empty() {
                        unlooked(unfinished, "the schema of the payload stays")
                    } else {
                        let schema = payload_schema(after, new.guest, &entry.operator_settings).to_owned();
                        meet(self.store(), (tenant, entry), schema, unfinished, &mut allowance).await?
                    }
                }
                _ => JobsMet { unfinished: unfinished.jobs, ..JobsMet::default() },
            };
            kinds.push(changes);
        }
        Ok(Some(Changes { active: active.map(|version| version.digest), kinds }))
    }

    /// How many jobs of each kind have not ended.
    async fn unfinished(
        &self,
        tenant: TenantId,
        catalog: &Catalog,
    ) -> Result<BTreeMap<KindName, Unfinished>, StoreError> {
        let mut unfinished: BTreeMap<KindName, Unfinished> = BTreeMap::new();
        let tenant = catalog.tenant_name(tenant);
        for counter in self.store().counters().await? {
            if Some(&counter.tenant) == tenant && !counter.state.is_terminal() {
                let of_kind = unfinished.entry(counter.kind).or_default();
                of_kind.jobs += counter.jobs;
                if counter.state == JobState::Running {
                    of_kind.running += counter.jobs;
                }
            }
        }
        Ok(unfinished)
    }
}

/// What the schemas and settings say, off the threads of the API: schemas may be large.
async fn compare(
    active: Option<&VersionRow>,
    new: &VersionRow,
    name: &KindName,
    entry: Option<&Arc<KindEntry>>,
    (allowance, ceilings): (&Allowance<'_>, &Limits),
) -> Result<KindChanges, ChangesError> {
    let operator = entry.map(|entry| entry.operator_settings.clone()).unwrap_or_default();
    let nothing = |change| KindChanges {
        kind: name.clone(),
        change,
        owner: None,
        input: Vec::new(),
        output: Vec::new(),
        settings: Vec::new(),
        not_granted: described(new, name).map(|after| not_granted(&after.settings, &operator)).unwrap_or_default(),
        jobs: JobsMet::default(),
    };
    let before = active.and_then(|version| Some((version.guest, described(version, name)?)));
    let ((guest, before), after) = match (before, described(new, name)) {
        (None, Some(after)) => {
            let settings = stated_settings(&after.settings, &operator, ceilings);
            return Ok(KindChanges { settings, ..nothing(KindChange::Added) });
        }
        (None, None) => return Ok(nothing(KindChange::Unchanged)),
        (Some(_), None) => return Ok(nothing(KindChange::Removed)),
        (Some(before), Some(after)) => (before, after),
    };
    let input = (payload_schema(before, guest, &operator), payload_schema(after, new.guest, &operator));
    let input = differences(input, allowance).await?;
    let output = differences((&before.output_schema, &after.output_schema), allowance).await?;
    let mut settings = changed_settings(&before.settings, &after.settings, &operator, ceilings);
    if guest != new.guest {
        settings.insert(0, format!("it is run as {} now (was {})", new.guest.as_str(), guest.as_str()));
    }
    let is_same = input.is_empty() && output.is_empty() && settings.is_empty();
    let change = if is_same { KindChange::Unchanged } else { KindChange::Changed };
    Ok(KindChanges { input, output, settings, ..nothing(change) })
}

/// What changed from one schema to another, in sentences.
async fn differences((before, after): (&str, &str), allowance: &Allowance<'_>) -> Result<Vec<String>, ChangesError> {
    if before == after {
        return Ok(Vec::new());
    }
    let (before, after) = (before.to_owned(), after.to_owned());
    let told = allowance.run(move || sentences(&before, &after)).await?;
    Ok(told.unwrap_or_else(|| vec![NO_TIME.to_owned()]))
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
    match (serde_json::from_str(before), serde_json::from_str(after)) {
        (Ok(before), Ok(after)) => difference(&before, &after),
        // Schemas are read at upload: one that is no JSON now is a damaged store's.
        _ => vec!["its schema changed, and can't be read".to_owned()],
    }
}
