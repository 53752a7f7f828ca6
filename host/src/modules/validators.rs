//! Compiled JSON Schemas, one pair per kind and module version: compiled once for all who wait, off the threads of the
//! API and of guests, and kept within a bound.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use crate::job::KindName;
use crate::schema::{BoundedSchema, SharedSchema, SlowWork};
use crate::store::{KindEntry, KindId, ModuleVersionId};

/// Compiled schemas kept, all together, bytes. Past it those go whose last use is longest ago; one more is always kept.
const COMPILED_BYTES_MAX: usize = 64 << 20;
/// As long as less is kept, schemas are compiled before anybody asks for them, bytes.
const COMPILED_AHEAD_BYTES_MAX: usize = COMPILED_BYTES_MAX / 2;
/// Kinds kept: those without schemas take hardly any memory.
const KINDS_MAX: usize = 100_000;
/// Kinds compiled at a time. Each uses a core.
const COMPILES_MAX: usize = 2;

/// The validators of one kind as one version describes it.
#[derive(Debug)]
pub struct KindValidators {
    /// Of the payload; `None` accepts anything.
    pub input: Option<SharedSchema>,
    /// Of the output; `None` accepts anything.
    pub output: Option<SharedSchema>,
}

/// A stored schema that does not compile. It was checked at upload, so this means a damaged store, or one written by a
/// host with other bounds.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the {direction} schema of kind `{kind}` {message}")]
pub struct SchemaError {
    direction: &'static str,
    kind: String,
    message: String,
}

type Compiled = Result<Arc<KindValidators>, SchemaError>;

/// Compiles each schema once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Validators(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    kept: Mutex<Kept>,
    /// The turns of payloads that take long to check before they are accepted.
    checks: SlowWork,
    /// Those of outputs, and of payloads of before: no guest keeps the API from its turns.
    guest_checks: SlowWork,
    compiles: SlowWork,
    compiled_bytes_max: usize,
}

impl Default for Validators {
    fn default() -> Self {
        Self::keeping(COMPILED_BYTES_MAX)
    }
}

/// A kind as one version describes it: jobs may stay on an earlier one.
type Described = (KindId, Option<ModuleVersionId>);

#[derive(Debug, Default)]
struct Kept {
    compiled: FxHashMap<Described, Entry>,
    /// Those being compiled now.
    awaited: FxHashMap<Described, Awaited>,
    bytes: usize,
    /// Counts up with each use.
    now: u64,
}

#[derive(Debug)]
struct Entry {
    compiled: Compiled,
    used: u64,
}

#[derive(Clone, Debug)]
struct Awaited {
    /// Closed without a word: whoever was about to compile it has gone, and another one must.
    told: watch::Receiver<Option<Compiled>>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let Ok(validators) = &self.compiled else { return 0 };
        [&validators.input, &validators.output].into_iter().flatten().map(SharedSchema::bytes).sum()
    }
}

/// What a kind's schemas are at this moment.
enum Standing {
    Compiled(Compiled),
    Awaited(watch::Receiver<Option<Compiled>>),
    /// To be told once it is compiled.
    Mine(watch::Sender<Option<Compiled>>),
}

impl Validators {
    /// Keeps so many bytes.
    fn keeping(compiled_bytes_max: usize) -> Self {
        Self(Arc::new(Parts {
            kept: Mutex::default(),
            checks: SlowWork::default(),
            guest_checks: SlowWork::default(),
            compiles: SlowWork::with_turns(COMPILES_MAX),
            compiled_bytes_max,
        }))
    }

    /// The turns of payloads that take long to check before they are accepted.
    pub fn slow_checks(&self) -> &SlowWork {
        &self.0.checks
    }

    /// The validators of a kind as its active version describes it, if they are compiled.
    pub fn ready(&self, kind: &KindEntry) -> Option<Compiled> {
        if let Some(known) = self.0.kept.lock().known(kind) {
            return Some(known);
        }
        (accepts_anything(&kind.input_schema) && accepts_anything(&kind.output_schema)).then(|| self.compile(kind))
    }

