//! What is known of callers: forgets old rows of the audit log, and writes down when keys were used.

use std::time::Duration;

use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

const AUDIT_PERIOD: Duration = Duration::from_hours(1);
const KEY_USES_PERIOD: Duration = Duration::from_mins(1);

pub(in crate::maintenance) struct PruneAudit {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) keep: Duration,
}

impl Task for PruneAudit {
    fn name(&self) -> &'static str {
        "prune_audit"
    }

    fn period(&self) -> Duration {
        AUDIT_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_audit(self.keep).await?))
    }
}

pub(in crate::maintenance) struct NoteKeyUses {
    pub(in crate::maintenance) store: Store,
}

impl Task for NoteKeyUses {
    fn name(&self) -> &'static str {
        "note_key_uses"
    }

    fn period(&self) -> Duration {
        KEY_USES_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        // Most hosts have nothing to note, and then nothing is asked of the writer.
        if !self.store.catalog().credentials.keys.is_empty() {
            self.store.note_key_uses().await?;
        }
        Ok(Turn::Done)
    }
}
