//! A real SMTP server for a test: aiosmtpd, with STARTTLS and a login, which writes down each transmission before it answers
//! (`tests/smtp/server.py`). Stopped and started again at will, on the same port.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::child::{target_dir, workspace_root};
use crate::host::HostBuilder;

/// Where `cargo xtask test` installs it.
const INSTALLED: &str = "tools/aiosmtpd-1.4.6";

/// What the server asks for.
#[derive(Clone, Debug, Default)]
pub struct SmtpServerBuilder {
    tls: bool,
    login: Option<(String, String)>,
    port: u16,
}

impl SmtpServerBuilder {
    /// Takes nothing before `STARTTLS`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Takes nothing from anybody else.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn start(self) -> SmtpServer {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut server = SmtpServer { builder: self, folder, child: None };
        server.start();
        server
    }
}

/// See the file's head.
#[derive(Debug)]
pub struct SmtpServer {
    builder: SmtpServerBuilder,
    folder: TempDir,
    child: Option<Child>,
}

impl SmtpServer {
    /// One that asks for nothing.
    pub fn builder() -> SmtpServerBuilder {
        SmtpServerBuilder::default()
    }

    /// Starts it again, on the port it had.
    #[track_caller]
    pub fn start(&mut self) {
        let installed = target_dir().join(INSTALLED);
        assert!(
            installed.join("aiosmtpd/smtp.py").is_file(),
            "aiosmtpd, the SMTP server of this test, is missing: run `cargo xtask test`, or: python3 -m pip install --target {} \
             aiosmtpd==1.4.6",
            installed.display()
        );
        let mut command = Command::new("python3");
        command.arg(workspace_root().join("tests/smtp/server.py")).env("PYTHONPATH", installed);
        command.arg("--log").arg(self.log_path()).args(["--port", &self.builder.port.to_string()]);
        if self.builder.tls {
            let certificates = workspace_root().join("tests/certificates");
            command.arg("--certificate").arg(certificates.join("one.pem"));
            command.arg("--key").arg(certificates.join("one.key"));
        }
        if let Some((user, password)) = &self.builder.login {
            command.args(["--user", user, "--password", password]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its output");
        self.builder.port = line.trim().parse().expect("a port: what it wrote instead is above");
        self.child = Some(child);
    }

    /// Ends it; nobody answers any more.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// A host that gives its mail to it.
    #[must_use]
    pub fn used_by(&self, host: HostBuilder) -> HostBuilder {
        let tls = if self.builder.tls { "required" } else { "none" };
        let mut host = host.env("STOKER_SMTP_URL", format!("smtp://127.0.0.1:{}?tls={tls}", self.builder.port));
        if self.builder.tls {
            let ca = workspace_root().join("tests/certificates/ca.pem");
            host = host.env("STOKER_SMTP_CA_FILE", ca.display().to_string());
        }
        if let Some((user, password)) = &self.builder.login {
            host = host.env("STOKER_SMTP_USER", user).env("STOKER_SMTP_PASSWORD", password);
        }
        host
    }

    /// The same by a host that does not log in.
    #[must_use]
    pub fn used_without_login_by(&self, host: HostBuilder) -> HostBuilder {
        host.env("STOKER_SMTP_URL", format!("smtp://127.0.0.1:{}?tls=none", self.builder.port))
    }

    /// What came over the wire, as it came.
    pub fn wire(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("wire")).unwrap_or_default()
    }

    /// Lets transmissions end that hang.
    pub fn let_go(&self) {
        std::fs::write(self.folder.path().join("go"), "").expect("a file can be written");
    }

    /// From now on they hang again.
    pub fn hold(&self) {
        // It is not there before the first time.
        let _absent = std::fs::remove_file(self.folder.path().join("go"));
    }

    /// What it wrote down: transmissions, refusals, wrong logins.
    pub fn noted(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        // A line that is not whole is not written yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// The transmissions it took.
    pub fn taken(&self) -> Vec<Value> {
        self.noted().into_iter().filter(|line| !line["message_id"].is_null()).collect()
    }

    fn log_path(&self) -> PathBuf {
        Path::new(self.folder.path()).join("mail.log")
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.stop();
    }
}
