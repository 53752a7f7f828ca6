//! `PUT /v1/modules/{name}`: the body is the artifact.

use axum::extract::Request;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{FORCE_HINT, kind_owned, kinds_needed};
use crate::api::error::{ApiError, FieldError, ProblemCode, quoted};
use crate::api::extract::{NamePath, Parameters, content_type_is};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Binary;
use crate::api::wire::module::ModuleVersion;
use crate::job::ModuleName;
use crate::modules::{Activation, SectionError, Upload, UploadError};
use crate::sandbox::{CompileError, DescribeError, SandboxError};

/// Most imports named in one refusal.
const IMPORTS_NAMED_MAX: usize = 20;

/// Parameters of an upload.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UploadParameters {
    #[serde(default)]
    force: bool,
    activate: Option<bool>,
}

impl UploadParameters {
    fn activation(self) -> Result<Activation, ApiError> {
        match (self.activate.unwrap_or(true), self.force) {
            (true, false) => Ok(Activation::Now),
            (true, true) => Ok(Activation::Forced),
            (false, false) => Ok(Activation::Later),
            (false, true) => Err(ApiError::new(
                ProblemCode::InvalidQuery,
                "`force` is about activating, and `activate=false` asks for none: leave one of them out",
            )),
        }
    }
}

/// Upload a module
///
/// The body is the WebAssembly module or component, as it is. It is checked, compiled in a process of its own, asked
/// what it serves, stored by digest and activated; a refusal at any step leaves nothing behind. With `?activate=false` it
/// is stored only, to be looked at (`…/changes`) and activated later.
#[utoipa::path(
    put, path = "/v1/modules/{name}", tag = "modules",
    request_body(content((Binary = "application/wasm"), (Binary = "application/octet-stream"))),
    params(
        ("name" = String, Path),
        ("force" = Option<bool>, Query, description = "Activate although unfinished jobs need kinds it drops"),
        ("activate" = Option<bool>, Query, description = "`false`: store it, and leave active what is (default `true`)"),
    ),
    responses(
        (status = 201, body = ModuleVersion, description = "A new version, active now unless `activate=false`"),
        (status = 200, body = ModuleVersion, description = "This version was uploaded before; active now unless `activate=false`"),
        (status = 403, description = "`quota_exceeded`: too many modules, bytes of them, or kinds; it is not stored"),
        (status = 409, description = "`kind_owned`, `kinds_needed`: it can't be activated, and is not stored"),
        (status = 413, description = "`body_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 429, description = "`busy`: other uploads take their turns, or the memory for bodies"),
        (status = 422, description = "`invalid_query`, `malformed_module` (with `offset`), `no_entry`, `module_limits`, `unknown_imports`, `invalid_settings`, `compile_failed`, `describe_failed`"),
        (status = 503, description = "`store_unavailable`, `compiler_unavailable`"),
    ),
)]
pub(in crate::api) async fn upload(
    api: Call,
    NamePath(module): NamePath<ModuleName>,
    Parameters(parameters): Parameters<UploadParameters>,
    request: Request,
) -> Result<Response, ApiError> {
    let activation = parameters.activation()?;
    let (parts, body) = request.into_parts();
    if !is_module(&parts.headers)? {
        let sentence = "send the module as it is, with `Content-Type: application/wasm` (or application/octet-stream)";
        return Err(ApiError::new(ProblemCode::UnsupportedMediaType, sentence));
    }
    let body = api.read_body(&parts.headers, body, api.config.requests.module_bytes_max).await?;
    let turn = api.uploads.take(api.part()).await?;
    let tenant = api.caller.tenant;
    let modules = api.modules();
    // On a task of its own: a client that hangs up must not leave an upload half done.
    let upload = tokio::spawn(async move {
        let _turn = turn;
        modules.upload(Upload { tenant, module, wasm: body.clone(), activation }).await
    });
    let uploaded = upload.await.map_err(|error| ApiError::internal(&error))?.map_err(refuse)?;
    let status = if uploaded.created { StatusCode::CREATED } else { StatusCode::OK };
    let version = &uploaded.version;
    let shown = ModuleVersion::from(version).with_missing_grants(version, &api.store.catalog(), tenant);
    json(status, &shown, 1_024)
}

/// Whether the body may be a module: it is called one, or plain bytes, or nothing at all, as by `curl -T`.
fn is_module(headers: &HeaderMap) -> Result<bool, ApiError> {
    Ok(!headers.contains_key(CONTENT_TYPE)
        || content_type_is(headers, "application/wasm")?
        || content_type_is(headers, "application/octet-stream")?)
}

