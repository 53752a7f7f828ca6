//! What an attack is: which module, told and granted what, and what comes of it.

use serde_json::{Value, json};
use stoker_tests::Guest;

use super::scene::Scene;

/// More than any attack uses before its time is up.
const FUEL_AMPLE: u64 = 1_000_000_000_000;

/// Where an attack comes from.
#[derive(Clone, Copy, Debug)]
pub enum Module {
    /// A kind of `tests/guests/hostile`.
    Guest,
    /// A module of its own, whose only kind is called like the attack.
    Own(fn() -> Vec<u8>),
}

/// What comes of an attack.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Each execution fails, for one of these reasons.
    Fails(&'static [&'static str]),
    /// It succeeds and has found, or done, nothing: this is its output.
    Gives(Value),
    /// It succeeds, each time with another output.
    GivesAnother,
    /// It succeeds; what it left behind says how it went.
    Succeeds,
    /// It never ends by itself, and is cancelled.
    GoesOn,
}

/// What is wrong with what its jobs left behind, once all of them have ended.
pub type Aftermath = fn(&Scene, &[Value]) -> Vec<String>;

/// One attack.
#[derive(Clone, Debug)]
pub struct Attack {
    /// Its kind.
    pub name: &'static str,
    /// Where it comes from.
    pub module: Module,
    /// What it is told.
    pub payload: Value,
    /// Of its kind, beside what all have.
    pub settings: Value,
    /// What an admin granted to its kind; null: nothing.
    pub grants: Value,
    /// What comes of it.
    pub expected: Expected,
    /// What must not have happened meanwhile.
    pub aftermath: Option<Aftermath>,
}

impl Attack {
    fn new(name: &'static str, expected: Expected) -> Self {
        // A plain command is told nothing; an object is an object to all others.
        Self {
            name,
            module: Module::Guest,
            payload: json!({}),
            settings: json!({}),
            grants: Value::Null,
            expected,
            aftermath: None,
        }
    }

    /// One that fails for one of these reasons.
    pub fn failing(name: &'static str, reasons: &'static [&'static str]) -> Self {
        Self::new(name, Expected::Fails(reasons))
    }

    /// One that is let in and comes away with nothing but this.
    pub fn giving(name: &'static str, output: Value) -> Self {
        Self::new(name, Expected::Gives(output))
    }

    /// One whose outputs all differ.
    pub fn giving_another(name: &'static str) -> Self {
        Self::new(name, Expected::GivesAnother)
    }

    /// One that does what it may.
    pub fn succeeding(name: &'static str) -> Self {
        Self::new(name, Expected::Succeeds)
    }

    /// One that never ends by itself.
    pub fn going_on(name: &'static str) -> Self {
        Self::new(name, Expected::GoesOn)
    }

    /// From another module.
    #[must_use]
    pub fn of(mut self, module: Module) -> Self {
        self.module = module;
        self
    }

    /// Told something.
    #[must_use]
    pub fn told(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }

    /// With settings of its kind.
    #[must_use]
    pub fn set(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    /// Granted something.
    #[must_use]
    pub fn granted(mut self, grants: Value) -> Self {
        self.grants = grants;
        self
    }

    /// Looked after.
    #[must_use]
    pub fn leaving(mut self, aftermath: Aftermath) -> Self {
        self.aftermath = Some(aftermath);
        self
    }

    /// All settings of its kind: an end by the limit it goes against, within two seconds where that is time.
    pub fn kind_settings(&self) -> Value {
        let is_timed = matches!(&self.expected, Expected::Fails(reasons) if reasons.contains(&"timeout"));
        let timeout = if is_timed { "2s" } else { "1m" };
        let mut all = json!({"timeout": timeout, "fuel": FUEL_AMPLE, "memory": "128MiB", "max_attempts": 1});
        for (name, value) in self.settings.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        if !self.grants.is_null() {
            all["grants"] = self.grants.clone();
        }
        all
    }

    /// Its module's name and bytes.
    pub fn upload(&self) -> (&'static str, Vec<u8>) {
        match self.module {
            Module::Guest => ("hostile", Guest::Hostile.wasm()),
            Module::Own(wasm) => (self.name, wasm()),
        }
    }
}
