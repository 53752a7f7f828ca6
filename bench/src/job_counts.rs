//! How many jobs are in which state, from `GET /v1/queues`: counters the host maintains, so that asking costs it
//! next to nothing.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::client::Client;

/// Between two looks at the counters. Often enough for a clock that runs for seconds, rare enough not to be load.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// With no job finished for so long the host is taken for stuck.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Jobs in a state, over all queues.
pub(crate) fn jobs_in(client: &mut Client, state: &str) -> anyhow::Result<u64> {
    in_state(&client.get("/v1/queues")?, state)
}

/// Jobs that have not ended, over all queues.
pub(crate) fn unfinished_jobs(client: &mut Client) -> anyhow::Result<u64> {
    let queues = client.get("/v1/queues")?;
    ["ready", "scheduled", "blocked", "running", "retrying"].into_iter().map(|state| in_state(&queues, state)).sum()
}

/// Waits until so many jobs have succeeded; when that was seen. A job that failed ends the wait.
pub(crate) fn wait_for_succeeded(client: &mut Client, jobs: u64) -> anyhow::Result<Instant> {
    let mut last = (0, Instant::now());
    loop {
        let queues = client.get("/v1/queues")?;
        let seen_at = Instant::now();
        let succeeded = in_state(&queues, "succeeded")?;
        if succeeded >= jobs {
            return Ok(seen_at);
        }
        let failed = in_state(&queues, "failed")? + in_state(&queues, "retrying")?;
        anyhow::ensure!(failed == 0, "{failed} jobs of a guest that cannot fail have failed");
        if succeeded > last.0 {
            last = (succeeded, seen_at);
        }
        anyhow::ensure!(
            last.1.elapsed() < SILENCE_MAX,
            "{succeeded} of {jobs} jobs have succeeded, none in the last {SILENCE_MAX:?}"
        );
        std::thread::sleep(POLL_EVERY);
    }
}

fn in_state(queues: &Value, state: &str) -> anyhow::Result<u64> {
    let items = queues["items"].as_array().context("/v1/queues without items")?;
    // A state no job is in may be left out.
    Ok(items.iter().map(|queue| queue["counts"][state].as_u64().unwrap_or(0)).sum())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_is_summed_over_queues() {
        let queues = json!({"items": [
            {"name": "default", "counts": {"ready": 3, "succeeded": 5}},
            {"name": "slow", "counts": {"succeeded": 2}},
        ]});
        assert_eq!(in_state(&queues, "succeeded").unwrap(), 7);
        assert_eq!(in_state(&queues, "failed").unwrap(), 0);
        assert!(in_state(&json!([]), "failed").is_err());
    }
}
