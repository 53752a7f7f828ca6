//! `stoker run`: one execution of one job on this machine, without a host.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::payload::{self, Given};
use super::problem::Problem;
use super::project::Built;
use super::terminal::{self, Colours};
use super::{advice, environment, granted, project, run_cache, run_view, secret_value};
use crate::api::{ApiError, offline};
use crate::config::{Config, read_file, resolve};
use crate::job::dependency::PARENTS_MAX;
use crate::job::kind::MAX_ATTEMPTS_LIMIT;
use crate::job::{ByteSize, JobState, KindName, LimitRequest, LogLine, ModuleName, SecretName, Span};
use crate::trial::{GivenParent, GivenSecrets, Loaded, Order, Report, TrialError, Workbench};

/// Threads beside the guest's.
const THREADS: usize = 2;

/// Run one job here, without a host
///
/// The module is checked, compiled and run once as a host would do it: the same sandbox, schemas and settings, and the
/// limits of a host started in this folder: those of stoker.toml (or of --config FILE), with the STOKER_* environment over
/// them, else the defaults (`stoker serve --help` lists them). The output goes to standard output; the log, the end and what it cost go to standard
/// error, each line of the log as it comes. Nothing is stored, and nothing is tried again: it is only said what a host would do next.
///
/// The exit code is 0 only if the job succeeded. It is 1 if it failed, asked to be run later, or would not have been
/// taken at all (no module, unknown kind, payload that breaks the schema: the same words as a host's), and 2 if the
/// command line can't be understood.
///
/// With --json, standard output has one object and nothing else, or nothing at all if the job would not have been taken:
/// `{kind, state, output, error: {reason, message, detail}, delay_ms, attempt, max_attempts, receipt, logs: [{at, level,
/// message}], logs_dropped, denied: [name], progress: {done, total, message}, module: {name, digest, type, size_bytes}}`. Its state is the
/// one a job would have now: succeeded, retrying, failed or scheduled; `delay_ms` is the time until the next execution, if
/// there is to be one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker run hello.wasm '{\"name\":\"Ada\"}'
  stoker run . '{\"name\":\"Ada\"}'       (the project in this folder)
  stoker run target/wasm32-wasip2/release/mail.wasm mail.send @request.json --json | jq .error
  stoker run markdown.wasm --text - --raw --settings '{\"stdin\":\"text\",\"stdout\":\"text\"}' < page.md
  stoker run report.wasm report.send '\"ada@example.org\"' --parent render='{\"pages\":7}' --parent fetch=@fetched.json
  stoker run rates.wasm rate '\"EUR\"' --grant http=api.example.com --grant config=base=USD
  stoker run charge.wasm '{\"amount\":5}' --secret stripe-key=@stripe.key --settings '{\"grants\":{\"kv\":[\"charges\"]}}'
  stoker run hello.wasm hello --attempt 3 --max-attempts 3 --timeout 2s --fuel 50000000")]
