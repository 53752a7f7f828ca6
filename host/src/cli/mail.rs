//! `stoker mail`: what handlers sent, what became of it, and sending what was not.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, Connection};
use super::hints::addressed;
use super::table::table;
use super::terminal::{self, Colours, Tone, line};
use crate::job::{JobId, MailId, MailState};

/// Mails the host lists at once.
const PAGE_MAX: usize = 500;
/// Requests that queue 500 mails each.
const SENDS_MAX: usize = 2_000;

/// List mail, show one, or send what was not sent
///
/// Handlers ask for mail, and it is sent when their jobs have succeeded. Without a server (`smtp_url`) it is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker mail
  stoker mail --state failed
  stoker mail mail_01ARZ3NDEKTSV4RRFFQ69G5FAV             # recipients, headers and bodies
  stoker mail mail_01ARZ3NDEKTSV4RRFFQ69G5FAV --send      # now, or once more to those who refused it
  stoker mail --send-all kept                             # what was kept while there was no server")]
pub(super) struct Arguments {
    /// The mail to show [default: the newest]
    id: Option<MailId>,
    /// Send it now; who has it does not get it again
    #[arg(long, requires = "id")]
    send: bool,
    /// Delete it
    #[arg(long, requires = "id", conflicts_with = "send")]
    delete: bool,
    /// Send all that are in this state: kept, failed or `partly_sent`
    #[arg(long, value_name = "STATE", conflicts_with = "id")]
    send_all: Option<MailState>,
    /// Only in this state
    #[arg(long, conflicts_with_all = ["id", "send_all"])]
    state: Option<MailState>,
    /// Only of this job
    #[arg(long, conflicts_with_all = ["id", "send_all"])]
    job: Option<JobId>,
    #[command(flatten)]
    connection: Connection,
}

