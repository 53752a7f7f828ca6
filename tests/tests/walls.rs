//! The walls between the host's parts (`ARCHITECTURE.md`): what a folder must not name.

use stoker_tests::walls::{Source, host_sources};

/// Longest file that passes without a remark, lines.
const FILE_LINES_WANTED: usize = 400;

/// Fails with every line of `sources` that names one of `names`.
fn assert_none_names<'a>(wall: &str, sources: impl Iterator<Item = &'a Source>, names: &[&str]) {
    let mut breaches = Vec::new();
    for source in sources {
        let lines = source.lines_naming(names);
        breaches.extend(lines.into_iter().map(|(line, text)| format!("host/src/{}:{line}: {text}", source.path)));
    }
    assert!(breaches.is_empty(), "{wall}:\n{}", breaches.join("\n"));
}

#[test]
fn the_domain_is_pure() {
    let sources = host_sources();
    let domain = || sources.iter().filter(|source| source.is_in(&["job"]));
    assert!(domain().count() > 5, "host/src/job has moved: this wall guards nothing");
    let names = [
        "std::fs",
        "fs",
        // Addresses are values; who connects or looks up does not.
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "std::io",
        "std::env",
        "std::process",
        "std::thread",
        "thread",
        "Instant",
        "SystemTime",
        "tokio",
        "rand",
        "rusqlite",
        "axum",
        "wasmtime",
        "async",
        ".await",
    ];
    assert_none_names("job/ does no IO, reads no clock and is not async", domain(), &names);
}

#[test]
fn sqlite_is_the_stores_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["store"]));
    assert_none_names("only store/ names rusqlite", outside, &["rusqlite", "libsqlite3_sys"]);
}

#[test]
fn jsonschema_is_the_bounded_schemas_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["schema"]));
    assert_none_names("only schema/ names jsonschema", outside, &["jsonschema"]);
}

#[test]
fn wasmtime_is_the_sandboxs_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["sandbox", "modules"]));
    let names = ["wasmtime", "wasmtime_wasi", "wasmtime_wasi_http", "wasmparser", "wasm_encoder"];
    assert_none_names("only sandbox/ and modules/ name wasmtime", outside, &names);
}

#[test]
fn servers_of_databases_are_postgres_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["postgres"]));
    assert_none_names("only postgres/ names tokio_postgres", outside, &["tokio_postgres", "postgres_types"]);
}

#[test]
fn axum_is_the_apis_alone() {
    let sources = host_sources();
    let outside = || sources.iter().filter(|source| !source.is_in(&["api"]));
    assert_none_names("only api/ names axum", outside(), &["axum", "utoipa_axum"]);
    let outside = outside().filter(|source| !source.is_in(&["sandbox/egress"]));
    assert_none_names("only api/ and handlers' requests name hyper", outside, &["hyper", "hyper_util"]);
}

#[test]
fn smtp_is_the_mails_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["mail", "job/mail"]));
    assert_none_names("only mail/ speaks SMTP, and job/mail/ reads addresses as it does", outside, &["lettre"]);
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<_> =
        host_sources().into_iter().filter(|source| !source.text.starts_with("//!")).map(|source| source.path).collect();
    assert!(silent.is_empty(), "these files do not open with `//!`: {silent:?}");
}

/// Remarks only: a long file is a smell, not a fault.
#[test]
fn long_files_are_remarked() {
    for source in host_sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_WANTED {
            println!("host/src/{} has {lines} lines: split it by operation", source.path);
        }
    }
}

