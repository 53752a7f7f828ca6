//! What is registered: tenants' kinds, the module versions that serve them, queues. An immutable snapshot, replaced
//! as a whole after each change, so that validating and dispatching a job read no table.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::credentials::Credentials;
use crate::job::{
    Digest, GuestType, JobState, Keep, KindName, KindSettings, ModuleName, Most, Pace, QueueName, Quotas, Retention,
    StdinFormat, TenantName, TenantSettings, TenantState, Timestamp,
};

/// The store's short name of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub i64);
/// The store's short name of a kind (unique over tenants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(pub i64);
/// The store's short name of a module version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleVersionId(pub i64);
/// The store's short name of a queue (unique over tenants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub i64);

impl TenantId {
    /// The tenant that exists always.
    pub const DEFAULT: TenantId = TenantId(1);
}

/// Queues of one tenant: each costs every list a line.
pub const QUEUES_MAX: usize = 1_000;

/// Tenants of one host: each costs the catalog an entry.
pub const TENANTS_MAX: usize = 10_000;

/// A tenant, with what is set on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantEntry {
    /// Short name.
    pub id: TenantId,
    /// By which clients know it.
    pub name: TenantName,
    /// Whether its jobs run.
    pub state: TenantState,
    /// Its share of the run time, beside the weights of the others.
    pub weight: u32,
    /// Those that are set; of the others the host's hold.
    pub quotas: Quotas,
    /// What else is set.
    pub settings: TenantSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When the last export came to its end.
    pub exported_at: Option<Timestamp>,
    /// Since when it is being deleted.
    pub deleting_since: Option<Timestamp>,
}

/// A module version that serves kinds.
#[derive(Clone, Debug)]
pub struct ModuleVersionEntry {
    /// Short name.
    pub id: ModuleVersionId,
    /// Whose.
    pub tenant: TenantId,
    /// The module.
    pub module: ModuleName,
    /// Its bytes.
    pub digest: Digest,
    /// How it is run.
    pub guest: GuestType,
}

/// A registered kind.
#[derive(Clone, Debug)]
pub struct KindEntry {
    /// Short name.
    pub id: KindId,
    /// Whose.
    pub tenant: TenantId,
    /// Whose, by name.
    pub tenant_name: TenantName,
    /// The kind.
    pub name: KindName,
    /// One sentence for people, from the module.
    pub description: Option<String>,
    /// The active version that serves it; `None` = `no_handler`.
    pub version: Option<Arc<ModuleVersionEntry>>,
    /// JSON Schema of the payload, JSON text.
    pub input_schema: Arc<str>,
    /// JSON Schema of the output, JSON text.
    pub output_schema: Arc<str>,
    /// The module's own settings.
    pub module_settings: KindSettings,
    /// The operator's.
    pub operator_settings: KindSettings,
    /// Both, the operator's on top.
    pub settings: KindSettings,
}

impl KindEntry {
    /// Whether payloads must be strings: a plain command is to read them as text.
    pub fn takes_text(&self) -> bool {
        self.settings.stdin == Some(StdinFormat::Text)
            && self.version.as_ref().is_some_and(|version| version.guest != GuestType::Handler)
    }

    /// The JSON Schema of what is taken as a payload: the module's, or that of a text.
    pub fn payload_schema(&self) -> &str {
        if self.takes_text() { r#"{"type":"string"}"# } else { &self.input_schema }
    }
}

/// The snapshot.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Counts up with every change.
    pub revision: u64,
    /// By name.
    pub tenants: FxHashMap<TenantName, TenantId>,
    /// By short name.
    pub tenant_entries: FxHashMap<TenantId, Arc<TenantEntry>>,
    /// By short name.
    pub kinds: FxHashMap<KindId, Arc<KindEntry>>,
    /// By tenant and name.
    pub kinds_by_name: FxHashMap<(TenantId, KindName), KindId>,
    /// By short name, those that were deleted, too; a queue is created by the first job that names it.
    pub queues: FxHashMap<QueueId, QueueName>,
    /// What is set on each.
    pub queue_settings: FxHashMap<QueueId, QueueSettings>,
    /// By tenant and name.
    pub queues_by_name: FxHashMap<(TenantId, QueueName), QueueId>,
    /// Names of every kind there ever was, registered or not: history names them.
    pub kind_names: FxHashMap<KindId, KindName>,
    /// Every module version there ever was, deleted or not: history names them.
    pub versions: FxHashMap<ModuleVersionId, Arc<ModuleVersionEntry>>,
    /// Who may call.
    pub credentials: Arc<Credentials>,
}