/// What is read of a mail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mail {
    id: String,
    state: String,
    job: String,
    message_id: String,
    sender: String,
    subject: String,
    recipients: Vec<Recipient>,
    attempts: u64,
    next_at: Option<String>,
    error: Option<String>,
    created_at: String,
    text: Option<String>,
    html: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recipient {
    address: String,
    role: String,
    state: String,
    answer: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MailPage {
    items: Vec<Mail>,
    server: Server,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Server {
    state: String,
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Queued {
    queued: u64,
    next_cursor: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let as_json = arguments.connection.json;
    match (arguments.id, arguments.send_all) {
        (Some(id), _) => one(&client, id, arguments)?,
        (None, Some(state)) => send_all(&client, state, as_json)?,
        (None, None) => list(&client, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn one(client: &Client, id: MailId, arguments: &Arguments) -> anyhow::Result<()> {
    let path = format!("/v1/mail/{id}");
    if arguments.delete {
        client.call(Method::DELETE, &path).send()?;
        terminal::remark(&format!("{id} is gone"));
        return Ok(());
    }
    let answer =
        if arguments.send { client.post(&format!("{path}/send")).send()? } else { client.get(&path).send()? };
    if arguments.connection.json {
        return answer.print();
    }
    Ok(terminal::print(&shown(&answer.parse()?))?)
}

fn send_all(client: &Client, state: MailState, as_json: bool) -> anyhow::Result<()> {
    let (mut sum, mut cursor) = (0, None::<String>);
    for _ in 0..SENDS_MAX {
        let body = json!({ "state": state, "cursor": cursor }).to_string().into_bytes();
        let answer = client.post("/v1/mail/send").send_body("application/json", body)?;
        let Queued { queued, next_cursor } = answer.parse()?;
        sum += queued;
        cursor = next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let said = if as_json { json!({ "queued": sum }).to_string() } else { format!("{sum} mails are queued") };
    Ok(terminal::print(&said)?)
}

fn list(client: &Client, arguments: &Arguments) -> anyhow::Result<()> {
    let (state, job) = (arguments.state.map(MailState::as_str), arguments.job.map(|job| job.to_string()));
    let call = client.get("/v1/mail").query("limit", Some(&PAGE_MAX.to_string()));
    let answer = call.query("state", state).query("job", job.as_deref()).send()?;
    if arguments.connection.json {
        return answer.print();
    }
    let page: MailPage = answer.parse().context("the host's list of mail can't be understood")?;
    match (page.server.state.as_str(), &page.server.error) {
        ("not_configured", _) => {
            terminal::remark("the host has no server for mail (`smtp_url`): what is asked for is kept");
        }
        ("failing", Some(error)) => terminal::remark(&format!("mail waits: {}", line(error))),
        _ => {}
    }
    if page.items.is_empty() {
        terminal::remark(&addressed("there is no mail"));
        return Ok(());
    }
    Ok(terminal::print(&mails_table(&page.items, Colours::of_stdout()))?)
}

/// One mail, line by line.
fn shown(mail: &Mail) -> String {
    let Mail {
        id,
        state,
        job,
        message_id,
        sender,
        subject,
        recipients,
        attempts,
        next_at,
        error,
        created_at,
        text,
        html,
    } = mail;
    let mut shown = format!("{} {}\n", line(id), line(state));
    let attempts = attempts.to_string();
    let rows = [
        ("job", Some(job.as_str())),
        ("message id", Some(message_id)),
        ("from", Some(sender)),
        ("subject", Some(subject)),
        ("created", Some(created_at)),
        ("attempts", Some(&attempts)),
        ("next", next_at.as_deref()),
        ("error", error.as_deref()),
    ];
    // Writing to a string can't fail.
    for (name, value) in rows {
        if let Some(value) = value {
            let _infallible = writeln!(shown, "  {name:<10}  {}", line(value));
        }
    }
    for Recipient { address, role, state, answer } in recipients {
        let answer = answer.as_deref().map(|answer| format!(": {}", line(answer))).unwrap_or_default();
        let _infallible = writeln!(shown, "  {:<10}  {} {}{answer}", line(role), line(address), line(state));
    }
    for body in [text, html].into_iter().flatten() {
        shown.push('\n');
        for text in body.lines() {
            let _infallible = writeln!(shown, "  {}", line(text));
        }
    }
    shown.truncate(shown.trim_end().len());
    shown
}

fn mails_table(mails: &[Mail], colours: Colours) -> String {
    let row = |mail: &Mail| {
        let to = match mail.recipients.as_slice() {
            [] => String::new(),
            [one] => one.address.clone(),
            [first, rest @ ..] => format!("{} and {} more", first.address, rest.len()),
        };
        [
            mail.id.clone(),
            mail.state.clone(),
            to,
            mail.subject.clone(),
            mail.created_at.clone(),
            mail.error.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = mails.iter().map(row).collect();
    let headings = ["ID", "STATE", "TO", "SUBJECT", "CREATED", "ERROR"];
    table(headings, &rows, colours, |row, column| match (column, mails[row].state.as_str()) {
        (1, "failed" | "partly_sent") => Some(Tone::Bad),
        (1, "queued" | "sending" | "kept") => Some(Tone::Notable),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_shown_with_what_became_of_it() {
        let json = r#"{"items":[
            {"id":"mail_02","state":"partly_sent","job":"job_01","message_id":"<mail_02@a.example>","sender":"noreply@a.example",
             "subject":"Hello\u001b","attempts":2,"created_at":"2026-11-21T09:00:00Z","error":"bob@b.example: 550 no","text":"Hi.\n",
             "recipients":[{"address":"ada@b.example","role":"to","state":"sent"},
                           {"address":"bob@b.example","role":"cc","state":"refused","answer":"550 no"}]},
            {"id":"mail_01","state":"kept","subject":"Hi","created_at":"2026-11-21T08:00:00Z",
             "recipients":[{"address":"ada@b.example","role":"to","state":"queued"}]}]}"#;
        let page: MailPage = serde_json::from_str(json).unwrap();
        insta::assert_snapshot!(shown(&page.items[0]), @r"
        mail_02 partly_sent
          job         job_01
          message id  <mail_02@a.example>
          from        noreply@a.example
          subject     Hello\u{1b}
          created     2026-11-21T09:00:00Z
          attempts    2
          error       bob@b.example: 550 no
          to          ada@b.example sent
          cc          bob@b.example refused: 550 no

          Hi.
        ");
        insta::assert_snapshot!(mails_table(&page.items, Colours::Off), @r"
        ID       STATE        TO                        SUBJECT      CREATED               ERROR
        mail_02  partly_sent  ada@b.example and 1 more  Hello\u{1b}  2026-11-21T09:00:00Z  bob@b.example: 550 no
        mail_01  kept         ada@b.example             Hi           2026-11-21T08:00:00Z
        ");
    }
}
