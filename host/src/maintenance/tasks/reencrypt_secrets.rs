//! Encrypts under the current key what is still under an earlier one. After that no earlier key is needed.

use std::time::Duration;

use crate::maintenance::driver::{Task, Turn};
use crate::secrets::{Vault, reencrypt};
use crate::store::StoreError;

/// Keys change with a start, and then at once: this is for what failed.
const SCAN_PERIOD: Duration = Duration::from_hours(1);

/// See the file's head.
pub(in crate::maintenance) struct ReencryptSecrets {
    pub(in crate::maintenance) vault: Vault,
}

impl Task for ReencryptSecrets {
    fn name(&self) -> &'static str {
        "reencrypt_secrets"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(reencrypt(&self.vault).await?))
    }
}
