//! Whether the store is what the model is.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row};

use super::super::super::codec::unpack_failure;
use super::model::{Answer, Job, KEYS, KINDS, QUEUES};
use super::*;
use crate::job::{BatchId, FailureReason, JobState};

/// What is compared of each job.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // As the store has them.
pub(super) struct Shown {
    state: JobState,
    kind: String,
    queue: String,
    key: Option<String>,
    priority: u8,
    run_at: i64,
    attempt: u32,
    max_attempts: u32,
    lease_number: i64,
    holder: Option<HostId>,
    started: bool,
    suspect: bool,
    losses: u32,
    cancel_requested: bool,
    snoozed: bool,
    steps: u32,
    awaits: Option<(u8, i64)>,
    executions: usize,
    expires_at: Option<i64>,
    finished_at: Option<i64>,
    reason: Option<FailureReason>,
    payload: u64,
    batch: Option<BatchId>,
    slot: Option<(i64, i64)>,
    tags: Vec<String>,
    after: Vec<(JobId, u8, u8)>,
}

const JOBS: &str = "SELECT job.*, kinds.name, queues.name, hosts.id,
        (SELECT count(*) FROM attempts WHERE job_id = job.id),
        (SELECT batch_id FROM batch_jobs WHERE job_id = job.id),
        (SELECT body FROM payloads WHERE job_id = job.id),
        (SELECT group_concat(tag, '|') FROM job_tags WHERE job_id = job.id),
        (SELECT count(*) FROM job_steps WHERE job_id = job.id),
        (SELECT correlation FROM event_waits WHERE job_id = job.id),
        (SELECT until FROM event_waits WHERE job_id = job.id)
    FROM (SELECT id, state, kind_id, queue_id, key_id, priority, run_at, attempt, max_attempts, lease_number, lease_host,
            started_at IS NOT NULL, suspect, host_losses, cancel_requested, snoozed, expires_at, NULL AS finished_at,
            NULL AS failure, 0, schedule_id, slot_at FROM live_jobs
        UNION ALL SELECT id, state, kind_id, queue_id, NULL, priority, run_at, attempt, max_attempts, lease_number, NULL,
            0, 0, 0, 0, 0, NULL, finished_at, failure, execution IS NOT NULL, schedule_id, slot_at FROM finished_jobs) AS job
    JOIN kinds ON kinds.id = job.kind_id JOIN queues ON queues.id = job.queue_id
    LEFT JOIN hosts ON hosts.number = job.lease_host";
const TIES: &str = "SELECT child_id, parent_id, wanted, standing FROM dependencies ORDER BY child_id, place";
const KEYS_OF: &str = "SELECT live_jobs.id, key FROM live_jobs JOIN concurrency_keys ON concurrency_keys.id = key_id";
const COUNTERS: &str = "SELECT queues.name, kinds.name, state, jobs FROM counters JOIN queues ON queues.id = queue_id
    JOIN kinds ON kinds.id = kind_id WHERE jobs <> 0";

fn shown(row: &Row<'_>) -> rusqlite::Result<(JobId, Shown)> {
    let execution: usize = row.get(19)?;
    let failure: Option<Vec<u8>> = row.get(18)?;
    let payload: Option<Vec<u8>> = row.get(27)?;
    let payload: serde_json::Value = serde_json::from_slice(&payload.expect("a job has a payload")).unwrap();
    let mut tags: Vec<String> =
        row.get::<_, Option<String>>(28)?.map_or_else(Vec::new, |tags| tags.split('|').map(str::to_owned).collect());
    tags.sort();
    let slot: Option<(i64, i64)> = row.get::<_, Option<i64>>(20)?.zip(row.get(21)?);
    let shown = Shown {
        state: row.get::<_, String>(1)?.parse().unwrap(),
        kind: row.get(22)?,
        queue: row.get(23)?,
        key: None,
        priority: row.get(5)?,
        run_at: row.get(6)?,
        attempt: row.get(7)?,
        max_attempts: row.get(8)?,
        lease_number: row.get(9)?,
        holder: row.get::<_, Option<[u8; 16]>>(24)?.map(HostId::from_bytes),
        started: row.get(11)?,
        suspect: row.get(12)?,
        losses: row.get(13)?,
        cancel_requested: row.get(14)?,
        snoozed: row.get(15)?,
        steps: row.get(29)?,
        awaits: row.get::<_, Option<String>>(30)?.map(|text| text.parse().unwrap()).zip(row.get(31)?),
        executions: execution + row.get::<_, usize>(25)?,
        expires_at: row.get(16)?,
        finished_at: row.get(17)?,
        reason: failure.map(|failure| unpack_failure(&failure).unwrap().reason),
        payload: payload.get("n").and_then(serde_json::Value::as_u64).unwrap_or(0),
        batch: row.get::<_, Option<[u8; 16]>>(26)?.map(BatchId::from_bytes),
        slot,
        tags,
        after: Vec::new(),
    };
    Ok((JobId::from_bytes(row.get(0)?), shown))
}

/// All that is asked, so that nothing is asked twice.
fn read(sql: &Connection, gaps: &BTreeSet<JobId>) -> rusqlite::Result<BTreeMap<JobId, Shown>> {
    let mut statement = sql.prepare_cached(JOBS)?;
    let mut found: BTreeMap<JobId, Shown> = statement.query_map([], shown)?.collect::<Result<_, _>>()?;
    let mut statement = sql.prepare_cached(TIES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (child, parent) = (JobId::from_bytes(row.get(0)?), JobId::from_bytes(row.get(1)?));
        let tie = (parent, row.get(2)?, row.get(3)?);
        match found.get_mut(&child) {
            Some(job) => job.after.push(tie),
            None => assert!(gaps.contains(&child), "ties go with the job, but for those of a graph"),
        }
    }
    let mut statement = sql.prepare_cached(KEYS_OF)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        found.get_mut(&JobId::from_bytes(row.get(0)?)).unwrap().key = row.get(1)?;
    }
    Ok(found)
}

