//! Tables of good and bad requests, checked against a catalog of two kinds.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::extract::parse_json;
use crate::job::{KindSettings, RetryPolicy, TenantName};
use crate::store::KindId;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn kind(id: i64, name: &str, input_schema: &str, settings: KindSettings) -> Arc<KindEntry> {
    Arc::new(KindEntry {
        id: KindId(id),
        tenant: TenantId::DEFAULT,
        tenant_name: TenantName::default_tenant(),
        name: name.parse().unwrap(),
        description: None,
        version: None,
        input_schema: input_schema.into(),
        output_schema: "true".into(),
        module_settings: settings.clone(),
        operator_settings: KindSettings::default(),
        settings,
    })
}

fn catalog() -> Catalog {
    let schema = r#"{"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}}}"#;
    let settings = KindSettings {
        queue: Some("mail".parse().unwrap()),
        priority: Some(2),
        max_attempts: Some(4),
        ..KindSettings::default()
    };
    let mut catalog = Catalog::default();
    for entry in [kind(1, "any", "true", KindSettings::default()), kind(2, "email.send", schema, settings)] {
        catalog.kinds_by_name.insert((entry.tenant, entry.name.clone()), entry.id);
        catalog.kinds.insert(entry.id, entry);
    }
    catalog
}

fn compiled(catalog: &Catalog) -> Validators {
    let validators = Validators::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for kind in catalog.kinds.values() {
        runtime.block_on(validators.wait_for(kind)).unwrap();
    }
    validators
}

fn rules<'r>(catalog: &'r Catalog, validators: &'r Validators, of: &'r (LimitBounds, QueueName)) -> Rules<'r> {
    Rules {
        tenant: TenantId::DEFAULT,
        catalog,
        validators,
        bounds: &of.0,
        payload_bytes_max: 1_000,
        default_queue: &of.1,
        now: NOW,
        effort: Effort::Thorough,
        cpu: None,
        gave_up: Cell::new(false),
        uncompiled: RefCell::default(),
        known: FxHashMap::default(),
    }
}

fn defaults() -> (LimitBounds, QueueName) {
    (LimitBounds::default(), QueueName::default_queue())
}

fn check_with(text: &str, header_key: Option<&str>) -> Result<NewJob, ApiError> {
    let (catalog, defaults) = (catalog(), defaults());
    let validators = compiled(&catalog);
    let mut rules = rules(&catalog, &validators, &defaults);
    let body = Bytes::copy_from_slice(text.as_bytes());
    rules.check(parse_json(&body)?, &body, header_key).map_err(|refused| refused.error)
}

/// One line of a batch after the other.
fn check_all(rules: &mut Rules<'_>, lines: &[Bytes]) -> Vec<Result<(), ProblemCode>> {
    let mut check = |line: &Bytes| rules.check_next(parse_json(line).unwrap(), line).map(drop);
    lines.iter().map(|line| check(line).map_err(|refused| refused.error.code())).collect()
}

fn check(text: &str) -> Result<NewJob, ApiError> {
    check_with(text, None)
}

