//! Waiting jobs' payloads before a new schema: how many it refuses, what is wrong with them, and why some were not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::allowance::{ANSWER_MS_MAX, Allowance, PAYLOADS_CHECKED_MAX};
use super::model::{ChangesError, CommonViolation, JobsMet, RefusedJob};
use crate::job::JobId;
use crate::modules::accepts_anything;
use crate::schema::{BoundedSchema, Effort, Verdict};
use crate::store::{KindEntry, Store, TenantId};

/// Jobs of a kind named as examples.
const EXAMPLES_MAX: usize = 5;
/// Places looked for in the payload of one.
const PLACES_MAX: usize = 64;
/// Those named of an example.
const EXAMPLE_PLACES_MAX: usize = 5;
/// Different violations told of a kind.
const VIOLATIONS_MAX: usize = 10;
/// Different violations kept apart while counting; each is a few hundred bytes at most.
const VIOLATIONS_COUNTED_MAX: usize = 1_000;

/// Jobs of one kind that have not ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unfinished {
    pub(super) jobs: u64,
    /// Those of them that run.
    pub(super) running: u64,
}

/// What payloads came to.
#[derive(Debug, Default)]
struct Tally {
    checked: u64,
    refused: u64,
    /// So many take too long for a look.
    undecided: u64,
    examples: Vec<RefusedJob>,
    violations: BTreeMap<(String, String), (u64, JobId)>,
    violations_uncounted: u64,
    /// Of some payload not everything that is wrong was looked for.
    has_more: bool,
}

/// Why the look at payloads ended before the last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Amount,
    Time,
}

/// Jobs whose payloads need no look.
pub(super) fn unlooked(unfinished: Unfinished, why: &str) -> JobsMet {
    let unchecked = (unfinished.jobs > 0).then(|| why.to_owned());
    JobsMet { unfinished: unfinished.jobs, unchecked, ..JobsMet::default() }
}

/// Shows payloads of waiting jobs to the new schema, page by page.
pub(super) async fn meet(
    store: &Store,
    (tenant, entry): (TenantId, &KindEntry),
    schema: String,
    unfinished: Unfinished,
    allowance: &mut Allowance<'_>,
) -> Result<JobsMet, ChangesError> {
    if accepts_anything(&schema) {
        return Ok(unlooked(unfinished, "the new schema takes any payload"));
    }
    let mut tally = Tally::default();
    let compiled = allowance.run(move || BoundedSchema::compile(&schema)).await?;
    let Some(compiled) = compiled else { return Ok(tally.into_met(unfinished, Some(Cut::Time))) };
    let schema = Arc::new(compiled.map_err(|message| ChangesError::Schema(entry.name.clone(), message))?);
    let mut after = None;
    let cut = loop {
        if allowance.is_late() {
            break Some(Cut::Time);
        }
        if allowance.pages == 0 || allowance.payloads == 0 {
            break Some(Cut::Amount);
        }
        allowance.pages -= 1;
        let mut page = store.unfinished_payloads(tenant, entry.id, after).await?;
        let is_cut = page.waiting.len() > allowance.payloads;
        page.waiting.truncate(allowance.payloads);
        allowance.payloads -= page.waiting.len();
        if !page.waiting.is_empty() {
            let schema = Arc::clone(&schema);
            match allowance.run(move || Tally::of(&schema, &page.waiting)).await? {
                Some(of_page) => tally.add(of_page),
                None => break Some(Cut::Time),
            }
        }
        after = page.next;
        if is_cut {
            break Some(Cut::Amount);
        }
        if after.is_none() {
            break None;
        }
    };
    Ok(tally.into_met(unfinished, cut))
}

