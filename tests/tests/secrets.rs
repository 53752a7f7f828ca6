//! Secrets: given to those who are granted them, and found nowhere else: not in an answer, a log, the database or a backup.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stoker_tests::{
    Guest, HostBuilder, TestHost, cache_dir, eventually, make_tenant, reason_of, run_stoker, spelling_in,
};

const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00123456789abcdeffedcba9876543210";
const OTHER_KEY: &str = "0202020202020202020202020202020202020202020202020202020202020202";
/// What must be found nowhere; with characters that every encoding changes.
const SECRET: &str = "sk_live/4eC39\"HqLyjW+Djt 1zdp7dc";

fn with_key() -> HostBuilder {
    TestHost::builder().env("STOKER_SECRETS_KEY", KEY)
}

fn set(host: &TestHost, name: &str, value: &str) -> Value {
    let reply = host.put(&format!("/v1/secrets/{name}"), &json!({"value": value}));
    assert!([200, 201].contains(&reply.status), "{reply}");
    reply.json()
}

fn granted(host: &TestHost, kind: &str, secrets: &[&str]) {
    host.set_kind(kind, &json!({"grants": {"secrets": secrets}, "max_attempts": 1}));
}

#[track_caller]
fn assert_hidden(what: &str, text: &str) {
    if let Some(spelling) = spelling_in(text.as_bytes(), SECRET) {
        panic!("{what} holds `{spelling}`:\n{text}");
    }
}

fn assert_hidden_in_files(folder: &Path) {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            files += 1;
            assert_eq!(spelling_in(&bytes, SECRET), None, "{}", entry.path().display());
        }
    }
    assert!(files > 0, "{} is empty", folder.display());
}

#[test]
fn a_secret_that_is_said_in_every_way_is_found_nowhere() {
    let mut host = with_key().start();
    host.upload(Guest::Handlers);
    set(&host, "api-key", SECRET);
    granted(&host, "secret-said", &["api-key"]);
    let said = |end: &str| host.run(&json!({"kind": "secret-said", "payload": {"name": "api-key", "end": end}}));
    let returned = said("");
    assert_eq!(returned["state"], "succeeded", "{returned:#}");
    assert_eq!(
        returned["output"],
        json!({"token": "[secret api-key]", "[secret api-key]": ["Bearer [secret api-key]", returned["output"]["[secret api-key]"][1]]})
    );
    assert_eq!(returned["progress"]["message"], "working with [secret api-key]");
    let panicked = said("panic");
    assert_eq!(reason_of(&panicked), "trap");
    assert!(
        panicked["error"]["message"].as_str().unwrap().contains("cannot go on with [secret api-key]"),
        "{panicked:#}"
    );
    // Its message is cut in the middle of where the secret was.
    let failed = said("fail");
    assert_eq!(reason_of(&failed), "handler_error");
    for job in [&returned, &panicked, &failed] {
        let id = job["id"].as_str().unwrap();
        assert_hidden("the job", &job.to_string());
        for part in ["", "/attempts", "/logs", "/history"] {
            assert_hidden(part, &host.get(&format!("/v1/jobs/{id}{part}")).text());
        }
        let log = host.log_text(id);
        for line in
            ["in two: [secret api-key]; [secret api-key]", "on stderr: [secret api-key]", "hex: [secret api-key]"]
        {
            assert!(log.contains(line), "{log}");
        }
        assert!(
            log.contains("logged: [secret api-key], escaped: \\\"[secret api-key]\\\"")
                || log.contains("logged: [secret api-key], escaped: \"[secret api-key]\""),
            "{log}"
        );
        assert!(!failed["error"]["message"].as_str().unwrap().contains("sk_live"), "{failed:#}");
    }
    for path in ["/v1/secrets", "/v1/kinds/secret-said", "/v1/dead-letters", "/openapi.json", "/metrics"] {
        assert_hidden(path, &host.get(path).text());
    }
    let copy = host.act("/v1/backup").expect_status(200);
    assert_hidden("the backup", &String::from_utf8_lossy(&copy.body));
    assert_hidden("the host's log", &host.log());
    assert!(!host.log().contains(KEY));
    // Also what is not in the database yet but in its log.
    assert_hidden_in_files(&host.data_dir());
    host.terminate();
    assert_hidden_in_files(&host.data_dir());
    for name in ["stoker.db", "stoker.mark"] {
        let bytes = std::fs::read(host.data_dir().join(name)).unwrap_or_default();
        let digits: Vec<char> = KEY.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
        let key: Vec<u8> = digits.chunks(2).map(byte).collect();
        for key in [&key[..], KEY.as_bytes()] {
            assert!(!bytes.windows(key.len()).any(|window| window == key), "{name} holds the key");
        }
    }
    // The copy works where the key is, and only there.
    let restored = host.home().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::write(restored.join("stoker.db"), &copy.body).unwrap();
    let (status, log) =
        TestHost::builder().env("STOKER_SECRETS_KEY", OTHER_KEY).data_dir(&restored).try_start().unwrap_err();
    assert!(!status.success() && log.contains("secrets_key_previous_file"), "{log}");
    let restored = with_key().data_dir(&restored).start();
    granted(&restored, "secret-get", &["api-key"]);
    assert_eq!(
        restored.run_kind("secret-get", &json!({"names": ["api-key"]}))["api-key"],
        format!("{} bytes", SECRET.len())
    );
}

