//! The lines of an export, in pieces: what comes next, and how each thing is written.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::api::wire::batch::Batch;
use crate::api::wire::database::Database;
use crate::api::wire::job::{Attempt, Entry, JobFailure, Line};
use crate::api::wire::module::ModuleVersion;
use crate::api::wire::operation::Operation;
use crate::api::wire::tenant::Tenant;
use crate::api::wire::{Instant, Raw};
use crate::job::{
    BatchId, BucketName, DatabaseName, Digest, JobId, JobOptions, JobState, KindName, KvKey, MailId, ModuleName,
    NotificationId, OperationId, QueueName, Retention, ScheduleName, SecretName, SettingsWire,
};
use crate::store::{JobFilter, KeptLines, KeptLog, ModuleVersionId, Store, StoreError, TenantId};

/// Things read at once, of those that are small.
pub(super) const PAGE_MAX: usize = 100;
/// Of the lines of a log in one piece, as they are kept, bytes.
const LOG_PIECE_BYTES_MAX: usize = 64 << 10;

/// Why an export breaks off. The client sees that the last line is missing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("something can't be shown: {0}")]
    Show(#[from] serde_json::Error),
    #[error("a module was deleted meanwhile")]
    ModuleGone,
}

/// What is written next.
pub(super) enum Stage {
    Tenant,
    Queues(Option<QueueName>),
    Kinds,
    Modules(Option<ModuleName>),
    Versions(ModuleName, Option<ModuleVersionId>),
    Schedules(Option<ScheduleName>),
    Batches(bool, Option<BatchId>),
    Operations(Option<OperationId>),
    Secrets(Option<SecretName>),
    Notifications(Option<NotificationId>),
    Databases(Option<DatabaseName>),
    Buckets(Option<BucketName>),
    Keys(BucketName, Option<KvKey>),
    Jobs(Option<JobId>),
    Mails(Option<MailId>),
    End,
    Over,
}

/// Writes what one tenant has. See the head of `export.rs`.
pub(super) struct Exporter {
    pub(super) store: Store,
    pub(super) tenant: TenantId,
    stage: Stage,
    /// Modules whose versions are still to be written.
    modules: VecDeque<ModuleName>,
    /// Where to go on with the modules after these.
    modules_after: Option<ModuleName>,
    /// Bytes still to be written: of which module, and its next chunk.
    chunks: VecDeque<(Digest, u32)>,
    /// Keys whose values are still to be written of the page that was read.
    pub(super) keys: VecDeque<(BucketName, KvKey)>,
    /// Jobs still to be written of the page that was read.
    jobs: VecDeque<JobId>,
    /// Mails still to be written of the page that was read.
    pub(super) mails: VecDeque<MailId>,
    /// Logs still to be written of the last job.
    logs: VecDeque<(JobId, KeptLog)>,
    /// The log that is being written.
    log: Option<(JobId, KeptLog, KeptLines)>,
    lines: u64,
}

impl Exporter {
    pub(super) fn new(store: Store, tenant: TenantId) -> Self {
        Self {
            store,
            tenant,
            stage: Stage::Tenant,
            modules: VecDeque::new(),
            modules_after: None,
            chunks: VecDeque::new(),
            keys: VecDeque::new(),
            jobs: VecDeque::new(),
            mails: VecDeque::new(),
            logs: VecDeque::new(),
            log: None,
            lines: 0,
        }
    }