/// What is set on a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Whose.
    pub tenant: TenantId,
    /// 0–9, lower first.
    pub priority: u8,
    /// Nothing more of it is entered.
    pub is_paused: bool,
    /// How many of its jobs may run at once, how often one may begin.
    pub pace: Pace,
    /// Its jobs are acknowledged before they are on the disk.
    pub is_relaxed: bool,
    /// How long its finished jobs are kept.
    pub retention: Retention,
}

impl Catalog {
    /// A tenant's kind.
    pub fn kind(&self, tenant: TenantId, name: &KindName) -> Option<&Arc<KindEntry>> {
        self.kinds.get(self.kinds_by_name.get(&(tenant, name.clone()))?)
    }

    /// A tenant's queue.
    pub fn queue(&self, tenant: TenantId, name: &QueueName) -> Option<QueueId> {
        self.queues_by_name.get(&(tenant, name.clone())).copied()
    }

    /// Whether nothing more of the queue is to be entered.
    pub fn is_paused(&self, queue: QueueId) -> bool {
        self.queue_settings.get(&queue).is_some_and(|settings| settings.is_paused)
    }

    /// Whether the queue's jobs are acknowledged before they are on the disk.
    pub fn is_relaxed(&self, queue: QueueId) -> bool {
        self.queue_settings.get(&queue).is_some_and(|settings| settings.is_relaxed)
    }

    /// How long a finished job of this kind and queue is kept, on a host that says this of the others.
    pub fn keep(
        &self,
        host: Retention,
        tenant: TenantId,
        kind: Option<KindId>,
        queue: Option<QueueId>,
        state: JobState,
    ) -> Keep {
        let tenant = self.tenant_entries.get(&tenant).map(|tenant| tenant.settings.retention);
        let queue = queue.and_then(|queue| self.queue_settings.get(&queue)).map(|settings| settings.retention);
        let kind = kind.and_then(|kind| self.kinds.get(&kind)).and_then(|kind| kind.settings.retention);
        let lower = host.overlaid_by(tenant.unwrap_or_default());
        lower.overlaid_by(queue.unwrap_or_default()).overlaid_by(kind.unwrap_or_default()).keep(state)
    }

    /// How many queues a tenant may still create.
    pub fn queues_left(&self, tenant: TenantId) -> usize {
        let created = self.queue_settings.values().filter(|settings| settings.tenant == tenant).count();
        QUEUES_MAX.saturating_sub(created)
    }

    /// A tenant's name.
    pub fn tenant_name(&self, tenant: TenantId) -> Option<&TenantName> {
        self.tenant_entries.get(&tenant).map(|tenant| &tenant.name)
    }

    /// Whether jobs of the tenant may begin.
    pub fn is_active(&self, tenant: TenantId) -> bool {
        self.tenant_entries.get(&tenant).is_some_and(|tenant| tenant.state == TenantState::Active)
    }

    /// Whether the tenant takes anything new: it is there, and not being deleted.
    pub fn is_open(&self, tenant: TenantId) -> bool {
        self.tenant_entries.get(&tenant).is_some_and(|tenant| tenant.state != TenantState::Deleting)
    }

    /// What limits the tenant's jobs as a whole, on a host that says this of the others.
    pub fn tenant_pace(&self, host: Pace, tenant: TenantId) -> Pace {
        let own = self.tenant_entries.get(&tenant).and_then(|tenant| tenant.quotas.running_jobs);
        Pace { concurrency: own.map_or(host.concurrency, Most::limit), rate: host.rate }
    }

    /// With a tenant more, or with one set anew.
    pub(super) fn put_tenant(&mut self, entry: TenantEntry) {
        self.revision += 1;
        self.tenants.insert(entry.name.clone(), entry.id);
        self.tenant_entries.insert(entry.id, Arc::new(entry));
    }

    /// With a queue more, or with one set anew.
    pub(super) fn put_queue(&mut self, id: QueueId, name: QueueName, settings: QueueSettings) {
        self.revision += 1;
        self.queues_by_name.insert((settings.tenant, name.clone()), id);
        self.queue_settings.insert(id, settings);
        self.queues.insert(id, name);
    }

    /// With a queue less. Its name stays known: history names it.
    pub(super) fn remove_queue(&mut self, id: QueueId) {
        self.revision += 1;
        if let (Some(settings), Some(name)) = (self.queue_settings.remove(&id), self.queues.get(&id)) {
            self.queues_by_name.remove(&(settings.tenant, name.clone()));
        }
    }
}