#[test]
fn a_handler_gets_what_it_is_granted_and_nothing_else() {
    let host = with_key().start();
    host.upload(Guest::Handlers);
    set(&host, "mine", "a value of mine");
    set(&host, "other", "another value");
    let asked = json!({"names": ["mine", "other", "missing"]});
    let output = host.run_kind("secret-get", &asked);
    assert_eq!(output["mine"], "the kind is not granted the secret", "closed by default");
    granted(&host, "secret-get", &["mine", "missing"]);
    let output = host.run_kind("secret-get", &asked);
    assert_eq!(output["mine"], "15 bytes");
    assert_eq!(output["other"], "the kind is not granted the secret");
    assert_eq!(output["missing"], "there is no such secret");
    let job = host.run_failing("secret-said", &json!({"name": "other"}), "capability_denied");
    assert!(job["error"]["message"].as_str().unwrap().contains("secret other"), "{job:#}");
    // A new value is the next attempt's.
    set(&host, "mine", "a longer value of mine");
    assert_eq!(host.run_kind("secret-get", &asked)["mine"], "22 bytes");
    let gone = host.delete("/v1/secrets/mine").expect(200);
    assert_eq!(gone, json!({"name": "mine", "granted_to": ["secret-get"]}));
    assert_eq!(host.run_kind("secret-get", &asked)["mine"], "there is no such secret");
    host.delete("/v1/secrets/mine").expect_problem_saying(404, &["secret_not_found", "mine"]);
}

