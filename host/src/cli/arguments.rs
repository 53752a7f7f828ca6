//! Every subcommand on one page, and who carries it out.

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

use super::{
    advice, audit, backup, batches, bulk, cancel, completions, dead_letters, deploy, dev, doctor, edit, enqueue, help,
    hints, job, jobs, keys, kinds, kv, logs, mail, modules, new, notifications, operations, queues, retry, rollback,
    run_now, schedules, secrets, serve, tenants, terminal, usage, workflows,
};

/// Runs background jobs as sandboxed WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "stoker", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Arguments>),
    New(new::Arguments),
    Run(Box<super::run::Arguments>),
    Dev(dev::Arguments),
    Deploy(deploy::Arguments),
    Rollback(rollback::Arguments),
    Modules(modules::Arguments),
    Kinds(kinds::Arguments),
    Enqueue(Box<enqueue::Arguments>),
    Jobs(jobs::Arguments),
    Job(job::Arguments),
    Replay(Box<super::replay::Arguments>),
    Logs(logs::Arguments),
    Retry(retry::Arguments),
    Cancel(cancel::Arguments),
    Batches(batches::Arguments),
    Workflows(workflows::Arguments),
    DeadLetters(dead_letters::Arguments),
    Edit(edit::Arguments),
    RunNow(run_now::Arguments),
    Bulk(bulk::Arguments),
    Operations(operations::Arguments),
    Mail(mail::Arguments),
    Queues(queues::Arguments),
    Schedules(schedules::Arguments),
    Tenants(tenants::Arguments),
    Usage(usage::Arguments),
    Secrets(secrets::Arguments),
    Kv(kv::Arguments),
    Notifications(notifications::Arguments),
    Keys(keys::Arguments),
    Audit(audit::Arguments),
    Backup(backup::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
}

/// The command line of this process; one that can't be understood, or asks for help, ends it.
pub fn parse() -> Cli {
    let words: Vec<_> = std::env::args_os().collect();
    let parsed = help::command().try_get_matches_from(&words);
    let matches = parsed.unwrap_or_else(|error| enqueue::say_how_to_wait(error, &words).exit());
    hints::learn(&matches);
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Carries out what the command line asks for. An error is printed by the caller, once; what a host refused with what can be
/// done about it.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    carry_out(cli).map_err(advice::on_bare_refusal)
}

