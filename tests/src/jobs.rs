//! What tests do all the time, in the words of the API: upload, set, enqueue, wait, look.

use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::guests::Guest;
use crate::wait::{eventually, eventually_within};

/// States a job still has something to do in.
pub const UNFINISHED_STATES: [&str; 5] = ["scheduled", "blocked", "ready", "running", "retrying"];

/// Whether a job in this state has ended.
pub fn is_terminal(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "cancelled")
}

/// The id of a job as the API shows it.
#[track_caller]
pub fn job_id(job: &Value) -> String {
    job["id"].as_str().unwrap_or_else(|| panic!("a job without an id: {job:#}")).to_owned()
}

/// The state of a job as the API shows it.
#[track_caller]
pub fn state_of(job: &Value) -> &str {
    job["state"].as_str().unwrap_or_else(|| panic!("a job without a state: {job:#}"))
}

/// The reason of a job's last failure, empty when there is none.
pub fn reason_of(job: &Value) -> &str {
    job["error"]["reason"].as_str().unwrap_or_default()
}

impl Api {
    /// Uploads bytes as a module.
    #[track_caller]
    pub fn put_module(&self, name: &str, wasm: &[u8]) -> Reply {
        self.request("PUT", &format!("/v1/modules/{name}"), &[("content-type", "application/wasm")], Some(wasm))
    }

    /// Uploads a module that must be accepted as a new version; gives what the API says of it.
    #[track_caller]
    pub fn upload_bytes(&self, name: &str, wasm: &[u8]) -> Value {
        self.put_module(name, wasm).expect(201)
    }

    /// Uploads a built guest under its own name.
    #[track_caller]
    pub fn upload(&self, guest: Guest) -> Value {
        self.upload_bytes(guest.module_name(), &guest.wasm())
    }

    /// Replaces the operator's settings of a kind.
    #[track_caller]
    pub fn set_kind(&self, kind: &str, settings: &Value) {
        let reply = self.put(&format!("/v1/kinds/{kind}/settings"), settings);
        assert!((200..300).contains(&reply.status), "{reply}");
    }

    /// Enqueues a request that must be accepted; gives the job's id.
    #[track_caller]
    pub fn enqueue(&self, request: &Value) -> String {
        job_id(&self.post("/v1/jobs", request).expect(201))
    }

    /// Enqueues a kind with a payload; gives the job's id.
    #[track_caller]
    pub fn enqueue_kind(&self, kind: &str, payload: &Value) -> String {
        self.enqueue(&json!({"kind": kind, "payload": payload}))
    }

    /// Enqueues NDJSON lines that must all be accepted; gives the ids in their order.
    #[track_caller]
    pub fn enqueue_lines(&self, requests: impl IntoIterator<Item = Value>) -> Vec<String> {
        let mut lines = String::new();
        for request in requests {
            lines.push_str(&request.to_string());
            lines.push('\n');
        }
        let headers = [("content-type", "application/x-ndjson")];
        let reply = self.request("POST", "/v1/jobs/batch", &headers, Some(lines.as_bytes()));
        assert!(matches!(reply.status, 200 | 201), "{reply}");
        let body = reply.json();
        let results = body["results"].as_array().unwrap_or_else(|| panic!("no results: {reply}"));
        results.iter().map(job_id).collect()
    }

    /// The job as it is now.
    #[track_caller]
    pub fn job(&self, id: &str) -> Value {
        self.get(&format!("/v1/jobs/{id}")).expect(200)
    }

    /// Waits until the job is in this state; fails at once when it ended in another one.
    #[track_caller]
    pub fn wait_for(&self, id: &str, state: &str) -> Value {
        self.wait_until(id, state, |job| state_of(job) == state)
    }

