//! Every route that changes something leaves a row in the audit log, walked along the API's own description. A new route is missed
//! here by itself: it is to be walked, or excused with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use stoker_tests::{CommandModule, Reply, TestHost, job_id, log_in, make_tenant};

const ADMIN_KEY: &str = "the-admins-long-key";

/// Routes that leave no row, or are not walked, and why.
const EXCUSED: &[(&str, &str)] = &[
    ("POST /v1/jobs", "a job's own history is its record"),
    ("POST /v1/jobs/batch", "as of the jobs in it"),
    ("POST /v1/batches", "as of the jobs in it"),
    ("POST /v1/workflows", "as of the jobs in it"),
    ("POST /v1/schedules/preview", "changes nothing"),
    ("POST /v1/operations/{id}/cancel", "a small one has ended before it can be cancelled"),
    ("POST /v1/notifications/tokens", "as many as pages are opened; each is over by itself"),
    ("POST /v1/notifications/read-all", "a user's own reading"),
    ("POST /v1/notifications/{id}/read", "a user's own reading"),
    ("POST /v1/notifications/{id}/unread", "a user's own reading"),
    ("DELETE /v1/notifications/{id}", "a user's own reading"),
    ("POST /hubs/notifications/negotiate", "changes nothing"),
    ("POST /hubs/notifications", "what a client says changes nothing"),
    ("POST /v1/mail/{id}/send", "walked in `mail`, where there is mail"),
    ("POST /v1/mail/send", "walked in `mail`, where there is mail"),
    ("DELETE /v1/mail/{id}", "walked in `mail`, where there is mail"),
    ("POST /dashboard/logout", "walked in `login`, with the token of a page"),
];

/// A host that is changed route by route.
struct Walk {
    host: TestHost,
    walked: RefCell<BTreeSet<String>>,
}

impl Walk {
    fn newest(&self) -> Option<Value> {
        let page = self.host.get("/v1/audit?limit=1").expect(200);
        page["items"].as_array().expect("items").first().cloned()
    }

    /// The change that was made by the last request, which took this route and succeeded.
    #[track_caller]
    fn expect_row(&self, route: &str, before: Option<&Value>, reply: Reply, action: &str) -> Reply {
        assert!(matches!(reply.status, 200..=303), "{route}: {reply}");
        let row = self.newest().expect("a row");
        assert_ne!(before.map(|row| &row["id"]), Some(&row["id"]), "{route} leaves no row");
        assert_eq!(row["action"], action, "{route}: {row}");
        self.walked.borrow_mut().insert(route.to_owned());
        reply
    }

    #[track_caller]
    fn change(&self, route: &str, path: &str, body: Option<&Value>, action: &str) -> Reply {
        let before = self.newest();
        let (method, _) = route.split_once(' ').expect("a method");
        let text = body.map(|body| body.to_string().into_bytes());
        let headers: &[(&str, &str)] = if body.is_some() { &[("content-type", "application/json")] } else { &[] };
        let reply = self.host.request(method, path, headers, text.as_deref());
        self.expect_row(route, before.as_ref(), reply, action)
    }

    #[track_caller]
    fn upload(&self, module: &str, text: &str) -> String {
        let before = self.newest();
        let reply = self.host.put_module(module, &CommandModule::printing(text).wasm());
        let reply = self.expect_row("PUT /v1/modules/{name}", before.as_ref(), reply, "module.upload");
        reply.json()["digest"].as_str().expect("a digest").to_owned()
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let reply = self.host.post(path, body);
        assert!(matches!(reply.status, 200..=202), "{reply}");
        reply.json()
    }
}

#[test]
fn every_route_that_changes_something_leaves_a_row() {
    let host = TestHost::builder()
        .workers(0)
        .admin_key(ADMIN_KEY)
        .env("STOKER_SECRETS_KEY", "07".repeat(32))
        .leaves_work_behind()
        .start();
    let walk = Walk { host, walked: RefCell::default() };
    modules_and_kinds(&walk);
    jobs(&walk);
    queues_schedules_and_values(&walk);
    keys_and_tenants(&walk);

    let document = walk.host.get("/openapi.json").expect(200);
    let walked = walk.walked.borrow();
    let mut changing = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "get") {
            changing.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    for (route, reason) in EXCUSED {
        assert!(changing.contains(*route) && !walked.contains(*route), "{route} is excused for nothing: {reason}");
    }
    let excused = |route: &String| EXCUSED.iter().any(|(excused, _)| excused == route);
    let missed: Vec<_> = changing.iter().filter(|route| !walked.contains(*route) && !excused(route)).collect();
    assert!(missed.is_empty(), "not walked, and not excused: {missed:?}");
}

