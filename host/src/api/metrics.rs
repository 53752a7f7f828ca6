//! `GET /metrics`: `OpenMetrics` text, as Prometheus reads it, from counters that are kept anyway. A scrape reads no history.

use std::fmt;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::error::ApiError;
use super::extract::NoParameters;
use super::http_metrics::BUCKETS_US;
use super::shared::{Api, Shared};
use crate::dispatcher::{DispatcherMetrics, Slots};
use crate::job::duration::whole_ms;
use crate::mail::{CourierStatus, MailMetrics, Reach};
use crate::maintenance::TaskStatus;
use crate::store::{CounterRow, MailCount, OldestReady, StoreMetrics};

/// Tells Prometheus which of its formats this is: counters are named without `_total` in their descriptions.
const CONTENT_TYPE_TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything one scrape shows, taken at one moment.
#[derive(Debug)]
struct Snapshot {
    jobs: Vec<CounterRow>,
    /// With the ms since each became ready.
    oldest: Vec<(OldestReady, u64)>,
    dispatcher: DispatcherMetrics,
    slots: Slots,
    store: StoreMetrics,
    writable: bool,
    secrets_under_earlier_keys: u64,
    mails: Vec<MailCount>,
    courier: CourierStatus,
    requests: Vec<Requests>,
    resident_bytes: u64,
    uptime_ms: u64,
    /// With the ms since each ended last.
    tasks: Vec<(TaskStatus, Option<u64>)>,
}

#[derive(Debug)]
struct Requests {
    route: String,
    method: &'static str,
    statuses: Vec<(u16, u64)>,
    buckets: Vec<(f64, u64)>,
    total_us: u64,
}

/// Metrics
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, body = String, content_type = "application/openmetrics-text", description = "OpenMetrics text, as Prometheus reads it")))]
pub(super) async fn metrics(State(api): Shared, _: NoParameters) -> Result<Response, ApiError> {
    let (jobs, oldest) = (api.store.counters().await?, api.store.oldest_ready_jobs().await?);
    let mails = api.store.mail_counts().await?;
    let snapshot = Snapshot::take(&api, jobs, oldest, (api.vault.under_earlier_keys().await?, mails));
    Ok(([(CONTENT_TYPE, CONTENT_TYPE_TEXT)], text(snapshot)?).into_response())
}

fn text(snapshot: Snapshot) -> Result<String, ApiError> {
    let mut registry = Registry::with_prefix("stoker");
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| ApiError::internal(&error))?;
    Ok(text)
}

