//! Tells of a module's jobs as their attempts end. Looks at the newest jobs again and again, and at older ones that had
//! not ended when they were last seen.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::event::{Event, JobEnd, Report};
use crate::cli::client::{Client, ClientError};
use crate::cli::hints::addressed;
use crate::cli::versions::{active, short};
use crate::cli::wire::{AttemptLog, Job, Page};
use crate::job::{Digest, JobId, ModuleName};

/// Pause between two looks.
const LOOK_EVERY_MS: u64 = 300;
/// Newest jobs looked at each time.
const PAGE_JOBS: u32 = 100;
/// Jobs that had not ended and are no longer among the newest: looked at one by one, so many each time, in turn.
const OLDER_LOOKS_MAX: usize = 10;
/// Jobs remembered.
const REMEMBERED_JOBS_MAX: usize = 1_000;

/// Follows as long as it lives.
pub(super) struct Follower {
    followed: Arc<Mutex<Followed>>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Follows the jobs of nobody, at first.
    pub(super) fn start(client: Arc<Client>, report: Report) -> std::io::Result<Follower> {
        let (end, ended) = bounded(0);
        let followed = Arc::new(Mutex::new(Followed { client, report, seen: None, expected: None }));
        let looked_after = Arc::clone(&followed);
        let thread = std::thread::Builder::new().name("follow".to_owned()).spawn(move || {
            let pause = Duration::from_millis(LOOK_EVERY_MS);
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                // A host that is being restarted answers again later, and the jobs are still there.
                let mut looking = looked_after.lock();
                let _next_time = looking.look().and_then(|()| looking.look_at_version());
            }
        })?;
        Ok(Follower { followed, end: Some(end), thread: Some(thread) })
    }

    /// From now on tells of the jobs of this module; those that have ended before are passed over.
    pub(super) fn follow(&self, module: &ModuleName) -> Result<(), ClientError> {
        self.followed.lock().begin(module)
    }

    /// From now on tells when another version than this one is active; `None`: any may be.
    pub(super) fn expect(&self, digest: Option<Digest>) {
        self.followed.lock().expected = digest;
    }
}

impl Drop for Follower {
    /// After the look under way, so that nothing is told after the end.
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Followed {
    client: Arc<Client>,
    report: Report,
    /// The module these jobs are of, and what is known of them.
    seen: Option<(ModuleName, Seen)>,
    /// The version that should be active.
    expected: Option<Digest>,
}

impl Followed {
    fn begin(&mut self, module: &ModuleName) -> Result<(), ClientError> {
        if self.seen.as_ref().is_some_and(|(followed, _)| followed == module) {
            return Ok(());
        }
        let mut seen = Seen::default();
        for job in newest(&self.client, module)?.items.iter().rev() {
            seen.news_of(job);
        }
        self.seen = Some((module.clone(), seen));
        Ok(())
    }

    fn look(&mut self) -> Result<(), ClientError> {
        let Some((module, seen)) = &mut self.seen else { return Ok(()) };
        let newest = newest(&self.client, module)?;
        let mut ended = Vec::new();
        if newest.next_cursor.is_some() && newest.items.last().is_some_and(|job| !seen.knows(&job.id)) {
            let look = addressed(format!("see `stoker jobs --module {module}`"));
            let message = format!("more jobs came than can be followed; {look}");
            self.report.tell(&Event::Note { message });
        }
        for id in seen.older(&newest.items) {
            let Ok(id) = id.parse::<JobId>() else { continue };
            match self.client.get(&format!("/v1/jobs/{id}")).send() {
                Ok(answer) => {
                    ended.extend(answer.parse::<Job>().ok().filter(|job| seen.news_of(job)).map(|job| job.id));
                }
                // Deleted meanwhile.
                Err(ClientError::Problem(problem)) if problem.status == 404 => seen.forget(&id.to_string()),
                Err(error) => return Err(error),
            }
        }
        ended.extend(newest.items.iter().rev().filter(|job| seen.news_of(job)).map(|job| job.id.clone()));
        for id in ended {
            self.tell(&id)?;
        }
        Ok(())
    }

    fn look_at_version(&mut self) -> Result<(), ClientError> {
        let (Some((module, _)), Some(expected)) = (&self.seen, self.expected) else { return Ok(()) };
        let Some(found) = active(&self.client, module)?.filter(|found| *found != expected) else { return Ok(()) };
        self.expected = Some(found);
        let message = format!("somebody activated {}; the next change replaces it", short(&found.to_string()));
        self.report.tell(&Event::Note { message });
        Ok(())
    }