    /// The next lines; `None`: that was all.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, ExportError> {
        loop {
            let mut out = Vec::new();
            if !self.next_bulk(&mut out).await? {
                if matches!(self.stage, Stage::Over) {
                    return Ok(None);
                }
                self.next_stage(&mut out).await?;
            }
            if !out.is_empty() {
                return Ok(Some(Bytes::from(out)));
            }
        }
    }

    pub(super) fn line(&mut self, out: &mut Vec<u8>, line: &impl Serialize) -> Result<(), ExportError> {
        serde_json::to_writer(&mut *out, line)?;
        out.push(b'\n');
        self.lines += 1;
        Ok(())
    }

    /// What belongs to what was written last, one thing at a time; `false`: nothing does.
    async fn next_bulk(&mut self, out: &mut Vec<u8>) -> Result<bool, ExportError> {
        if let Some((digest, index)) = self.chunks.pop_front() {
            let Some(chunk) = self.store.module_chunk(self.tenant, digest, index).await? else {
                return if index > 0 { Ok(true) } else { Err(ExportError::ModuleGone) };
            };
            let bytes = STANDARD.encode(&chunk);
            self.line(out, &json!({"type": "module_chunk", "digest": digest, "index": index, "bytes": bytes}))?;
            self.chunks.push_front((digest, index + 1));
            return Ok(true);
        }
        if let Some((bucket, key)) = self.keys.pop_front() {
            self.kv_entry(out, &bucket, &key).await?;
            return Ok(true);
        }
        if let Some((job, log, mut kept)) = self.log.take() {
            let lines = kept.piece(LOG_PIECE_BYTES_MAX)?;
            if !lines.is_empty() {
                let lines: Vec<Line<'_>> = lines.iter().map(Line::from).collect();
                let KeptLog { execution, attempt, dropped, .. } = log;
                self.line(
                    out,
                    &json!({"type": "log", "job": job, "execution": execution, "attempt": attempt, "dropped": dropped, "lines": lines}),
                )?;
                self.log = Some((job, log, kept));
            }
            return Ok(true);
        }
        if let Some((job, log)) = self.logs.pop_front() {
            let mut kept = self.store.log_lines(self.tenant, job, (log.execution, log.execution)).await?;
            self.log = kept.pop().map(|(_, lines)| (job, log, lines));
            return Ok(true);
        }
        if let Some(job) = self.jobs.pop_front() {
            self.job(out, job).await?;
            return Ok(true);
        }
        if let Some(mail) = self.mails.pop_front() {
            self.mail(out, mail).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn next_stage(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Tenant => self.tenant(out).await?,
            Stage::Queues(after) => self.queues(out, after).await?,
            Stage::Kinds => self.kinds(out)?,
            Stage::Modules(after) => self.modules(after).await?,
            Stage::Versions(module, before) => self.versions(out, module, before).await?,
            Stage::Schedules(after) => self.schedules(out, after).await?,
            Stage::Batches(is_workflow, before) => self.batches(out, is_workflow, before).await?,
            Stage::Operations(before) => self.operations(out, before).await?,
            Stage::Secrets(after) => self.secrets(out, after).await?,
            Stage::Notifications(before) => self.notifications(out, before).await?,
            Stage::Databases(after) => self.databases(out, after).await?,
            Stage::Buckets(after) => self.next_bucket(after).await?,
            Stage::Keys(bucket, after) => self.page_of_keys(bucket, after).await?,
            Stage::Jobs(before) => self.page_of_jobs(before).await?,
            Stage::Mails(before) => self.page_of_mails(before).await?,
            Stage::End => {
                let lines = self.lines + 1;
                self.store.note_export(self.tenant).await?;
                self.line(out, &json!({"type": "end", "lines": lines}))?;
                Stage::Over
            }
            Stage::Over => Stage::Over,
        };
        Ok(())
    }

    async fn tenant(&mut self, out: &mut Vec<u8>) -> Result<Stage, ExportError> {
        let Some(row) = self.store.tenant(self.tenant).await? else { return Ok(Stage::Over) };
        self.line(out, &json!({"type": "tenant", "tenant": Tenant::from(&row)}))?;
        Ok(Stage::Queues(None))
    }

    async fn queues(&mut self, out: &mut Vec<u8>, after: Option<QueueName>) -> Result<Stage, ExportError> {
        let rows = self.store.queues(self.tenant, after, PAGE_MAX).await?;
        for row in &rows {
            let set = ExportedQueue {
                r#type: "queue",
                name: &row.name,
                priority: row.priority,
                paused: row.is_paused,
                concurrency: row.pace.concurrency,
                rate: row.pace.rate.map(crate::job::RateWire::from),
                relaxed: row.is_relaxed,
                retention: row.retention,
            };
            self.line(out, &set)?;
        }
        let last = rows.last().filter(|_| rows.len() == PAGE_MAX);
        Ok(last.map_or(Stage::Kinds, |row| Stage::Queues(Some(row.name.clone()))))
    }

    fn kinds(&mut self, out: &mut Vec<u8>) -> Result<Stage, ExportError> {
        let catalog = self.store.catalog();
        let mut kinds: Vec<_> = catalog.kinds.values().filter(|kind| kind.tenant == self.tenant).collect();
        kinds.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for kind in kinds {
            let settings = SettingsWire::from(&kind.operator_settings);
            let module = kind.version.as_ref().map(|version| &version.module);
            self.line(out, &json!({"type": "kind", "name": kind.name, "module": module, "settings": settings}))?;
        }
        Ok(Stage::Modules(None))
    }

    async fn modules(&mut self, after: Option<ModuleName>) -> Result<Stage, ExportError> {
        let rows = self.store.modules(self.tenant, after, PAGE_MAX).await?;
        self.modules_after = rows.last().filter(|_| rows.len() == PAGE_MAX).map(|row| row.module.clone());
        self.modules = rows.into_iter().map(|row| row.module).collect();
        Ok(self.next_module())
    }

    fn next_module(&mut self) -> Stage {
        match (self.modules.pop_front(), self.modules_after.take()) {
            (Some(module), after) => {
                self.modules_after = after;
                Stage::Versions(module, None)
            }
            (None, Some(after)) => Stage::Modules(Some(after)),
            (None, None) => Stage::Schedules(None),
        }
    }

    async fn versions(
        &mut self,
        out: &mut Vec<u8>,
        module: ModuleName,
        before: Option<ModuleVersionId>,
    ) -> Result<Stage, ExportError> {
        let rows = self.store.versions(self.tenant, module.clone(), before, PAGE_MAX).await?.unwrap_or_default();
        for row in &rows {
            self.line(out, &json!({"type": "module_version", "version": ModuleVersion::from(row)}))?;
            self.chunks.push_back((row.digest, 0));
        }
        match rows.last().filter(|_| rows.len() == PAGE_MAX) {
            Some(row) => Ok(Stage::Versions(module, Some(row.id))),
            None => Ok(self.next_module()),
        }
    }

    async fn schedules(&mut self, out: &mut Vec<u8>, after: Option<ScheduleName>) -> Result<Stage, ExportError> {
        let rows = self.store.schedules(self.tenant, after, PAGE_MAX).await?;
        for known in &rows {
            let Some(detail) = self.store.schedule(self.tenant, known.row.name.clone()).await? else { continue };
            let row = &detail.row;
            let exported = ExportedSchedule {
                r#type: "schedule",
                name: &row.name,
                kind: &row.kind,
                definition: row.definition.as_ref().map(serde_json::to_value).transpose()?,
                payload: Raw(&detail.payload),
                paused: row.is_paused,
                created_at: Instant(row.created_at),
            };
            self.line(out, &exported)?;
        }
        let last = rows.last().filter(|_| rows.len() == PAGE_MAX);
        Ok(last.map_or(Stage::Batches(false, None), |known| Stage::Schedules(Some(known.row.name.clone()))))
    }

    async fn batches(
        &mut self,
        out: &mut Vec<u8>,
        is_workflow: bool,
        before: Option<BatchId>,
    ) -> Result<Stage, ExportError> {
        let rows = self.store.batches(self.tenant, is_workflow, before, PAGE_MAX).await?;
        let what = if is_workflow { "workflow" } else { "batch" };
        for row in &rows {
            self.line(out, &json!({"type": what, "batch": Batch::from(row)}))?;
        }
        Ok(match rows.last().filter(|_| rows.len() == PAGE_MAX) {
            Some(row) => Stage::Batches(is_workflow, Some(row.id)),
            None if is_workflow => Stage::Operations(None),
            None => Stage::Batches(true, None),
        })
    }

    async fn operations(&mut self, out: &mut Vec<u8>, before: Option<OperationId>) -> Result<Stage, ExportError> {
        let rows = self.store.operations(self.tenant, before, PAGE_MAX).await?;
        for row in &rows {
            self.line(out, &json!({"type": "operation", "operation": Operation::from(row)}))?;
        }
        let last = rows.last().filter(|_| rows.len() == PAGE_MAX);
        Ok(last.map_or(Stage::Secrets(None), |row| Stage::Operations(Some(row.id))))
    }

    /// Which there are; what is in them is taken along by a backup.
    async fn databases(&mut self, out: &mut Vec<u8>, after: Option<DatabaseName>) -> Result<Stage, ExportError> {
        let rows = self.store.databases(self.tenant, after, PAGE_MAX).await?;
        for row in &rows {
            let shown = Database::of(row, self.store.database_bytes(self.tenant, &row.name), None);
            self.line(out, &json!({"type": "database", "database": shown}))?;
        }
        let last = rows.last().filter(|_| rows.len() == PAGE_MAX);
        Ok(last.map_or(Stage::Notifications(None), |row| Stage::Databases(Some(row.name.clone()))))
    }

    async fn page_of_jobs(&mut self, before: Option<JobId>) -> Result<Stage, ExportError> {
        let page = self.store.jobs(self.tenant, JobFilter::default(), PAGE_MAX, before).await?;
        self.jobs = page.items.iter().map(|row| row.id).collect();
        Ok(page.next.map_or(Stage::Mails(None), |next| Stage::Jobs(Some(next))))
    }

    async fn job(&mut self, out: &mut Vec<u8>, job: JobId) -> Result<(), ExportError> {
        // It may have gone since the page was read.
        let Some(detail) = self.store.job(self.tenant, job).await? else { return Ok(()) };
        let attempts = self.store.attempts(self.tenant, job).await?.unwrap_or_default();
        let history = self.store.history(self.tenant, job).await?.unwrap_or_default();
        let mut logs = self.store.logs(self.tenant, job, None).await?;
        while let Some(page) = logs {
            self.logs.extend(page.items.into_iter().map(|log| (job, log)));
            logs = match page.next {
                Some(before) => self.store.logs(self.tenant, job, Some(before)).await?,
                None => None,
            };
        }
        let row = &detail.row;
        let exported = ExportedJob {
            r#type: "job",
            id: row.id,
            kind: &row.kind,
            queue: &row.queue,
            state: row.state,
            priority: row.priority,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            run_at: Instant(row.run_at),
            created_at: Instant(row.created_at),
            finished_at: row.finished_at.map(Instant),
            tags: &row.tags,
            options: &row.options,
            after: detail.after.iter().map(|parent| parent.job).collect(),
            batch: detail.membership.as_ref().map(|membership| membership.batch),
            error: row.error.as_ref().map(JobFailure::from),
            payload: Raw(&detail.payload),
            output: detail.output.as_deref().map(Raw),
            attempts: attempts.iter().map(Attempt::from).collect(),
            history: history.iter().map(Entry::from).collect(),
        };
        self.line(out, &exported)
    }
}