pub(in crate::api) fn refuse(error: UploadError) -> ApiError {
    let sentence = quoted(error.to_string());
    match error {
        UploadError::Malformed { offset, .. } => {
            ApiError::new(ProblemCode::MalformedModule, sentence).with("offset", offset)
        }
        UploadError::NoEntry(_) => ApiError::new(ProblemCode::NoEntry, sentence),
        UploadError::TooLarge(_) => ApiError::new(ProblemCode::ModuleLimits, sentence),
        UploadError::UnknownImports(mut imports) => {
            imports.truncate(IMPORTS_NAMED_MAX);
            let imports: Vec<String> = imports.into_iter().map(quoted).collect();
            ApiError::new(ProblemCode::UnknownImports, sentence).with("imports", imports)
        }
        UploadError::Settings(SectionError::Wrong(errors)) => {
            ApiError::new(ProblemCode::InvalidSettings, sentence).with_errors(errors)
        }
        UploadError::Settings(_) | UploadError::LittleMemory { .. } => {
            ApiError::new(ProblemCode::InvalidSettings, sentence)
        }
        UploadError::Compile(error) => refuse_compile(&error, sentence),
        UploadError::Describe(DescribeError::Failed { detail, .. }) => {
            let error = ApiError::new(ProblemCode::DescribeFailed, sentence);
            match detail {
                Some(detail) => error.with("guest", quoted(detail)),
                None => error,
            }
        }
        UploadError::Describe(DescribeError::Invalid(_)) => ApiError::new(ProblemCode::DescribeFailed, sentence),
        UploadError::Describe(DescribeError::Host(error)) | UploadError::Sandbox(error) => match error {
            SandboxError::Compile(error) => refuse_compile(&error, sentence),
            SandboxError::Engine(_)
            | SandboxError::Egress(_)
            | SandboxError::Missing(_)
            | SandboxError::Damaged(_)
            | SandboxError::Instantiate(_)
            | SandboxError::Crowded(_) => ApiError::internal(&error),
        },
        UploadError::KindOwned { kind, module } => kind_owned(&kind, &module),
        UploadError::OverQuota(quota) => ApiError::over_quota(&quota),
        UploadError::KindsNeeded(kinds) => {
            kinds_needed(&kinds, &format!("kinds this version does not serve ({FORCE_HINT})"))
        }
        UploadError::Store(error) => error.into(),
    }
}

fn refuse_compile(error: &CompileError, sentence: String) -> ApiError {
    match error {
        CompileError::Malformed { .. }
        | CompileError::Refused(_)
        | CompileError::TimedOut(_)
        | CompileError::OutOfMemory(_)
        | CompileError::Crashed(_)
        | CompileError::TooLarge(_) => {
            ApiError::fields(ProblemCode::CompileFailed, vec![FieldError::new("", sentence)])
        }
        CompileError::NoRoom(_) => {
            tracing::warn!(%error, "an upload was refused");
            ApiError::new(
                ProblemCode::StoreUnavailable,
                "the disk of the data directory is too full to compile a module; nothing was stored, try again later",
            )
        }
        CompileError::Process(_) => {
            tracing::error!(%error, "an upload was refused");
            ApiError::new(
                ProblemCode::CompilerUnavailable,
                "the compiler process could not be run; the host's log says more. Try again later",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;
    use std::time::Duration;

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let kind = || "k".parse::<crate::job::KindName>().ok();
        let module = || "m".parse().ok();
        let (Some(kind), Some(module)) = (kind(), module()) else { unreachable!("good names") };
        for (error, status, code) in [
            (UploadError::Malformed { offset: 8, message: "x".into() }, 422, "malformed_module"),
            (UploadError::NoEntry("x".into()), 422, "no_entry"),
            (UploadError::TooLarge("x".into()), 422, "module_limits"),
            (UploadError::Compile(CompileError::NoRoom("secret".into())), 503, "store_unavailable"),
            (UploadError::UnknownImports(vec!["a:b/c".into()]), 422, "unknown_imports"),
            (UploadError::Settings(SectionError::Several), 422, "invalid_settings"),
            (
                UploadError::LittleMemory { kind: kind.clone(), asked_bytes: 1, begins_bytes: 2 },
                422,
                "invalid_settings",
            ),
            (UploadError::Compile(CompileError::Refused("x".into())), 422, "compile_failed"),
            (UploadError::Compile(CompileError::TimedOut(Duration::ZERO)), 422, "compile_failed"),
            (UploadError::Compile(CompileError::OutOfMemory(1)), 422, "compile_failed"),
            (UploadError::Compile(CompileError::Crashed("x".into())), 422, "compile_failed"),
            (UploadError::Compile(CompileError::TooLarge(1)), 422, "compile_failed"),
            (UploadError::Compile(CompileError::Process("secret".into())), 503, "compiler_unavailable"),
            (UploadError::Describe(DescribeError::Invalid("x".into())), 422, "describe_failed"),
            (UploadError::Describe(SandboxError::Engine("secret".into()).into()), 500, "internal"),
            (UploadError::Sandbox(CompileError::Refused("x".into()).into()), 422, "compile_failed"),
            (UploadError::KindsNeeded(vec![]), 409, "kinds_needed"),
            (UploadError::KindOwned { kind, module }, 409, "kind_owned"),
            (UploadError::Store(StoreError::Unavailable("secret".into())), 503, "store_unavailable"),
        ] {
            let refusal = refuse(error);
            assert_eq!((refusal.code().status(), refusal.code().as_str()), (status, code));
            assert!(!refusal.detail().contains("secret"), "{}", refusal.detail());
        }
    }
}
