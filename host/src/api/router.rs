//! Every route on one page. Each handler carries its own description (`#[utoipa::path]`), path and method included;
//! what is not listed here does not exist.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::front::{front, net, with_fallbacks};
use super::openapi::Document;
use super::shared::Api;
use super::state::ApiState;
use super::{
    backup, batches, dead_letters, docs, health, jobs, kinds, kv, metrics, modules, openapi, operations, queues,
    schedules, secrets, workflows,
};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        // What apps call.
        .routes(routes!(jobs::enqueue, jobs::list))
        .routes(routes!(jobs::enqueue_batch))
        .routes(routes!(jobs::detail, jobs::edit, jobs::delete))
        .routes(routes!(jobs::attempts))
        .routes(routes!(jobs::logs))
        .routes(routes!(jobs::history))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(batches::create_batch, batches::list_batches))
        .routes(routes!(batches::batch_detail))
        .routes(routes!(batches::batch_jobs))
        .routes(routes!(batches::close_batch))
        .routes(routes!(batches::cancel_batch))
        .routes(routes!(workflows::submit_workflow, workflows::list_workflows))
        .routes(routes!(workflows::workflow_detail))
        .routes(routes!(workflows::cancel_workflow))
        .routes(routes!(jobs::run_now))
        // What handler authors call.
        .routes(routes!(modules::list_modules))
        .routes(routes!(modules::upload, modules::module_detail, modules::delete_module))
        .routes(routes!(modules::list_versions))
        .routes(routes!(modules::delete_version))
        .routes(routes!(modules::download_version))
        .routes(routes!(modules::version_changes))
        .routes(routes!(modules::activate))
        // What operators call.
        .routes(routes!(kinds::list_kinds))
        .routes(routes!(kinds::kind_detail))
        .routes(routes!(kinds::set_kind_settings, kinds::patch_kind_settings))
        .routes(routes!(queues::list_queues))
        .routes(routes!(queues::queue_detail, queues::set_queue, queues::patch_queue, queues::delete_queue))
        .routes(routes!(queues::pause_queue))
        .routes(routes!(queues::resume_queue))
        .routes(routes!(schedules::list_schedules))
        .routes(routes!(schedules::preview_schedule))
        .routes(routes!(schedules::schedule_detail, schedules::put_schedule, schedules::delete_schedule))
        .routes(routes!(schedules::trigger_schedule))
        .routes(routes!(schedules::pause_schedule))
        .routes(routes!(schedules::resume_schedule))
        .routes(routes!(secrets::list_secrets))
        .routes(routes!(secrets::set_secret, secrets::delete_secret))
        .routes(routes!(kv::list_kv_buckets))
        .routes(routes!(kv::list_kv_keys))
        .routes(routes!(kv::kv_entry, kv::set_kv_entry, kv::delete_kv_entry))
        .routes(routes!(dead_letters::list_dead_letters))
        .routes(routes!(dead_letters::dead_letter_group))
        .routes(routes!(operations::create_operation))
        .routes(routes!(operations::list_operations))
        .routes(routes!(operations::operation_detail))
        .routes(routes!(operations::cancel_operation))
        .routes(routes!(backup::backup))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::openapi))
        .routes(routes!(docs::docs))
        .routes(routes!(docs::index))
}

/// The API as a router.
pub fn router(state: ApiState) -> axum::Router {
    let connections_max = state.config.requests.connections_max;
    build(state, connections_max, CancellationToken::new())
}

/// The same; `connections_max` are all there can be, `stopping` ends waits early.
pub(super) fn build(state: ApiState, connections_max: usize, stopping: CancellationToken) -> axum::Router {
    let (router, generated) = routes().split_for_parts();
    let api = Arc::new(Api::new(state, Document::new(generated), connections_max, stopping));
    // One layer of two: each costs every request a copy of what lies inside it.
    let layers = (from_fn_with_state(Arc::clone(&api), front), net());
    with_fallbacks(router).layer(layers).with_state(api)
}
