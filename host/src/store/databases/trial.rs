//! Databases of a run without a store: files in a temporary folder that goes with it. Nobody else is there, so that nothing is fenced.

use std::sync::Arc;

use super::files::SqliteFiles;
use super::session::{SqliteSession, Writer};
use crate::job::{DatabaseName, JobId};
use crate::store::catalog::TenantId;

/// See the file's head.
#[derive(Debug)]
pub struct TrialFiles {
    files: Arc<SqliteFiles>,
    _folder: tempfile::TempDir,
}

impl TrialFiles {
    /// None yet.
    pub fn new() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("stoker-run-").tempdir()?;
        Ok(Self { files: Arc::new(SqliteFiles::in_directory(folder.path())), _folder: folder })
    }

    /// One of them, as a job has it open.
    pub fn session(&self, name: &DatabaseName, job: JobId) -> SqliteSession {
        SqliteSession::new(&self.files, self.files.file(TenantId(0), name), Writer::Trial(job))
    }
}