pub(super) struct Arguments {
    /// The module: a .wasm file, or the folder of a project, which is built first
    target: PathBuf,
    /// What to run; may be left out if the module serves only one kind
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// The payload: JSON, `@file`, or `-` for standard input [default: {}]
    payload: Option<String>,
    /// The payload is plain text, which becomes one JSON string
    #[arg(long)]
    text: bool,
    /// Print an output that is a string as it is, without quotes
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// What an operator would set for the kind, over what the module says
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// What it may use, as an operator would grant it: `http=api.example.com`, `config=NAME=VALUE`, `secret=NAME`, `kv=BUCKET`,
    /// `enqueue=KIND`, `event=TYPE`, `mail=SENDER`, `database=NAME`, `notify`.
    /// Repeat for more; what --settings grants does not count beside it
    #[arg(long = "grant", value_name = "WHAT=NAME", value_parser = granted::parse)]
    grants: Vec<granted::Granted>,
    /// Which attempt it is to be
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ATTEMPTS_LIMIT)))]
    attempt: u32,
    /// Attempts in all [default: the kind's, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ATTEMPTS_LIMIT)))]
    max_attempts: Option<u32>,
    /// Wall time [default: the kind's, else the host's: 30s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// Units of fuel [default: the kind's, else the host's: 10000000000]
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,
    /// Memory [default: the kind's, else the host's: 128MiB]
    #[arg(long, value_name = "SIZE", value_parser = super::quantities::memory)]
    memory: Option<ByteSize>,
    /// A job it runs after, which has succeeded, and what that returned: JSON, or `@file`. Can be given for each of them
    #[arg(long = "parent", value_name = "NAME=JSON")]
    parents: Vec<String>,
    /// A secret the handler is granted, and the file it is in. Can be given for each of them
    #[arg(long = "secret", value_name = "NAME=@FILE")]
    secrets: Vec<String>,
    /// The module's name; a plain command's kind is called so [default: the project's, or the file's name without
    /// extension]
    #[arg(long)]
    name: Option<ModuleName>,
    /// The configuration file of the host that is to run it: its limits count here [default: stoker.toml, if it exists]
    #[arg(long, env = "STOKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object on standard output, and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut say = |command: &str| terminal::remark(&terminal::line(command));
    let built = project::resolve(&arguments.target, arguments.name.as_ref(), &mut say)?;
    let (limits, file) = configured(arguments.config.as_deref())?;
    let colours = Colours::of_stderr();
    let mut told = 0;
    let mut follow = |logged: &LogLine| {
        told += 1;
        terminal::remark(&run_view::log_row(logged.level, &logged.message, colours));
    };
    let follow = (!arguments.json).then_some(&mut follow as &mut dyn FnMut(&LogLine));
    let report = tried(arguments, &built, limits, follow)?;
    if arguments.json {
        terminal::print(&terminal::json(&serde_json::to_string(&report)?))?;
    } else {
        terminal::remark(&run_view::render(&report, told, file.as_deref(), colours));
        if let Some(output) = &report.output {
            terminal::print(&terminal::output(output.get(), arguments.raw))?;
        }
    }
    Ok(if report.state == JobState::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a host started here would be told about limits, and the file it would read.
pub(super) fn configured(named: Option<&Path>) -> anyhow::Result<(Config, Option<PathBuf>)> {
    let (from_file, file) = read_file(named)?;
    let (from_environment, wrong) = environment::settings();
    ensure!(wrong.is_empty(), "{}; correct or unset the variable", wrong.join("; "));
    // What is about being reached and about keeping can't be wrong here: nobody listens, and nothing is kept.
    let settings = from_environment.or(from_file).of_jobs();
    Ok((resolve(&settings, THREADS)?, file))
}

fn tried(
    arguments: &Arguments,
    built: &Built,
    config: Config,
    follow: Option<&mut dyn FnMut(&LogLine)>,
) -> anyhow::Result<Report> {
    let wasm = Bytes::from(built.read()?);
    try_module((built.module.clone(), wasm), config, |loaded| order(arguments, loaded), follow)
}

/// One run of a module; `order` says of what.
pub(super) fn try_module(
    (module, wasm): (ModuleName, Bytes),
    config: Config,
    order: impl FnOnce(&Loaded) -> anyhow::Result<Order>,
    follow: Option<&mut dyn FnMut(&LogLine)>,
) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let cache = run_cache::open_cache()?;
    let tried = runtime.block_on(async {
        let bench = Workbench::open(cache.path().to_owned(), config)?;
        let loaded = bench.load(module, wasm).await.map_err(told)?;
        let order = order(&loaded)?;
        bench.run(&loaded, order, follow).await.map_err(told)
    });
    // A guest that was not waited for must not keep the process.
    runtime.shutdown_background();
    tried
}

/// A refusal as the host's answer would be shown.
pub(super) fn told(error: TrialError) -> anyhow::Error {
    match error {
        TrialError::Refused(refusal) => refused(&refusal),
        error => error.into(),
    }
}