    /// As [`Self::ready`], compiling them where that is not done yet. Whoever stops waiting leaves it to the others.
    pub async fn wait_for(&self, kind: &Arc<KindEntry>) -> Compiled {
        if let Some(ready) = self.ready(kind) {
            return ready;
        }
        loop {
            let standing = self.0.kept.lock().standing(kind);
            match standing {
                Standing::Compiled(compiled) => return compiled,
                Standing::Awaited(mut told) => {
                    let compiled = told.wait_for(Option::is_some).await.ok().and_then(|compiled| compiled.clone());
                    if let Some(compiled) = compiled {
                        return compiled;
                    }
                }
                Standing::Mine(tell) => {
                    let (this, entry) = (self.clone(), Arc::clone(kind));
                    let compiled = self.0.compiles.run(move || {
                        let compiled = this.compile(&entry);
                        tell.send_replace(Some(compiled.clone()));
                        compiled
                    });
                    return compiled.await.unwrap_or_else(|| {
                        let message = "cannot be compiled now, the host lacks memory".to_owned();
                        Err(SchemaError { direction: "input", kind: kind.name.to_string(), message })
                    });
                }
            }
        }
    }

    /// Compiles what nobody has asked for yet, as long as there is room.
    pub async fn compile_ahead(&self, kinds: impl Iterator<Item = &Arc<KindEntry>>) {
        for kind in kinds.filter(|kind| kind.version.is_some()) {
            if self.0.kept.lock().bytes >= self.0.compiled_bytes_max.min(COMPILED_AHEAD_BYTES_MAX) {
                return;
            }
            if self.ready(kind).is_none()
                && let Err(error) = self.wait_for(kind).await
            {
                tracing::warn!(%error, "a stored schema cannot be compiled");
            }
        }
    }

    /// Compiles a kind's schemas and keeps them.
    fn compile(&self, kind: &KindEntry) -> Compiled {
        let compiled = self.validators(kind).map(Arc::new);
        let dropped = self.0.kept.lock().keep(kind, &compiled, self.0.compiled_bytes_max);
        // Not under the lock: to drop them may take a while.
        drop(dropped);
        compiled
    }

    fn validators(&self, kind: &KindEntry) -> Result<KindValidators, SchemaError> {
        KindValidators::compile(&kind.name, &kind.input_schema, &kind.output_schema, &self.0.guest_checks)
    }
}

impl KindValidators {
    /// Compiles the schemas of a kind, whose slow checks take these turns. For a thread that nobody waits for.
    pub fn compile(kind: &KindName, input: &str, output: &str, turns: &SlowWork) -> Result<Self, SchemaError> {
        let compile = |direction, schema: &str| {
            if accepts_anything(schema) {
                return Ok(None);
            }
            let compiled = BoundedSchema::compile(schema);
            let compiled = compiled.map_err(|message| SchemaError { direction, kind: kind.to_string(), message })?;
            Ok(Some(SharedSchema::new(compiled, turns.clone())))
        };
        Ok(KindValidators { input: compile("input", input)?, output: compile("output", output)? })
    }
}

impl Kept {
    fn known(&mut self, kind: &KindEntry) -> Option<Compiled> {
        self.now += 1;
        let entry = self.compiled.get_mut(&described(kind))?;
        entry.used = self.now;
        Some(entry.compiled.clone())
    }

    fn standing(&mut self, kind: &KindEntry) -> Standing {
        if let Some(known) = self.known(kind) {
            return Standing::Compiled(known);
        }
        let of = described(kind);
        if let Some(awaited) = self.awaited.get(&of)
            && (awaited.told.has_changed().is_ok() || awaited.told.borrow().is_some())
        {
            return Standing::Awaited(awaited.told.clone());
        }
        let (tell, told) = watch::channel(None);
        self.awaited.insert(of, Awaited { told });
        Standing::Mine(tell)
    }

