//! `cold_start`: from the start of the process to its first answer, how long an upload takes, the first job after it, a
//! restart, and the first job after that.

use std::time::{Duration, Instant};

use super::latency_idle::{request, run_one};
use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::measurement::Measurement;
use crate::samples::Samples;

const ROUNDS: usize = 10;
const ROUNDS_QUICK: usize = 2;

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let rounds = if arguments.quick { ROUNDS_QUICK } else { ROUNDS };
    let workers = Workers::Slots(arguments.workers);
    let mut samples: [Samples; 5] = Default::default();
    let [first_start, upload, after_upload, restart, after_restart] = &mut samples;
    for _ in 0..rounds {
        let dir = DataDir::new(arguments)?;
        let host = Host::start(arguments, &dir, workers)?;
        first_start.record(answers(&host)?);
        let sent = Instant::now();
        host.upload_guest(arguments)?;
        upload.record(sent.elapsed());
        let mut client = host.client()?;
        let entered = request(&client);
        after_upload.record(run_one(&mut client, &entered)?.result);
        host.stop()?;

        let host = Host::start(arguments, &dir, workers)?;
        restart.record(answers(&host)?);
        let mut client = host.client()?;
        let entered = request(&client);
        after_restart.record(run_one(&mut client, &entered)?.result);
        host.stop()?;
    }
    let [first_start, upload, after_upload, restart, after_restart] = samples.map(Samples::summary);
    Ok(Measurement::new(Scenario::ColdStart)
        .with("rounds", rounds)
        .latency("first_start", first_start)
        .latency("upload", upload)
        .latency("job_after_upload", after_upload)
        .latency("restart", restart)
        .latency("job_after_restart", after_restart))
}

/// From the start of the process to its first answer: it takes connections before it has opened its store.
fn answers(host: &Host) -> anyhow::Result<Duration> {
    host.client()?.get("/health/live")?;
    Ok(host.spawned.elapsed())
}