#[derive(Serialize)]
struct ExportedQueue<'a> {
    r#type: &'static str,
    name: &'a QueueName,
    priority: u8,
    paused: bool,
    concurrency: Option<u32>,
    rate: Option<crate::job::RateWire>,
    relaxed: bool,
    retention: Retention,
}

#[derive(Serialize)]
struct ExportedSchedule<'a> {
    r#type: &'static str,
    name: &'a ScheduleName,
    kind: &'a KindName,
    definition: Option<serde_json::Value>,
    payload: Raw<'a>,
    paused: bool,
    created_at: Instant,
}

#[derive(Serialize)]
struct ExportedJob<'a> {
    r#type: &'static str,
    id: JobId,
    kind: &'a KindName,
    queue: &'a QueueName,
    state: JobState,
    priority: u8,
    attempt: u32,
    max_attempts: u32,
    run_at: Instant,
    created_at: Instant,
    finished_at: Option<Instant>,
    tags: &'a [String],
    options: &'a JobOptions,
    after: Vec<JobId>,
    batch: Option<BatchId>,
    error: Option<JobFailure<'a>>,
    payload: Raw<'a>,
    output: Option<Raw<'a>>,
    attempts: Vec<Attempt<'a>>,
    history: Vec<Entry<'a>>,
}
