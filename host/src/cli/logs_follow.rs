//! `stoker logs -f`: a job's lines as they come, each once and in order, through retries, until it has ended. Asks again
//! and again, less often while nothing happens; a host that restarts in between is waited for.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::advice;
use super::client::{Client, ClientError};
use super::hints::addressed;
use super::logs::shown_line;
use super::terminal::{self, Colours, Tone, line};
use super::wire::{AttemptLog, Execution, Job, LogLine, Page};
use crate::job::{JobId, Span};

/// Between two looks, while lines come.
const LOOK_MS_MIN: u64 = 100;
/// And while none do.
const LOOK_MS_MAX: u64 = 2_000;
/// How long a host may be away (a restart) before following is given up.
const AWAY_MS_MAX: u64 = 60_000;
/// Longest silence of a host that is there.
const SILENCE_MS_MAX: u64 = 15_000;
/// Pages of logs read in one look: the newest, and those before it where much came since.
const PAGES_MAX: usize = 100;

/// Until the job has ended.
pub(super) fn follow(client: &Client, id: JobId, as_json: bool) -> anyhow::Result<ExitCode> {
    let colours = Colours::of_stdout();
    let (mut told, mut absence) = (Told::default(), Absence::default());
    let mut pause_ms = LOOK_MS_MIN;
    loop {
        match look(client, id, &mut told) {
            Ok((job, news)) => {
                if let Some(words) = absence.ended(client.url()) {
                    terminal::remark(&words);
                }
                pause_ms = if news.is_empty() { (pause_ms * 2).min(LOOK_MS_MAX) } else { LOOK_MS_MIN };
                print(&news, as_json, colours)?;
                if job.is_terminal() {
                    return Ok(end(&job));
                }
                if let Some(waiting) = told.waiting(&job) {
                    terminal::remark(&waiting);
                }
            }
            Err(error) => match absence.goes_on(&error, client.url(), Instant::now()) {
                GoesOn::Silently => pause_ms = LOOK_MS_MAX,
                GoesOn::Saying(words) => {
                    terminal::remark(&words);
                    pause_ms = LOOK_MS_MAX;
                }
                GoesOn::No => return Err(absence.given_up(id, error)),
            },
        }
        std::thread::sleep(Duration::from_millis(pause_ms));
    }
}

/// A host that stops, starts, or has too much to do: since when it gives no answer.
#[derive(Default)]
struct Absence {
    since: Option<Instant>,
}

/// Whether one that is away is waited for.
#[derive(Debug, PartialEq, Eq)]
enum GoesOn {
    Silently,
    Saying(String),
    No,
}

impl Absence {
    /// A look failed.
    fn goes_on(&mut self, error: &ClientError, url: &str, now: Instant) -> GoesOn {
        let how = match error {
            ClientError::Refused(_) | ClientError::Transport { .. } => "doesn't answer",
            ClientError::Problem(problem) if matches!(problem.status, 429 | 503) => {
                "has too much to do, or is not ready"
            }
            ClientError::Problem(_)
            | ClientError::Address { .. }
            | ClientError::CaCert { .. }
            | ClientError::Answer { .. } => return GoesOn::No,
        };
        match self.since {
            None => {
                self.since = Some(now);
                let bound = Span::from_ms(AWAY_MS_MAX);
                GoesOn::Saying(line(&format!("… the host at {url} {how}; trying again for {bound}")).into_owned())
            }
            Some(since) if now.duration_since(since) < Duration::from_millis(AWAY_MS_MAX) => GoesOn::Silently,
            Some(_) => GoesOn::No,
        }
    }

    /// A look succeeded: what to say when one had failed before.
    fn ended(&mut self, url: &str) -> Option<String> {
        self.since.take().map(|_| line(&format!("… the host at {url} is back")).into_owned())
    }

    fn given_up(&self, id: JobId, error: ClientError) -> anyhow::Error {
        let error = anyhow::Error::from(error);
        let again = || addressed(format!("gave up; `stoker logs -f {id}` goes on once the host is back"));
        if self.since.is_some() { error.context(again()) } else { error }
    }
}