impl Snapshot {
    fn take(
        api: &Api,
        jobs: Vec<CounterRow>,
        oldest: Vec<OldestReady>,
        (secrets_under_earlier_keys, mails): (u64, Vec<MailCount>),
    ) -> Self {
        let bounds = || BUCKETS_US.iter().map(|us| seconds(*us)).chain([f64::INFINITY]);
        let requests = api.http.counts().map(|counts| Requests {
            route: counts.path.to_owned(),
            method: counts.method,
            statuses: counts.statuses,
            buckets: bounds().zip(counts.buckets).collect(),
            total_us: counts.total_us,
        });
        let now = api.clock.now();
        let tasks = api.maintenance.tasks().into_iter().map(|task| {
            let age_ms = task.last_run_at.map(|at| whole_ms(now.since(at)));
            (task, age_ms)
        });
        let oldest = oldest.into_iter().map(|oldest| {
            let age_ms = whole_ms(now.since(oldest.ready_at));
            (oldest, age_ms)
        });
        Self {
            jobs,
            oldest: oldest.collect(),
            dispatcher: api.dispatcher.metrics(),
            slots: api.dispatcher.slots(),
            store: api.store.metrics(),
            writable: api.store.is_writable(),
            secrets_under_earlier_keys,
            mails,
            courier: api.courier.status(),
            requests: requests.collect(),
            resident_bytes: resident_bytes().unwrap_or(0),
            uptime_ms: whole_ms(now.since(api.started_at)),
            tasks: tasks.collect(),
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Precise up to 285 years.
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// Memory of this process, from the kernel; `None` where it does not say.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// One metric with its help; `each` writes its samples.
fn metric(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric_type: MetricType,
    each: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    each(&mut encoder.encode_descriptor(name, help, None, metric_type)?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    metric(encoder, name, help, MetricType::Counter, |m| m.encode_counter::<NoLabelSet, _, u64>(&value, None))
}

fn seconds_counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, us: u64) -> fmt::Result {
    metric(encoder, name, help, MetricType::Counter, |m| m.encode_counter::<NoLabelSet, _, u64>(&seconds(us), None))
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    metric(encoder, name, help, MetricType::Gauge, |m| m.encode_gauge(&value))
}

/// Samples that differ in their labels.
fn labelled<'a, L: EncodeLabelSet>(
    metric: &mut MetricEncoder<'_>,
    samples: impl Iterator<Item = (L, u64)> + 'a,
    is_counter: bool,
) -> fmt::Result {
    for (labels, value) in samples {
        let mut sample = metric.encode_family(&labels)?;
        if is_counter {
            sample.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        } else {
            sample.encode_gauge(&value)?;
        }
    }
    Ok(())
}

/// What became of mail, and of the server it is given to.
fn mail(e: &mut DescriptorEncoder<'_>, mails: &[MailCount], courier: &CourierStatus) -> fmt::Result {
    metric(e, "mails", "Mails by state; those that are over count what is kept", MetricType::Gauge, |m| {
        let samples = mails.iter().map(|MailCount { tenant, state, mails }| {
            ([("tenant", tenant.as_str()), ("state", state.as_str())], *mails)
        });
        labelled(m, samples, false)
    })?;
    let MailMetrics { sent, refused, later, unreachable } = courier.metrics;
    metric(e, "mail_recipients", "Recipients told to the server, by its answer", MetricType::Counter, |m| {
        let answers = [("sent", sent), ("refused", refused), ("later", later)];
        labelled(m, answers.into_iter().map(|(answer, count)| ([("answer", answer)], count)), true)
    })?;
    let help = "Times the server for mail could not be reached, or refused the login";
    counter(e, "mail_server_failures", help, unreachable)?;
    let is_failing = matches!(courier.reach, Reach::Failing { .. });
    gauge(e, "mail_server_failing", "1 while the server for mail can't be used", is_failing.into())
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let e = &mut encoder;
        let Self {
            jobs,
            oldest,
            dispatcher,
            slots,
            store,
            writable,
            secrets_under_earlier_keys,
            mails,
            courier,
            requests,
            resident_bytes,
            uptime_ms,
            tasks,
        } = self;

        metric(e, "jobs", "Jobs by state; terminal states count what is kept", MetricType::Gauge, |m| {
            let samples = jobs.iter().map(|row| {
                let labels = [
                    ("tenant", row.tenant.as_str()),
                    ("queue", row.queue.as_str()),
                    ("kind", row.kind.as_str()),
                    ("state", row.state.as_str()),
                ];
                (labels, row.jobs)
            });
            labelled(m, samples, false)
        })?;
        metric(e, "queue_oldest_ready_age_seconds", "Wait of the job that waits longest", MetricType::Gauge, |m| {
            let samples = oldest.iter().map(|(OldestReady { tenant, queue, .. }, age_ms)| {
                ([("tenant", tenant.as_str()), ("queue", queue.as_str())], age_ms / 1_000)
            });
            labelled(m, samples, false)
        })?;
        metric(e, "executions", "Executions ended, by outcome", MetricType::Counter, |m| {
            labelled(m, dispatcher.executions.iter().map(|(word, count)| ([("outcome", *word)], *count)), true)
        })?;
        counter(e, "claimed_jobs", "Jobs claimed", dispatcher.claimed)?;
        seconds_counter(e, "guest_run_seconds", "Time spent in guests", dispatcher.run_us)?;
        counter(e, "guest_fuel", "Fuel burnt by guests", dispatcher.fuel)?;
        gauge(e, "outcomes_waiting", "Outcomes waiting for the store", dispatcher.outcomes_waiting)?;
        gauge(e, "slots_used", "Attempts running", slots.used.into())?;
        gauge(e, "slots", "Attempts that may run at once", slots.total.into())?;

        counter(e, "store_commits", "Transactions committed", store.commits)?;
        counter(e, "store_operations", "Operations carried out", store.operations)?;
        counter(e, "store_commit_failures", "Commits that failed", store.commit_failures)?;
        seconds_counter(e, "store_commit_seconds", "Time spent in commits, fsync included", store.commit_us)?;
        gauge(e, "store_wal_bytes", "Size of the write-ahead log", store.wal_bytes)?;
        gauge(e, "store_database_bytes", "Size of the database file", store.database_bytes)?;
        gauge(e, "store_operations_waiting", "Operations waiting for the writer", store.waiting)?;
        gauge(e, "store_writable", "1 while the store can write", u64::from(*writable))?;
        let help = "Secrets that are still to be encrypted under the current key";
        gauge(e, "secrets_under_earlier_keys", help, *secrets_under_earlier_keys)?;

        mail(e, mails, courier)?;

        metric(e, "maintenance_runs", "Runs of upkeep since the start, by task", MetricType::Counter, |m| {
            labelled(m, tasks.iter().map(|(task, _)| ([("task", task.name)], task.runs)), true)
        })?;
        metric(e, "maintenance_failures", "Runs of upkeep that failed, by task", MetricType::Counter, |m| {
            labelled(m, tasks.iter().map(|(task, _)| ([("task", task.name)], task.failures)), true)
        })?;
        metric(e, "maintenance_failing", "1 while the last run of a task failed", MetricType::Gauge, |m| {
            labelled(m, tasks.iter().map(|(task, _)| ([("task", task.name)], task.last_error.is_some().into())), false)
        })?;
        metric(e, "maintenance_last_run_age_seconds", "Time since a task last ended", MetricType::Gauge, |m| {
            let ran = tasks.iter().filter_map(|(task, age_ms)| Some(([("task", task.name)], (*age_ms)? / 1_000)));
            labelled(m, ran, false)
        })?;

        metric(e, "http_requests", "Requests answered; status 0 is any other", MetricType::Counter, |m| {
            let samples = requests.iter().flat_map(|request| {
                request.statuses.iter().map(|(status, count)| {
                    let labels = vec![
                        ("route", request.route.clone()),
                        ("method", request.method.to_owned()),
                        ("status", status.to_string()),
                    ];
                    (labels, *count)
                })
            });
            labelled(m, samples, true)
        })?;
        metric(e, "http_request_duration_seconds", "Time to the head of the answer", MetricType::Histogram, |m| {
            for Requests { route, method, buckets, total_us, .. } in requests {
                let labels = [("route", route.as_str()), ("method", method)];
                let count = buckets.iter().map(|(_, count)| count).sum();
                m.encode_family(&labels)?.encode_histogram::<NoLabelSet>(seconds(*total_us), count, buckets, None)?;
            }
            Ok(())
        })?;
        gauge(e, "process_resident_memory_bytes", "Resident memory", *resident_bytes)?;
        gauge(e, "process_uptime_seconds", "Time since the host started", uptime_ms / 1_000)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::{JobState, QueueName, TenantName};

    #[test]
    fn a_scrape() {
        let text = text(Snapshot {
            jobs: vec![CounterRow {
                tenant: TenantName::default_tenant(),
                queue: QueueName::default_queue(),
                kind: "email.send".parse().unwrap(),
                state: JobState::Ready,
                jobs: 3,
            }],
            oldest: vec![(
                OldestReady {
                    tenant: TenantName::default_tenant(),
                    queue: QueueName::default_queue(),
                    ready_at: crate::job::Timestamp(0),
                },
                61_500,
            )],
            dispatcher: DispatcherMetrics { executions: vec![("succeeded", 7), ("trap", 1)], ..Default::default() },
            slots: Slots { used: 1, total: 4 },
            store: StoreMetrics::default(),
            writable: true,
            secrets_under_earlier_keys: 3,
            mails: vec![MailCount {
                tenant: TenantName::default_tenant(),
                state: crate::job::MailState::Kept,
                mails: 2,
            }],
            courier: CourierStatus {
                reach: Reach::Failing { error: "nobody there".into(), since: crate::job::Timestamp(0) },
                metrics: MailMetrics { sent: 5, refused: 1, later: 2, unreachable: 4 },
                ..CourierStatus::default()
            },
            requests: vec![Requests {
                route: "/v1/jobs".into(),
                method: "POST",
                statuses: vec![(201, 2)],
                buckets: vec![(0.1, 1), (f64::INFINITY, 1)],
                total_us: 1_500_000,
            }],
            resident_bytes: 1,
            uptime_ms: 2_500,
            tasks: vec![
                (
                    TaskStatus { name: "prune", runs: 3, failures: 1, last_run_at: None, last_error: Some("x".into()) },
                    Some(4_200),
                ),
                (TaskStatus { name: "unpark", runs: 0, failures: 0, last_run_at: None, last_error: None }, None),
            ],
        })
        .unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_kernel_says_how_much_memory_there_is() {
        assert!(!cfg!(target_os = "linux") || resident_bytes().unwrap() > 1 << 20);
    }
}
