//! `hostile`, `fuzz-uploads` and `fuzz-api`: code, modules and requests that nobody would send in good faith, against a release
//! build of the host, or the binary that is named, for as long as one likes. The tests make a few of the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::json;

use crate::cargo::{cargo, run, say};
use crate::host::Host;
use crate::workspace::Workspace;
use crate::{guests, setup};

/// What the others' jobs may take beside attacks, in times of what they take without.
const P99_TIMES_MAX: &str = "3";
/// Modules when nobody says otherwise.
pub(crate) const MODULES_DEFAULT: u32 = 10_000;
/// Requests to each operation when nobody says otherwise.
pub(crate) const EXAMPLES_DEFAULT: u32 = 100;

/// Of the host whose API is fuzzed; it is gone when that is over.
const ADMIN_KEY: &str = "the-key-of-the-fuzzed-host";
/// The same of its secrets.
const SECRETS_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Where the operator is one.
const OPERATORS_TENANT: &str = "fuzzed-by-its-operator";

/// Fuzzes an HTTP API by its description. From the index of Python packages.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// Paths whose answers go on as long as somebody reads.
const ENDLESS: [&str; 2] = ["/v1/notifications/stream", "/hubs/notifications"];
/// What every answer is held to: no 5xx, no status, type, header or body that the description does not have.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      response_headers_conformance,unsupported_method,use_after_free";

/// All attacks, with what others notice of them held to its bound.
pub(crate) fn attack(binary: Option<&Path>) -> anyhow::Result<()> {
    let binary = host_to_attack(binary)?;
    let mut command = tests(&["hostile", "hostile_uploads"], &binary)?;
    run(command.env("STOKER_HOSTILE_P99", P99_TIMES_MAX))
}

/// So many modules by wasm-smith, and damaged ones.
pub(crate) fn fuzz_uploads(modules: u32, binary: Option<&Path>) -> anyhow::Result<()> {
    let binary = host_to_attack(binary)?;
    run(tests(&["fuzz_uploads"], &binary)?.env("STOKER_FUZZ_MODULES", modules.to_string()))
}

/// So many requests to each operation, made from the API's own description: by the host's admin, then by the operator of a tenant.
/// The admin's key is of the configuration, which no request revokes.
pub(crate) fn fuzz_api(examples: u32, binary: Option<&Path>) -> anyhow::Result<()> {
    let binary = host_to_attack(binary)?;
    let workspace = Workspace::load()?;
    let tool = schemathesis(&workspace.target_dir)?;
    let host = Host::start_with(&binary, Some(ADMIN_KEY), &[("STOKER_SECRETS_KEY", SECRETS_KEY)])?;
    for guest in ["hello", "handlers"] {
        let path = workspace.guests_dir().join(format!("{guest}.wasm"));
        host.upload(guest, &std::fs::read(&path).with_context(|| path.display().to_string())?)?;
    }
    for tenant in ["acme", "other"] {
        host.post("/v1/tenants", &json!({"name": tenant}))?;
    }
    let as_admin = fuzz_as(&tool, &host, ADMIN_KEY, examples).context("as the admin");
    // Made only now: an admin's requests delete tenants.
    host.post("/v1/tenants", &json!({"name": OPERATORS_TENANT}))?;
    let key = host.post_in(OPERATORS_TENANT, "/v1/keys", &json!({"name": "fuzz", "role": "operator"}))?;
    let key = key["key"].as_str().context("the answer holds no key")?;
    let as_operator = fuzz_as(&tool, &host, key, examples).context("as an operator");
    host.stop()?;
    as_admin.and(as_operator)
}

fn fuzz_as(tool: &Path, host: &Host, key: &str, examples: u32) -> anyhow::Result<()> {
    let mut command = Command::new(tool);
    command.arg("run").arg(format!("{}/openapi.json", host.url()));
    command.args(["--header", &format!("Authorization: Bearer {key}")]);
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"]);
    for path in ENDLESS {
        command.args(["--exclude-path", path]);
    }
    command.args(["--max-examples", &examples.to_string(), "--request-timeout", "60", "--warnings", "off"]);
    run(&mut command)
}

/// The one that is named, or a release build.
fn host_to_attack(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let Some(binary) = named else { return release_host() };
    binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))
}

fn release_host() -> anyhow::Result<PathBuf> {
    setup::c_compiler()?;
    guests::build_all()?;
    // As `bench` builds it: nothing compiles twice.
    run(&mut cargo(["build", "--release", "--package", "stoker", "--package", "stoker-bench"]))?;
    Ok(Workspace::load()?.target_dir.join("release/stoker"))
}

/// End-to-end tests against another binary than the one beside them.
fn tests(names: &[&str], binary: &Path) -> anyhow::Result<Command> {
    let mut command = cargo(["test"]);
    command.args(Workspace::load()?.native_selection());
    for name in names {
        command.args(["--test", name]);
    }
    command.args(["--", "--nocapture"]).env("STOKER_BIN", binary);
    Ok(command)
}

/// The program, installed below the target directory if it is not there yet.
fn schemathesis(target_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = target_dir.join("tools").join(SCHEMATHESIS.replace("==", "-"));
    let tool = folder.join("bin/schemathesis");
    if tool.is_file() {
        return Ok(tool);
    }
    say(&format!("installing {SCHEMATHESIS} from PyPI into {}", folder.display()));
    let advice = "schemathesis needs Python 3 with venv and pip; on Debian: apt-get install python3-venv";
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).context(advice)?;
    run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", SCHEMATHESIS])).context(advice)?;
    Ok(tool)
}
