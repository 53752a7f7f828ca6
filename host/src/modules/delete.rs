//! Deleting versions: from the store, and with them what was compiled of them. Attempts that run hold their module in
//! memory and end as if nothing had happened.

use super::facade::Modules;
use crate::job::{Digest, ModuleName};
use crate::store::{DeleteModuleResult, StoreError, TenantId};

impl Modules {
    pub(super) async fn delete_version_and_artifact(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
    ) -> Result<DeleteModuleResult, StoreError> {
        let result = self.store().delete_version(tenant, module, digest).await?;
        self.forget_unused(&result);
        Ok(result)
    }

    pub(super) async fn delete_module_and_artifacts(
        &self,
        tenant: TenantId,
        module: ModuleName,
        force: bool,
    ) -> Result<DeleteModuleResult, StoreError> {
        let result = self.store().delete_module(tenant, module, force).await?;
        self.forget_unused(&result);
        Ok(result)
    }

    /// The same bytes uploaded again in between are only compiled once more.
    fn forget_unused(&self, result: &DeleteModuleResult) {
        if let DeleteModuleResult::Deleted { unused } = result {
            for digest in unused {
                self.sandbox().forget(*digest);
            }
        }
    }
}