fn modules_and_kinds(walk: &Walk) {
    let first = walk.upload("print", "1");
    let second = walk.upload("print", "2");
    let activate = "POST /v1/modules/{name}/activate";
    walk.change(activate, "/v1/modules/print/activate", Some(&json!({"digest": first})), "module.activate");
    let version = format!("/v1/modules/print/versions/{second}");
    walk.change("DELETE /v1/modules/{name}/versions/{digest}", &version, None, "module.delete_version");
    walk.upload("spare", "3");
    walk.change("DELETE /v1/modules/{name}", "/v1/modules/spare", None, "module.delete");
    let (settings, path) = ("/v1/kinds/{kind}/settings", "/v1/kinds/print/settings");
    walk.change(&format!("PATCH {settings}"), path, Some(&json!({"timeout": "7s"})), "kind.set");
    walk.change(&format!("PUT {settings}"), path, Some(&json!({"timeout": "8s"})), "kind.set");
}

fn jobs(walk: &Walk) {
    let later = |walk: &Walk| job_id(&walk.post("/v1/jobs", &json!({"kind": "print", "delay": "1h"})));
    let job = later(walk);
    let path = format!("/v1/jobs/{job}");
    walk.change("PATCH /v1/jobs/{id}", &path, Some(&json!({"priority": 1})), "job.edit");
    walk.change("POST /v1/jobs/{id}/run", &format!("{path}/run"), None, "job.run_now");
    walk.change("POST /v1/jobs/{id}/cancel", &format!("{path}/cancel"), None, "job.cancel");
    walk.change("POST /v1/jobs/{id}/retry", &format!("{path}/retry"), None, "job.retry");
    let gone = format!("/v1/jobs/{}", later(walk));
    walk.change("POST /v1/jobs/{id}/cancel", &format!("{gone}/cancel"), None, "job.cancel");
    walk.change("DELETE /v1/jobs/{id}", &gone, None, "job.delete");
    let bulk = json!({"action": "retry", "filter": {"tag": "nobody"}});
    walk.change("POST /v1/jobs/bulk", "/v1/jobs/bulk", Some(&bulk), "operation.create");

    let open = json!({"jobs": [{"kind": "print", "delay": "1h"}], "close": "on_request"});
    let batch = walk.post("/v1/batches", &open)["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/batches/{batch}");
    walk.change("POST /v1/batches/{id}/close", &format!("{path}/close"), None, "batch.close");
    walk.change("POST /v1/batches/{id}/cancel", &format!("{path}/cancel"), None, "batch.cancel");
    let workflow = json!({"jobs": {"one": {"kind": "print"}}});
    let workflow = walk.post("/v1/workflows", &workflow)["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/workflows/{workflow}/cancel");
    walk.change("POST /v1/workflows/{id}/cancel", &path, None, "workflow.cancel");
}