    /// Returns what has to go for it.
    fn keep(&mut self, kind: &KindEntry, compiled: &Compiled, bytes_max: usize) -> Vec<Entry> {
        let of = described(kind);
        self.awaited.remove(&of);
        self.now += 1;
        let entry = Entry { compiled: compiled.clone(), used: self.now };
        self.bytes += entry.bytes();
        let mut dropped: Vec<Entry> = self.compiled.insert(of, entry).into_iter().collect();
        self.bytes -= dropped.iter().map(Entry::bytes).sum::<usize>();
        while self.compiled.len() > 1 && (self.bytes > bytes_max || self.compiled.len() > KINDS_MAX) {
            // Of those that take memory, if it is memory that lacks.
            let lacks_memory = self.bytes > bytes_max;
            let others = self.compiled.iter().filter(|(id, entry)| **id != of && (!lacks_memory || entry.bytes() > 0));
            let Some((id, _)) = others.min_by_key(|(_, entry)| entry.used) else { break };
            let id = *id;
            if let Some(entry) = self.compiled.remove(&id) {
                self.bytes -= entry.bytes();
                dropped.push(entry);
            }
        }
        dropped
    }
}

fn described(kind: &KindEntry) -> Described {
    (kind.id, kind.version.as_ref().map(|version| version.id))
}

/// A schema that lets everything pass.
pub fn accepts_anything(schema: &str) -> bool {
    matches!(schema.trim(), "true" | "{}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::{KindSettings, TenantName};
    use crate::store::TenantId;

    fn kind(id: i64, input_schema: &str) -> Arc<KindEntry> {
        Arc::new(KindEntry {
            id: KindId(id),
            tenant: TenantId::DEFAULT,
            tenant_name: TenantName::default_tenant(),
            name: format!("kind-{id}").parse().unwrap(),
            description: None,
            version: None,
            input_schema: input_schema.into(),
            output_schema: "true".into(),
            module_settings: KindSettings::default(),
            operator_settings: KindSettings::default(),
            settings: KindSettings::default(),
        })
    }

    /// Some 160 KB when compiled, each another one.
    fn large(id: i64) -> Arc<KindEntry> {
        kind(id, &serde_json::json!({"pattern": format!(r"^\p{{L}}+{id}$")}).to_string())
    }

    #[tokio::test]
    async fn all_who_wait_are_given_the_same() {
        let validators = Validators::default();
        let one = large(1);
        assert!(validators.ready(&one).is_none());
        let (a, b) = tokio::join!(validators.wait_for(&one), validators.wait_for(&one));
        assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()));
        assert!(validators.ready(&one).is_some() && validators.0.kept.lock().awaited.is_empty());
        assert!(validators.ready(&kind(2, "{}")).is_some(), "nothing is to be compiled");
    }

    #[tokio::test]
    async fn whoever_stops_waiting_leaves_it_to_the_others() {
        let validators = Validators::default();
        let turns = [validators.0.compiles.take_turn().await, validators.0.compiles.take_turn().await];
        let (first, second) = (large(1), large(1));
        let mut leaves = Box::pin(validators.wait_for(&first));
        assert!(futures_util::poll!(&mut leaves).is_pending());
        let mut stays = Box::pin(validators.wait_for(&second));
        assert!(futures_util::poll!(&mut stays).is_pending());
        drop((leaves, turns));
        assert!(stays.await.unwrap().input.is_some());
    }

    #[tokio::test]
    async fn what_was_used_longest_ago_goes_first() {
        let validators = Validators::keeping(500_000);
        for id in 1..=3 {
            validators.wait_for(&large(id)).await.unwrap();
        }
        validators.wait_for(&kind(9, "true")).await.unwrap();
        assert!(validators.ready(&large(1)).is_some());
        validators.wait_for(&large(4)).await.unwrap();
        let kept = [1, 2, 3, 4, 9].map(|id| validators.0.kept.lock().compiled.contains_key(&(KindId(id), None)));
        assert_eq!(kept, [true, false, true, true, true]);
        assert!(validators.0.kept.lock().bytes <= 500_000);
        validators.compile_ahead([large(5)].iter()).await;
        assert!(validators.ready(&large(5)).is_none(), "nobody asked for it");
    }

    #[tokio::test]
    async fn what_does_not_compile_says_so_every_time() {
        let validators = Validators::default();
        for _ in 0..2 {
            let error = validators.wait_for(&kind(1, r#"{"pattern": "("}"#)).await.unwrap_err().to_string();
            assert!(error.contains("input schema of kind `kind-1`"), "{error}");
        }
    }
}
