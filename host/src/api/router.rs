//! Every route on one page, grouped by the least role it needs. Each handler carries its own description (`#[utoipa::path]`), path and method included;
//! what is not listed here does not exist.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::front::{front, net, with_fallbacks};
use super::identity::Grouped;
use super::openapi::Document;
use super::shared::Api;
use super::state::ApiState;
use super::{
    audit, backup, batches, dashboard, databases, dead_letters, docs, health, hub, jobs, keys, kinds, kv, mail,
    metrics, modules, notifications, openapi, operations, queues, schedules, secrets, tenants, usage, workflows,
};
use crate::job::Role;

/// By the least role each needs. A greater role may do what a smaller one may.
pub(super) fn routes() -> Grouped<Arc<Api>> {
    Grouped::anybody(open())
        .least(Role::User, user())
        .least(Role::Viewer, viewer())
        .least(Role::Producer, producer())
        .least(Role::Operator, operator())
        .least(Role::Admin, admin())
}

/// No credential.
fn open() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(dashboard::login_page, dashboard::login))
}

/// What is for one user of an application.
fn user() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(notifications::read_notification))
        .routes(routes!(notifications::unread_notification))
        .routes(routes!(notifications::read_all_notifications))
        .routes(routes!(notifications::delete_notification))
        .routes(routes!(notifications::notification_stream))
        .routes(routes!(hub::negotiate))
        .routes(routes!(hub::hub_connect, hub::hub_send))
}

/// Looks at what a tenant has, and changes nothing.
fn viewer() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::detail))
        .routes(routes!(jobs::attempts))
        .routes(routes!(jobs::logs))
        .routes(routes!(jobs::history))
        .routes(routes!(batches::list_batches))
        .routes(routes!(batches::batch_detail))
        .routes(routes!(batches::batch_jobs))
        .routes(routes!(workflows::list_workflows))
        .routes(routes!(workflows::workflow_detail))
        .routes(routes!(modules::list_modules))
        .routes(routes!(modules::module_detail))
        .routes(routes!(modules::list_versions))
        .routes(routes!(kinds::list_kinds))
        .routes(routes!(kinds::kind_detail))
        .routes(routes!(queues::list_queues))
        .routes(routes!(queues::queue_detail))
        .routes(routes!(schedules::list_schedules))
        .routes(routes!(schedules::schedule_detail))
        .routes(routes!(dead_letters::list_dead_letters))
        .routes(routes!(dead_letters::dead_letter_group))
        .routes(routes!(operations::list_operations))
        .routes(routes!(operations::operation_detail))
        .routes(routes!(mail::list_mail))
        .routes(routes!(mail::mail_detail))
        .routes(routes!(usage::usage))
        .routes(routes!(openapi::openapi))
        .routes(routes!(dashboard::home))
        .routes(routes!(dashboard::logout))
        .routes(routes!(docs::docs))
        .routes(routes!(docs::index))
}

/// Enqueues.
fn producer() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(jobs::enqueue))
        .routes(routes!(jobs::enqueue_batch))
        .routes(routes!(batches::create_batch))
        .routes(routes!(batches::close_batch))
        .routes(routes!(workflows::submit_workflow))
        .routes(routes!(notifications::create_user_token))
}

/// Everything else in a tenant.
fn operator() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(jobs::edit, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::run_now))
        .routes(routes!(jobs::replay))
        .routes(routes!(batches::cancel_batch))
        .routes(routes!(workflows::cancel_workflow))
        .routes(routes!(modules::upload, modules::delete_module))
        .routes(routes!(modules::delete_version))
        .routes(routes!(modules::download_version))
        .routes(routes!(modules::version_changes))
        .routes(routes!(modules::activate))
        .routes(routes!(kinds::set_kind_settings, kinds::patch_kind_settings))
        .routes(routes!(queues::set_queue, queues::patch_queue, queues::delete_queue))
        .routes(routes!(queues::pause_queue))
        .routes(routes!(queues::resume_queue))
        .routes(routes!(schedules::preview_schedule))
        .routes(routes!(schedules::put_schedule, schedules::delete_schedule))
        .routes(routes!(schedules::trigger_schedule))
        .routes(routes!(schedules::pause_schedule))
        .routes(routes!(schedules::resume_schedule))
        .routes(routes!(secrets::list_secrets))
        .routes(routes!(secrets::set_secret, secrets::delete_secret))
        .routes(routes!(databases::list_databases))
        .routes(routes!(databases::database_detail, databases::put_database, databases::delete_database))
        .routes(routes!(kv::list_kv_buckets))
        .routes(routes!(kv::list_kv_keys))
        .routes(routes!(kv::kv_entry, kv::set_kv_entry, kv::delete_kv_entry))
        .routes(routes!(mail::delete_mail))
        .routes(routes!(mail::send_mail))
        .routes(routes!(mail::send_mails))
        .routes(routes!(keys::create_key, keys::list_keys))
        .routes(routes!(keys::key_detail, keys::revoke_key))
        .routes(routes!(audit::list_audit))
        .routes(routes!(operations::create_operation))
        .routes(routes!(operations::cancel_operation))
}

/// What is no tenant's.
fn admin() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(tenants::create_tenant, tenants::list_tenants))
        .routes(routes!(tenants::tenant_detail, tenants::change_tenant, tenants::delete_tenant))
        .routes(routes!(tenants::suspend_tenant))
        .routes(routes!(tenants::resume_tenant))
        .routes(routes!(tenants::export_tenant))
        .routes(routes!(backup::backup))
        .routes(routes!(metrics::metrics))
}

/// The API as a router.
pub fn router(state: ApiState) -> axum::Router {
    let connections_max = state.config.requests.connections_max;
    build(state, connections_max, CancellationToken::new())
}

/// The same; `connections_max` are all there can be, `stopping` ends waits early.
pub(super) fn build(state: ApiState, connections_max: usize, stopping: CancellationToken) -> axum::Router {
    let (router, generated) = routes().into_parts();
    let api = Arc::new(Api::new(state, Document::new(generated), connections_max, stopping));
    // One layer of two: each costs every request a copy of what lies inside it.
    let layers = (from_fn_with_state(Arc::clone(&api), front), net());
    with_fallbacks(router).layer(layers).with_state(api)
}