/// What was printed already.
#[derive(Default)]
struct Told {
    /// By execution: how many lines.
    lines: BTreeMap<i64, usize>,
    /// The last execution whose end was told.
    ended: i64,
    waiting: String,
}

/// Something to print.
#[derive(Debug, PartialEq)]
enum News {
    Line(u32, LogLine),
    Dropped(u32, u64),
    /// An execution that did not end the job, and why.
    Ended(u32, String),
}

/// The job as it is, and what came since the last look. The job is read first: when it has ended, nothing comes after.
fn look(client: &Client, id: JobId, told: &mut Told) -> Result<(Job, Vec<News>), ClientError> {
    let get = |path: &str| client.get(path).patience(Duration::from_millis(SILENCE_MS_MAX));
    let job: Job = get(&format!("/v1/jobs/{id}")).send()?.parse()?;
    let executions: Page<Execution> = get(&format!("/v1/jobs/{id}/attempts")).send()?.parse()?;
    let mut logs: Vec<AttemptLog> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let answer = get(&format!("/v1/jobs/{id}/logs")).query("cursor", cursor.as_deref()).send()?;
        let page: Page<AttemptLog> = answer.parse()?;
        let is_known = page.items.first().is_none_or(|log| log.execution <= told.ended);
        logs.splice(..0, page.items);
        cursor = page.next_cursor;
        if is_known || cursor.is_none() {
            break;
        }
    }
    let news = told.news(&logs, &executions.items);
    Ok((job, news))
}

impl Told {
    /// What of this is new, in order; noted as told.
    fn news(&mut self, logs: &[AttemptLog], executions: &[Execution]) -> Vec<News> {
        let mut news = Vec::new();
        let mut numbers: Vec<i64> = logs.iter().map(|log| log.execution).collect();
        numbers.extend(executions.iter().map(|execution| execution.number));
        numbers.sort_unstable();
        numbers.dedup();
        let ended_before = self.ended;
        for number in numbers.into_iter().filter(|number| *number > ended_before) {
            let log = logs.iter().find(|log| log.execution == number);
            let ended = executions.iter().find(|execution| execution.number == number);
            if let Some(log) = log {
                let printed = self.lines.entry(number).or_default();
                for logged in log.lines.iter().skip(*printed) {
                    news.push(News::Line(log.attempt, logged.clone()));
                }
                *printed = (*printed).max(log.lines.len());
                if log.dropped > 0 && ended.is_some() {
                    news.push(News::Dropped(log.attempt, log.dropped));
                }
            }
            if let Some(execution) = ended {
                news.push(News::Ended(execution.attempt, how(execution)));
                self.ended = number;
                self.lines.remove(&number);
            }
        }
        news
    }

    /// Why nothing comes, when that has changed.
    fn waiting(&mut self, job: &Job) -> Option<String> {
        let now = job.waiting.as_ref().map(|waiting| waiting.reason.clone()).unwrap_or_default();
        if self.waiting == now {
            return None;
        }
        self.waiting = now;
        let waiting = job.waiting.as_ref()?;
        let detail = waiting.detail.as_ref().map_or_else(String::new, |detail| format!(": {}", line(detail)));
        let advice = advice::of_waiting(job).map_or_else(String::new, |advice| format!(" ({})", line(&advice)));
        Some(format!("… waits, {}{detail}{advice}", line(&waiting.reason).replace('_', " ")))
    }
}

fn how(execution: &Execution) -> String {
    match &execution.error {
        Some(error) => format!("{}: {}: {}", execution.outcome, error.reason, error.message),
        None => execution.outcome.clone(),
    }
}

