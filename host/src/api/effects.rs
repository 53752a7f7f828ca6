//! Requests for jobs that handlers make on success: checked by the rules of `POST /v1/jobs`, in turns of their own, so that no
//! guest keeps callers from theirs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::error::ApiError;
use super::extract::parse_json;
use super::jobs::{JobRequest, Refused, Rules, RulesOf, Unfinished};
use crate::attempt::JobRequests;
use crate::config::Config;
use crate::job::field::FieldError;
use crate::job::{Clock, QueueName};
use crate::modules::Validators;
use crate::schema::{Effort, SlowWork};
use crate::store::{NewJob, Store, TenantId};

/// How often schemas are waited for that are forgotten, or replaced, as soon as they are compiled.
const COMPILED_AGAIN_MAX: usize = 3;

/// See the file's head. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HandlersRequests(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    store: Store,
    validators: Validators,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    default_queue: QueueName,
    slow: SlowWork,
}

impl HandlersRequests {
    /// Over the store's catalog.
    pub fn new(store: Store, validators: Validators, config: Arc<Config>, clock: Arc<dyn Clock>) -> Self {
        let (default_queue, slow) = (QueueName::default_queue(), SlowWork::default());
        Self(Arc::new(Parts { store, validators, config, clock, default_queue, slow }))
    }

    /// The request, or why it is refused, or what has to come first.
    fn checked(
        &self,
        tenant: TenantId,
        request: &Bytes,
        effort: Effort,
    ) -> Result<Result<NewJob, ApiError>, Unfinished> {
        let Parts { store, validators, config, clock, default_queue, slow: _ } = &*self.0;
        let parsed = match parse_json::<JobRequest<'_>>(request) {
            Ok(parsed) => parsed,
            Err(error) => return Ok(Err(error)),
        };
        let catalog = store.catalog();
        let mut rules = Rules::of(RulesOf {
            tenant,
            catalog: &catalog,
            validators,
            bounds: &config.limits,
            payload_bytes_max: config.requests.payload_bytes_max,
            default_queue,
            now: clock.now(),
            effort,
        });
        let checked = rules.check(parsed, request, None).map_err(|Refused { error, .. }| error);
        rules.unfinished().map_or(Ok(checked), Err)
    }

    async fn check_request(&self, tenant: TenantId, request: Bytes) -> Result<NewJob, ApiError> {
        for _ in 0..COMPILED_AGAIN_MAX {
            match self.checked(tenant, &request, Effort::Quick) {
                Ok(checked) => return checked,
                Err(unfinished) if unfinished.uncompiled.is_empty() => break,
                Err(unfinished) => {
                    for kind in &unfinished.uncompiled {
                        drop(self.0.validators.wait_for(kind).await);
                    }
                }
            }
        }
        let this = self.clone();
        let checked = self.0.slow.run(move || this.checked(tenant, &request, Effort::Thorough)).await;
        match checked {
            Some(Ok(checked)) => checked,
            Some(Err(_)) | None => {
                Err(ApiError::field("", "nobody can say in time whether the schema of its kind takes the payload"))
            }
        }
    }
}

impl JobRequests for HandlersRequests {
    fn check(
        &self,
        tenant: TenantId,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<NewJob, Vec<FieldError>>> + Send + '_>> {
        Box::pin(async move {
            self.check_request(tenant, request).await.map_err(|error| {
                if error.errors().is_empty() {
                    return vec![FieldError::new("", error.detail())];
                }
                error.errors().to_vec()
            })
        })
    }
}
