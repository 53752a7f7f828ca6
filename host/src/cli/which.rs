//! Many jobs by what they have in common: the options that say which, and the action on them, seen through to its end.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::client::{Client, Connection};
use super::filter::JobFilter;
use super::operations::{Operation, said};
use super::terminal;
use crate::job::{OperationId, RateWire};

/// Between two looks at an operation.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Which jobs, instead of their ids.
#[derive(Debug, clap::Args)]
// All of it is in one group with the filter: a command has ids, or any of these.
#[group(skip)]
pub(super) struct Which {
    /// All jobs there are
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    filter: JobFilter,
    /// Only those whose last failure has this reason, like `timeout`
    #[arg(long, group = "which")]
    reason: Option<String>,
    /// At most so many jobs in such a time: `10/s`, `600/m`, `1000/h`
    #[arg(long, group = "which")]
    rate: Option<RateWire>,
    /// Don't wait until it is done: print the operation, which goes on without this command
    #[arg(long, group = "which")]
    no_wait: bool,
}

impl Which {
    /// The body of `POST /v1/jobs/bulk`.
    pub(super) fn request(&self, action: &str, priority: Option<u8>) -> Value {
        let mut filter = self.filter.json();
        filter.extend(self.all.then(|| ("all".to_owned(), json!(true))));
        filter.extend(self.reason.as_ref().map(|reason| ("reason".to_owned(), json!(reason))));
        let mut request = json!({"action": action, "filter": filter});
        if let Some(priority) = priority {
            request["priority"] = json!(priority);
        }
        if let Some(rate) = self.rate {
            request["rate"] = json!(rate.to_string());
        }
        request
    }

    /// Asks for it, and waits for its end unless that is not wanted. Success is that it was done to all that were found, or had
    /// nothing to do.
    pub(super) fn carry_out(
        &self,
        connection: &Connection,
        action: &str,
        priority: Option<u8>,
    ) -> anyhow::Result<ExitCode> {
        let client = connection.client()?;
        let body = serde_json::to_vec(&self.request(action, priority))?;
        let mut answer = client.post("/v1/jobs/bulk").send_body("application/json", body)?;
        let mut operation: Operation = answer.parse()?;
        while !self.no_wait && !operation.is_finished() {
            std::thread::sleep(LOOK_AGAIN);
            answer = look(&client, &operation.id)?;
            operation = answer.parse()?;
        }
        if connection.json {
            answer.print()?;
        } else {
            terminal::print(&said(&operation))?;
        }
        Ok(if self.no_wait || operation.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn look(client: &Client, id: &str) -> anyhow::Result<super::client::Answer> {
    let id: OperationId = id.parse().context("the host answered with something that is no operation")?;
    let answer = client.get(&format!("/v1/operations/{id}")).send();
    answer.with_context(|| format!("{id} goes on without this command; `stoker operations {id}` shows how far it is"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        which: Which,
    }

    #[test]
    fn requests_hold_what_was_said_and_nothing_else() {
        let request = |line: &[&str]| {
            let line = Line::try_parse_from(std::iter::once("bulk").chain(line.iter().copied())).unwrap();
            line.which.request("retry", None).to_string()
        };
        assert_eq!(request(&["--all"]), r#"{"action":"retry","filter":{"all":true}}"#);
        assert_eq!(
            request(&["--state", "failed", "--kind", "a.b", "--reason", "timeout", "--rate", "10/s"]),
            r#"{"action":"retry","filter":{"kind":"a.b","reason":"timeout","state":"failed"},"rate":"10/s"}"#
        );
        let group = "group_0123456789abcdef0123456789abcdef";
        assert_eq!(
            request(&["--group", group, "--rate", "600/min"]),
            format!(r#"{{"action":"retry","filter":{{"group":"{group}"}},"rate":"600/m"}}"#)
        );
        assert!(Line::try_parse_from(["bulk", "--rate", "fast"]).is_err());
    }
}