impl Tally {
    /// One page of payloads.
    fn of(schema: &BoundedSchema, waiting: &[(JobId, Bytes)]) -> Tally {
        let mut tally = Tally::default();
        for (id, payload) in waiting {
            let Ok(payload) = serde_json::from_slice::<Value>(payload) else {
                tally.undecided += 1;
                continue;
            };
            match schema.check(&payload, Effort::Quick, PLACES_MAX) {
                // Nobody can say in a hurry; the attempt will take its time.
                Verdict::Unfinished(_) => {
                    tally.undecided += 1;
                    continue;
                }
                Verdict::Valid => {}
                Verdict::Invalid(mut errors) => {
                    tally.refused += 1;
                    tally.has_more |= errors.len() >= PLACES_MAX;
                    // Several parts of a schema may say the same.
                    let different: BTreeSet<_> =
                        errors.iter().map(|error| (error.pointer.clone(), error.general.clone())).collect();
                    for violation in different {
                        tally.count(violation, 1, *id);
                    }
                    errors.truncate(EXAMPLE_PLACES_MAX);
                    if tally.examples.len() < EXAMPLES_MAX {
                        tally.examples.push(RefusedJob { id: *id, errors });
                    }
                }
            }
            tally.checked += 1;
        }
        tally
    }

    fn count(&mut self, violation: (String, String), jobs: u64, example: JobId) {
        if let Some((counted, _)) = self.violations.get_mut(&violation) {
            *counted += jobs;
        } else if self.violations.len() < VIOLATIONS_COUNTED_MAX {
            self.violations.insert(violation, (jobs, example));
        } else {
            self.violations_uncounted += 1;
        }
    }

    fn add(&mut self, page: Tally) {
        let Tally { checked, refused, undecided, examples, violations, violations_uncounted, has_more } = page;
        self.checked += checked;
        self.refused += refused;
        self.undecided += undecided;
        self.examples.extend(examples);
        self.examples.truncate(EXAMPLES_MAX);
        self.violations_uncounted += violations_uncounted;
        self.has_more |= has_more;
        for (violation, (jobs, example)) in violations {
            self.count(violation, jobs, example);
        }
    }

    fn into_met(self, unfinished: Unfinished, cut: Option<Cut>) -> JobsMet {
        let unchecked = self.unchecked(unfinished, cut);
        let Tally { checked, refused, undecided: _, examples, violations, violations_uncounted, has_more } = self;
        let mut violations: Vec<CommonViolation> = violations
            .into_iter()
            .map(|((pointer, message), (jobs, example))| CommonViolation { pointer, message, jobs, example })
            .collect();
        violations.sort_by_key(|violation| std::cmp::Reverse(violation.jobs));
        let more = violations.len().saturating_sub(VIOLATIONS_MAX) as u64 + violations_uncounted;
        let more = more.max(u64::from(has_more));
        violations.truncate(VIOLATIONS_MAX);
        // The counters and the payloads are read one after the other.
        let unfinished = unfinished.jobs.max(checked);
        JobsMet { unfinished, checked, refused, unchecked, examples, violations, violations_more: more }
    }

