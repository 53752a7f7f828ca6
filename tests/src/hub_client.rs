//! The real SignalR client, in Node, as `cargo xtask test` installs it: a process that says what happens on its connections.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use serde_json::Value;

use crate::child::target_dir;
use crate::wait::DEADLINE;

const ADVICE: &str = "run `cargo xtask test`, which installs SignalR's client from npm into target/signalr; it needs Node 18 or \
                      newer and npm (on Debian: apt-get install nodejs npm) and the registry of npm";

/// One process with one or more connections ("tabs").
#[derive(Debug)]
pub struct HubClient {
    process: Child,
    input: Option<ChildStdin>,
    events: Receiver<Value>,
}

impl HubClient {
    /// Starts it; see `tests/signalr/client.js` for what it can be told.
    #[track_caller]
    pub fn start(options: &Value) -> Self {
        let folder = target_dir().join("signalr");
        assert!(folder.join("node_modules/@microsoft/signalr").is_dir(), "{} is missing: {ADVICE}", folder.display());
        let mut command = Command::new("node");
        command.arg(folder.join("client.js")).arg(options.to_string()).current_dir(&folder);
        // Nothing on the way to a host of a test.
        for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env_remove(proxy);
        }
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = spawned.unwrap_or_else(|error| panic!("cannot run node ({error}): {ADVICE}"));
        let input = process.stdin.take();
        let output = process.stdout.take().expect("it is piped");
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { process, input, events }
    }

    /// The next thing that happens.
    #[track_caller]
    pub fn next_event(&self) -> Value {
        match self.events.recv_timeout(DEADLINE) {
            Ok(event) => event,
            Err(RecvTimeoutError::Disconnected) => panic!("the client has ended"),
            Err(RecvTimeoutError::Timeout) => panic!("waited {DEADLINE:?} in vain for the client"),
        }
    }

    /// The next thing that happens must be this; gives it.
    #[track_caller]
    pub fn expect(&self, event: &str) -> Value {
        let found = self.next_event();
        assert_eq!(found["event"], event, "{found}");
        found
    }

    /// So many of the next things must be this, one of each tab, and nothing else between them.
    #[track_caller]
    pub fn expect_of_tabs(&self, event: &str, tabs: usize) -> Vec<Value> {
        let mut found: Vec<Value> = (0..tabs).map(|_| self.expect(event)).collect();
        found.sort_by_key(|one| one["tab"].as_u64());
        let seen: Vec<_> = found.iter().map(|one| one["tab"].as_u64()).collect();
        assert_eq!(seen, (0..tabs as u64).map(Some).collect::<Vec<_>>());
        found
    }

    /// What has happened already, without waiting.
    pub fn happened(&self) -> Vec<Value> {
        self.events.try_iter().collect()
    }

    /// Tells it something.
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it was not stopped");
        writeln!(input, "{line}").expect("the client listens");
    }

    /// Stops its connections and waits until it has ended; gives what happened meanwhile.
    #[track_caller]
    pub fn stop(&mut self) -> Vec<Value> {
        self.input = None;
        let mut happened = Vec::new();
        loop {
            match self.events.recv_timeout(DEADLINE) {
                Ok(event) => happened.push(event),
                Err(RecvTimeoutError::Disconnected) => return happened,
                Err(RecvTimeoutError::Timeout) => panic!("the client does not end"),
            }
        }
    }
}

impl Drop for HubClient {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}
