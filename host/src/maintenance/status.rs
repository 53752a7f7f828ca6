//! How each task is doing, for operators.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::job::Timestamp;

/// One task's state.
#[derive(Clone, Debug)]
pub struct TaskStatus {
    /// The task.
    pub name: &'static str,
    /// Runs since start.
    pub runs: u64,
    /// Runs that failed since start.
    pub failures: u64,
    /// When it last ended.
    pub last_run_at: Option<Timestamp>,
    /// What the last failure said; `None` once a run succeeded.
    pub last_error: Option<String>,
}

/// All tasks' states. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct MaintenanceStatus(Arc<Mutex<Vec<TaskStatus>>>);

impl MaintenanceStatus {
    /// A snapshot, in the order the tasks were set up.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.0.lock().clone()
    }

    pub(super) fn add(&self, name: &'static str) -> usize {
        let mut tasks = self.0.lock();
        tasks.push(TaskStatus { name, runs: 0, failures: 0, last_run_at: None, last_error: None });
        tasks.len() - 1
    }

    pub(super) fn ran(&self, index: usize, at: Timestamp, error: Option<String>) {
        if let Some(task) = self.0.lock().get_mut(index) {
            task.runs += 1;
            task.failures += u64::from(error.is_some());
            task.last_run_at = Some(at);
            task.last_error = error;
        }
    }
}
