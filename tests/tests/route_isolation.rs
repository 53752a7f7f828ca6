//! Every route there is, walked along the API's own description, with no credential, with each role that is too small, and with
//! the greatest of another tenant: 401, 403, and what is answered for things that do not exist. Nothing is read, nothing
//! changes. A new route is walked by itself; where it has a parameter, this test asks to be told what to call there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stoker_tests::{Api, Guest, Reply, TestHost, job_id};

const ADMIN_KEY: &str = "the-admins-key-of-this-test";
/// From the smallest on.
const ROLES: [&str; 5] = ["user", "viewer", "producer", "operator", "admin"];
/// Routes whose answers are about the host, or about whoever asks.
const OWN: [&str; 4] = ["/openapi.json", "/docs", "/dashboard", "/metrics"];

/// A route of the document.
struct Route {
    method: String,
    path: String,
    /// `anybody` or a role.
    role: String,
}

fn routes(api: &Api) -> Vec<Route> {
    let document = api.get("/openapi.json").expect(200);
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let role = operation["x-stoker-role"].as_str();
            let role = role.unwrap_or_else(|| panic!("{method} {path} does not say whom it is for")).to_owned();
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), role });
        }
    }
    assert!(routes.len() > 60, "{} routes", routes.len());
    routes
}

/// The same host, asked by somebody.
struct Somebody<'a> {
    api: &'a Api,
    key: Option<String>,
    tenant: Option<&'a str>,
}

impl Somebody<'_> {
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let mut headers = vec![];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        headers.extend(self.tenant.map(|tenant| ("stoker-tenant", tenant)));
        let body = body.map(|body| body.to_string().into_bytes());
        self.api.with_key(self.key.as_deref()).request(method, path, &headers, body.as_deref())
    }
}

/// What a tenant has: for each route with a parameter, by the part of the path that stands before it, how its own is called.
type Things = BTreeMap<&'static str, String>;

/// The path with the tenant's own things in it.
fn filled(path: &str, things: &Things) -> String {
    let mut filled: Vec<String> = Vec::new();
    for part in path.split('/') {
        if part.starts_with('{') {
            let before = filled.iter().map(String::as_str).collect::<Vec<_>>().join("/");
            let wanted = things.iter().filter(|(place, _)| is_at(&before, place)).max_by_key(|(place, _)| place.len());
            let (_, thing) = wanted.unwrap_or_else(|| panic!("{path}: which {part} has the tenant below {before}?"));
            filled.push(thing.clone());
        } else {
            filled.push(part.to_owned());
        }
    }
    filled.join("/")
}

/// `place` is a path in which `*` stands for one part.
fn is_at(path: &str, place: &str) -> bool {
    let (path, place): (Vec<_>, Vec<_>) = (path.split('/').collect(), place.split('/').collect());
    path.len() == place.len() && path.iter().zip(&place).all(|(part, wanted)| *wanted == "*" || part == wanted)
}

fn create(who: &Somebody<'_>, path: &str, body: &Value) -> Value {
    let reply = who.ask("POST", path, Some(body));
    assert!(matches!(reply.status, 200..=202), "{reply}");
    reply.json()
}

fn key(admin: &Somebody<'_>, role: &str) -> String {
    if role == "user" {
        let made = create(admin, "/v1/notifications/tokens", &json!({"user": "ada"}));
        return made["token"].as_str().unwrap().to_owned();
    }
    let made = create(admin, "/v1/keys", &json!({"name": format!("a-{role}"), "role": role}));
    made["key"].as_str().unwrap().to_owned()
}

