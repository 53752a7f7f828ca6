//! Who runs next: goes along the line of what may begin, and gives out leases. Jobs that can't begin whatever their place are
//! parked on the way.

use rusqlite::{Connection, params};

use super::catalog::{Catalog, QueueId, TenantId};
use super::draft::Draft;
use super::error::StoreError;
use super::gathering::{Gathering, Met, claim_columns, first_waits, payload_bytes_of, place_of};
use super::limit_of::LimitOf;
use super::line::{First, Source};
use super::line_up::{is_fifo, line_up};
use super::model::{ClaimRequest, Claimed};
use super::order::Order;
use crate::job::kind::PRIORITY_DEFAULT;

/// Suspects looked at for one that has a handler.
const SUSPECTS_LOOKED_AT_MAX: usize = 100;

const REGISTERED: &str = "SELECT 1 FROM hosts WHERE number = ?1 AND id = ?2";
const FROM_PLACE: &str = concat!(
    claim_columns!(),
    "FROM live_jobs INDEXED BY live_ready CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0
        AND (order_key, id) >= (?2, ?3)
    ORDER BY order_key, id"
);
const HELD_FROM_PLACE: &str = concat!(
    claim_columns!(),
    "FROM live_jobs INDEXED BY live_held CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE hold IS NOT NULL AND hold = ?4 AND queue_id = ?1 AND (order_key, id) >= (?2, ?3)
    ORDER BY order_key, id"
);
const HELD_ALONE: &str = concat!(
    claim_columns!(),
    "FROM live_jobs CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE live_jobs.id = ?1 AND hold IS NOT NULL AND lease_host IS NULL"
);
const SUSPECTS: &str = concat!(
    claim_columns!(),
    "FROM live_jobs INDEXED BY live_suspects CROSS JOIN payloads ON payloads.job_id = live_jobs.id
    WHERE suspect = 1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL
    ORDER BY host_losses, order_key, id LIMIT ?1"
);
const GIVE: &str = "UPDATE live_jobs SET lease_number = ?2, lease_host = ?3 WHERE id = ?1";
const GIVE_HELD: &str =
    "UPDATE live_jobs SET lease_number = ?2, lease_host = ?3, parked = NULL, hold = NULL WHERE id = ?1";
const PARK: &str = "UPDATE live_jobs SET parked = ?2, hold = ?3 WHERE id = ?1";

/// Gives out leases for the jobs that come first.
pub(super) fn claim(sql: &Connection, draft: &mut Draft, request: &ClaimRequest) -> Result<Claimed, StoreError> {
    // A host that was retired or recovered meanwhile gets nothing: it must not own what it can't finish. The row is
    // asked, not the memory: another process may have removed it, and recovery finds leases by the rows of hosts.
    let Some(&host) = draft.hosts.get(&request.host) else { return Ok(Claimed::default()) };
    if !sql.prepare_cached(REGISTERED)?.exists(params![host, request.host.to_bytes()])? {
        draft.hosts.remove(&request.host);
        return Ok(Claimed::default());
    }
    let now_ns = draft.clock.now_ns();
    let more_to_line_up = line_up(sql, draft, now_ns)?;
    let mut gathering = Gathering::new(request, now_ns);
    if request.suspect_allowed && request.jobs_max > 0 && draft.suspects_waiting {
        gather_suspect(sql, draft, &mut gathering)?;
    }
    gather(sql, draft, &mut gathering, now_ns)?;
    give(sql, host, &gathering)?;
    draft.paces.flush(sql)?;
    if draft.paces.waits_anew()
        && let Some(at) = draft.paces.next_permit(&draft.clock)
    {
        draft.made_due(at);
    }
    Ok(Claimed { more: gathering.more || more_to_line_up, jobs: gathering.jobs })
}

/// At most one suspect, before all others, the least suspected first: an innocent one seldom dies thrice by chance.
fn gather_suspect(sql: &Connection, draft: &mut Draft, gathering: &mut Gathering<'_>) -> Result<(), StoreError> {
    let mut statement = sql.prepare_cached(SUSPECTS)?;
    let mut rows = statement.query([SUSPECTS_LOOKED_AT_MAX])?;
    let mut is_passed_over = false;
    while gathering.jobs.is_empty() {
        let Some(row) = rows.next()? else {
            // Those passed over are nowhere else: they are looked at again until their limit, or queue, lets them begin.
            draft.suspects_waiting = is_passed_over || gathering.parked.len() >= SUSPECTS_LOOKED_AT_MAX;
            return Ok(());
        };
        is_passed_over |= !matches!(gathering.take(sql, draft, row, None)?, Met::Passed);
    }
    Ok(())
}

