//! A real `PostgreSQL` server for a test: made in a temporary folder, on a free port of this machine, gone with the value. As root it runs
//! as the user `postgres`, since it refuses to run as root.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::child::workspace_root;
use crate::wait::{DEADLINE, eventually_within};

/// Where Debian has the programs, by version.
const DEBIANS_FOLDER: &str = "/usr/lib/postgresql";
const USER: &str = "postgres";
const PASSWORD: &str = "a-long-password";

/// See the file's head.
pub struct PostgresServer {
    programs: PathBuf,
    home: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
    is_tls: bool,
}

/// A transaction of somebody else's, and what it locks, until it is dropped.
pub struct SomebodyElse {
    asked: Child,
    statements: Option<ChildStdin>,
}

impl PostgresServer {
    /// Makes one and waits until it answers.
    pub fn start() -> Self {
        Self::make(false)
    }

    /// One that speaks TLS, with a certificate of the tests' own authority for requests, for 127.0.0.1.
    pub fn start_tls() -> Self {
        Self::make(true)
    }

    fn make(is_tls: bool) -> Self {
        let programs = programs();
        let home = tempfile::Builder::new().prefix("stoker-postgres-").tempdir_in("/tmp").unwrap();
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(home.path(), Some(user), Some(group)).unwrap();
        }
        let password = home.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        // Others than root are to read it.
        let mut readable = std::fs::metadata(&password).unwrap().permissions();
        readable.set_mode(0o644);
        std::fs::set_permissions(&password, readable).unwrap();
        let mut server = Self { programs, home, port: free_port(), server: None, is_tls };
        let mut made = server.program("initdb");
        made.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        made.arg("--pwfile").arg(&password).arg("--pgdata").arg(server.data());
        let made = made.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        if is_tls {
            server.put("server.pem");
            server.put("server.key");
        }
        server.start_again();
        server
    }

    /// Puts a file of the tests' certificates where only the server reads it: else it refuses a key.
    fn put(&self, name: &str) {
        let file = self.home.path().join(name);
        std::fs::copy(workspace_root().join("tests/certificates/egress").join(name), &file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(&file, Some(user), Some(group)).unwrap();
        }
    }

    /// Starts it where it was stopped.
    pub fn start_again(&mut self) {
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k", ""]);
        if self.is_tls {
            let file = |name: &str| self.home.path().join(name).display().to_string();
            server.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", file("server.pem"))]);
            server.args(["-c", &format!("ssl_key_file={}", file("server.key"))]);
        }
        server.stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(server.spawn().expect("postgres runs"));
        eventually_within(DEADLINE, "the server answers", || {
            let mut asked = Command::new(self.programs.join("pg_isready"));
            let asked = asked.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).stdout(Stdio::null());
            asked.status().is_ok_and(|status| status.success()).then_some(())
        });
    }

    /// Stops it, with all that runs on it.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let mut stopped = self.program("pg_ctl");
        stopped.args(["stop", "--mode", "immediate", "-D"]).arg(self.data()).stdout(Stdio::null());
        assert!(stopped.status().is_ok_and(|status| status.success()), "pg_ctl stops the server");
        server.wait().unwrap();
    }

    /// What a handler's host reaches it by.
    pub fn url(&self) -> String {
        let mode = if self.is_tls { "?sslmode=require" } else { "" };
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres{mode}", self.port)
    }

    /// Its address and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a statement gives, as `psql` prints it.
    pub fn ask(&self, sql: &str) -> String {
        let mut asked = Command::new(self.programs.join("psql"));
        let asked = asked.args([&self.url(), "-At", "-c", sql]).output().expect("psql runs");
        assert!(asked.status.success(), "{sql}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    }

    /// Somebody else runs this in a transaction that stays open.
    pub fn hold(&self, sql: &str) -> SomebodyElse {
        let mut asked = Command::new(self.programs.join("psql"));
        asked.args([&self.url(), "-At", "--no-psqlrc"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut asked = asked.spawn().expect("psql runs");
        let mut statements = asked.stdin.take().unwrap();
        writeln!(statements, "BEGIN; {sql}; SELECT 'it is so';").unwrap();
        let said = BufReader::new(asked.stdout.take().unwrap()).lines();
        assert!(said.map_while(Result::ok).any(|line| line == "it is so"), "{sql} was not done");
        SomebodyElse { asked, statements: Some(statements) }
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// One of its programs, as a user it runs as.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match other_user() {
            None => Command::new(program),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={user}"))
                    .arg(format!("--regid={group}"))
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
        };
        command.current_dir(self.home.path());
        command
    }
}

impl Drop for SomebodyElse {
    fn drop(&mut self) {
        drop(self.statements.take());
        let _ended = self.asked.wait();
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _gone = self.program("pg_ctl").args(["stop", "--mode", "immediate", "-D"]).arg(self.data()).output();
            let _ended = server.wait();
        }
    }
}

/// Those of the newest version of Debian's, else those on the path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(DEBIANS_FOLDER).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.splice(0..0, std::env::split_paths(&path));
    let has_all =
        |folder: &&PathBuf| ["initdb", "postgres", "pg_ctl", "psql"].iter().all(|name| folder.join(name).is_file());
    folders.iter().rev().find(has_all).cloned().expect(
        "PostgreSQL is needed for this test and neither in /usr/lib/postgresql nor on PATH; on Debian: apt-get install postgresql",
    )
}

/// Whom it runs as where this process is root.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<&str> = line.expect("Debian's package `postgresql` makes the user `postgres`").split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