fn carry_out(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(arguments) => serve::run(*arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Deploy(arguments) => deploy::run(&arguments),
        Command::Rollback(arguments) => rollback::run(&arguments),
        Command::Modules(arguments) => modules::run(&arguments),
        Command::Kinds(arguments) => kinds::run(&arguments),
        Command::Enqueue(arguments) => enqueue::run(&arguments),
        Command::Jobs(arguments) => jobs::run(&arguments),
        Command::Job(arguments) => job::run(&arguments),
        Command::Replay(arguments) => super::replay::run(&arguments),
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Retry(arguments) => retry::run(&arguments),
        Command::Cancel(arguments) => cancel::run(&arguments),
        Command::Batches(arguments) => batches::run(&arguments),
        Command::Workflows(arguments) => workflows::run(&arguments),
        Command::DeadLetters(arguments) => dead_letters::run(&arguments),
        Command::Edit(arguments) => edit::run(&arguments),
        Command::RunNow(arguments) => run_now::run(&arguments),
        Command::Bulk(arguments) => bulk::run(&arguments),
        Command::Operations(arguments) => operations::run(&arguments),
        Command::Mail(arguments) => mail::run(&arguments),
        Command::Queues(arguments) => queues::run(&arguments),
        Command::Schedules(arguments) => schedules::run(&arguments),
        Command::Tenants(arguments) => tenants::run(&arguments),
        Command::Usage(arguments) => usage::run(&arguments),
        Command::Secrets(arguments) => secrets::run(&arguments),
        Command::Kv(arguments) => kv::run(&arguments),
        Command::Notifications(arguments) => notifications::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Run(arguments) => super::run::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Prints an error and its causes to standard error, once. A cause that its effect repeats word by word is left out.
pub fn report(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(if text.is_empty() { "error: " } else { ": " });
            text.push_str(&cause);
        }
    }
    terminal::remark(&terminal::block(&text));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_an_example_and_json() {
        for subcommand in Cli::command().get_subcommands_mut() {
            let name = subcommand.get_name().to_owned();
            let help = subcommand.render_long_help().to_string();
            assert!(help.contains("Example"), "{name}: {help}");
            assert!(help.contains(&format!("stoker {name}")), "{name}: {help}");
            assert!(help.contains("--json"), "{name}: {help}");
        }
    }

    #[test]
    fn help_names_the_key_and_never_its_value() {
        let help = Cli::command().find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        // With its value it would read `[env: STOKER_ADMIN_KEY=…]`.
        assert!(help.contains("[env: STOKER_ADMIN_KEY]"), "{help}");
    }

    #[test]
    #[allow(clippy::too_many_lines)] // A table.
    fn command_lines() {
        for (line, accepted) in [
            ("serve", true),
            ("serve --workers 0 --listen 127.0.0.1:0 --memory 64MiB --timeout 5s", true),
            ("serve --workers many", false),
            ("serve --memory lots", false),
            ("deploy hello.wasm --name hello --force", true),
            ("deploy", true),
            ("rollback hello", true),
            ("rollback hello sha256:abcd --force", true),
            ("rollback", false),
            ("modules", true),
            ("modules hello --json", true),
            ("kinds hello --set timeout=2m --unset queue", true),
            ("kinds --set timeout=2m", false),
            ("kinds hello --set timeout", false),
            ("deploy hello.wasm --name no/slash", false),
            ("queues", true),
            ("queues mail --priority 2 --pause", true),
            ("queues mail --pause --resume", false),
            ("queues mail --delete --priority 1", false),
            ("queues --pause", false),
            ("schedules", true),
            ("schedules nightly --kind report --cron @daily --timezone Europe/Berlin", true),
            ("schedules nightly --cron @daily --every 5m", false),
            ("schedules nightly --trigger --cron @daily", false),
            ("schedules nightly --pause --resume", false),
            ("schedules --trigger", false),
            ("secrets set stripe-key @stripe.key", true),
            ("secrets set stripe-key", true),
            ("secrets set stripe-key sk_live_1234", false),
            ("secrets", false),
            ("secrets list --json", true),
            ("kv list", true),
            ("kv list sessions --prefix user/", true),
            ("kv list --prefix user/", false),
            ("kv set sessions a b", true),
            ("kv get sessions user/1 --json", true),
            ("kv delete sessions user/1", true),
            ("kv get sessions", false),
            ("notifications --user ann --unread --json", true),
            ("notifications --user", false),
            ("run hello.wasm --secret a=@a.key --secret b=@b.key", true),
            ("batches --submit import.json --idempotency-key k", true),
            ("batches batch_01ARZ3NDEKTSV4RRFFQ69G5FAV --close", true),
            ("batches --close", false),
            ("batches job_01ARZ3NDEKTSV4RRFFQ69G5FAV", false),
            ("workflows", true),
            ("workflows workflow_01ARZ3NDEKTSV4RRFFQ69G5FAV --cancel", true),
            ("workflows --submit a.json --cancel", false),
            (
                "enqueue hello {} --after job_01ARZ3NDEKTSV4RRFFQ69G5FAV:finished --after job_01ARZ3NDEKTSV4RRFFQ69G5FAW",
                true,
            ),
            ("enqueue hello {} --after job_01ARZ3NDEKTSV4RRFFQ69G5FAV:done", false),
            ("enqueue hello {} --batch batch_01ARZ3NDEKTSV4RRFFQ69G5FAV", true),
            ("queues mail --retention failed=90d --retention succeeded=1h", true),
            ("queues mail --retention failed", false),
            ("queues mail --retention ready=1h", false),
            ("dead-letters --kind a --reason timeout", true),
            ("dead-letters --reason luck", false),
            ("dead-letters group_1", false),
            ("dead-letters --quiet", false),
            ("enqueue hello", true),
            ("enqueue hello {} --wait", true),
            ("enqueue hello {} --wait=30", true),
            ("enqueue hello --wait {}", true),
            ("enqueue hello {} --delay 5m --queue slow --priority 9 --tag a --tag b --idempotency-key k", true),
            ("enqueue hello {} --timeout 2s --fuel 7 --memory 64MiB --max-attempts 1", true),
            ("enqueue hello {} --memory lots", false),
            ("enqueue hello {} --memory 64", false),
            ("run hello.wasm --memory 64", false),
            ("kinds hello --set memory=64", false),
            ("enqueue hello {} --max-attempts 0", false),
            ("enqueue hello {} --priority 10", false),
            ("enqueue hello {} --delay soon", false),
            ("enqueue .hidden {}", false),
            ("jobs --state failed --limit 500", true),
            ("jobs --state lost", false),
            ("jobs --limit 10000", true),
            ("jobs --limit 10001", false),
            ("job job_01ARZ3NDEKTSV4RRFFQ69G5FAV", true),
            ("job 17", false),
            ("logs job_01ARZ3NDEKTSV4RRFFQ69G5FAV --attempt 2", true),
            ("logs -f job_01ARZ3NDEKTSV4RRFFQ69G5FAV --json", true),
            ("logs -f job_01ARZ3NDEKTSV4RRFFQ69G5FAV --attempt 2", false),
            ("jobs --since 10m --until 2026-11-21T09:00:00Z --module m", true),
            ("jobs --since soon", false),
            ("retry job_01ARZ3NDEKTSV4RRFFQ69G5FAV job_01ARZ3NDEKTSV4RRFFQ69G5FAW", true),
            ("cancel", false),
            ("keys create ci --role producer --expires-in 90d", true),
            ("keys create ci", false),
            ("keys create ci --role root", false),
            ("keys create no/slash --role viewer", false),
            ("keys list --tenant acme --json", true),
            ("keys revoke key_01ARZ3NDEKTSV4RRFFQ69G5FAV", true),
            ("keys reset --data-dir /var/lib/stoker --json", true),
            ("keys reset --url http://127.0.0.1:1", false),
            ("keys revoke", false),
            ("keys", false),
            ("audit --who admin_key --action queue. --since 2h", true),
            ("audit --since soon", false),
            ("backup there.db --json", true),
            ("new greet --path jobs/greet --sdk ../guest-sdk", true),
            ("new greet --plain", true),
            ("new greet --lang c --json", true),
            ("new greet --lang cobol", false),
            ("new", false),
            ("run hello.wasm", true),
            ("run hello.wasm hello {} --attempt 2 --max-attempts 3 --timeout 5s --fuel 1 --memory 1MiB", true),
            ("run hello.wasm hello {} --attempt 0", false),
            ("run", false),
            ("dev", true),
            ("dev jobs/greet --url http://127.0.0.1:1 --json", true),
            ("dev --own-host", true),
            ("launch", false),
        ] {
            let parsed = Cli::try_parse_from(std::iter::once("stoker").chain(line.split(' ')));
            assert_eq!(parsed.is_ok(), accepted, "{line}: {:?}", parsed.err().map(|error| error.to_string()));
        }
    }

    #[test]
    fn command_lines_of_tenants() {
        for (line, accepted) in [
            ("tenants list", true),
            ("tenants create acme --weight 30 --quota running_jobs=2 --retention failed=90d", true),
            ("tenants create Acme", false),
            ("tenants set acme --quota running_jobs=none --weight 1", true),
            ("tenants set acme --quota colours=1", false),
            ("tenants export acme acme.ndjson", true),
            ("tenants delete acme --without-export", true),
            ("tenants delete", false),
            ("usage --since 2026-11-01 --until 2026-12-01 --kind greet", true),
            ("usage --all-tenants --json", true),
            ("usage --since yesterday", false),
            ("jobs --tenant acme", true),
            ("jobs --tenant Acme", false),
        ] {
            let parsed = Cli::try_parse_from(std::iter::once("stoker").chain(line.split(' ')));
            assert_eq!(parsed.is_ok(), accepted, "{line}: {:?}", parsed.err().map(|error| error.to_string()));
        }
    }
}