fn print(news: &[News], as_json: bool, colours: Colours) -> anyhow::Result<()> {
    for piece in news {
        let text = match piece {
            News::Line(attempt, logged) if as_json => {
                let LogLine { at, level, message } = logged;
                serde_json::json!({"attempt": attempt, "at": at, "level": level, "message": message}).to_string()
            }
            News::Dropped(attempt, dropped) if as_json => {
                serde_json::json!({"attempt": attempt, "dropped": dropped}).to_string()
            }
            News::Ended(attempt, how) if as_json => serde_json::json!({"attempt": attempt, "ended": how}).to_string(),
            News::Line(attempt, logged) => shown_line(*attempt, logged, colours),
            News::Dropped(attempt, dropped) => {
                format!("… {dropped} more lines of attempt {attempt} were dropped at its log limit")
            }
            News::Ended(attempt, how) => colours.paint(Tone::Faint, &format!("— attempt {attempt} {}", line(how))),
        };
        terminal::print(&if as_json { terminal::json(&text) } else { text.into() })?;
    }
    Ok(())
}

/// The job's end, on standard error, and the exit code for it.
fn end(job: &Job) -> ExitCode {
    let why = job.error.as_ref().map_or_else(String::new, |error| format!(": {}: {}", error.reason, error.message));
    terminal::remark(&format!("{} {}{}", line(&job.id), line(&job.state), line(&why)));
    if job.state == "succeeded" {
        return ExitCode::SUCCESS;
    }
    if let Some(advice) = advice::of_failure(job) {
        terminal::remark(&format!("what to do: {}", line(&advice)));
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::problem::Problem;

    fn log(execution: i64, attempt: u32, lines: &[&str]) -> AttemptLog {
        let line = |message: &&str| LogLine { message: (*message).to_owned(), ..LogLine::default() };
        AttemptLog { execution, attempt, lines: lines.iter().map(line).collect(), ..AttemptLog::default() }
    }

    fn ended(number: i64, attempt: u32) -> Execution {
        Execution { number, attempt, outcome: "failed".to_owned(), ..Execution::default() }
    }

    #[test]
    fn a_host_that_is_away_is_told_once_and_waited_for_within_bounds() {
        let gone = ClientError::Refused("u".to_owned());
        let problem = |status| ClientError::Problem(Problem { status, ..Problem::default() });
        let (mut absence, start) = (Absence::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(absence.ended("u"), None);
        for _ in 0..2 {
            let GoesOn::Saying(words) = absence.goes_on(&gone, "u", after(7)) else { panic!("silent") };
            assert_eq!(words, "… the host at u doesn't answer; trying again for 1m");
            assert_eq!(absence.goes_on(&problem(503), "u", after(AWAY_MS_MAX)), GoesOn::Silently);
            assert_eq!(absence.goes_on(&gone, "u", after(AWAY_MS_MAX + 7)), GoesOn::No);
            assert_eq!(absence.ended("u").as_deref(), Some("… the host at u is back"));
        }
        assert!(
            matches!(absence.goes_on(&problem(429), "u", start), GoesOn::Saying(words) if words.contains("too much"))
        );
        assert_eq!(absence.goes_on(&problem(404), "u", start), GoesOn::No);
    }

    fn word(piece: &News) -> &str {
        match piece {
            News::Line(_, logged) => &logged.message,
            News::Dropped(..) => "dropped",
            News::Ended(..) => "ended",
        }
    }

    fn words(news: &[News]) -> Vec<&str> {
        news.iter().map(word).collect()
    }

    #[test]
    fn every_line_is_told_once_and_in_order() {
        let mut told = Told::default();
        assert_eq!(words(&told.news(&[log(1, 1, &["a"])], &[])), ["a"]);
        assert_eq!(words(&told.news(&[log(1, 1, &["a", "b"])], &[])), ["b"]);
        // The guest has ended, its log is on the way to the store.
        assert!(told.news(&[log(1, 1, &[])], &[]).is_empty());
        let second = [log(1, 1, &["a", "b", "c"]), log(4, 2, &["d"])];
        assert_eq!(words(&told.news(&second, &[ended(1, 1)])), ["c", "ended", "d"]);
        assert!(told.news(&second, &[ended(1, 1)]).is_empty());
        let third = [ended(1, 1), ended(4, 2), ended(7, 3)];
        assert_eq!(words(&told.news(&second, &third)), ["ended", "ended"]);
    }
}