#[test]
fn what_is_not_said_comes_from_the_kind() {
    let job = check(r#"{"kind": "email.send", "payload": {"to": "x"}}"#).unwrap();
    let JobSpec { payload, queue, priority, run_at, max_attempts, options, tags } = job.spec;
    assert_eq!(payload, r#"{"to": "x"}"#);
    assert_eq!((queue.as_str(), priority, max_attempts, run_at), ("mail", 2, 4, None));
    assert!(options.is_empty() && tags.is_empty() && job.idempotency.is_none());

    let job = check(r#"{"kind": "any"}"#).unwrap();
    assert_eq!((job.spec.queue.as_str(), job.spec.priority, job.spec.max_attempts), ("default", 5, 10));
    assert_eq!(job.spec.payload, "null");
}

#[test]
fn what_is_said_wins() {
    let job = check(
        r#"{"kind": "email.send", "payload": {"to": "x"}, "queue": "q", "priority": 9, "delay": "1h30m", "max_attempts": 1,
            "retry": {"strategy": "fixed", "delay": 5}, "timeout": "2s", "fuel": 7, "memory": "1MiB", "tags": ["a", "b", "a"]}"#,
    )
    .unwrap();
    let JobSpec { queue, priority, run_at, max_attempts, options, tags, .. } = job.spec;
    assert_eq!((queue.as_str(), priority, max_attempts), ("q", 9, 1));
    assert_eq!(run_at, Some(NOW.plus(Duration::from_mins(90))));
    assert_eq!(options.retry, Some(RetryPolicy::Fixed { delay: Duration::from_millis(5) }));
    let LimitRequest { timeout_ms, fuel, memory_bytes, .. } = options.limits;
    assert_eq!((timeout_ms, fuel, memory_bytes), (Some(2_000), Some(7), Some(1 << 20)));
    assert_eq!(tags, ["a", "b"]);
}

#[test]
fn what_a_request_says_of_its_jobs_end() {
    let job = check(
        r#"{"kind": "any", "retry_on": ["trap"], "expires_in": "2s", "on_failed": {"kind": "email.send", "priority": 1}}"#,
    );
    let options = job.unwrap().spec.options;
    assert_eq!(options.retry_on, Some(vec![FailureReason::Trap]));
    assert_eq!(options.expires_at, Some(NOW.plus(Duration::from_secs(2))));
    let on_failed = options.on_failed.unwrap();
    assert_eq!((on_failed.kind.as_str(), on_failed.queue, on_failed.priority), ("email.send", None, Some(1)));
}

#[test]
fn a_time_that_has_passed_means_at_once() {
    let at = |text: &str| check(&format!(r#"{{"kind": "any", "run_at": "{text}"}}"#)).map(|job| job.spec.run_at);
    assert_eq!(at("1999-01-01T00:00:00Z").unwrap(), None);
    assert_eq!(at("2040-01-01T00:00:00+01:00").unwrap(), Some(Timestamp(2_208_985_200_000)));
    assert_eq!(check(r#"{"kind": "any", "delay": 0}"#).unwrap().spec.run_at, None);
}

#[test]
fn refusals() {
    let long_tag = format!(r#"{{"kind": "any", "tags": ["{}"]}}"#, "x".repeat(129));
    let many_tags = format!(r#"{{"kind": "any", "tags": [{}]}}"#, ["\"x\""; 17].join(","));
    let long_key = format!(r#"{{"kind": "any", "idempotency_key": "{}"}}"#, "x".repeat(256));
    let large = format!(r#"{{"kind": "any", "payload": "{}"}}"#, "x".repeat(1_000));
    for (text, code, pointer) in [
        (r#"{"kind": "any""#, "malformed_json", ""),
        (r#"{"kind": "any", "payload": {]}"#, "malformed_json", ""),
        (r#"{"payload": 1}"#, "invalid_request", "/kind"),
        (r#"{"kind": 5}"#, "invalid_request", "/kind"),
        (r#"{"kind": "any", "retry_on": ["host_lost"]}"#, "invalid_request", "/retry_on"),
        (r#"{"kind": "any", "retry_on": ["luck"]}"#, "invalid_request", "/retry_on/0"),
        (r#"{"kind": "any", "expires_at": "1999-01-01T00:00:00Z"}"#, "invalid_request", "/expires_at"),
        (r#"{"kind": "any", "delay": "1h", "expires_in": "1h"}"#, "invalid_request", "/expires_in"),
        (r#"{"kind": "any", "on_failed": {"kind": "emial.send"}}"#, "invalid_request", "/on_failed/kind"),
        (r#"{"kind": "any", "on_failed": {"kind": "any", "priority": 10}}"#, "invalid_request", "/on_failed/priority"),
        (r#"{"kind": "any", "on_failed": {"kind": "any", "delay": 10}}"#, "invalid_request", "/on_failed/delay"),
        (r#"["any"]"#, "invalid_request", ""),
        (r#"{"kind": "any", "retry": ["fixed", null, null, null, "5s", null]}"#, "invalid_request", "/retry"),
        (r#"{"kind": "a b"}"#, "invalid_request", "/kind"),
        (r#"{"kind": "any", "kind": "any"}"#, "invalid_request", "/kind"),
        (r#"{"kind": "any", "payload": 1, "payload": 2}"#, "invalid_request", "/payload"),
        (r#"{"kind": "any", "prioritee": 1}"#, "invalid_request", "/prioritee"),
        (r#"{"kind": "nobody"}"#, "kind_not_found", ""),
        (r#"{"kind": "any", "queue": "a b"}"#, "invalid_request", "/queue"),
        (r#"{"kind": "any", "priority": 10}"#, "invalid_request", "/priority"),
        (r#"{"kind": "any", "priority": -1}"#, "invalid_request", "/priority"),
        (r#"{"kind": "any", "priority": 1.5}"#, "invalid_request", "/priority"),
        (r#"{"kind": "any", "priority": "1"}"#, "invalid_request", "/priority"),
        (r#"{"kind": "any", "delay": -1}"#, "invalid_request", "/delay"),
        (r#"{"kind": "any", "delay": "-5s"}"#, "invalid_request", "/delay"),
        (r#"{"kind": "any", "delay": "soon"}"#, "invalid_request", "/delay"),
        (r#"{"kind": "any", "delay": 18446744073709551615}"#, "invalid_request", "/delay"),
        (r#"{"kind": "any", "delay": 1, "run_at": "2040-01-01T00:00:00Z"}"#, "invalid_request", "/delay"),
        (r#"{"kind": "any", "run_at": "10000-01-01T00:00:00Z"}"#, "invalid_request", "/run_at"),
        (r#"{"kind": "any", "run_at": "2040-02-30T00:00:00Z"}"#, "invalid_request", "/run_at"),
        (r#"{"kind": "any", "run_at": 5}"#, "invalid_request", "/run_at"),
        (r#"{"kind": "any", "max_attempts": 0}"#, "invalid_request", "/max_attempts"),
        (r#"{"kind": "any", "max_attempts": 1001}"#, "invalid_request", "/max_attempts"),
        (r#"{"kind": "any", "retry": {"strategy": "fixed"}}"#, "invalid_request", "/retry/delay"),
        (r#"{"kind": "any", "retry": {"strategy": "linear"}}"#, "invalid_request", "/retry/strategy"),
        (r#"{"kind": "any", "timeout": 0}"#, "invalid_request", "/timeout"),
        (r#"{"kind": "any", "timeout": "2h"}"#, "invalid_request", "/timeout"),
        (r#"{"kind": "any", "fuel": 0}"#, "invalid_request", "/fuel"),
        (r#"{"kind": "any", "fuel": -1}"#, "invalid_request", "/fuel"),
        (r#"{"kind": "any", "memory": "64GiB"}"#, "invalid_request", "/memory"),
        (r#"{"kind": "any", "tags": [""]}"#, "invalid_request", "/tags/0"),
        (r#"{"kind": "any", "tags": ["a", 5]}"#, "invalid_request", "/tags/1"),
        (&long_tag, "invalid_request", "/tags/0"),
        (&many_tags, "invalid_request", "/tags"),
        (r#"{"kind": "any", "idempotency_key": ""}"#, "invalid_request", "/idempotency_key"),
        (r#"{"kind": "any", "idempotency_key": "\u0001"}"#, "invalid_request", "/idempotency_key"),
        (&long_key, "invalid_request", "/idempotency_key"),
        (&large, "payload_too_large", ""),
        (r#"{"kind": "any", "payload": "\ud800"}"#, "invalid_payload", "/payload"),
        (r#"{"kind": "any", "payload": [1e999]}"#, "invalid_payload", "/payload"),
        (r#"{"kind": "email.send", "payload": {"to": "\ud800"}}"#, "invalid_payload", "/payload"),
        (r#"{"kind": "email.send"}"#, "invalid_payload", "/payload"),
        (r#"{"kind": "email.send", "payload": {"to": 5}}"#, "invalid_payload", "/payload/to"),
        (r#"{"kind": "email.send", "payload": {"to": "x", "to": "y"}}"#, "invalid_payload", "/payload"),
    ] {
        let error = check(text).unwrap_err();
        let found = error.errors().first().map_or("", |error| error.pointer.as_str());
        assert_eq!((error.code().as_str(), found), (code, pointer), "{text}");
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let error = check(r#"{"kind": "any", "priority": 10, "delay": 1, "run_at": "2040-01-01T00:00:00Z", "tags": [""]}"#);
    assert_eq!(error.unwrap_err().errors().len(), 3);
}

#[test]
fn unknown_kinds_come_with_the_nearest_names() {
    let nearest =
        |name| unknown_kind(name, ["email.send", "email.sent", "invoice.render"].into_iter()).detail().to_owned();
    assert!(nearest("Email.Sned").contains("did you mean `email.send`"), "{}", nearest("Email.Sned"));
    assert!(nearest("xyz").contains("GET /v1/kinds"));
}

#[test]
fn header_and_field_must_agree() {
    let key = |text, header| check_with(text, header).map(|job| job.idempotency.map(|key| key.key));
    let with_field = r#"{"kind": "any", "idempotency_key": "a"}"#;
    assert_eq!(key(with_field, None).unwrap().as_deref(), Some("a"));
    assert_eq!(key(with_field, Some("a")).unwrap().as_deref(), Some("a"));
    assert_eq!(key(r#"{"kind": "any"}"#, Some("b")).unwrap().as_deref(), Some("b"));
    assert_eq!(key(with_field, Some("b")).unwrap_err().errors()[0].pointer, "/idempotency_key");
}

#[test]
fn equal_requests_have_equal_hashes_and_others_do_not() {
    let hash = |text: &str| check_with(text, Some("k")).unwrap().idempotency.unwrap().request_hash;
    let first = hash(r#"{"kind": "any", "payload": [1], "priority": 5}"#);
    // The order of fields, and how the key was sent, say nothing about the request.
    assert_eq!(first, hash(r#"{"priority": 5, "idempotency_key": "k", "payload": [1], "kind": "any"}"#));
    assert_eq!(hash(r#"{"kind": "any", "delay": "1s"}"#), hash(r#"{"kind": "any", "delay": 1000}"#));
    let others = [
        r#"{"kind": "any", "payload": [2], "priority": 5}"#,
        r#"{"kind": "any", "payload": [1], "priority": 6}"#,
        r#"{"kind": "any", "payload": [1]}"#,
        r#"{"kind": "any", "payload": [1], "priority": 5, "delay": 1}"#,
        r#"{"kind": "any", "payload": [1], "priority": 5, "tags": ["x"]}"#,
    ];
    for other in others {
        assert_ne!(first, hash(other), "{other}");
    }
}

#[test]
fn what_is_not_compiled_is_asked_for_and_nothing_said_against_it() {
    let (catalog, defaults, validators) = (catalog(), defaults(), Validators::default());
    let lines = [r#"{"kind": "email.send"}"#, r#"{"kind": "any"}"#].map(|line| Bytes::from_static(line.as_bytes()));
    for effort in [Effort::Quick, Effort::Thorough] {
        let mut rules = rules(&catalog, &validators, &defaults);
        rules.effort = effort;
        assert_eq!(check_all(&mut rules, &lines), [Err(ProblemCode::Busy), Ok(())]);
        let uncompiled = rules.unfinished().map(|unfinished| unfinished.uncompiled[0].name.to_string());
        assert_eq!(uncompiled.as_deref(), (effort == Effort::Quick).then_some("email.send"));
    }
    let validators = compiled(&catalog);
    let mut rules = rules(&catalog, &validators, &defaults);
    rules.effort = Effort::Quick;
    assert_eq!(check_all(&mut rules, &lines), [Err(ProblemCode::InvalidPayload), Ok(())]);
    assert!(rules.unfinished().is_none());
}

#[test]
fn payloads_that_take_long_are_accepted_as_long_as_the_batch_has_time() {
    let schema = r#"{"items": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "maxLength": 10}}"#;
    let mut catalog = Catalog::default();
    let entry = kind(3, "dates", schema, KindSettings::default());
    catalog.kinds_by_name.insert((entry.tenant, entry.name.clone()), entry.id);
    catalog.kinds.insert(entry.id, entry);
    let (defaults, validators) = (defaults(), compiled(&catalog));
    let large = format!(r#"{{"kind": "dates", "payload": [{}]}}"#, vec![r#""2026-11-21""#; 30_000].join(","));
    let lines: Vec<Bytes> = (0..12).map(|_| Bytes::from(large.clone())).collect();
    let mut rules = rules(&catalog, &validators, &defaults);
    rules.payload_bytes_max = large.len();
    rules.cpu = Some(CpuTime::up_to(Duration::from_mins(10)));
    assert_eq!(check_all(&mut rules, &lines), [Ok(()); 12]);

    rules.effort = Effort::Quick;
    assert_eq!(check_all(&mut rules, &lines), [Err(ProblemCode::Busy); 12]);
    assert!(rules.unfinished().is_some_and(|unfinished| unfinished.uncompiled.is_empty()));

    rules.effort = Effort::Thorough;
    rules.cpu = Some(CpuTime::up_to(Duration::ZERO));
    assert_eq!(check_all(&mut rules, &lines), [Err(ProblemCode::Busy); 12]);
    // Whoever is used up stays so; and small payloads are not worth a look each, but one now and then.
    let small = Bytes::from_static(br#"{"kind": "dates", "payload": []}"#);
    assert_eq!(check_all(&mut rules, std::slice::from_ref(&small)), [Err(ProblemCode::Busy)]);
    rules.cpu = Some(CpuTime::up_to(Duration::from_nanos(1)));
    let checked = check_all(&mut rules, &vec![small; 100]);
    assert!(checked.iter().rev().take(80).all(|line| *line == Err(ProblemCode::Busy)), "{checked:?}");
}
