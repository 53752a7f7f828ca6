//! The state of the router: what every action can reach, plus what the router makes of it once. Actions reach it through
//! their [`Call`](super::identity::Call), which also says whose request it is.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::auth::Guard;
use super::http_metrics::HttpMetrics;
use super::hub::Connections;
use super::identity::Access;
use super::notifications::Places;
use super::openapi::Document;
use super::room::Room;
use super::slow_turns::SlowTurns;
use super::state::ApiState;
use super::turns::Turns;
use crate::each_tenant::EachTenant;
use crate::job::QueueName;
use crate::schema::SlowWork;
use crate::store::TenantId;

/// Modules compiled at once.
const UPLOADS_MAX: usize = 2;
/// Batches checked and written at once.
const BATCHES_MAX: usize = 8;
/// Changes of single settings at once: each builds on what the one before left.
const SETTINGS_CHANGES_MAX: usize = 1;
/// Versions compared at once. Each uses a core.
const COMPARISONS_MAX: usize = 1;
/// Backups made at once; a further one is refused.
const BACKUPS_MAX: usize = 1;
/// Exports of tenants read at once.
const EXPORTS_MAX: usize = 4;
/// Of so many connections one is spared: there may be fewer requests under way (waiting ones included) than connections,
/// so that one more can be told 429, and `/health/*` asked.
const CONNECTIONS_PER_SPARE: usize = 16;
/// A tenant (see `Call::part`), and those who have not said yet who they are, have at most one of so many parts of the requests
/// under way,
const REQUESTS_PARTS: usize = 2;
/// and one of so many parts of them may wait for the ends of jobs.
const WAITS_PARTS: usize = 4;

/// What actions get that anybody may call: one pointer, cloned per request.
pub(super) type Shared = axum::extract::State<Arc<Api>>;

/// Everything an action can reach.
pub(super) struct Api {
    state: ApiState,
    /// From where calls may come.
    pub(super) guard: Guard,
    /// What each route needs.
    pub(super) access: Access,
    /// Requests by route, status and time.
    pub(super) http: HttpMetrics,
    /// What `GET /openapi.json` says.
    pub(super) document: Document,
    /// Raised when the host stops: waits end early.
    pub(super) stopping: CancellationToken,
    /// For what requests bring.
    pub(super) bodies: Room,
    /// For what answers bring.
    pub(super) answers: Room,
    pub(super) uploads: Turns,
    /// The turns of payloads that are only read and checked elsewhere because they are large.
    pub(super) large_payloads: SlowTurns,
    /// Those of checks with all the effort there is.
    pub(super) slow_checks: SlowTurns,
    pub(super) batches: Turns,
    pub(super) settings_changes: Turns,
    pub(super) comparisons: Turns,
    pub(super) backups: Arc<Semaphore>,
    pub(super) exports: Arc<Semaphore>,
    pub(super) requests: Semaphore,
    /// Each tenant's part of them, and of those who have not said yet who they are.
    pub(super) requests_of_tenants: EachTenant<Option<TenantId>>,
    /// Those of them that may wait for a job's end.
    pub(super) waits_of_tenants: EachTenant<TenantId>,
    /// For connections that stay open for users.
    pub(super) places: Places,
    /// Those to the hub that are server-sent events.
    pub(super) hub: Connections,
    /// The queue of jobs that name none; made once.
    pub(super) default_queue: QueueName,
}

impl Api {
    /// `connections_max`: as many as there can be, which may be fewer than the configuration says.
    pub(super) fn new(
        state: ApiState,
        document: Document,
        connections_max: usize,
        stopping: CancellationToken,
    ) -> Self {
        let requests = state.config.requests;
        let requests_at_once = requests_max(connections_max);
        let body_bytes_max = requests.module_bytes_max.max(requests.batch_bytes_max).max(requests.payload_bytes_max);
        Self {
            guard: Guard::new(&state.config),
            access: Access::of(document.base()),
            http: HttpMetrics::new(document.paths()),
            document,
            stopping,
            bodies: Room::for_bodies_of(body_bytes_max),
            answers: Room::for_answers(),
            uploads: Turns::new(UPLOADS_MAX, "uploads").lasting(state.config.compile.timeout),
            batches: Turns::new(BATCHES_MAX, "batches"),
            large_payloads: SlowTurns::new(SlowWork::default()),
            slow_checks: SlowTurns::new(state.validators.slow_checks().clone()),
            settings_changes: Turns::new(SETTINGS_CHANGES_MAX, "changes of settings"),
            comparisons: Turns::new(COMPARISONS_MAX, "comparisons of versions"),
            backups: Arc::new(Semaphore::new(BACKUPS_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            requests: Semaphore::new(requests_at_once),
            requests_of_tenants: EachTenant::with((requests_at_once / REQUESTS_PARTS).max(1)),
            waits_of_tenants: EachTenant::with((requests_at_once / WAITS_PARTS).max(1)),
            places: Places::of(connections_max),
            hub: Connections::default(),
            default_queue: QueueName::default_queue(),
            state,
        }
    }
}

/// How many requests may be under way on so many connections.
fn requests_max(connections_max: usize) -> usize {
    let spared = (connections_max / CONNECTIONS_PER_SPARE).max(1);
    connections_max.saturating_sub(spared).max(1)
}

impl Deref for Api {
    type Target = ApiState;

    fn deref(&self) -> &ApiState {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_spared_however_few_there_are() {
        for (connections, requests) in [(4_096, 3_840), (44, 42), (16, 15), (15, 14), (2, 1), (1, 1)] {
            assert_eq!(requests_max(connections), requests, "{connections}");
        }
    }
}