fn refused(refusal: &ApiError) -> anyhow::Error {
    let body = serde_json::to_vec(refusal).unwrap_or_default();
    advice::on_refused_run(&Problem::from_body(refusal.code().status(), &body))
}

fn order(arguments: &Arguments, loaded: &Loaded) -> anyhow::Result<Order> {
    let kinds = loaded.kinds();
    let given = if arguments.text { Given::Text } else { Given::Json };
    let (kind, payload) = kind_and_payload(arguments.kind.as_deref(), arguments.payload.as_deref(), given, &kinds)?;
    let payload = payload::read(payload, given)?;
    Ok(Order {
        kind,
        payload: Bytes::from(String::from(Box::<str>::from(payload))),
        settings: arguments.settings.iter().cloned().chain(granted::settings(&arguments.grants)?).collect(),
        limits: LimitRequest {
            fuel: arguments.fuel,
            timeout_ms: arguments.timeout.map(Span::as_ms),
            memory_bytes: arguments.memory.map(|size| size.0),
            ..LimitRequest::default()
        },
        attempt: arguments.attempt,
        max_attempts: arguments.max_attempts,
        parents: parents(&arguments.parents)?,
        secrets: secrets(&arguments.secrets)?,
        repeats: None,
    })
}

/// `NAME=@FILE`, one for each secret. Never the value itself: it would stay in the shell's history.
pub(super) fn secrets(arguments: &[String]) -> anyhow::Result<GivenSecrets> {
    let mut secrets = GivenSecrets::new();
    for argument in arguments {
        let (name, file) = argument.split_once("=@").filter(|(_, file)| !file.is_empty()).context(
            "--secret is a secret's name and the file it is in, `--secret stripe-key=@stripe.key`; never write the value itself \
             on a command line",
        )?;
        let name: SecretName = name.parse()?;
        let value = secret_value::of_file(file)?;
        ensure!(secrets.insert(name.clone(), value).is_none(), "--secret {name} stands twice");
    }
    Ok(secrets)
}

/// `NAME=JSON`, one for each job it runs after.
fn parents(arguments: &[String]) -> anyhow::Result<Vec<GivenParent>> {
    let mut parents: Vec<GivenParent> = Vec::with_capacity(arguments.len());
    ensure!(arguments.len() <= PARENTS_MAX, "a job runs after at most {PARENTS_MAX} others");
    for argument in arguments {
        let (name, output) = argument.split_once('=').filter(|(name, _)| !name.is_empty()).with_context(|| {
            format!(
                "--parent is a job's name and what it returned, `--parent render='{{\"pages\":7}}'`, not `{argument}`"
            )
        })?;
        ensure!(output != "-", "--parent reads no standard input; name a file: --parent {name}=@FILE");
        ensure!(parents.iter().all(|known| known.name != name), "--parent {name} stands twice");
        let output = RawValue::from_string(payload::text(output)?)
            .with_context(|| format!("what `{name}` returned is not JSON; mind the shell's quotes"))?;
        let output = Bytes::from(String::from(Box::<str>::from(output)));
        parents.push(GivenParent { name: name.to_owned(), output });
    }
    Ok(parents)
}

/// Which of the two arguments is what. One alone is a kind if the module serves it; else, where the module serves only one
/// kind and it could be a payload, it is that.
fn kind_and_payload<'a>(
    first: Option<&'a str>,
    second: Option<&'a str>,
    given: Given,
    served: &[&KindName],
) -> anyhow::Result<(KindName, Option<&'a str>)> {
    let known = |name: &str| served.iter().find(|kind| kind.as_str() == name).map(|kind| (*kind).clone());
    let only = if let [only] = served { Some((*only).clone()) } else { None };
    match (first, second) {
        (Some(name), payload) if known(name).is_some() || payload.is_some() || is_kind_name(name, given) => {
            let kind = known(name).ok_or_else(|| refused(&offline::refuse_kind(name, served)))?;
            Ok((kind, payload))
        }
        (payload, _) => {
            let listed: Vec<String> = served.iter().map(ToString::to_string).collect();
            let kind = only.with_context(|| {
                format!("the module serves several kinds; name one of them before the payload: {}", listed.join(", "))
            })?;
            Ok((kind, payload))
        }
    }
}