/// A tenant with one of everything.
fn furnish(admin: &Somebody<'_>) -> Things {
    let tenant = admin.tenant.unwrap();
    create(&Somebody { tenant: None, api: admin.api, key: admin.key.clone() }, "/v1/tenants", &json!({"name": tenant}));
    for guest in [Guest::Hello, Guest::Handlers] {
        let path = format!("/v1/modules/{}", guest.module_name());
        let headers = [("stoker-tenant", tenant), ("content-type", "application/wasm")];
        let uploaded =
            admin.api.with_key(admin.key.as_deref()).request("PUT", &path, &headers, Some(&guest.wasm())).expect(201);
        assert_eq!(uploaded["active"], true);
    }
    let digest = admin.ask("GET", "/v1/modules/hello", None).expect(200)["digest"].as_str().unwrap().to_owned();
    let path = "/v1/kinds/hello/settings";
    admin.ask("PATCH", path, Some(&json!({"timeout": "7s"}))).expect(200);
    admin.ask("PUT", "/v1/queues/lane", Some(&json!({"priority": 3}))).expect_status(200);
    let hello = |queue: &str| json!({"kind": "hello", "payload": {"name": "Ada of alpha"}, "queue": queue});
    let failing = json!({"kind": "fail-fatal", "payload": {}});
    let failed = job_id(&create(admin, "/v1/jobs", &failing));
    let waiting = job_id(&create(admin, "/v1/jobs", &json!({"kind": "echo", "payload": {}, "delay": "1h"})));
    let batch = create(admin, "/v1/batches", &json!({"jobs": [hello("lane")]}))["id"].as_str().unwrap().to_owned();
    let workflow = json!({"jobs": {"one": {"kind": "hello", "payload": {"name": "Ada"}}}});
    let workflow = create(admin, "/v1/workflows", &workflow)["id"].as_str().unwrap().to_owned();
    let schedule = json!({"cron": "0 3 1 1 *", "kind": "hello", "payload": {"name": "Ada"}});
    let reply = admin.ask("PUT", "/v1/schedules/yearly", Some(&schedule));
    assert!(matches!(reply.status, 200 | 201), "{reply}");
    let operation = create(admin, "/v1/jobs/bulk", &json!({"action": "retry", "filter": {"tag": "nobody"}}));
    let operation = operation["id"].as_str().unwrap().to_owned();
    admin.ask("PUT", "/v1/secrets/a-secret", Some(&json!({"value": "of alpha alone"}))).expect_status(201);
    admin.ask("PUT", "/v1/databases/ledger", Some(&json!({"engine": "sqlite"}))).expect_status(201);
    admin.ask("PUT", "/v1/kv/sessions/ada", Some(&json!({"value": "of alpha alone"}))).expect_status(201);
    let grants = json!({"grants": {"notify": true, "mail": ["noreply@alpha.example"]}});
    admin.ask("PATCH", "/v1/kinds/script/settings", Some(&grants)).expect(200);
    let mail =
        json!({"do": "mail", "from": "noreply@alpha.example", "to": ["ada@alpha.example"], "text": "Of alpha alone"});
    create(admin, "/v1/jobs", &json!({"kind": "script", "payload": {"lines": [mail]}}));
    let mail = stoker_tests::eventually("the mail is kept", || {
        let page = admin.ask("GET", "/v1/mail", None).expect(200);
        page["items"][0]["id"].as_str().map(str::to_owned)
    });
    let told = json!([{"do": "notify", "user": "ada", "level": "info", "message": "of alpha alone"}]);
    create(admin, "/v1/jobs", &json!({"kind": "script", "payload": {"lines": told}}));
    let revoked = create(admin, "/v1/keys", &json!({"name": "another", "role": "viewer"}));
    let mut group = Value::Null;
    stoker_tests::eventually("everything has ended", || {
        let groups = admin.ask("GET", "/v1/dead-letters", None).expect(200);
        group = groups["items"][0]["group"].clone();
        let running = admin.ask("GET", "/v1/jobs?state=running", None).expect(200);
        let ready = admin.ask("GET", "/v1/jobs?state=ready", None).expect(200);
        let is_done = [running, ready].iter().all(|page| page["items"].as_array().unwrap().is_empty());
        (is_done && !group.is_null()).then_some(())
    });
    let notification = admin.ask("GET", "/v1/notifications", None).expect(200)["items"][0]["id"].clone();
    Things::from([
        ("/v1/notifications", notification.as_str().unwrap().to_owned()),
        ("/v1/jobs", waiting),
        ("/v1/batches", batch),
        ("/v1/workflows", workflow),
        ("/v1/modules", "hello".to_owned()),
        ("/v1/modules/*/versions", digest),
        ("/v1/kinds", "hello".to_owned()),
        ("/v1/queues", "lane".to_owned()),
        ("/v1/schedules", "yearly".to_owned()),
        ("/v1/dead-letters", group.as_str().unwrap().to_owned()),
        ("/v1/operations", operation),
        ("/v1/mail", mail),
        ("/v1/keys", revoked["id"].as_str().unwrap().to_owned()),
        ("/v1/secrets", "a-secret".to_owned()),
        ("/v1/databases", "ledger".to_owned()),
        ("/v1/kv", "sessions".to_owned()),
        ("/v1/kv/*", "ada".to_owned()),
        ("/v1/tenants", tenant.to_owned()),
        ("failed", failed),
    ])
}

/// Everything a tenant's admin can read of it, without what time alone changes.
fn seen(admin: &Somebody<'_>, routes: &[Route], things: &Things) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    for route in routes.iter().filter(|route| route.method == "GET" && route.path.starts_with("/v1/")) {
        // Who asked what is what this test adds to, and an export tells when the one before was made.
        if ["/v1/audit", "/v1/tenants/{tenant}/export"].contains(&&route.path[..]) {
            continue;
        }
        let path = filled(&route.path, things);
        let reply = admin.ask("GET", &path, None);
        let mut body = serde_json::from_slice(&reply.body).unwrap_or_else(|_| json!(reply.body.len()));
        settle(&mut body);
        seen.insert(path, json!([reply.status, body]));
    }
    seen
}

