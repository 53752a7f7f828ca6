//! `stoker workflows`: submitting named jobs that wait for each other, seeing how far they are, cancelling them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use super::batches::{self, Group};
use super::client::{Answer, Connection};
use super::jobs::tone;
use super::terminal::{self, Colours, line};
use super::wire::{Workflow, WorkflowJob};
use crate::job::WorkflowId;

/// Indentation of one step of the graph, and the most steps that are shown as such.
const STEP: usize = 2;
const STEPS_MAX: usize = 30;
/// What a job is that is no more.
const DELETED: &str = "deleted";

/// Submit a workflow, list them, show or cancel one
///
/// A workflow is a JSON document with named jobs; `after` in a job names those it waits for.
///
/// A job whose parent did not end as it asks is cancelled; `stoker retry` of the parent brings it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  echo '{\"jobs\": {\"a\": {\"kind\": \"fetch\"}, \"b\": {\"kind\": \"send\", \"after\": [\"a\"]}}}' | stoker workflows --submit -
  stoker workflows --submit report.json
  stoker workflows
  stoker workflows workflow_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker workflows workflow_01ARZ3NDEKTSV4RRFFQ69G5FAV --cancel")]
pub(super) struct Arguments {
    /// The workflow to show [default: all]
    workflow: Option<WorkflowId>,
    /// The document to submit, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workflow", "cancel"])]
    submit: Option<String>,
    /// With --submit: the same key with the same document makes the same workflow, for 24 hours
    #[arg(long, value_name = "KEY", requires = "submit")]
    idempotency_key: Option<String>,
    /// Cancel all its jobs that have not ended
    #[arg(long, requires = "workflow")]
    cancel: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let as_json = arguments.connection.json;
    let answer = if let Some(file) = &arguments.submit {
        batches::submit(&client, "/v1/workflows", file, arguments.idempotency_key.as_deref())?
    } else if let Some(workflow) = arguments.workflow {
        let path = format!("/v1/workflows/{workflow}");
        if arguments.cancel { client.post(&format!("{path}/cancel")).send()? } else { client.get(&path).send()? }
    } else {
        return batches::list(&client, as_json, Group::Workflows).map(|()| ExitCode::SUCCESS);
    };
    show(&answer, as_json)?;
    Ok(ExitCode::SUCCESS)
}

fn show(answer: &Answer, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return answer.print();
    }
    Ok(terminal::print(&render(&answer.parse()?, Colours::of_stdout()))?)
}

/// The workflow, its counts, and each job under those it waits for.
fn render(workflow: &Workflow, colours: Colours) -> String {
    let mut page = batches::headline(&workflow.batch, colours);
    let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for job in &workflow.jobs {
        let parents = job.after.iter().filter_map(|parent| steps.get(parent.name.as_str()));
        let step = parents.max().map_or(0, |deepest| deepest + 1);
        steps.insert(&job.name, step);
        rows.push((" ".repeat(STEP * step.min(STEPS_MAX)) + &line(&job.name), job));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, job) in &rows {
        let word = job.state.as_deref().unwrap_or(DELETED);
        let state = format!("{:<10}", line(word));
        let state = tone(word).map_or_else(|| state.clone(), |tone| colours.paint(tone, &state));
        // Writing to a string can't fail.
        let _infallible = write!(page, "\n  {name:<width$}  {state} {}{}", line(&job.id), after(job));
        if let Some(error) = job.error.as_ref().filter(|_| word == "failed") {
            let _infallible = write!(page, "\n  {:<width$}  {}: {}", "", line(&error.reason), line(&error.message));
        }
    }
    page
}

fn after(job: &WorkflowJob) -> String {
    let names: Vec<String> = job
        .after
        .iter()
        .map(
            |parent| {
                if parent.on == "succeeded" { parent.name.clone() } else { format!("{}:{}", parent.name, parent.on) }
            },
        )
        .collect();
    if names.is_empty() { String::new() } else { format!("  after {}", line(&names.join(", "))) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_an_indented_graph() {
        let workflow = serde_json::from_value(serde_json::json!({
            "id": "workflow_1", "name": "nightly", "state": "running",
            "counts": {"total": 4, "unfinished": 2, "succeeded": 1, "failed": 1},
            "on_finish": {"kind": "tell", "job": null},
            "jobs": [
                {"name": "fetch", "id": "job_1", "state": "succeeded", "after": []},
                {"name": "render", "id": "job_2", "state": "failed", "after": [{"name": "fetch", "on": "succeeded"}],
                    "error": {"reason": "trap", "message": "out\nof bounds"}},
                {"name": "tidy", "id": "job_3", "state": "ready", "after": [{"name": "render", "on": "finished"}]},
                {"name": "check", "id": "job_4", "state": "running", "after": []},
                {"name": "send", "id": "job_5", "state": null, "kind": null, "after": [{"name": "render", "on": "failed"}]},
            ],
        }));
        insta::assert_snapshot!(render(&workflow.unwrap(), Colours::Off));
    }
}
