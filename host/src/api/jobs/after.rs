//! `after` and `batch` of a request: what a job has to do with others. Whether those exist is the store's to say, in the
//! transaction that writes the job.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::api::error::{ApiError, FieldError, ProblemCode};
use crate::job::dependency::PARENTS_MAX;
use crate::job::{BatchId, JobId, Parent, Wanted};
use crate::store::{JobTies, TieRefusal};

/// A job to run after: its id (in a workflow its name) alone, or with the end it is to come to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(in crate::api) struct AfterRequest {
    /// The job.
    pub(in crate::api) job: String,
    /// `succeeded` (default), `failed` or `finished`.
    pub(in crate::api) on: Wanted,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Full {
    job: String,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    on: Wanted,
}

impl<'de> Deserialize<'de> for AfterRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AfterRequest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a job, or an object with `job` and `on`")
            }
            fn visit_str<E>(self, job: &str) -> Result<AfterRequest, E> {
                Ok(AfterRequest { job: job.to_owned(), on: Wanted::default() })
            }
            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<AfterRequest, M::Error> {
                let Full { job, on } = Full::deserialize(MapAccessDeserializer::new(map))?;
                Ok(AfterRequest { job, on })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl utoipa::PartialSchema for AfterRequest {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
        let job = ObjectBuilder::new().schema_type(Type::String).build();
        Schema::OneOf(OneOfBuilder::new().item(job).item(Full::schema()).build()).into()
    }
}

impl utoipa::ToSchema for AfterRequest {}

/// What a request asks for, as far as it can be told without the store.
pub(in crate::api) fn ties(
    after: Option<Vec<AfterRequest>>,
    batch: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> Option<Box<JobTies>> {
    let batch = batch.and_then(|batch| match batch.parse::<BatchId>() {
        Ok(batch) => Some(batch),
        Err(error) => {
            errors.push(FieldError::new("/batch", error.to_string()));
            None
        }
    });
    let asked = after.unwrap_or_default();
    if asked.len() > PARENTS_MAX {
        errors.push(FieldError::new("/after", format!("a job runs after at most {PARENTS_MAX} others")));
        return None;
    }
    let mut after: Vec<Parent> = Vec::with_capacity(asked.len());
    for (index, AfterRequest { job, on }) in asked.into_iter().enumerate() {
        match job.parse::<JobId>() {
            Ok(job) if after.iter().any(|parent| parent.job == job) => {
                errors.push(FieldError::new(format!("/after/{index}"), format!("{job} stands before already")));
            }
            Ok(job) => after.push(Parent { job, wanted: on }),
            Err(error) => errors.push(FieldError::new(format!("/after/{index}"), error.to_string())),
        }
    }
    (batch.is_some() || !after.is_empty()).then(|| Box::new(JobTies { after, batch }))
}

/// Why a job can't have the ties it asks for.
pub(in crate::api) fn untied(refusal: TieRefusal) -> ApiError {
    match refusal {
        TieRefusal::UnknownParent(index) => unknown_parent(&format!("/after/{index}")),
        TieRefusal::UnknownBatch => {
            ApiError::field("/batch", "there is no such batch; POST /v1/batches makes one, GET /v1/batches lists them")
        }
        TieRefusal::BatchClosed => ApiError::new(
            ProblemCode::BatchClosed,
            "the batch takes no more jobs; make another, or one that closes later (`\"close\": \"on_request\"`)",
        ),
    }
}

/// Nobody can wait for what is not there.
pub(in crate::api) fn unknown_parent(pointer: &str) -> ApiError {
    ApiError::field(pointer, "there is no such job: it never was, or was deleted after it ended")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_job_alone_or_with_its_end() {
        let id = JobId::from_u128(7);
        for (json, on) in [
            (format!("\"{id}\""), Wanted::Succeeded),
            (format!(r#"{{"job": "{id}"}}"#), Wanted::Succeeded),
            (format!(r#"{{"job": "{id}", "on": "finished"}}"#), Wanted::Finished),
        ] {
            let one: AfterRequest = serde_json::from_str(&json).unwrap();
            let mut errors = Vec::new();
            let ties = ties(Some(vec![one]), None, &mut errors).unwrap();
            assert_eq!((ties.after, errors), (vec![Parent { job: id, wanted: on }], vec![]));
        }
        for json in ["7", r#"{"on": "failed"}"#, r#"{"job": "a", "on": "done"}"#, r#"{"job": "a", "if": 1}"#] {
            assert!(serde_json::from_str::<AfterRequest>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_can_not_be_is_said_with_its_place() {
        let one = |job: &str| AfterRequest { job: job.to_owned(), on: Wanted::Succeeded };
        let id = JobId::from_u128(7).to_string();
        let mut errors = Vec::new();
        assert_eq!(ties(None, None, &mut errors), None);
        ties(Some(vec![one(&id), one("x"), one(&id)]), Some("job_7"), &mut errors);
        let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/batch", "/after/1", "/after/2"]);
        let many = (0..=PARENTS_MAX).map(|index| one(&JobId::from_u128(index as u128).to_string())).collect();
        errors.clear();
        assert_eq!(ties(Some(many), None, &mut errors), None);
        assert_eq!((errors[0].pointer.as_str(), errors[0].message.contains("100")), ("/after", true));
    }
}
