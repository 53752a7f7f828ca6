//! What became of a slot.

use serde::{Deserialize, Serialize};

macro_rules! slot_fates {
    ($($(#[$doc:meta])* $name:ident = $code:literal $word:literal,)*) => {
        /// What became of a slot. Codes are what the store keeps; never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum SlotFate {
            $($(#[$doc])* $name,)*
        }

        impl SlotFate {
            /// Every fate.
            pub const ALL: &'static [SlotFate] = &[$(SlotFate::$name,)*];

            /// The word used in HTTP and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(SlotFate::$name => $word,)* }
            }
            /// The number the store keeps.
            pub const fn code(self) -> u8 {
                match self { $(SlotFate::$name => $code,)* }
            }
            /// From the number the store keeps.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(SlotFate::$name),)* _ => None }
            }
        }
    };
}

slot_fates! {
    /// A job was enqueued.
    Enqueued = 1 "enqueued",
    /// Nobody was there at its time, and the schedule does not make up for it.
    Missed = 2 "missed",
    /// An earlier run had not ended.
    Overlapped = 3 "overlapped",
    /// Its job is enqueued when the earlier run has ended.
    Queued = 4 "queued",
    /// No job could run: nobody serves the kind, its queue could not be made, or a quota is used up.
    Failed = 5 "failed",
    /// Another job is the only one like it, and stands for its job.
    Existing = 6 "existing",
    /// Another job is the only one like it, and has its payload, time, priority and tags now.
    Replaced = 7 "replaced",
    /// Another job is the only one like it, and has its payload and waits anew.
    Debounced = 8 "debounced",
    /// Another job is the only one of its period.
    Throttled = 9 "throttled",
    /// Another job is the only one like it, and nothing came of its own.
    Rejected = 10 "rejected",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_are_told_apart() {
        for fate in SlotFate::ALL {
            assert_eq!(SlotFate::from_code(fate.code()), Some(*fate));
            assert_eq!(serde_json::to_value(fate).ok(), Some(fate.as_str().into()));
        }
        assert_eq!(SlotFate::from_code(0), None);
    }
}