fn queues_schedules_and_values(walk: &Walk) {
    let (queue, path) = ("/v1/queues/{queue}", "/v1/queues/mail");
    walk.change(&format!("PUT {queue}"), path, Some(&json!({"priority": 2})), "queue.set");
    walk.change(&format!("PATCH {queue}"), path, Some(&json!({"priority": 3})), "queue.set");
    walk.change(&format!("POST {queue}/pause"), &format!("{path}/pause"), None, "queue.pause");
    walk.change(&format!("POST {queue}/resume"), &format!("{path}/resume"), None, "queue.resume");
    walk.change(&format!("DELETE {queue}"), path, None, "queue.delete");
    let (schedule, path) = ("/v1/schedules/{schedule}", "/v1/schedules/yearly");
    let yearly = json!({"cron": "0 3 1 1 *", "kind": "print"});
    walk.change(&format!("PUT {schedule}"), path, Some(&yearly), "schedule.put");
    walk.change(&format!("POST {schedule}/trigger"), &format!("{path}/trigger"), None, "schedule.trigger");
    walk.change(&format!("POST {schedule}/pause"), &format!("{path}/pause"), None, "schedule.pause");
    walk.change(&format!("POST {schedule}/resume"), &format!("{path}/resume"), None, "schedule.resume");
    walk.change(&format!("DELETE {schedule}"), path, None, "schedule.delete");
    let value = json!({"value": "7"});
    let secret = json!({"value": "nobody-guesses-it"});
    walk.change("PUT /v1/secrets/{secret}", "/v1/secrets/s", Some(&secret), "secret.set");
    walk.change("DELETE /v1/secrets/{secret}", "/v1/secrets/s", None, "secret.delete");
    let (database, path) = ("/v1/databases/{database}", "/v1/databases/app");
    walk.change(&format!("PUT {database}"), path, Some(&json!({"engine": "sqlite"})), "database.put");
    walk.change(&format!("DELETE {database}"), path, None, "database.delete");
    let (entry, path) = ("/v1/kv/{bucket}/{key}", "/v1/kv/b/k");
    walk.change(&format!("PUT {entry}"), path, Some(&value), "kv.set");
    walk.change(&format!("DELETE {entry}"), path, None, "kv.delete");
}

fn keys_and_tenants(walk: &Walk) {
    let new = json!({"name": "ci", "role": "viewer"});
    let made = walk.change("POST /v1/keys", "/v1/keys", Some(&new), "key.create").json();
    let path = format!("/v1/keys/{}", made["id"].as_str().expect("an id"));
    let before = walk.newest();
    let reply = log_in(&walk.host, made["key"].as_str().expect("a key"));
    walk.expect_row("POST /dashboard/login", before.as_ref(), reply, "session.login");
    walk.change("DELETE /v1/keys/{id}", &path, None, "key.revoke");
    let (tenant, path) = ("/v1/tenants/{tenant}", "/v1/tenants/acme");
    walk.change("POST /v1/tenants", "/v1/tenants", Some(&json!({"name": "acme"})), "tenant.create");
    walk.change(&format!("PATCH {tenant}"), path, Some(&json!({"weight": 3})), "tenant.set");
    walk.change(&format!("POST {tenant}/suspend"), &format!("{path}/suspend"), None, "tenant.suspend");
    walk.change(&format!("POST {tenant}/resume"), &format!("{path}/resume"), None, "tenant.resume");
    // It is read, and written down as what unlocks the deletion.
    walk.change(&format!("GET {tenant}/export"), &format!("{path}/export"), None, "tenant.export");
    walk.change(&format!("DELETE {tenant}"), path, None, "tenant.delete");
    walk.change("POST /v1/backup", "/v1/backup", None, "backup.create");
}

#[test]
fn rows_of_a_deleted_tenant_name_it() {
    let host = TestHost::builder().workers(0).admin_key(ADMIN_KEY).start();
    make_tenant(&host, "acme");
    host.in_tenant("acme").put("/v1/queues/mail", &json!({"priority": 2})).expect_status(200);
    host.put("/v1/queues/mail", &json!({"priority": 3})).expect_status(200);
    host.request("DELETE", "/v1/tenants/acme?without_export=true", &[], None).expect_status(202);
    stoker_tests::eventually("it is gone", || (host.get("/v1/tenants/acme").status == 404).then_some(()));
    let of = |query: &str| -> Vec<Value> {
        let page = host.get(&format!("/v1/audit?object=queue/mail{query}")).expect(200);
        page["items"].as_array().expect("items").iter().map(|row| row["tenant"].clone()).collect()
    };
    assert_eq!(of(""), [json!("default"), json!("acme")]);
    assert_eq!(of("&deleted_tenant=acme"), [json!("acme")]);
    assert_eq!(of("&deleted_tenant=default"), [] as [Value; 0], "it is there");
    stoker_tests::with_role(&host, "default", "operator").get("/v1/audit?deleted_tenant=acme").expect_problem(403);
}