/// Operations of the store that take no tenant, and why each may.
const WITHOUT_TENANT: &[(&str, &str)] = &[
    // The store as a whole.
    ("open", "the store"),
    ("open_as_it_is", "the store"),
    ("close", "the store"),
    ("failed", "the store"),
    ("catalog", "a snapshot; whoever reads it looks by tenant"),
    ("catalog_changes", "a signal"),
    ("on_commit", "a signal"),
    ("metrics", "numbers of the store, for admins"),
    ("is_writable", "the store"),
    ("count_secrets_not_under", "a number of all secrets for the metrics, which are for admins"),
    ("backup", "the store, for admins"),
    ("close_idle_databases", "upkeep"),
    ("clock_now", "the store's clock"),
    ("note_keyed", "the host's keys"),
    ("reset_keys", "the host's keys, while no host runs"),
    ("operations_signal", "a signal"),
    ("tenants_signal", "a signal"),
    // Hosts and what they hold: nobody else has a lease.
    ("next_host_id", "hosts"),
    ("register_host_as", "hosts"),
    ("register_host", "hosts"),
    ("heartbeat", "hosts"),
    ("retire_host", "hosts"),
    ("recover_expired", "hosts"),
    ("hosts", "hosts"),
    ("claim_for", "dispatch"),
    ("look_for_jobs", "dispatch"),
    ("next_mail", "dispatch: whosever turn it is"),
    ("holds_mail", "guarded by the claim"),
    ("claims_settled", "dispatch"),
    ("note_entry", "guarded by a lease"),
    ("note_end", "guarded by a lease"),
    ("mark_running", "guarded by a lease"),
    ("mark_suspect_running", "guarded by a lease"),
    ("clear_suspect", "guarded by a lease"),
    ("finish_all", "guarded by a lease"),
    ("release", "guarded by a lease"),
    ("write_progress", "guarded by a lease"),
    ("record_step", "guarded by a lease"),
    ("receive_event", "guarded by a lease"),
    ("recorded_steps", "of a job that was found by its tenant, or is held"),
    ("parent_output", "of the job whose lease is held, by a name in its own workflow or an id of its own parents"),
    ("parents", "of a job that was found by its tenant, or is held"),
    ("module_bytes", "of a version that was claimed: by its digest"),
    // The host's own upkeep.
    ("promote_due", "upkeep"),
    ("expire_due", "upkeep"),
    ("prune_jobs", "upkeep"),
    ("sweep_history", "upkeep"),
    ("give_back_space", "upkeep"),
    ("settle_dependents", "upkeep"),
    ("cancel_batches_further", "upkeep"),
    ("prune_operations", "upkeep"),
    ("prune_events", "upkeep"),
    ("prune_emitted_events", "upkeep"),
    ("prune_kv", "upkeep"),
    ("prune_idempotency_keys", "upkeep"),
    ("prune_keys", "upkeep"),
    ("prune_unique_jobs", "upkeep"),
    ("prune_batches", "upkeep"),
    ("prune_mails", "upkeep"),
    ("prune_module_chunks", "upkeep"),
    ("prune_usage", "upkeep"),
    ("scan_stored_bytes", "upkeep"),
    ("prune_notifications", "upkeep"),
    ("user_token_secret", "the host's key, for tokens of all tenants"),
    ("unpark", "upkeep"),
    ("due_schedules", "upkeep"),
    ("note_schedule_fault", "upkeep; of a schedule that is due"),
    ("run_schedule", "upkeep; of a schedule that is due"),
    ("admit_secrets_key", "the host's keys"),
    ("secrets_keys", "the host's keys"),
    ("secrets_not_under", "upkeep: ciphertexts of all tenants, for a change of the host's key"),
    ("reseal_secrets", "upkeep: ciphertexts of all tenants, for a change of the host's key"),
    // Written for whoever it becomes a version of: the version names its tenant.
    ("write_module_chunk", "content by its digest; no version of anybody's until one is stored"),
    ("forget_module_chunks", "content by its digest; versions' are kept, whosever"),
    ("refusal_of_version", "the version names its tenant"),
    ("activate_new", "the version names its tenant"),
    ("store_new", "the version names its tenant"),
    ("create_key", "the key names its tenant"),
    ("note_key_uses", "upkeep"),
    ("prune_audit", "upkeep"),
    ("audit", "the filter names the tenant, but for an admin's"),
    // Admin views.
    ("note_host_action", "admins"),
    ("create_tenant", "admins"),
    ("tenants", "admins"),
    ("oldest_ready_jobs", "admins: metrics"),
    ("counters", "admins: metrics; others filter by tenant"),
    ("mail_counts", "admins: metrics"),
];

#[test]
fn every_operation_of_the_store_takes_a_tenant_or_says_why_not() {
    let sources = host_sources();
    let has_operations = |source: &&Source| source.is_in(&["store"]) && source.text.contains("\nimpl Store {");
    let facades: Vec<&Source> = sources.iter().filter(has_operations).collect();
    assert!(facades.len() > 3, "the list of operations has moved: this wall guards nothing");
    let (mut seen, mut wrong) = (Vec::new(), Vec::new());
    for text in facades.iter().map(|source| source.text.as_str()) {
        for operation in text.split("\n    pub ").skip(1) {
            let Some(rest) = operation.strip_prefix("async fn ").or_else(|| operation.strip_prefix("fn ")) else {
                continue;
            };
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            let signature = rest.split("{\n").next().unwrap_or_default();
            let is_listed = WITHOUT_TENANT.iter().any(|(listed, _)| *listed == name);
            if signature.contains("TenantId") == is_listed {
                wrong.push(format!("{name} (takes one: {})", signature.contains("TenantId")));
            }
            seen.push(name);
        }
    }
    let stale: Vec<&str> = WITHOUT_TENANT.iter().map(|(name, _)| *name).filter(|name| !seen.contains(name)).collect();
    assert!(seen.len() > 80, "{}", seen.len());
    assert!(
        wrong.is_empty() && stale.is_empty(),
        "operations without a tenant that say no reason, or with one that do: {wrong:?}; reasons for none: {stale:?}"
    );
}
