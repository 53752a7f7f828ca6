//! A host of the demo: started on a free port over a fresh directory, stopped and removed at the end.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const START_WAIT: Duration = Duration::from_mins(1);
const STOP_WAIT: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The host answers a waiting request after at most 60 s; an upload may compile longer.
const ANSWER_WAIT: Duration = Duration::from_mins(3);
/// What of the host's log is shown when it fails.
const LOG_LINES_SHOWN: usize = 30;

/// A running host. Stopped on drop.
pub(crate) struct Host {
    child: Child,
    directory: tempfile::TempDir,
    agent: ureq::Agent,
    address: SocketAddr,
    /// The admin's; `None`: nobody is asked for one.
    key: Option<&'static str>,
}

impl Host {
    pub(crate) fn start(binary: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, None, &[])
    }

    /// The same with an admin's key, and what else it is told by its environment.
    pub(crate) fn start_with(
        binary: &Path,
        key: Option<&'static str>,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("stoker-demo-").tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = File::create(directory.path().join("host.log"))?;
        let child = Command::new(binary)
            .args(["serve", "--listen", &address.to_string(), "--data-dir"])
            .arg(directory.path().join("data"))
            .envs(key.map(|key| ("STOKER_ADMIN_KEY", key)))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C reaches this process alone, which then stops the host in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_WAIT))
            .proxy(None)
            .build();
        let mut host = Self { child, directory, agent: config.into(), address, key };
        let started = Instant::now();
        while !host.is_ready() {
            if let Some(status) = host.ended()? {
                anyhow::bail!("the host ended at once ({status}):\n{}", host.log_tail());
            }
            anyhow::ensure!(started.elapsed() < START_WAIT, "the host does not get ready:\n{}", host.log_tail());
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(host)
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn upload(&self, name: &str, wasm: &[u8]) -> anyhow::Result<Value> {
        let request = self.agent.put(format!("{}/v1/modules/{name}", self.url()));
        let answer = self.keyed(request).content_type("application/wasm").send(wasm).context("uploading")?;
        read(answer)
    }

    /// Makes something.
    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.keyed(self.agent.post(format!("{}{path}", self.url())));
        read(request.send_json(body).with_context(|| format!("POST {path}"))?)
    }

    /// The same in a tenant.
    pub(crate) fn post_in(&self, tenant: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.keyed(self.agent.post(format!("{}{path}", self.url())));
        read(request.header("Stoker-Tenant", tenant).send_json(body).with_context(|| format!("POST {path}"))?)
    }

    fn keyed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match self.key {
            Some(key) => request.header("Authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    /// Enqueues a job and waits for its end; the job.
    pub(crate) fn run_job(&self, request: &Value) -> anyhow::Result<Value> {
        let call = self.keyed(self.agent.post(format!("{}/v1/jobs", self.url()))).header("Prefer", "wait=60");
        read(call.send_json(request).context("enqueuing")?)
    }

    /// Whether the process is gone, and how.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("the host has no process id")?;
        kill_process(pid, Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_WAIT {
            if let Some(status) = self.ended()? {
                anyhow::ensure!(status.success(), "the host stopped with {status}:\n{}", self.log_tail());
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        anyhow::bail!("the host does not stop:\n{}", self.log_tail())
    }

    fn is_ready(&self) -> bool {
        let answer = self.agent.get(format!("{}/health/ready", self.url())).call();
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.directory.path().join("host.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // After a stop both find nobody, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<Value> {
    let status = answer.status();
    let body = answer.body_mut().read_to_string()?;
    anyhow::ensure!(status.is_success(), "the host answered {status}: {body}");
    Ok(serde_json::from_str(&body)?)
}
