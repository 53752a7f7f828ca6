//! The subcommand: finds a host or starts one, and puts the parts together and away again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use crossbeam_channel::{RecvTimeoutError, bounded, select};

use super::event::{Event, Report};
use super::follow::Follower;
use super::kept::data_dir;
use super::own_host::OwnHost;
use super::session::{End, Session};
use super::signals::{self, Listening};
use super::watch::Watch;
use crate::cli::client::{Client, ClientError, Connection, URL_DEFAULT};
use crate::cli::hints;
use crate::cli::project::{Interrupt, Project};
use crate::cli::terminal::Colours;

/// Where a host of our own listens if nobody else does.
const LISTEN: &str = "127.0.0.1:7700";
/// Any port that is free.
const LISTEN_ANYWHERE: &str = "127.0.0.1:0";
/// Longest time a host may take to say that it is there.
const PROBE_MS_MAX: u64 = 5_000;
/// How long a build or a request under way may take to end when somebody wants to.
const ORDERLY_END_MS_MAX: u64 = 1_000;

/// Build, deploy, and again at every change; show each job as it ends
///
/// The project is a folder with a Cargo.toml or a handler.toml, or a .wasm file that something else builds. A version
/// that builds is active at once; when one does not, the version before stays. If no host answers at the default
/// address, one is started and stopped again with this command; it keeps its jobs in .stoker/ in the project. With
/// --json every event is one object on a line of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker dev
  stoker dev jobs/greet
  stoker dev --url http://127.0.0.1:7701
  stoker dev --own-host --json | jq .")]
pub(in crate::cli) struct Arguments {
    /// The project's folder, or a .wasm file
    #[arg(default_value = ".")]
    target: PathBuf,
    /// Start a host for this command also where one answers
    #[arg(long)]
    own_host: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // One of the environment is meant for other commands, and gives way.
    ensure!(
        !arguments.own_host || !hints::is_named(),
        "--own-host starts a host and --url names one that is there: leave out one of them"
    );
    let report = if arguments.connection.json { Report::Json } else { Report::Text(Colours::of_stdout()) };
    let project = Project::find(&arguments.target)?;
    let interrupt = Interrupt::default();
    let signals = signals::listen(&interrupt)?;
    let Some((connection, own_host)) = reach(arguments, &project, &signals)? else {
        return Ok(ExitCode::SUCCESS);
    };
    report.tell(&Event::Host {
        url: connection.url().to_owned(),
        log: own_host.as_ref().map(|host| host.log().to_owned()),
    });
    let mut own_host = own_host;
    let end = loop {
        let keeps = own_host.as_ref().and_then(|_| project.folder()).map(data_dir);
        let end = work(arguments, project.clone(), &connection, report, &interrupt, &signals, keeps);
        let Some((host, folder)) = own_host.take_if(|_| matches!(end, Ok(End::HostEmptied))).zip(project.folder())
        else {
            break end;
        };
        report.tell(&Event::Note { message: "what the host kept went with the folder: it starts anew".to_owned() });
        host.stop();
        let host = OwnHost::start(folder, connection.url().trim_start_matches("http://"), &signals.sender)?;
        if host.wait_listening(&signals.receiver)?.is_none() {
            own_host = Some(host);
            break Ok(End::Asked);
        }
        own_host = Some(host);
    };
    match (end, own_host) {
        (Ok(End::HostEnded), Some(host)) => Err(host.ended()),
        (end, Some(host)) => {
            report.tell(&Event::Stopping);
            host.stop();
            end.map(|_| ExitCode::SUCCESS)
        }
        (end, None) => end.map(|_| ExitCode::SUCCESS),
    }
}