#[test]
fn bad_secrets_are_refused_without_being_quoted() {
    let host = with_key().start();
    let put = |body: &str| {
        host.request("PUT", "/v1/secrets/s", &[("content-type", "application/json")], Some(body.as_bytes()))
    };
    for body in [
        r#"{"value": 12345678901}"#,
        r#"{"value": "1234567"}"#,
        r#"{"value": "12345678901", "more": true}"#,
        r#"{"value": "12345678901", "value_base64": "12345678901="}"#,
        r#"{"value_base64": "12345678901"}"#,
        r#"{"12345678901": "12345678901"}"#,
        "{}",
        "[\"12345678901\", null]",
    ] {
        let problem = put(body).expect_problem(422);
        assert!(!problem.to_string().contains("1234567"), "{body}: {problem:#}");
    }
    let problem = put(r#"{"value": "12345678901"#).expect_problem(400);
    assert!(!problem.to_string().contains("1234567"), "{problem:#}");
    put(&json!({"value": "x".repeat(65_537)}).to_string()).expect_problem(422);
    put(&json!({"value": "x".repeat(500_000)}).to_string()).expect_problem(413);
    assert_eq!(host.get("/v1/secrets").expect(200), json!({"items": [], "next_cursor": null}));
    put(&json!({"value_base64": STANDARD.encode(vec![0xff; 65_536])}).to_string()).expect_status(201);
    host.get("/v1/secrets/s").expect_problem(405);
    host.put("/v1/secrets/a%20b", &json!({"value": "12345678901"})).expect_problem_saying(422, &["secret's name"]);
    let listed = host.get("/v1/secrets").expect(200);
    assert_eq!(listed["items"][0]["version"], 1, "{listed:#}");
    assert!(!host.log().contains("1234567"));
}

#[test]
fn without_the_right_key_there_are_no_secrets() {
    let mut host = TestHost::start();
    let value = json!({"value": SECRET});
    host.put("/v1/secrets/s", &value).expect_problem_saying(409, &["no_secrets_key", "secrets_key_file"]);
    host.restart_with(|builder| builder.env("STOKER_SECRETS_KEY", KEY));
    host.put("/v1/secrets/s", &value).expect_status(201);
    host.terminate();
    let data_dir = host.data_dir();
    for (name, key, said) in [
        ("STOKER_SECRETS_KEY", OTHER_KEY, "encrypted under the key"),
        ("STOKER_SECRETS_KEY", "short", "openssl rand"),
        ("STOKER_SECRETS_KEY_FILE", "/nowhere/at/all", "cannot read"),
    ] {
        let started = TestHost::builder().env(name, key).data_dir(&data_dir).try_start();
        let (status, log) = started.expect_err("a host with the wrong key");
        assert!(!status.success() && log.contains(said), "{name}={key}: {log}");
        assert!(!log.contains(OTHER_KEY) && !log.contains("panicked"), "{log}");
    }
    let file = key_file(host.home(), "key", KEY);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = TestHost::builder().flag("--secrets-key-file", file.display()).data_dir(&data_dir).try_start();
    assert!(exposed.expect_err("a key that others can read").1.contains("chmod 600"));
    // Without any key it starts, says so, and gives no secret.
    let keyless = TestHost::builder().data_dir(&data_dir).start();
    assert!(keyless.log().contains("no key is given"), "{}", keyless.log());
    keyless.put("/v1/secrets/s", &value).expect_problem_saying(409, &["no_secrets_key"]);
    keyless.upload(Guest::Handlers);
    granted(&keyless, "secret-get", &["s"]);
    let output = keyless.run_kind("secret-get", &json!({"names": ["s"]}));
    assert!(output["s"].as_str().unwrap().contains("can't be had now"), "{output}");
    drop(keyless);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let host = TestHost::builder().flag("--secrets-key-file", file.display()).data_dir(&data_dir).start();
    granted(&host, "secret-get", &["s"]);
    assert_eq!(host.run_kind("secret-get", &json!({"names": ["s"]}))["s"], format!("{} bytes", SECRET.len()));
    assert!(!host.log().contains(KEY));
}

fn key_file(folder: &Path, name: &str, key: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("{key}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn rotation_goes_on_wherever_it_is_killed() {
    // Some fifty pieces: no start is done with them before it is killed.
    const SECRETS: usize = 800;
    let mut host = with_key().start();
    host.upload(Guest::Handlers);
    for number in 0..SECRETS {
        set(&host, &format!("s{number:03}"), &format!("the value of number {number}"));
    }
    let keys = |host: &TestHost| -> Vec<String> {
        let pages = ["", "&cursor=s399"].map(|cursor| host.get(&format!("/v1/secrets?limit=400{cursor}")).expect(200));
        let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap());
        items.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    };
    let old = keys(&host).remove(0);
    let data_dir = host.data_dir();
    let (new_file, old_file) = (key_file(host.home(), "new", OTHER_KEY), key_file(host.home(), "old", KEY));
    host.terminate();
    let rotating = || {
        TestHost::builder()
            .flag("--secrets-key-file", new_file.display())
            .flag("--secrets-key-previous-file", old_file.display())
            .data_dir(&data_dir)
    };
    // Each time it is killed as soon as it listens.
    for _ in 0..3 {
        rotating().start().kill9();
    }
    let mut host = rotating().start();
    let new = eventually("every secret is under the new key", || {
        let keys = keys(&host);
        let new = keys[0].clone();
        assert_eq!(keys.len(), SECRETS);
        (new != old && keys.iter().all(|key| *key == new)).then_some(new)
    });
    assert_ne!(new, old);
    host.terminate();
    // The old key opens nothing any more, and the new one everything.
    let with_old = TestHost::builder().flag("--secrets-key-file", old_file.display()).data_dir(&data_dir).try_start();
    assert!(with_old.expect_err("the old key").1.contains("encrypted under the key"));
    let host = TestHost::builder().flag("--secrets-key-file", new_file.display()).data_dir(&data_dir).start();
    let names: Vec<String> = (0..SECRETS).step_by(20).map(|number| format!("s{number:03}")).collect();
    host.set_kind("secret-get", &json!({"grants": {"secrets": names}}));
    let output = host.run_kind("secret-get", &json!({"names": names}));
    for (number, name) in (0..SECRETS).step_by(20).zip(&names) {
        assert_eq!(output[name], format!("{} bytes", format!("the value of number {number}").len()), "{output}");
    }
}

#[test]
fn the_command_line_sets_lists_and_deletes_and_runs_with_them() {
    let host = with_key().start();
    let stoker =
        |args: &[&str], stdin: &str| run_stoker(args, &[("STOKER_URL", host.url())], host.home(), stdin.as_bytes());
    let done = stoker(&["secrets", "set", "api-key"], &format!("{SECRET}\n"));
    assert!(done.status.success() && done.stdout.contains("is set"), "{done:?}");
    let file = host.home().join("value");
    std::fs::write(&file, SECRET).unwrap();
    let at_file = format!("@{}", file.display());
    let done = stoker(&["secrets", "set", "api-key", &at_file, "--json"], "");
    let set: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&set["name"], &set["version"]), (&json!("api-key"), &json!(2)));
    let refused = stoker(&["secrets", "set", "api-key", SECRET], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!refused.stderr.contains("never seen") && refused.stderr.contains("@FILE"), "{refused:?}");
    let listed = stoker(&["secrets", "list"], "");
    assert!(listed.stdout.contains("api-key") && !listed.stdout.contains("sk_live"), "{listed:?}");
    let gone = stoker(&["secrets", "delete", "api-key"], "");
    assert!(gone.status.success(), "{gone:?}");
    assert_eq!(stoker(&["secrets", "delete", "api-key"], "").status.code(), Some(1));

    let wasm = Guest::Handlers.path().display().to_string();
    let cache = cache_dir().display().to_string();
    let secret = format!("api-key=@{}", file.display());
    let args = ["run", &wasm, "secret-said", r#"{"name":"api-key"}"#, "--secret", &secret, "--json"];
    let run = run_stoker(&args, &[("XDG_CACHE_HOME", &cache)], host.home(), b"");
    assert!(run.status.success(), "{run:?}");
    assert_hidden("the run", &format!("{}{}", run.stdout, run.stderr));
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(said["output"]["token"], "[secret api-key]");
}

