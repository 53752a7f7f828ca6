//! The graph a request describes: names resolved, circles found. Pure.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::api::error::{ApiError, ProblemCode};
use crate::api::jobs::{AfterRequest, Refusals, alike, did_you_mean};
use crate::job::Wanted;
use crate::job::dependency::PARENTS_MAX;
use crate::job::workflow::{Cycle, WORKFLOW_DEPENDENCIES_MAX, in_order};

/// Names of a circle that are told.
const CYCLE_NAMES_MAX: usize = 20;

/// What each job waits for, by its place in the request, with what that is to end as.
pub(super) type Parents = Vec<Vec<(usize, Wanted)>>;

/// Unknown names for which others are suggested.
const SUGGESTED_FOR_MAX: usize = 20;

/// Looks names up.
pub(super) fn resolve(names: &[&str], after: Vec<Vec<AfterRequest>>, refusals: &mut Refusals) -> Parents {
    let places: FxHashMap<&str, usize> = names.iter().enumerate().map(|(place, name)| (*name, place)).collect();
    let mut parents = Vec::with_capacity(names.len());
    let mut unknown = 0;
    for (name, asked) in names.iter().zip(after) {
        let pointer = format!("/jobs/{}/after", escaped(name));
        if asked.len() > PARENTS_MAX {
            refusals.field(pointer, format!("a job runs after at most {PARENTS_MAX} others"));
            parents.push(Vec::new());
            continue;
        }
        let mut seen = FxHashSet::default();
        let mut own = Vec::with_capacity(asked.len());
        for (index, AfterRequest { job, on }) in asked.into_iter().enumerate() {
            match places.get(job.as_str()) {
                Some(place) if seen.insert(*place) => own.push((*place, on)),
                Some(_) => refusals.field(format!("{pointer}/{index}"), format!("`{job}` stands before already")),
                None => {
                    // Each is compared with all there are.
                    unknown += 1;
                    let nearest = (unknown <= SUGGESTED_FOR_MAX).then(|| alike(&job, names.iter().copied()));
                    let hint = nearest.and_then(|names| did_you_mean(&names));
                    let hint = hint.unwrap_or_else(|| "name another job of `jobs`".to_owned());
                    refusals.field(format!("{pointer}/{index}"), format!("there is no job `{job}` in `jobs`; {hint}"));
                }
            }
        }
        parents.push(own);
    }
    let dependencies: usize = parents.iter().map(Vec::len).sum();
    if dependencies > WORKFLOW_DEPENDENCIES_MAX {
        let message =
            format!("has {dependencies} dependencies in all and may have at most {WORKFLOW_DEPENDENCIES_MAX}");
        refusals.field("/jobs", message);
    }
    parents
}

/// Places in an order in which parents come first, or the refusal that names the circle.
pub(super) fn ordered(names: &[&str], parents: &Parents) -> Result<Vec<usize>, ApiError> {
    let bare: Vec<Vec<usize>> = parents.iter().map(|own| own.iter().map(|(place, _)| *place).collect()).collect();
    in_order(&bare).map_err(|Cycle(circle)| {
        let of_circle: Vec<&str> = circle.iter().filter_map(|place| names.get(*place).copied()).collect();
        let mut shown = of_circle.iter().take(CYCLE_NAMES_MAX).copied().collect::<Vec<_>>().join(" → ");
        if of_circle.len() > CYCLE_NAMES_MAX {
            shown.push_str(" → …");
        }
        let detail = format!("these jobs wait for each other in a circle, so that none could ever run: {shown}");
        let pointer = format!("/jobs/{}/after", escaped(of_circle.first().copied().unwrap_or_default()));
        let error = ApiError::new(ProblemCode::WorkflowCycle, detail.clone());
        error
            .with_errors(vec![crate::job::FieldError::new(pointer, detail)])
            .with("cycle", serde_json::json!(of_circle))
    })
}

/// A name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn after(job: &str) -> AfterRequest {
        AfterRequest { job: job.to_owned(), on: Wanted::Succeeded }
    }

    #[test]
    fn names_become_places_in_an_order() {
        let names = ["send", "fetch", "render"];
        let mut refusals = Refusals::default();
        let asked = vec![vec![after("render"), after("fetch")], vec![], vec![after("fetch")]];
        let parents = resolve(&names, asked, &mut refusals);
        refusals.into_result().unwrap();
        assert_eq!(ordered(&names, &parents).unwrap(), [1, 2, 0]);
    }

    #[test]
    fn what_is_no_graph_is_said() {
        let names = ["a", "b/c", "fetch"];
        let asked = vec![vec![after("b/c")], vec![after("fetch")], vec![after("a")]];
        let mut refusals = Refusals::default();
        let parents = resolve(&names, asked, &mut refusals);
        let error = ordered(&names, &parents).unwrap_err();
        assert_eq!(error.code(), ProblemCode::WorkflowCycle);
        assert!(error.detail().ends_with("a → b/c → fetch → a"), "{}", error.detail());
        resolve(&names, vec![vec![], vec![after("fetsh"), after("a"), after("a")], vec![after("zzz")]], &mut refusals);
        let error = refusals.into_result().unwrap_err();
        let said: Vec<String> = error.errors().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "/jobs/b~1c/after/0: there is no job `fetsh` in `jobs`; did you mean `fetch`?",
                "/jobs/b~1c/after/2: `a` stands before already",
                "/jobs/fetch/after/0: there is no job `zzz` in `jobs`; name another job of `jobs`",
            ]
        );
        // Names as long as a body are not compared with each other.
        let (known, asked) = ("x".repeat(200), "x".repeat(199));
        let mut refusals = Refusals::default();
        resolve(&[known.as_str()], vec![vec![after(&asked)]], &mut refusals);
        let error = refusals.into_result().unwrap_err();
        assert!(error.errors()[0].to_string().ends_with("name another job of `jobs`"));
        let own = resolve(&["a"], vec![vec![after("a")]], &mut Refusals::default());
        assert!(ordered(&["a"], &own).unwrap_err().detail().ends_with("a → a"));
    }
}