fn work(
    arguments: &Arguments,
    project: Project,
    connection: &Connection,
    report: Report,
    interrupt: &Interrupt,
    signals: &Listening,
    own_data_dir: Option<PathBuf>,
) -> anyhow::Result<End> {
    let client = Arc::new(connection.client()?);
    let (watch, failed) = Watch::start(&signals.sender);
    if let Some(error) = failed {
        let message = format!("the system does not tell of changes ({error}); looking every second instead");
        report.tell(&Event::Note { message });
    }
    if [connection, &arguments.connection].iter().any(|connection| connection.url() != URL_DEFAULT) {
        // Jobs are enqueued from another terminal, which knows nothing of this one's environment.
        hints::host_at(connection.url());
    }
    let follower = Follower::start(Arc::clone(&client), report)?;
    let mut session = Session {
        project,
        client,
        report,
        interrupt: interrupt.clone(),
        follower,
        deployed: None,
        shown_examples: Vec::new(),
        is_told_cut: false,
        own_data_dir,
    };
    // On a thread of its own: nobody who wants to end waits for the answer of a host that gives none.
    let (ended, end) = bounded(1);
    let receiver = signals.receiver.clone();
    std::thread::Builder::new().name("session".to_owned()).spawn(move || {
        let end = session.run(watch, &receiver);
        // With its follower, so that nothing is told after the end.
        drop(session);
        let _is_not_waited_for = ended.send(end);
    })?;
    let broke = "dev broke off, which is a mistake in it";
    select! {
        recv(end) -> end => end.context(broke),
        recv(signals.stopped) -> _ => match end.recv_timeout(Duration::from_millis(ORDERLY_END_MS_MAX)) {
            Err(RecvTimeoutError::Disconnected) => bail!(broke),
            Err(RecvTimeoutError::Timeout) => {
                // A compiler that heeds no signal is killed; a request is cut with this process.
                interrupt.raise();
                Ok(End::Asked)
            }
            Ok(end) => Ok(end),
        },
    }
}

/// The host to work with: the one asked for, the one that is there, or one of our own. `None`: somebody wants to end.
fn reach(
    arguments: &Arguments,
    project: &Project,
    signals: &Listening,
) -> anyhow::Result<Option<(Connection, Option<OwnHost>)>> {
    let connection = &arguments.connection;
    if connection.url() != URL_DEFAULT && !arguments.own_host {
        // Where somebody said which, nobody is as good as an error.
        connection.client()?.get("/health/live").patience(Duration::from_millis(PROBE_MS_MAX)).send()?;
        return Ok(Some((connection.clone(), None)));
    }
    let at_default = who_is_there(&connection.at(URL_DEFAULT).client()?);
    if at_default == There::Host && !arguments.own_host {
        return Ok(Some((connection.clone(), None)));
    }
    let listen = if at_default == There::Nobody { LISTEN } else { LISTEN_ANYWHERE };
    let folder = project.folder().unwrap_or(Path::new("."));
    let host = OwnHost::start(folder, listen, &signals.sender)?;
    if let Some(url) = host.wait_listening(&signals.receiver)? {
        // It asks for no key, and is not shown one meant for another.
        return Ok(Some((connection.at(&url).without_key(), Some(host))));
    }
    host.stop();
    Ok(None)
}

/// What answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Nobody,
    Host,
    /// Something that is no Stoker host.
    SomethingElse,
}

fn who_is_there(client: &Client) -> There {
    match client.get("/health/live").patience(Duration::from_millis(PROBE_MS_MAX)).send() {
        Ok(answer) if answer.text.contains("\"live\"") => There::Host,
        Err(ClientError::Refused(_)) => There::Nobody,
        _ => There::SomethingElse,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::cli::fake_host::{Prepared, answer_each};

    #[test]
    fn a_host_is_told_from_other_servers() {
        for (answer, expected) in [
            (Prepared("200 OK", "{\"status\":\"live\"}"), There::Host),
            (Prepared("200 OK", "<html>"), There::SomethingElse),
            (Prepared("404 Not Found", ""), There::SomethingElse),
            (Prepared("", ""), There::SomethingElse),
        ] {
            let (url, server) = answer_each(vec![answer]);
            assert_eq!(who_is_there(&Connection::for_test(&url).client().unwrap()), expected);
            server.join().unwrap();
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(who_is_there(&Connection::for_test(&format!("http://{free}")).client().unwrap()), There::Nobody);
    }
}
