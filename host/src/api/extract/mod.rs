//! How requests are taken apart: bodies, JSON, paths and query strings, each with its refusals.

mod body;
mod given;
mod json;
mod page;
mod parameters;
mod path;
mod value;
mod words;

pub(super) use body::{HeldBody, content_type_is, read_body, require_json, require_merge_patch};
pub(super) use given::Given;
pub(super) use json::{Start, parse_json, parse_json_at, refuse_json};
pub(super) use page::{PageParameters, parse_limit, parse_parameter, refuse_parameter};
pub(super) use parameters::{Force, NoParameters, Parameters};
pub(super) use path::{JobPath, KvPath, NamePath, VersionPath};
pub(super) use value::{ValueRequest, body_bytes_max, parse_value};
