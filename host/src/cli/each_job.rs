//! The same for several jobs: what happened to each is told, one that is refused keeps none of the others back, and the
//! exit code is 0 only if all went well.

use std::process::ExitCode;

use super::client::{ClientError, Connection};
use super::terminal::{self, block, line};
use super::wire::Job;
use crate::job::JobId;

/// `POST /v1/jobs/{id}/{action}` for each; `said` of the job as it is then. With `--json` the jobs are printed, one a line.
pub(super) fn each_job(
    connection: &Connection,
    ids: &[JobId],
    action: &str,
    said: impl Fn(&Job) -> String,
) -> anyhow::Result<ExitCode> {
    let client = connection.client()?;
    let mut refused = 0;
    for id in ids {
        match client.post(&format!("/v1/jobs/{id}/{action}")).send() {
            Ok(answer) if connection.json => answer.print()?,
            Ok(answer) => terminal::print(&said(&answer.parse()?))?,
            // What is wrong with one job may be right with the next; a host that is away is away for all.
            Err(ClientError::Problem(problem)) if ids.len() > 1 && problem.status < 500 && problem.status != 401 => {
                refused += 1;
                terminal::remark(&format!("{}: {}", line(&id.to_string()), block(&problem.to_string())));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if refused == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    terminal::remark(&format!("error: {refused} of {} jobs could not be changed by `stoker {action}`", ids.len()));
    Ok(ExitCode::FAILURE)
}
