//! The graph of a workflow, checked as the host checks it and in its words (`host/src/api/workflows`). Pure.

use std::collections::BTreeMap;

use super::refused::{Fault, Refused};
use super::{After, NewJob};
use crate::text::joined;

const JOBS_MAX: usize = 1_000;
const DEPENDENCIES_MAX: usize = 10_000;
const PARENTS_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 128;
/// Names of a circle that are told.
const CYCLE_NAMES_MAX: usize = 20;
/// Names less alike than this are not suggested.
const LIKENESS_MIN: f64 = 0.75;
const SUGGESTIONS_MAX: usize = 3;

/// Fields that mean nothing for a job that is one of many, and why.
const REFUSED: [(&str, &str); 3] = [
    ("batch", "it is of this one"),
    ("idempotency_key", "give the whole request a header `Idempotency-Key`"),
    ("unique", "all jobs of one request are enqueued, or none; add it with `POST /v1/jobs` and `batch`"),
];

/// Everything that is wrong with jobs by their names; that they wait in a circle, if nothing else is.
pub(super) fn check(jobs: &[(String, NewJob)]) -> Result<(), Refused> {
    let mut faults = Vec::new();
    let mut refuse = |pointer: &str, message: &str| {
        faults.push(Fault { pointer: pointer.to_owned(), message: message.to_owned() });
    };
    if jobs.is_empty() {
        refuse("/jobs", "a workflow has at least one job");
    }
    if jobs.len() > JOBS_MAX {
        refuse(
            "/jobs",
            &joined(&["a workflow has at most ", &JOBS_MAX.to_string(), " jobs; make several, or a batch"]),
        );
    }
    let mut places = BTreeMap::new();
    for (name, job) in jobs {
        let pointer = joined(&["/jobs/", &escaped(name)]);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            refuse(&pointer, "the name of a job has 1 to 128 bytes and no control characters");
        }
        for (field, why) in REFUSED {
            if job.object.has(field) {
                refuse(&joined(&[&pointer, "/", field]), &joined(&["is not for this job: ", why]));
            }
        }
    }
    for (place, (name, _)) in jobs.iter().enumerate() {
        if places.insert(name.as_str(), place).is_some() {
            refuse(&joined(&["/jobs/", &escaped(name)]), "stands twice in `jobs`");
        }
    }
    let mut parents = Vec::with_capacity(jobs.len());
    for (name, job) in jobs {
        let pointer = joined(&["/jobs/", &escaped(name), "/after"]);
        if job.after.len() > PARENTS_MAX {
            refuse(&pointer, &joined(&["a job runs after at most ", &PARENTS_MAX.to_string(), " others"]));
            parents.push(Vec::new());
            continue;
        }
        let mut own: Vec<usize> = Vec::with_capacity(job.after.len());
        for (index, After { job: parent, .. }) in job.after.iter().enumerate() {
            let pointer = joined(&[&pointer, "/", &index.to_string()]);
            match places.get(parent.as_str()) {
                Some(place) if own.contains(place) => {
                    refuse(&pointer, &joined(&["`", parent, "` stands before already"]));
                }
                Some(place) => own.push(*place),
                None => {
                    let hint = nearest(parent, jobs.iter().map(|(name, _)| name.as_str()));
                    refuse(&pointer, &joined(&["there is no job `", parent, "` in `jobs`; ", &hint]));
                }
            }
        }
        parents.push(own);
    }
    let dependencies: usize = parents.iter().map(Vec::len).sum();
    if dependencies > DEPENDENCIES_MAX {
        let (has, most) = (dependencies.to_string(), DEPENDENCIES_MAX.to_string());
        refuse("/jobs", &joined(&["has ", &has, " dependencies in all and may have at most ", &most]));
    }
    Refused::unless_empty(faults)?;
    let Some(circle) = circle(&parents) else { return Ok(()) };
    let names: Vec<&str> = circle.iter().filter_map(|place| jobs.get(*place)).map(|(name, _)| name.as_str()).collect();
    let mut shown = names.get(..CYCLE_NAMES_MAX).unwrap_or(&names).join(" → ");
    if names.len() > CYCLE_NAMES_MAX {
        shown = joined(&[&shown, " → …"]);
    }
    let first = names.first().copied().unwrap_or_default();
    Refused::unless_empty(vec![Fault {
        pointer: joined(&["/jobs/", &escaped(first), "/after"]),
        message: joined(&["these jobs wait for each other in a circle, so that none could ever run: ", &shown]),
    }])
}