    /// Why fewer were checked than there are.
    fn unchecked(&self, unfinished: Unfinished, cut: Option<Cut>) -> Option<String> {
        if self.checked >= unfinished.jobs {
            return None;
        }
        let run = match unfinished.running {
            0 => None,
            1 => Some("1 is running".to_owned()),
            running => Some(format!("{running} are running")),
        };
        let undecided = (self.undecided > 0).then(|| format!("{} take longer than a look", self.undecided));
        let cut = cut.map(|cut| match cut {
            Cut::Amount => format!("at most {PAYLOADS_CHECKED_MAX} payloads are checked, the oldest"),
            Cut::Time => format!("after {} s no more are checked", ANSWER_MS_MAX / 1_000),
        });
        let reasons: Vec<String> = [cut, undecided, run].into_iter().flatten().collect();
        // Some ended, or began to run, while the others were looked at.
        Some(if reasons.is_empty() { "the others did not wait any more".to_owned() } else { reasons.join("; ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(from: u128, payloads: &[&'static str]) -> Vec<(JobId, Bytes)> {
        let numbered = (from..).zip(payloads);
        numbered.map(|(n, payload)| (JobId::from_u128(n), Bytes::from_static(payload.as_bytes()))).collect()
    }

    #[test]
    fn payloads_are_checked_and_what_is_wrong_with_them_is_counted() {
        let schema = BoundedSchema::compile(
            r#"{"type": "object", "required": ["name"], "properties": {"to": {"type": "string"}}}"#,
        )
        .expect("a schema");
        let mut tally =
            Tally::of(&schema, &page(0, &["{}", r#"{"name": 1}"#, "{}", r#"{"to": 1}"#, r#"{"name": 1, "to": [2]}"#]));
        tally.add(Tally::of(&schema, &page(10, &["{}"; 5])));
        let met = tally.into_met(Unfinished { jobs: 10, running: 0 }, None);
        assert_eq!((met.unfinished, met.checked, met.refused, &met.unchecked), (10, 10, 9, &None));
        assert_eq!((met.examples.len(), met.examples[0].id), (EXAMPLES_MAX, JobId::from_u128(0)));
        let told: Vec<(u64, &str, JobId)> =
            met.violations.iter().map(|one| (one.jobs, one.pointer.as_str(), one.example)).collect();
        assert_eq!(told, [(8, "", JobId::from_u128(0)), (2, "/to", JobId::from_u128(3))]);
        assert_eq!(met.violations[1].message, "it is not of type \"string\"", "whatever the value");
        assert!(met.violations[0].message.contains("name"), "{met:?}");
    }

    #[test]
    fn all_that_is_wrong_with_one_payload_is_counted_once() {
        let names: Vec<String> = (0..8).map(|n| format!("f{n}")).collect();
        let schema = serde_json::json!({"required": names, "allOf": [{"required": ["f0"]}]}).to_string();
        let schema = BoundedSchema::compile(&schema).expect("a schema");
        let met = Tally::of(&schema, &page(0, &["{}", "{}"])).into_met(Unfinished { jobs: 2, running: 0 }, None);
        assert_eq!((met.violations.len(), met.violations_more), (8, 0), "{met:?}");
        assert!(met.violations.iter().all(|violation| violation.jobs == 2), "{met:?}");
        assert_eq!(met.examples[0].errors.len(), EXAMPLE_PLACES_MAX);
    }

    #[test]
    fn of_many_different_violations_the_commonest_are_told() {
        let mut tally = Tally::default();
        for n in 0..VIOLATIONS_COUNTED_MAX as u128 + 5 {
            tally.count((format!("/{n}"), "no".to_owned()), if n == 7 { 3 } else { 1 }, JobId::from_u128(n));
        }
        let met = tally.into_met(Unfinished::default(), None);
        assert_eq!((met.violations.len(), met.violations[0].pointer.as_str()), (VIOLATIONS_MAX, "/7"));
        assert_eq!(met.violations_more, (VIOLATIONS_COUNTED_MAX - VIOLATIONS_MAX) as u64 + 5);
    }

    #[test]
    fn what_was_not_checked_has_its_reason() {
        let tally = |checked, undecided| Tally { checked, undecided, ..Tally::default() };
        let of = |jobs, running| Unfinished { jobs, running };
        for (tally, unfinished, cut, said) in [
            (tally(3, 0), of(3, 0), None, None),
            (tally(3, 0), of(2, 0), None, None),
            (tally(2, 0), of(3, 1), None, Some("1 is running")),
            (tally(0, 2), of(4, 2), None, Some("2 take longer than a look; 2 are running")),
            (tally(2_000, 0), of(9_000, 0), Some(Cut::Amount), Some("at most 2000 payloads are checked, the oldest")),
            (tally(0, 0), of(9, 0), Some(Cut::Time), Some("after 10 s no more are checked")),
            (tally(2, 0), of(3, 0), None, Some("the others did not wait any more")),
        ] {
            assert_eq!(tally.unchecked(unfinished, cut).as_deref(), said);
        }
        assert_eq!(unlooked(of(0, 0), "why").unchecked, None);
    }
}
