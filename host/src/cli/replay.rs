//! `stoker replay`: a job's own module, payload and recorded steps, run here once more.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::client::{Client, Connection, segment};
use super::run::{configured, secrets, try_module};
use super::terminal::{self, Colours};
use super::{granted, run_view};
use crate::api::wire::replay::{Replay, ReplayedLimits};
use crate::job::{Digest, JobId, JobState, LimitRequest, LogLine, ModuleName};
use crate::trial::{GivenParent, Order, Repeated};

/// Run a job once more, here
///
/// The job's own module version runs on this machine with its payload, its settings and the steps it has recorded: those are not
/// run again, and what comes after them is. What it asks for on success is shown, and not done; its key-value store is empty, and
/// goes with the run. It reaches other systems only as far as --grant says, whatever its kind is granted on the host, and has
/// the secrets that are given with --secret. Nothing on the host changes.
///
/// The exit code is 0 only if the job succeeded here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker replay job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker replay job_01ARZ3NDEKTSV4RRFFQ69G5FAV --without-steps
  stoker replay job_01ARZ3NDEKTSV4RRFFQ69G5FAV --module target/wasm32-wasip2/release/mended.wasm
  stoker replay job_01ARZ3NDEKTSV4RRFFQ69G5FAV --grant http=api.example.com --secret stripe-key=@test.key
  stoker replay job_01ARZ3NDEKTSV4RRFFQ69G5FAV --json | jq .effects")]
pub(super) struct Arguments {
    /// The job
    id: JobId,
    /// Run everything, whatever was recorded
    #[arg(long)]
    without_steps: bool,
    /// Another module instead of the job's own: a .wasm file
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// What it may use here, as for `stoker run`. Repeat for more
    #[arg(long = "grant", value_name = "WHAT=NAME", value_parser = granted::parse)]
    grants: Vec<granted::Granted>,
    /// A secret, and the file it is in. Can be given for each of them
    #[arg(long = "secret", value_name = "NAME=@FILE")]
    secrets: Vec<String>,
    /// Print an output that is a string as it is, without quotes
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// The configuration file of a host like the one that ran it: its limits count here [default: stoker.toml, if it exists]
    #[arg(long, env = "STOKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let (config, file) = configured(arguments.config.as_deref())?;
    let mut replay: Replay = client.get(&format!("/v1/jobs/{}/replay", arguments.id)).send()?.parse()?;
    let mut steps = replay.take_steps()?;
    if arguments.without_steps {
        steps.clear();
    }
    let wasm = match &arguments.module {
        Some(file) => Bytes::from(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?),
        None => download(&client, &replay.module.name, replay.module.digest)?,
    };
    let colours = Colours::of_stderr();
    let mut told = 0;
    let mut follow = |logged: &LogLine| {
        told += 1;
        terminal::remark(&run_view::log_row(logged.level, &logged.message, colours));
    };
    let follow = (!arguments.connection.json).then_some(&mut follow as &mut dyn FnMut(&LogLine));
    let module = replay.module.name.clone();
    let order = order(arguments, replay, steps)?;
    let report = try_module((module, wasm), config, |_| Ok(order), follow)?;
    if arguments.connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&report)?))?;
    } else {
        terminal::remark(&run_view::render(&report, told, file.as_deref(), colours));
        if let Some(output) = &report.output {
            terminal::print(&terminal::output(output.get(), arguments.raw))?;
        }
    }
    Ok(if report.state == JobState::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn order(arguments: &Arguments, replay: Replay, steps: Vec<crate::job::Step>) -> anyhow::Result<Order> {
    let slot_at = replay.slot_at();
    let Replay { format: _, job, payload, module: _, mut settings, limits, parents, steps: _ } = replay;
    // Only what is said here is in reach from here.
    settings.grants = None;
    let ReplayedLimits { timeout_ms, fuel, memory_bytes } = limits;
    let json = |value: Box<RawValue>| Bytes::from(String::from(Box::<str>::from(value)));
    let settings = serde_json::to_string(&settings)?;
    Ok(Order {
        kind: job.kind,
        payload: json(payload),
        settings: [settings].into_iter().chain(granted::settings(&arguments.grants)?).collect(),
        limits: LimitRequest { fuel, timeout_ms, memory_bytes, ..LimitRequest::default() },
        attempt: job.attempt,
        max_attempts: Some(job.max_attempts.max(job.attempt)),
        parents: parents
            .into_iter()
            .map(|parent| GivenParent { name: parent.name, output: json(parent.output) })
            .collect(),
        secrets: secrets(&arguments.secrets)?,
        repeats: Some(Repeated {
            job: job.id,
            tenant: job.tenant,
            queue: job.queue,
            created_at: job.created_at.0,
            run_at: job.run_at.0,
            slot_at,
            steps,
        }),
    })
}

/// The bytes of a version.
fn download(client: &Client, module: &ModuleName, digest: Digest) -> anyhow::Result<Bytes> {
    let path = format!("/v1/modules/{}/versions/{digest}/wasm", segment(module.as_str()));
    let mut response = client.get(&path).streamed().begin("application/json", Vec::new())?;
    let expected = response.body().content_length();
    let mut wasm = Vec::new();
    response.body_mut().as_reader().read_to_end(&mut wasm).context("the module did not come whole")?;
    let is_whole = expected.is_none_or(|expected| expected == wasm.len() as u64);
    ensure!(is_whole, "the module did not come whole; try again");
    Ok(Bytes::from(wasm))
}