/// Tenant by tenant, each as far as its share goes. What it costs depends on what is taken, not on how many tenants there are.
fn gather(sql: &Connection, draft: &mut Draft, gathering: &mut Gathering<'_>, now_ns: i64) -> Result<(), StoreError> {
    let arrived = draft.line.take_arrived();
    draft.shares.arrive(&draft.catalog, &arrived);
    while let Some(tenant) = draft.shares.turn() {
        if !gather_of(sql, draft, gathering, tenant, now_ns)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Of one tenant whose turn it is, until it is another's; `false`: no more is to be gathered.
fn gather_of(
    sql: &Connection,
    draft: &mut Draft,
    gathering: &mut Gathering<'_>,
    tenant: TenantId,
    now_ns: i64,
) -> Result<bool, StoreError> {
    let mut ready = sql.prepare_cached(FROM_PLACE)?;
    let (mut held, mut alone) = (sql.prepare_cached(HELD_FROM_PLACE)?, sql.prepare_cached(HELD_ALONE)?);
    while let Some(first) = draft.line.first(tenant) {
        let First { group, source, place: (key, job), .. } = first;
        if let Some(met) = first_waits(sql, draft, &first, now_ns)? {
            wait(draft, &first, met);
            continue;
        }
        let mut rows = match source {
            Source::Ready(queue) => ready.query(params![queue.0, key, job])?,
            Source::Held(LimitOf::Key(of)) if is_fifo(sql, draft, of)? => alone.query([job])?,
            Source::Held(limit) => held.query(params![group.queue.0, key, job, limit.code()])?,
        };
        // None: everything the source had is in our hands.
        let (mut stopped_at, mut met, mut is_its_turn) = (None, Met::Passed, true);
        while let Some(row) = rows.next()? {
            let place = place_of(row)?;
            if !is_its_turn || first.until.is_some_and(|until| (place.0 + first.offset, place.1) > until) {
                stopped_at = Some(place);
                break;
            }
            if gathering.is_full(payload_bytes_of(row)?) {
                gathering.more = true;
                draft.line.moved(source, group, Some(place));
                return Ok(false);
            }
            let taken = gathering.jobs.len();
            met = gathering.take(sql, draft, row, Some(source))?;
            if met != Met::Passed {
                stopped_at = Some(place);
                break;
            }
            is_its_turn = gathering.jobs.len() == taken || draft.shares.turn() == Some(tenant);
        }
        draft.line.moved(source, group, stopped_at);
        wait(draft, &first, met);
        if !is_its_turn {
            return Ok(true);
        }
    }
    draft.shares.leave(tenant, draft.clock.now_ms());
    Ok(true)
}

/// Lets those wait who were found to have to.
fn wait(draft: &mut Draft, first: &First, met: Met) {
    match met {
        Met::Passed => {}
        Met::GroupWaits(limit) => draft.line.set_aside(first.group, limit),
        // It is looked up when its limit opens.
        Met::SourceWaits => draft.line.remove(first.source),
    }
}

/// What the queue's priority adds to the keys of its jobs.
pub(super) fn offset_in(catalog: &Catalog, order: Order, queue: QueueId) -> i64 {
    let priority = catalog.queue_settings.get(&queue).map(|settings| settings.priority);
    order.queue_offset(priority.unwrap_or(PRIORITY_DEFAULT))
}

fn give(sql: &Connection, host: i64, gathering: &Gathering<'_>) -> Result<(), StoreError> {
    if !gathering.jobs.is_empty() {
        let mut give = sql.prepare_cached(GIVE)?;
        let mut give_held = sql.prepare_cached(GIVE_HELD)?;
        for job in &gathering.jobs {
            let was_held = !gathering.released.is_empty() && gathering.released.contains(&job.lease.job());
            let give = if was_held { &mut give_held } else { &mut give };
            give.execute(params![job.lease.job().to_bytes(), job.lease.number(), host])?;
        }
    }
    if !gathering.parked.is_empty() {
        let mut park = sql.prepare_cached(PARK)?;
        for (id, reason, limit) in &gathering.parked {
            park.execute(params![id, reason.code(), limit.map(LimitOf::code)])?;
        }
    }
    Ok(())
}