    fn tell(&self, id: &str) -> Result<(), ClientError> {
        // It goes into a path.
        let Ok(id) = id.parse::<JobId>() else { return Ok(()) };
        let job: Job = self.client.get(&format!("/v1/jobs/{id}")).send()?.parse()?;
        let logs: Page<AttemptLog> = self.client.get(&format!("/v1/jobs/{id}/logs")).send()?.parse()?;
        let last = logs.items.into_iter().next_back().filter(|log| log.attempt == job.attempt).unwrap_or_default();
        self.report.tell(&Event::Job(Box::new(JobEnd::of(job, last.lines, last.dropped))));
        Ok(())
    }
}

/// The newest jobs of a module, the newest first.
fn newest(client: &Client, module: &ModuleName) -> Result<Page<Job>, ClientError> {
    let call = client.get("/v1/jobs").query("module", Some(module.as_str()));
    call.query("limit", Some(&PAGE_JOBS.to_string())).send()?.parse()
}

/// What was last seen of each job.
#[derive(Debug, Default)]
struct Seen {
    jobs: HashMap<String, Sight>,
    /// In the order they were first seen, to forget the oldest.
    order: VecDeque<String>,
    /// Where among them the older ones were last looked at.
    turn: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Sight {
    state: String,
    attempt: u32,
    finished_at: Option<String>,
    is_terminal: bool,
}

impl Seen {
    fn knows(&self, id: &str) -> bool {
        self.jobs.contains_key(id)
    }

    /// Remembers it; whether an attempt has ended since it was last seen.
    fn news_of(&mut self, job: &Job) -> bool {
        let sight = Sight {
            state: job.state.clone(),
            attempt: job.attempt,
            finished_at: job.finished_at.clone(),
            is_terminal: job.is_terminal(),
        };
        let has_ended = sight.is_terminal || sight.state == "retrying";
        if !self.knows(&job.id) {
            self.order.push_back(job.id.clone());
            if self.order.len() > REMEMBERED_JOBS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.jobs.remove(&oldest);
            }
        }
        let before = self.jobs.get(&job.id);
        let is_news = has_ended && before != Some(&sight);
        self.jobs.insert(job.id.clone(), sight);
        is_news
    }

    /// Some of those that had not ended and are not among `newest`.
    fn older(&mut self, newest: &[Job]) -> Vec<String> {
        let is_older = |id: &&String| {
            self.jobs.get(*id).is_some_and(|sight| !sight.is_terminal) && !newest.iter().any(|job| job.id == **id)
        };
        let older: Vec<&String> = self.order.iter().filter(is_older).collect();
        if older.is_empty() {
            return Vec::new();
        }
        let begin = self.turn % older.len();
        let chosen = older.iter().cycle().skip(begin).take(OLDER_LOOKS_MAX.min(older.len()));
        let chosen: Vec<String> = chosen.map(|id| (*id).clone()).collect();
        self.turn = begin + chosen.len();
        chosen
    }

    fn forget(&mut self, id: &str) {
        self.jobs.remove(id);
        self.order.retain(|known| known != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, state: &str, attempt: u32) -> Job {
        Job { id: id.to_owned(), state: state.to_owned(), attempt, ..Job::default() }
    }

    #[test]
    fn every_end_is_news_once() {
        let mut seen = Seen::default();
        for (state, attempt, is_news) in [
            ("ready", 0, false),
            ("running", 1, false),
            ("retrying", 1, true),
            ("retrying", 1, false),
            ("running", 2, false),
            ("retrying", 2, true),
            ("failed", 3, true),
            ("failed", 3, false),
            ("ready", 3, false),
            ("succeeded", 4, true),
            ("succeeded", 4, false),
        ] {
            assert_eq!(seen.news_of(&job("a", state, attempt)), is_news, "{state} {attempt}");
        }
        assert!(seen.news_of(&job("b", "succeeded", 1)), "one that came and went between two looks");
    }

    #[test]
    fn older_jobs_are_looked_at_in_turn() {
        let mut seen = Seen::default();
        for number in 0..25 {
            seen.news_of(&job(&format!("job {number}"), "ready", 0));
        }
        seen.news_of(&job("done", "succeeded", 1));
        let newest = [job("job 24", "ready", 0)];
        let mut looked = Vec::new();
        for _ in 0..3 {
            let some = seen.older(&newest);
            assert!(some.len() <= OLDER_LOOKS_MAX);
            looked.extend(some);
        }
        looked.sort();
        looked.dedup();
        assert_eq!(looked.len(), 24);
        assert!(!looked.contains(&"done".to_owned()) && !looked.contains(&"job 24".to_owned()));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut seen = Seen::default();
        for number in 0..=REMEMBERED_JOBS_MAX {
            seen.news_of(&job(&number.to_string(), "ready", 0));
        }
        assert_eq!((seen.jobs.len(), seen.order.len()), (REMEMBERED_JOBS_MAX, REMEMBERED_JOBS_MAX));
        assert!(!seen.knows("0"));
        seen.forget("1");
        assert!(!seen.knows("1"));
    }
}
