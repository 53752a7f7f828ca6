//! What becomes of a slot while an earlier run of the same schedule has not ended.

use serde::{Deserialize, Serialize};

/// A schedule's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It runs beside the earlier ones.
    Allow,
    /// It does not run.
    #[default]
    Skip,
    /// It runs when the earlier one has ended; at most one waits.
    QueueOne,
    /// The earlier ones are cancelled and it runs.
    CancelRunning,
}

/// Unfinished jobs of earlier slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// All of them.
    pub jobs: usize,
    /// Those that wait for another of them to end.
    pub queued: usize,
}

/// What becomes of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatOverlaps {
    /// A job at once.
    Run,
    /// A job, once those that are unfinished have ended.
    RunAfterThem,
    /// A job at once, and those that are unfinished are cancelled.
    CancelThemAndRun,
    /// No job: an earlier run has not ended.
    Skip,
}

/// Decides.
pub fn on_overlap(overlap: Overlap, unfinished: Unfinished) -> WhatOverlaps {
    match overlap {
        _ if unfinished.jobs == 0 => WhatOverlaps::Run,
        Overlap::Allow => WhatOverlaps::Run,
        Overlap::QueueOne if unfinished.queued == 0 => WhatOverlaps::RunAfterThem,
        Overlap::Skip | Overlap::QueueOne => WhatOverlaps::Skip,
        Overlap::CancelRunning => WhatOverlaps::CancelThemAndRun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice() {
        for (overlap, jobs, queued, expected) in [
            (Overlap::Allow, 0, 0, WhatOverlaps::Run),
            (Overlap::Allow, 9, 0, WhatOverlaps::Run),
            (Overlap::Skip, 0, 0, WhatOverlaps::Run),
            (Overlap::Skip, 1, 0, WhatOverlaps::Skip),
            (Overlap::QueueOne, 0, 0, WhatOverlaps::Run),
            (Overlap::QueueOne, 1, 0, WhatOverlaps::RunAfterThem),
            (Overlap::QueueOne, 2, 1, WhatOverlaps::Skip),
            (Overlap::CancelRunning, 0, 0, WhatOverlaps::Run),
            (Overlap::CancelRunning, 2, 0, WhatOverlaps::CancelThemAndRun),
        ] {
            assert_eq!(on_overlap(overlap, Unfinished { jobs, queued }), expected, "{overlap:?} {jobs} {queued}");
        }
    }
}