    /// Waits until the job looks so; fails at once when it ended and does not.
    #[track_caller]
    pub fn wait_until(&self, id: &str, what: &str, looks: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = eventually(&format!("{id} becomes {what}"), || {
            last = self.job(id);
            if looks(&last) {
                return Some(true);
            }
            is_terminal(state_of(&last)).then_some(false)
        });
        assert!(found, "{id} ended without becoming {what}: {last:#}");
        last
    }

    /// Waits until the job has ended, however.
    #[track_caller]
    pub fn wait_end(&self, id: &str) -> Value {
        eventually(&format!("{id} ends"), || {
            let job = self.job(id);
            is_terminal(state_of(&job)).then_some(job)
        })
    }

    /// Takes a slot with a job of this queue until [`Api::open_gate`], however long that takes; gives the job's id. Its
    /// handler is one of [`Guest::Handlers`].
    #[track_caller]
    pub fn shut_gate(&self, queue: &str) -> String {
        let id = self.enqueue(&json!({"kind": "sleep", "payload": {"ms": 600_000}, "queue": queue, "timeout": "11m"}));
        self.wait_for(&id, "running");
        id
    }

    /// Gives the slot back that [`Api::shut_gate`] took.
    #[track_caller]
    pub fn open_gate(&self, id: &str) {
        self.act(&format!("/v1/jobs/{id}/cancel")).expect(202);
    }

    /// Enqueues a request and waits until its job has ended.
    #[track_caller]
    pub fn run(&self, request: &Value) -> Value {
        self.wait_end(&self.enqueue(request))
    }

    /// Runs a kind that must succeed; gives its output.
    #[track_caller]
    pub fn run_kind(&self, kind: &str, payload: &Value) -> Value {
        let job = self.run(&json!({"kind": kind, "payload": payload}));
        assert_eq!(state_of(&job), "succeeded", "{job:#}");
        job["output"].clone()
    }

    /// Runs a kind once; it must fail with this reason. Gives the job.
    #[track_caller]
    pub fn run_failing(&self, kind: &str, payload: &Value, reason: &str) -> Value {
        let job = self.run(&json!({"kind": kind, "payload": payload, "max_attempts": 1}));
        assert_eq!(state_of(&job), "failed", "{job:#}");
        assert_eq!(reason_of(&job), reason, "{job:#}");
        job
    }

    /// The executions of a job, in order.
    #[track_caller]
    pub fn attempts(&self, id: &str) -> Vec<Value> {
        items(&self.get(&format!("/v1/jobs/{id}/attempts")).expect(200))
    }

    /// The log lines of a job's executions, as one text.
    #[track_caller]
    pub fn log_text(&self, id: &str) -> String {
        self.get(&format!("/v1/jobs/{id}/logs")).expect_status(200).text()
    }

    /// The history of a job, as the API shows it.
    #[track_caller]
    pub fn history_text(&self, id: &str) -> String {
        self.get(&format!("/v1/jobs/{id}/history")).expect_status(200).text()
    }

    /// All jobs of a listing, page by page.
    #[track_caller]
    pub fn list(&self, query: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/jobs?limit=500&{query}{cursor}")).expect(200);
            all.extend(items(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Waits until no job of the host has anything left to do.
    #[track_caller]
    pub fn wait_idle(&self, deadline: std::time::Duration) {
        eventually_within(deadline, "every job ends", || {
            UNFINISHED_STATES
                .iter()
                .all(|state| items(&self.get(&format!("/v1/jobs?state={state}&limit=1")).expect(200)).is_empty())
                .then_some(())
        });
    }

    /// What another thing of the host runs normally means: a small job, from request to output.
    #[track_caller]
    pub fn assert_still_runs(&self) {
        let output = self.run_kind("hello", &json!({"name": "Ada"}));
        assert!(output.to_string().contains("Ada"), "{output}");
    }
}

/// The items of a listing.
#[track_caller]
fn items(page: &Value) -> Vec<Value> {
    match page.as_array().or_else(|| page["items"].as_array()) {
        Some(items) => items.clone(),
        None => panic!("not a listing: {page:#}"),
    }
}
