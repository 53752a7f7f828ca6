//! The arguments of `stoker schedules`, and the requests they make.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use http::Method;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::shown::{page, schedules_table};
use crate::cli::advice;
use crate::cli::client::{Answer, Client, ClientError, Connection, segment};
use crate::cli::hints::addressed;
use crate::cli::payload::{self, Given};
use crate::cli::terminal::{self, Colours};
use crate::cli::wire::{Job, Schedule};
use crate::job::{KindName, QueueName, ScheduleName, Span};

/// Schedules the host lists at once.
const PAGE_SCHEDULES_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;

/// List schedules, show one, or put it
///
/// A schedule enqueues a job at each of its times. What is given here of one that exists is changed, and the rest stays; the next
/// time follows at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker schedules
  stoker schedules nightly --kind report --cron '0 3 * * MON-FRI' --timezone Europe/Berlin --payload '{\"name\":\"Ada\"}'
  stoker schedules nightly                     # the times to come, and what became of those that were
  stoker schedules nightly --jitter 10m
  stoker schedules poll --kind fetch --every 30s --overlap skip
  stoker schedules poll --from poll.json       # all a job can have; what `--json` shows as `definition`
  stoker schedules nightly --trigger           # once more, now
  stoker schedules nightly --pause
  stoker schedules nightly --delete")]
#[allow(clippy::struct_excessive_bools)] // One per flag.
pub(in crate::cli) struct Arguments {
    /// The schedule to show [default: all schedules]
    schedule: Option<ScheduleName>,
    #[command(flatten)]
    change: Change,
    /// Enqueue its job now; the times to come stay as they are
    #[arg(long, requires = "schedule", group = "action", conflicts_with = "Change")]
    trigger: bool,
    /// Miss its times from now on
    #[arg(long, requires = "schedule", group = "action", conflicts_with = "Change")]
    pause: bool,
    /// Let it go on; `misfire` says what becomes of what was missed
    #[arg(long, requires = "schedule", group = "action", conflicts_with = "Change")]
    resume: bool,
    /// Remove it; its jobs stay
    #[arg(long, requires = "schedule", group = "action", conflicts_with = "Change")]
    delete: bool,
    #[command(flatten)]
    connection: Connection,
}