/// Whether it can only be meant as a kind: it could be one, and could not be a payload.
fn is_kind_name(argument: &str, given: Given) -> bool {
    let could_be_payload = given == Given::Text || serde_json::from_str::<&RawValue>(argument).is_ok();
    argument.parse::<KindName>().is_ok() && !could_be_payload
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_a_name_and_what_it_returned() {
        let given = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            parents(&arguments).map_err(|error| error.to_string())
        };
        let two = given(&["render={\"a\":\"=\"}", "fetch=3"]).unwrap();
        assert_eq!((two[0].name.as_str(), &two[0].output[..]), ("render", &br#"{"a":"="}"#[..]));
        assert_eq!((two[1].name.as_str(), &two[1].output[..]), ("fetch", &b"3"[..]));
        for (arguments, said) in [
            (&["render"][..], "not `render`"),
            (&["=1"], "a job's name"),
            (&["a=1", "a=2"], "stands twice"),
            (&["a=b"], "not JSON"),
            (&["a=-"], "@FILE"),
            (&["a=@/nowhere/at/all"], "cannot read"),
        ] {
            let error = given(arguments).unwrap_err();
            assert!(error.contains(said), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_secret_is_a_name_and_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "sk_live_1234\n").unwrap();
        let argument = format!("stripe-key=@{}", file.display());
        let given = secrets(std::slice::from_ref(&argument)).unwrap();
        let value = given.get("stripe-key").unwrap();
        assert_eq!(value.reveal(), b"sk_live_1234", "the line's end is not the secret's");
        for (arguments, said) in [
            (vec!["stripe-key=sk_live_1234".to_owned()], "never write the value"),
            (vec!["a b=@x".to_owned()], "a secret's name"),
            (vec!["a=@/nowhere/at/all".to_owned()], "cannot read"),
            (vec![argument.clone(), argument], "stands twice"),
        ] {
            let error = secrets(&arguments).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("sk_live"), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn one_argument_is_a_kind_or_a_payload() {
        let names: Vec<KindName> = ["greet", "null"].iter().map(|name| name.parse().unwrap()).collect();
        let (one, two) = (vec![&names[0]], vec![&names[0], &names[1]]);
        for (served, first, second, expected) in [
            (&one, None, None, Ok(("greet", None))),
            (&one, Some("greet"), None, Ok(("greet", None))),
            (&one, Some("greet"), Some("{}"), Ok(("greet", Some("{}")))),
            (&one, Some("{}"), None, Ok(("greet", Some("{}")))),
            (&one, Some("@in.json"), None, Ok(("greet", Some("@in.json")))),
            (&one, Some("-"), None, Ok(("greet", Some("-")))),
            (&one, Some("null"), None, Ok(("greet", Some("null")))),
            (&one, Some("17"), None, Ok(("greet", Some("17")))),
            (&one, Some("great"), None, Err("did you mean `greet`?")),
            (&one, Some("{}"), Some("{}"), Err("there is no kind")),
            (&two, Some("null"), None, Ok(("null", None))),
            (&two, Some("{}"), None, Err("greet, null")),
            (&two, None, None, Err("greet, null")),
        ] {
            match (kind_and_payload(first, second, Given::Json, served), expected) {
                (Ok((kind, payload)), Ok(expected)) => assert_eq!((kind.as_str(), payload), expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, expected) => panic!("{first:?} {second:?}: {got:?}, wanted {expected:?}"),
            }
        }
        let text = kind_and_payload(Some("Hello"), None, Given::Text, &one).unwrap();
        assert_eq!((text.0.as_str(), text.1), ("greet", Some("Hello")));
    }
}
