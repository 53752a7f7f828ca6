//! The courier against servers that answer as they are told, line by line.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{Courier, Reach, SmtpServer};
use crate::job::Mailbox;
use crate::job::mail::{Answer, Transmission};
use crate::system_clock::SystemClock;

/// What it says to each command that does not say 250, by how the command begins, and after how long.
type Answers = &'static [(&'static str, &'static str, Duration)];

const NOW: Duration = Duration::ZERO;

/// A server; what it was told.
async fn server(answers: Answers) -> (SmtpServer, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 mail.example\r\n").await.unwrap();
            let (mut line, mut is_message) = (String::new(), false);
            while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                let told = std::mem::take(&mut line);
                if is_message && told != ".\r\n" {
                    continue;
                }
                let command = if is_message { "message".to_owned() } else { told.trim_end().to_owned() };
                noted.lock().push(command.clone());
                let known = answers.iter().find(|(begin, _, _)| command.starts_with(begin));
                let (answer, wait) = match known {
                    Some((_, answer, wait)) => (*answer, *wait),
                    None if command == "DATA" => ("354 go on", NOW),
                    None => ("250 ok", NOW),
                };
                is_message = command == "DATA" && answer.starts_with("354");
                tokio::time::sleep(wait).await;
                if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || answer.starts_with("421") {
                    break;
                }
            }
        }
    });
    (SmtpServer::new(&url, None, None).unwrap(), heard)
}

async fn carried(courier: &Courier, recipients: usize) -> Transmission {
    let sender: Mailbox = "noreply@shop.example".parse().unwrap();
    let to = |place: usize| (place, format!("r{place}@example.com").parse().unwrap());
    let recipients: Vec<_> = (0..recipients).map(to).collect();
    courier.carry(&sender, &recipients, b"Subject: x\r\n\r\nHello\r\n", async { true }).await
}

fn courier(server: SmtpServer) -> Courier {
    Courier::new(Some(server), Arc::new(SystemClock::default()))
}

#[tokio::test]
async fn what_is_the_servers_or_the_operators_matter_fails_no_mail() {
    let cases: &[(Answers, &str, bool)] = &[
        (&[("MAIL", "421 4.3.2 going down", NOW)], "421 4.3.2 going down", false),
        (&[("MAIL", "450 4.3.2 try later", NOW)], "450 4.3.2 try later", false),
        (&[("MAIL", "452 4.3.1 no space", NOW)], "452 4.3.1 no space", false),
        (&[("MAIL", "503 5.5.1 who are you", NOW)], "503 5.5.1 who are you", true),
        (&[("MAIL", "530 5.7.0 authentication required", NOW)], "530 5.7.0 authentication required", true),
        (&[("MAIL", "535 5.7.8 no", NOW)], "535 5.7.8 no", true),
        (&[("MAIL", "538 5.7.11 encrypt first", NOW)], "538 5.7.11 encrypt first", true),
        (&[("RCPT", "530 5.7.0 authentication required", NOW)], "530 5.7.0 authentication required", true),
        (
            &[("EHLO", "554 5.7.1 no service", NOW), ("HELO", "554 5.7.1 no service", NOW)],
            "554 5.7.1 no service",
            false,
        ),
    ];
    for (answers, words, is_operators) in cases {
        let (server, _) = server(answers).await;
        let courier = courier(server);
        for times in 1..=3u64 {
            let transmission = carried(&courier, 2).await;
            let Transmission::Unreachable(why) = &transmission else { panic!("{words}: {transmission:?}") };
            assert!(why.ends_with(words), "{why}");
            assert_eq!(why.contains("`smtp_user`"), *is_operators, "{why}");
            let status = courier.status();
            assert!(matches!(&status.reach, Reach::Failing { error, .. } if error == why), "{status:?}");
            assert_eq!(status.metrics.unreachable, times);
        }
        // It waits longer each time, although it can connect.
        assert!(courier.pause().unwrap() > Duration::from_secs(2), "{words}");
    }
}

#[tokio::test]
async fn what_is_the_senders_matter_is_that_mails_alone() {
    type Expected = fn(String) -> Answer;
    let cases: &[(Answers, &str, Expected)] = &[
        (&[("MAIL", "550 5.7.1 not this sender", NOW)], "550 5.7.1 not this sender", Answer::Refused),
        (&[("MAIL", "553 5.1.8 no such domain", NOW)], "553 5.1.8 no such domain", Answer::Refused),
        (&[("MAIL", "501 5.1.7 bad address syntax", NOW)], "501 5.1.7 bad address syntax", Answer::Refused),
        (&[("MAIL", "450 4.1.8 domain not found", NOW)], "450 4.1.8 domain not found", Answer::Later),
        (&[("MAIL", "451 4.7.1 too much from this sender", NOW)], "451 4.7.1 too much from this sender", Answer::Later),
        (&[("RCPT", "504 5.5.2 need a whole domain", NOW)], "504 5.5.2 need a whole domain", Answer::Refused),
        (&[("RCPT", "501 5.1.3 bad address syntax", NOW)], "501 5.1.3 bad address syntax", Answer::Refused),
        (&[("RCPT", "450 4.2.1 greylisted", NOW)], "450 4.2.1 greylisted", Answer::Later),
    ];
    for (answers, words, expected) in cases {
        let (server, heard) = server(answers).await;
        let courier = courier(server);
        let expected: Vec<_> = (0..2).map(|place| (place, expected((*words).to_owned()))).collect();
        for _ in 0..2 {
            assert_eq!(carried(&courier, 2).await, Transmission::Answered(expected.clone()));
            assert_eq!((courier.pause(), courier.status().reach), (None, Reach::Reached));
        }
        assert_eq!(heard.lock().iter().filter(|line| line.starts_with("EHLO")).count(), 1, "one connection");
    }
}

#[tokio::test]
async fn one_that_answers_slowly_does_not_have_the_connection_for_ever() {
    const SLOW: Duration = Duration::from_secs(50);
    let (server, heard) = server(&[("RCPT", "250 ok", SLOW)]).await;
    let courier = courier(server);
    // A connection that is there: what follows has no limits but those of a transmission.
    assert_eq!(carried(&courier, 0).await, Transmission::Answered(Vec::new()));
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let Transmission::Answered(answers) = carried(&courier, 50).await else { panic!("unreachable") };
    assert!(began.elapsed() < Duration::from_secs(302), "{:?}", began.elapsed());
    assert_eq!(answers.len(), 50);
    assert!(
        answers.iter().all(|(_, answer)| matches!(answer, Answer::Later(why) if why.contains("300 s"))),
        "{answers:?}"
    );
    assert!(!heard.lock().iter().any(|line| line == "DATA"));
}