/// The names that look most like this one, in a sentence.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let lower = name.to_ascii_lowercase();
    let mut alike: Vec<(f64, &str)> = known
        .map(|known| (strsim::jaro_winkler(&lower, &known.to_ascii_lowercase()), known))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<String> = alike.iter().take(SUGGESTIONS_MAX).map(|(_, name)| joined(&["`", name, "`"])).collect();
    if names.is_empty() {
        return "name another job of `jobs`".to_owned();
    }
    joined(&["did you mean ", &names.join(", "), "?"])
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Jobs that wait for each other, each for the next, the first again at the end.
fn circle(parents: &[Vec<usize>]) -> Option<Vec<usize>> {
    // Jobs whose parents are all free are free themselves; what is left waits for a circle.
    let mut open: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); parents.len()];
    for (child, own) in parents.iter().enumerate() {
        for parent in own {
            if let Some(children) = children.get_mut(*parent) {
                children.push(child);
            }
        }
    }
    let mut free: Vec<usize> = (0..parents.len()).filter(|job| open.get(*job) == Some(&0)).collect();
    while let Some(job) = free.pop() {
        for child in children.get(job).into_iter().flatten() {
            if let Some(left) = open.get_mut(*child) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    free.push(*child);
                }
            }
        }
    }
    let is_stuck = |job: &usize| open.get(*job).is_some_and(|open| *open > 0);
    let mut path: Vec<usize> = Vec::new();
    let mut next = (0..parents.len()).find(is_stuck);
    while let Some(job) = next {
        if let Some(begin) = path.iter().position(|passed| *passed == job) {
            let mut circle = path.split_off(begin);
            circle.push(job);
            return Some(circle);
        }
        path.push(job);
        next = parents.get(job).and_then(|own| own.iter().copied().find(is_stuck));
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn jobs(graph: &[(&str, &[&str])]) -> Vec<(String, NewJob)> {
        let job = |after: &[&str]| after.iter().fold(NewJob::of("k", &()).unwrap(), |job, parent| job.after(*parent));
        graph.iter().map(|(name, after)| ((*name).to_owned(), job(after))).collect()
    }

    fn refused(graph: &[(&str, &[&str])]) -> Vec<String> {
        match check(&jobs(graph)) {
            Ok(()) => Vec::new(),
            Err(refused) => refused.faults().iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn graphs_and_what_is_none() {
        let circle = |pointer: &str, names: &str| {
            vec![format!("{pointer}: these jobs wait for each other in a circle, so that none could ever run: {names}")]
        };
        assert_eq!(refused(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]), [""; 0]);
        assert_eq!(refused(&[]), ["/jobs: a workflow has at least one job"]);
        assert_eq!(refused(&[("a", &["a"])]), circle("/jobs/a/after", "a → a"));
        assert_eq!(
            refused(&[("a", &[]), ("b", &["a", "c"]), ("c", &["d/e"]), ("d/e", &["b"])]),
            circle("/jobs/b/after", "b → c → d/e → b")
        );
        assert_eq!(
            refused(&[("b/c", &["fetsh", "a", "a"]), ("fetch", &["zzz"]), ("a", &[]), ("a", &[]), ("", &[])]),
            [
                "/jobs/: the name of a job has 1 to 128 bytes and no control characters",
                "/jobs/a: stands twice in `jobs`",
                "/jobs/b~1c/after/0: there is no job `fetsh` in `jobs`; did you mean `fetch`?",
                "/jobs/b~1c/after/2: `a` stands before already",
                "/jobs/fetch/after/0: there is no job `zzz` in `jobs`; name another job of `jobs`",
            ]
        );
    }

    #[test]
    fn bounds_are_the_hosts() {
        let names: Vec<String> = (0..=JOBS_MAX).map(|index| format!("job-{index}")).collect();
        let many: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
        assert_eq!(refused(&many), ["/jobs: a workflow has at most 1000 jobs; make several, or a batch"]);
        let parents: Vec<&str> = names.iter().take(PARENTS_MAX + 1).map(String::as_str).collect();
        let mut fan: Vec<(&str, &[&str])> = many.iter().copied().take(PARENTS_MAX + 1).collect();
        fan.push(("last", &parents));
        assert_eq!(refused(&fan), ["/jobs/last/after: a job runs after at most 100 others"]);
        let job = NewJob::of("k", &()).unwrap().idempotency_key("x");
        let said = check(&[("a".to_owned(), job)]).unwrap_err().to_string();
        assert!(said.starts_with("/jobs/a/idempotency_key: is not for this job"), "{said}");
    }
}