impl Shown {
    fn of(job: &Job) -> Self {
        let is_live = !job.state.is_terminal();
        let mut tags = job.tags.clone();
        tags.sort();
        let standing = |(place, tie): (usize, &super::model::Tie)| match tie.answer {
            Answer::Open => 0,
            Answer::Met => 1,
            Answer::NotNeeded if job.cause == Some(place) => 4,
            Answer::Broken if job.cause == Some(place) => 3,
            Answer::Broken | Answer::NotNeeded => 2,
            Answer::With => 5,
            Answer::LetGo => 6,
        };
        Self {
            state: job.state,
            kind: KINDS[job.kind].to_owned(),
            queue: QUEUES[job.queue].to_owned(),
            key: job.key.filter(|_| is_live).map(|key| KEYS[key].to_owned()),
            priority: job.priority,
            run_at: job.run_at,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            lease_number: job.lease_number,
            holder: job.holder,
            started: job.started,
            suspect: job.suspect,
            losses: job.losses,
            cancel_requested: job.cancel_requested,
            snoozed: job.snoozed,
            steps: job.steps,
            awaits: job.awaits,
            executions: job.executions,
            expires_at: job.expires_at.filter(|_| is_live),
            finished_at: job.finished_at,
            reason: job.reason.filter(|_| !is_live),
            payload: job.payload,
            batch: job.batch,
            slot: job.slot,
            tags,
            after: job
                .after
                .iter()
                .enumerate()
                .map(|(place, tie)| (tie.parent, tie.wanted.code(), standing((place, tie))))
                .collect(),
        }
    }
}

impl Run {
    pub(super) fn found_jobs(&self) -> BTreeMap<JobId, Shown> {
        read(&self.sql, &self.model.gaps).unwrap()
    }

    /// Every job, and every counter.
    pub(super) fn compare(&self) {
        let found = self.found_jobs();
        for (id, job) in &self.model.jobs {
            assert_eq!(found.get(id), Some(&Shown::of(job)), "{id}");
        }
        let unknown: Vec<_> = found.iter().filter(|(id, _)| !self.model.jobs.contains_key(id)).collect();
        assert!(unknown.is_empty(), "nobody knows of {unknown:?}");
        self.model.assert_answers_hold();
        let mut counted: BTreeMap<(String, String, String), i64> = BTreeMap::new();
        for job in self.model.jobs.values() {
            let lane = (QUEUES[job.queue].to_owned(), KINDS[job.kind].to_owned(), job.state.as_str().to_owned());
            *counted.entry(lane).or_default() += 1;
        }
        let mut statement = self.sql.prepare_cached(COUNTERS).unwrap();
        let counters: BTreeMap<(String, String, String), i64> = statement
            .query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(counters, counted, "counters");
    }

    /// Why a few of them wait, and who holds what they wait for.
    pub(super) async fn compare_reasons(&mut self, count: usize) {
        let waiting = self.model.ids(Job::is_unleased);
        let some = if count >= waiting.len() {
            waiting
        } else {
            (0..count).filter_map(|_| self.chance.pick(&waiting)).collect()
        };
        let mut reasons = BTreeSet::new();
        for id in some {
            let detail = self.harness.store.job(TENANT, id).await.unwrap().unwrap();
            let job = &self.model.jobs[&id];
            let obstacles = if job.state == JobState::Ready { self.model.obstacles(id) } else { Vec::new() };
            let in_line = detail.row.in_line.map(|found| *found).unwrap_or_default();
            let found = in_line.hindrance.map(|found| super::pace::Obstacle {
                reason: found.reason,
                limit: match found.limit {
                    LimitName::Kind => "kind".to_owned(),
                    LimitName::Key(key) => key,
                    LimitName::Queue => "queue".to_owned(),
                    LimitName::Tenant(_) => "tenant".to_owned(),
                },
                running: found.running,
                holders: found.holders,
            });
            let is_right = found.as_ref().map_or(obstacles.is_empty(), |found| obstacles.contains(found));
            assert!(is_right, "why {id} waits: {found:?}, not {obstacles:?}: {job:?}");
            if let Some(obstacle) = &found {
                reasons.insert(format!("waits: {}", obstacle.reason.as_str()));
            }
            let open = detail.after.iter().filter(|parent| !parent.is_met).count();
            let expected = job.after.iter().filter(|tie| tie.answer != Answer::Met).count();
            assert_eq!(open, expected, "for how many {id} waits");
            if let Some(Behind::Counted(behind)) = in_line.behind {
                assert!(behind <= self.model.ready_before(id) as u64, "{behind} come before {id}");
            }
            assert_eq!(detail.row.snoozed, job.snoozed);
        }
        self.model.seen.append(&mut reasons);
    }

    /// Failed jobs by what they have in common.
    pub(super) async fn compare_dead_letters(&self) {
        let page = self.harness.store.dead_letters(TENANT, DeadLetterFilter::default(), 500, None).await.unwrap();
        let mut found: BTreeMap<(String, FailureReason), u64> = BTreeMap::new();
        for group in page.items {
            *found.entry((group.kind.to_string(), group.reason)).or_default() += group.jobs;
        }
        let mut expected: BTreeMap<(String, FailureReason), u64> = BTreeMap::new();
        for job in self.model.jobs.values().filter(|job| job.state == JobState::Failed) {
            *expected.entry((KINDS[job.kind].to_owned(), job.reason.expect("it failed"))).or_default() += 1;
        }
        assert_eq!(found, expected, "dead letters");
    }
}