#[test]
fn the_same_name_is_another_secret_in_another_tenant() {
    let host = with_key().start();
    make_tenant(&host, "acme");
    let acme = host.in_tenant("acme");
    for api in [&host.api(), &acme] {
        api.upload(Guest::Handlers);
        api.set_kind("secret-get", &json!({"grants": {"secrets": ["shared", "mine"]}, "max_attempts": 1}));
    }
    host.put("/v1/secrets/shared", &json!({"value": "of default"})).expect_status(201);
    acme.put("/v1/secrets/shared", &json!({"value": "of acme, and longer"})).expect_status(201);
    acme.put("/v1/secrets/mine", &json!({"value": "only of acme"})).expect_status(201);
    let asked = json!({"names": ["shared", "mine"]});
    let (here, there) = (host.run_kind("secret-get", &asked), acme.run_kind("secret-get", &asked));
    assert_eq!(here, json!({"shared": "10 bytes", "mine": "there is no such secret"}));
    assert_eq!(there, json!({"shared": "19 bytes", "mine": "12 bytes"}));
    host.delete("/v1/secrets/mine").expect_problem_saying(404, &["secret_not_found"]);
    let names = |listed: Value| -> Vec<String> {
        listed["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(host.get("/v1/secrets").expect(200)), ["shared"]);
    assert_eq!(names(acme.get("/v1/secrets").expect(200)), ["mine", "shared"]);
    host.delete("/v1/secrets/shared").expect_status(200);
    assert_eq!(acme.run_kind("secret-get", &asked)["shared"], "19 bytes", "what one deletes the other keeps");
    // What is taken out of a handler's words is its own tenant's alone.
    acme.set_kind("secret-said", &json!({"grants": {"secrets": ["mine"]}, "max_attempts": 1}));
    let said = acme.run_kind("secret-said", &json!({"name": "mine"}));
    assert_eq!(said["token"], "[secret mine]");
    let echoed = host.run(&json!({"kind": "echo", "payload": {"said": "only of acme"}}));
    assert!(echoed["output"].to_string().contains("only of acme"), "{echoed:#}");
}

#[test]
fn the_doctor_names_the_secrets_a_key_can_not_read_and_a_metric_counts_down() {
    let mut host = with_key().start();
    make_tenant(&host, "acme");
    set(&host, "one", "the value of one");
    host.in_tenant("acme").put("/v1/secrets/two", &json!({"value": "the value of two"})).expect_status(201);
    let under_earlier = |host: &TestHost| -> u64 {
        let text = host.get("/metrics").expect_status(200).text();
        let line = text.lines().find_map(|line| line.strip_prefix("stoker_secrets_under_earlier_keys "));
        line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    assert_eq!(under_earlier(&host), 0);
    let data_dir = host.data_dir().display().to_string();
    let (new_file, old_file) = (key_file(host.home(), "new", OTHER_KEY), key_file(host.home(), "old", KEY));
    let doctor = |envs: &[(&str, &str)]| {
        let home = tempfile::tempdir().unwrap();
        let args = ["doctor", "--json", "--url", "http://127.0.0.1:1", "--data-dir", &data_dir];
        let exited = run_stoker(&args, envs, home.path(), b"");
        let text = format!("{}{}", exited.stdout, exited.stderr);
        assert!(!text.contains("the value of") && !text.contains(KEY) && !text.contains(OTHER_KEY), "{text}");
        let said: Value = serde_json::from_str(&exited.stdout).unwrap();
        let findings = said["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == "secrets");
        findings.map(|finding| format!("{}: {}", finding["level"], finding["message"])).collect::<Vec<_>>().concat()
    };
    // While the host runs and when it does not, with what its log holds.
    let well = doctor(&[("STOKER_SECRETS_KEY", KEY)]);
    assert!(well.contains("ok") && well.contains("2 under the current key"), "{well}");
    host.kill9();
    let wrong = doctor(&[("STOKER_SECRETS_KEY", OTHER_KEY)]);
    assert!(wrong.contains("problem") && wrong.contains("default/one, acme/two"), "{wrong}");
    let none = doctor(&[]);
    assert!(none.contains("note") && none.contains("default/one, acme/two"), "{none}");
    let (new_path, old_path) = (new_file.display().to_string(), old_file.display().to_string());
    let rotating = doctor(&[("STOKER_SECRETS_KEY_FILE", &new_path), ("STOKER_SECRETS_KEY_PREVIOUS_FILE", &old_path)]);
    assert!(rotating.contains("note") && rotating.contains("2 still under the earlier key"), "{rotating}");
    let host = TestHost::builder()
        .flag("--secrets-key-file", &new_path)
        .flag("--secrets-key-previous-file", &old_path)
        .data_dir(&data_dir)
        .start();
    eventually("nothing is left under the old key", || (under_earlier(&host) == 0).then_some(()));
    let done = doctor(&[("STOKER_SECRETS_KEY", OTHER_KEY)]);
    assert!(done.contains("ok") && done.contains("2 under the current key"), "{done}");
}