/// What is to be different.
#[derive(Debug, clap::Args)]
#[group(id = "Change", multiple = true, requires = "schedule")]
struct Change {
    /// The whole schedule as JSON, a file or `-`; what else is given here is put on top
    #[arg(long, value_name = "FILE")]
    from: Option<String>,
    /// What to run
    #[arg(long)]
    kind: Option<KindName>,
    /// Five fields, six with a second before them, or a name such as @daily
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "every")]
    cron: Option<String>,
    /// An interval of at least a second
    #[arg(long, value_name = "DURATION")]
    every: Option<Span>,
    /// The zone whose clock --cron means [default: UTC]
    #[arg(long, value_name = "ZONE", conflicts_with = "every")]
    timezone: Option<String>,
    /// JSON, `@file`, or `-` for standard input
    #[arg(long)]
    payload: Option<String>,
    /// What becomes of times nobody was there for [default: once]
    #[arg(long, value_name = "CHOICE", value_parser = ["skip", "once", "all"])]
    misfire: Option<String>,
    /// What becomes of a time while an earlier run goes on [default: skip]
    #[arg(long, value_name = "CHOICE", value_parser = ["allow", "skip", "queue_one", "cancel_running"])]
    overlap: Option<String>,
    /// Let each job wait for up to so long
    #[arg(long, value_name = "DURATION")]
    jitter: Option<Span>,
    /// Not before; RFC 3339
    #[arg(long, value_name = "TIME")]
    starts_at: Option<String>,
    /// Not after; RFC 3339
    #[arg(long, value_name = "TIME")]
    ends_at: Option<String>,
    /// The lane of its jobs [default: their kind's]
    #[arg(long)]
    queue: Option<QueueName>,
    /// 0 to 9, lower first [default: their kind's]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// A label of its jobs; repeat for more
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let as_json = arguments.connection.json;
    let Some(schedule) = &arguments.schedule else {
        return list(&client, as_json).map(|()| ExitCode::SUCCESS);
    };
    let path = format!("/v1/schedules/{}", segment(schedule));
    if arguments.delete {
        let answer = client.call(Method::DELETE, &path).send()?;
        deleted(schedule, &answer, as_json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.trigger {
        let answer = client.post(&format!("{path}/trigger")).send()?;
        triggered(&answer, as_json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let action = [(arguments.pause, "pause"), (arguments.resume, "resume")].into_iter().find(|(wanted, _)| *wanted);
    let answer = match (action, arguments.change.is_empty()) {
        (Some((_, action)), _) => client.post(&format!("{path}/{action}")).send()?,
        (None, true) => client.get(&path).send()?,
        (None, false) => {
            let body = serde_json::to_vec(&arguments.change.over(&client, &path)?)?;
            let answer = client.call(Method::PUT, &path).send_body("application/json", body);
            answer.map_err(|error| advice::on_refusal(error.into()))?
        }
    };
    if as_json {
        answer.print()?;
    } else {
        terminal::print(&page(&answer.parse()?, Colours::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Change {
    fn is_empty(&self) -> bool {
        self.from.is_none() && self.fields().is_ok_and(|fields| fields.is_empty()) && self.payload.is_none()
    }

    /// What is given, but for the payload, which may have to be read.
    fn fields(&self) -> anyhow::Result<Map<String, Value>> {
        let Change {
            from: _,
            kind,
            cron,
            every,
            timezone,
            payload: _,
            misfire,
            overlap,
            jitter,
            starts_at,
            ends_at,
            queue,
            priority,
            tags,
        } = self;
        let given = json!({
            "kind": kind.as_ref().map(KindName::as_str),
            "cron": cron,
            "every": every.map(|every| every.to_string()),
            "timezone": timezone,
            "misfire": misfire,
            "overlap": overlap,
            "jitter": jitter.map(|jitter| jitter.to_string()),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "queue": queue.as_ref().map(QueueName::as_str),
            "priority": priority,
            "tags": (!tags.is_empty()).then_some(tags),
        });
        let Value::Object(mut fields) = given else { anyhow::bail!("what is given is no object") };
        fields.retain(|_, value| !value.is_null());
        Ok(fields)
    }

    /// What is to be in force: what is given, on what the file says, or else on what is in force now.
    fn over(&self, client: &Client, path: &str) -> anyhow::Result<Fields> {
        let mut all = match &self.from {
            Some(file) => {
                let source = if file == "-" { file.clone() } else { format!("@{file}") };
                let text = payload::read(Some(&source), Given::Json)?;
                serde_json::from_str(text.get()).with_context(|| format!("{file} holds no JSON object"))?
            }
            None => in_force(client, path)?,
        };
        let fields = self.fields()?;
        if fields.contains_key("cron") {
            all.remove("every");
        }
        if fields.contains_key("every") {
            all.remove("cron");
            all.remove("timezone");
        }
        for (field, value) in &fields {
            all.insert(field.clone(), to_raw_value(value)?);
        }
        if let Some(payload) = &self.payload {
            all.insert("payload".to_owned(), payload::read(Some(payload), Given::Json)?);
        }
        Ok(all)
    }
}

/// Each as it is written: a payload is sent again to the byte.
type Fields = BTreeMap<String, Box<RawValue>>;

/// Nothing, where there is no such schedule yet.
fn in_force(client: &Client, path: &str) -> anyhow::Result<Fields> {
    #[derive(serde::Deserialize)]
    struct Put {
        definition: Option<Fields>,
    }
    match client.get(path).send() {
        Ok(answer) => Ok(answer.parse::<Put>()?.definition.unwrap_or_default()),
        Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(Fields::new()),
        Err(error) => Err(error.into()),
    }
}

fn deleted(schedule: &ScheduleName, answer: &Answer, as_json: bool) -> anyhow::Result<()> {
    let is_restored = answer.status == 200;
    if as_json {
        let said = json!({"name": schedule.as_str(), "deleted": !is_restored, "restored": is_restored});
        return Ok(terminal::print(&said.to_string())?);
    }
    let said = if is_restored { "is again as its module declares it" } else { "is deleted" };
    Ok(terminal::print(&format!("{schedule} {said}"))?)
}

fn triggered(answer: &Answer, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return answer.print();
    }
    let job: Job = answer.parse()?;
    let id = terminal::line(&job.id);
    terminal::print(&id)?;
    // One that was made is answered otherwise.
    let how = if answer.status == 200 { "it was there before, and is the only one like it" } else { "enqueued" };
    terminal::remark(&addressed(format!("{how}; `stoker job {id}` says how it does")));
    Ok(())
}

fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let page = client.pages("/v1/schedules", PAGE_SCHEDULES_MAX, PAGES_MAX)?;
    if as_json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|schedule| serde_json::from_str(schedule.get()));
    let schedules: Vec<Schedule> =
        read.collect::<Result<_, _>>().context("the host's list of schedules can't be understood")?;
    if schedules.is_empty() {
        let how = "there are no schedules yet; `stoker schedules NAME --kind KIND --cron '0 3 * * *'` makes one";
        terminal::remark(&addressed(how));
        return Ok(());
    }
    Ok(terminal::print(&schedules_table(&schedules, Colours::of_stdout()))?)
}