/// Takes out what time changes, and what only says that somebody has looked.
fn settle(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !name.ends_with("_age_ms")
                    && !name.contains("oldest")
                    && !["last_used_at", "exported_at", "next", "detail"].contains(&&name[..])
            });
            fields.values_mut().for_each(settle);
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

/// Names that nobody has, of the form of each of these.
fn nobodys(things: &Things) -> Things {
    let none = |thing: &String| match thing.split_once('_') {
        Some(("group", _)) => format!("group_{}", "0".repeat(32)),
        // The same kind of id, with other digits at its end.
        Some((prefix, digits)) if digits.len() > 20 => format!("{prefix}_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        _ if thing.starts_with("sha256:") => format!("sha256:{}", "0".repeat(64)),
        _ => "of-nobody".to_owned(),
    };
    things.iter().map(|(place, thing)| (*place, none(thing))).collect()
}

/// An answer without the names that were asked for.
fn said(reply: &Reply, things: &Things) -> String {
    let mut names: Vec<&String> = things.values().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let text = names.into_iter().fold(reply.text(), |text, name| text.replace(name.as_str(), "…"));
    format!("{} {text}", reply.status)
}

/// What its own tenant could send to a route that does not make what it names.
fn good_body(method: &str, path: &str, things: &Things) -> Option<Value> {
    match (method, path) {
        ("PATCH", "/v1/jobs/{id}") => Some(json!({"priority": 1})),
        ("PATCH" | "PUT", "/v1/kinds/{kind}/settings") => Some(json!({"timeout": "9s"})),
        ("POST", "/v1/modules/{name}/activate") => Some(json!({"digest": things["/v1/modules/*/versions"]})),
        _ => None,
    }
}

/// Requests with ids in their bodies and queries, which succeed where the ids are the caller's.
fn with_ids(job: &str, batch: &str) -> Vec<(&'static str, String, Option<Value>)> {
    let echo = |more: Value| {
        let mut request = json!({"kind": "echo", "payload": {}});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let after = || echo(json!({"after": [job]}));
    let finished = echo(json!({"after": [{"job": job, "on": "finished"}]}));
    vec![
        ("POST", "/v1/jobs".to_owned(), Some(after())),
        ("POST", "/v1/jobs".to_owned(), Some(finished)),
        ("POST", "/v1/jobs".to_owned(), Some(echo(json!({"batch": batch})))),
        ("POST", "/v1/jobs/batch?atomic=true".to_owned(), Some(json!([after()]))),
        ("POST", "/v1/batches".to_owned(), Some(json!({"jobs": [after()]}))),
        ("GET", format!("/v1/batches/{batch}/jobs"), None),
        ("POST", format!("/v1/batches/{batch}/close"), None),
    ]
}

#[test]
fn ids_of_others_in_bodies_are_those_of_nothing() {
    let host = TestHost::builder()
        .admin_key(ADMIN_KEY)
        .env("STOKER_SECRETS_KEY", "07".repeat(32))
        .leaves_work_behind()
        .start();
    let api = host.api();
    let admin = |tenant| Somebody { api: &api, key: Some(ADMIN_KEY.to_owned()), tenant };
    let (alpha, beta) = (admin(Some("alpha")), admin(Some("beta")));
    let (alphas, betas) = (furnish(&alpha), furnish(&beta));
    let open = json!({"jobs": [{"kind": "echo", "payload": {}, "delay": "1h"}], "close": "on_request"});
    let batch = |of: &Somebody<'_>| create(of, "/v1/batches", &open)["id"].as_str().unwrap().to_owned();
    let (alphas_batch, betas_batch) = (batch(&alpha), batch(&beta));
    let nobody = nobodys(&alphas);
    let operator = Somebody { api: &api, key: Some(key(&beta, "operator")), tenant: None };
    let routes = routes(&api.with_key(Some(ADMIN_KEY)));
    let of_alpha = || {
        let mut seen = seen(&alpha, &routes, &alphas);
        // What beta does counts in it.
        assert!(seen.remove("/v1/tenants").is_some());
        seen
    };
    let before = of_alpha();
    let others = with_ids(&alphas["/v1/jobs"], &alphas_batch);
    let nones = with_ids(&nobody["/v1/jobs"], "batch_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    let own = with_ids(&betas["/v1/jobs"], &betas_batch);
    for (((method, others_path, others), (_, none_path, none)), (_, own_path, own)) in others.iter().zip(nones).zip(own)
    {
        let told = |reply: &Reply, job: &str, batch: &str| {
            format!("{} {}", reply.status, reply.text().replace(job, "…").replace(batch, "…"))
        };
        let of_others = operator.ask(method, others_path, others.as_ref());
        let of_none = operator.ask(method, &none_path, none.as_ref());
        assert!((400..500).contains(&of_others.status), "{of_others}");
        assert_eq!(
            told(&of_others, &alphas["/v1/jobs"], &alphas_batch),
            told(&of_none, &nobody["/v1/jobs"], "batch_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        );
        // It was the ids that were wrong.
        let reply = operator.ask(method, &own_path, own.as_ref());
        assert!((200..300).contains(&reply.status), "{reply}");
    }
    assert_eq!(of_alpha(), before);
}

#[test]
fn no_route_lets_in_who_may_not() {
    let host = TestHost::builder()
        .admin_key(ADMIN_KEY)
        .env("STOKER_SECRETS_KEY", "07".repeat(32))
        .leaves_work_behind()
        .start();
    let api = host.api();
    let admin = |tenant| Somebody { api: &api, key: Some(ADMIN_KEY.to_owned()), tenant };
    let (alpha, beta) = (admin(Some("alpha")), admin(Some("beta")));
    let things = furnish(&alpha);
    create(&admin(None), "/v1/tenants", &json!({"name": "beta"}));
    let routes = routes(&api.with_key(Some(ADMIN_KEY)));
    let keys: Vec<(&str, String)> = ROLES[..4].iter().map(|role| (*role, key(&alpha, role))).collect();
    let before = seen(&alpha, &routes, &things);
    let stranger = Somebody { api: &api, key: Some(key(&beta, "operator")), tenant: None };
    let nobody = nobodys(&things);
    let rank = |role: &str| ROLES.iter().position(|known| *known == role).unwrap();
    let guess = Somebody { api: &api, key: Some("stk_nobody".to_owned()), tenant: None };
    guess.ask("GET", "/v1/jobs", None).expect_problem(401);
    for Route { method, path, role } in routes.iter().filter(|route| route.role != "anybody") {
        let own = filled(path, &things);
        let reply = Somebody { api: &api, key: None, tenant: None }.ask(method, &own, None);
        // A person is led to where to log in.
        let refused = if own == "/dashboard" { 303 } else { 401 };
        assert_eq!(reply.status, refused, "{reply}");
        for (_, key) in keys.iter().filter(|(held, _)| rank(held) < rank(role)) {
            let reply = Somebody { api: &api, key: Some(key.clone()), tenant: None }.ask(method, &own, None);
            reply.clone().expect_problem(403);
            for thing in things.values().filter(|thing| !own.contains(thing.as_str())) {
                assert!(!reply.text().contains(thing.as_str()), "{reply}");
            }
        }
        if rank(role) > rank("operator") {
            stranger.ask(method, &own, None).expect_problem(403);
            continue;
        }
        // Another tenant's is answered as what there is not, without a body, with an empty one, and with one that its own tenant
        // could send.
        for body in
            [Some(None), Some(Some(json!({}))), good_body(method, path, &things).map(Some)].into_iter().flatten()
        {
            let (others, none) = (
                stranger.ask(method, &own, body.as_ref()),
                stranger.ask(method, &filled(path, &nobody), body.as_ref()),
            );
            if path.contains('{') {
                let is_good = body.is_some() && body == good_body(method, path, &things);
                assert!(
                    !is_good || others.status == 404,
                    "what is sent for {method} {path} is not looked up: {others}"
                );
                assert_eq!(said(&others, &things), said(&none, &nobody), "{method} {path}");
            }
            // By the name of the tenant it is not there either.
            let named = Somebody { api: &api, key: stranger.key.clone(), tenant: Some("alpha") };
            let unknown = Somebody { api: &api, key: stranger.key.clone(), tenant: Some("of-nobody") };
            let (named, unknown) = (named.ask(method, &own, body.as_ref()), unknown.ask(method, &own, body.as_ref()));
            named.clone().expect_problem(404);
            assert_eq!(named.text(), unknown.text(), "{method} {path}");
        }
        if method == "GET" && !path.contains('{') && !OWN.contains(&&path[..]) {
            let reply = stranger.ask("GET", path, None);
            for thing in things.values().filter(|thing| thing.len() > 20) {
                assert!(!reply.text().contains(thing.as_str()), "{reply}");
            }
            let items = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default()["items"].clone();
            let own_only =
                ["/v1/keys", "/v1/audit", "/v1/queues", "/v1/batches", "/v1/operations"].contains(&&path[..]);
            assert!(own_only || items.as_array().is_none_or(Vec::is_empty), "{reply}");
        }
    }
    let after = seen(&alpha, &routes, &things);
    for (path, was) in &before {
        let (was, is) = (format!("{was:#}"), format!("{:#}", after[path]));
        let other: Vec<_> = was.lines().zip(is.lines()).filter(|(was, is)| was != is).collect();
        assert!(was == is, "{path} has changed: {other:#?}");
    }
}
