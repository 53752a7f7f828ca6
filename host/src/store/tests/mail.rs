//! The outbox: claimed by one host at a time, settled by who holds it, in turns, and gone with all it took.

use std::time::Duration;

use super::*;
use crate::job::mail::{Answer, MailRequest, MailRules, RecipientState, Transmission};
use crate::job::{MailId, MailState, NewMail, Rate, RetryPolicy};
use crate::store::mail::write;

const TRIED_FOR: Duration = Duration::from_hours(24);

fn new_round() -> MailRound {
    MailRound::after(TenantId(0))
}

fn terms(limit: u32) -> Arc<MailTerms> {
    let retry = RetryPolicy::Fixed { delay: Duration::from_secs(30) };
    let rate = Rate { limit, per: Duration::from_mins(1), burst: limit };
    Arc::new(MailTerms { rules: MailRules { retry, give_up_after: TRIED_FOR }, rate, rate_of_all: None })
}

fn mail(number: u128, to: &[&str]) -> NewMail {
    let request = MailRequest {
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        subject: format!("{number}"),
        text: Some("Hello".into()),
        ..MailRequest::default()
    };
    request.checked(MailId::from_u128(number), "noreply@shop.example".parse().unwrap()).unwrap()
}

/// As with the success of a job.
pub(crate) async fn commit(store: &Store, tenant: TenantId, number: u128, tried_for: Option<Duration>) -> MailId {
    let mail = mail(number, &["ada@example.com", "bob@example.com"]);
    let id = mail.id;
    let job = JobId::from_u128(number);
    let body = move |sql: &rusqlite::Connection, draft: &mut Draft| write(sql, draft, (tenant, job), &mail, tried_for);
    store.write(Durability::Synced, body).await.unwrap();
    id
}

async fn host(store: &Store) -> HostId {
    let host = store.next_host_id();
    store.register_host_as(host, 1, "test").await.unwrap();
    host
}

async fn next(store: &Store, host: HostId, round: MailRound, ended: Option<MailEnd>) -> (NextMail, MailRound) {
    let (next, round) = store.next_mail(host, ended, MailTurn::Round(round), terms(1_000)).await.unwrap();
    (next, round.unwrap())
}

async fn claimed(store: &Store, host: HostId, ended: Option<MailEnd>) -> ClaimedMail {
    match next(store, host, new_round(), ended).await.0 {
        NextMail::Claimed(mail) => *mail,
        other => panic!("{other:?}"),
    }
}

fn taken(mail: &ClaimedMail) -> MailEnd {
    let answers = mail.recipients.iter().map(|(place, _)| (*place, Answer::Taken)).collect();
    MailEnd { id: mail.id, attempt: mail.attempt, transmission: Transmission::Answered(answers) }
}

async fn state(store: &Store, id: MailId) -> MailState {
    store.mail(TENANT, id).await.unwrap().unwrap().row.state
}

/// Counts and bytes as the rows have them.
fn assert_mails_are_counted(harness: &Harness) {
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let query = |text: &str| -> Vec<(i64, String, i64)> {
        let mut statement = sql.prepare(text).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let kept = query("SELECT tenant_id, state, mails FROM mail_counts WHERE mails <> 0 ORDER BY 1, 2");
    assert_eq!(kept, query("SELECT tenant_id, state, count(*) FROM mails GROUP BY 1, 2 ORDER BY 1, 2"));
    let stored = query("SELECT tenant_id, '', bytes FROM stored_bytes WHERE bytes <> 0 ORDER BY 1");
    assert_eq!(stored, query("SELECT tenant_id, '', sum(counted_bytes) FROM mails GROUP BY 1 ORDER BY 1"));
}

#[tokio::test]
async fn a_mail_is_one_hosts_and_anothers_when_that_is_gone() {
    let mut harness = Harness::new();
    let id = commit(&harness.store, TENANT, 7, Some(TRIED_FOR)).await;
    let one = host(&harness.store).await;
    let first = claimed(&harness.store, one, None).await;
    assert_eq!((first.id, first.attempt, first.recipients.len()), (id, 1, 2));
    assert!(harness.store.holds_mail(one, id, 1).await.unwrap());
    let other = host(&harness.store).await;
    assert!(matches!(next(&harness.store, other, new_round(), None).await.0, NextMail::Nothing(None)));

    // Killed: the next process finds the mail under a host that is gone.
    harness.reopen().await;
    let another = host(&harness.store).await;
    let second = claimed(&harness.store, another, None).await;
    assert_eq!((second.id, second.attempt, &second.message_id), (id, 2, &first.message_id));
    assert_eq!(second.created_at, first.created_at);
    // What the one that was taken for dead says changes nothing.
    assert!(!harness.store.holds_mail(one, id, 1).await.unwrap());
    next(&harness.store, one, new_round(), Some(taken(&first))).await;
    assert_eq!(state(&harness.store, id).await, MailState::Sending);
    next(&harness.store, another, new_round(), Some(taken(&second))).await;
    assert_eq!(state(&harness.store, id).await, MailState::Sent);
    assert_mails_are_counted(&harness);
}

#[tokio::test]
async fn what_a_part_of_the_host_lost_is_sent_once_more() {
    let harness = Harness::new();
    let id = commit(&harness.store, TENANT, 7, Some(TRIED_FOR)).await;
    let host = host(&harness.store).await;
    assert_eq!(claimed(&harness.store, host, None).await.attempt, 1);
    let again = claimed(&harness.store, host, None).await;
    assert_eq!((again.id, again.attempt), (id, 2));
}

#[tokio::test]
async fn who_says_later_is_asked_again_alone() {
    let harness = Harness::new();
    let id = commit(&harness.store, TENANT, 7, Some(TRIED_FOR)).await;
    let host = host(&harness.store).await;
    let first = claimed(&harness.store, host, None).await;
    let answers = vec![(0, Answer::Taken), (1, Answer::Later("451 later".into()))];
    let end = MailEnd { id, attempt: 1, transmission: Transmission::Answered(answers) };
    let (nothing, _) = next(&harness.store, host, new_round(), Some(end)).await;
    assert!(matches!(nothing, NextMail::Nothing(Some(wait)) if wait == Duration::from_secs(30)), "{nothing:?}");
    harness.clock.advance(30_000);
    let second = claimed(&harness.store, host, None).await;
    assert_eq!(second.recipients, first.recipients[1..]);
    let refused = Transmission::Answered(vec![(1, Answer::Refused("550 no".into()))]);
    next(&harness.store, host, new_round(), Some(MailEnd { id, attempt: 2, transmission: refused })).await;
    let row = harness.store.mail(TENANT, id).await.unwrap().unwrap().row;
    let states: Vec<_> = row.recipients.iter().map(|recipient| recipient.state).collect();
    assert_eq!((row.state, states), (MailState::PartlySent, vec![RecipientState::Sent, RecipientState::Refused]));
    assert_eq!(row.error.as_deref(), Some("bob@example.com: 550 no"));
    assert!(row.ended_at.is_some() && row.next_at.is_none() && row.give_up_at.is_none());
}

#[tokio::test]
async fn tenants_take_turns_as_far_as_their_rates_go() {
    let harness = Harness::new();
    let other = super::tenants::make(&harness.store, "acme").await;
    for number in 1..=4 {
        commit(&harness.store, TENANT, number, Some(TRIED_FOR)).await;
    }
    commit(&harness.store, other, 11, Some(TRIED_FOR)).await;
    commit(&harness.store, other, 12, Some(TRIED_FOR)).await;
    let host = host(&harness.store).await;
    let (mut round, mut ended, mut order) = (new_round(), None, Vec::new());
    loop {
        let turn = MailTurn::Round(round);
        let (next, gone_on) = harness.store.next_mail(host, ended.take(), turn, terms(3)).await.unwrap();
        round = gone_on.unwrap();
        match next {
            NextMail::Claimed(mail) => {
                order.push(mail.id.as_u128());
                ended = Some(taken(&mail));
            }
            NextMail::More => {}
            NextMail::Nothing(wait) => {
                // The rate gives the fourth one after a third of a minute.
                assert_eq!(wait, Some(Duration::from_secs(20)));
                break;
            }
        }
    }
    assert_eq!(order, [1, 11, 2, 12, 3]);
    assert_mails_are_counted(&harness);
}

#[tokio::test]
async fn what_is_over_goes_by_its_age_and_what_is_kept_does_not() {
    let harness = Harness::new();
    let kept = commit(&harness.store, TENANT, 1, None).await;
    let sent = commit(&harness.store, TENANT, 2, Some(TRIED_FOR)).await;
    let queued = commit(&harness.store, TENANT, 3, Some(TRIED_FOR)).await;
    let host = host(&harness.store).await;
    let first = claimed(&harness.store, host, None).await;
    assert_eq!(first.id, sent);
    harness.store.next_mail(host, Some(taken(&first)), MailTurn::Pause, terms(1)).await.unwrap();
    let keep = Duration::from_hours(1);
    assert!(!harness.store.prune_mails(keep).await.unwrap());
    harness.clock.advance(3_600_001);
    assert!(!harness.store.prune_mails(keep).await.unwrap());
    let left = harness.store.mails(TENANT, MailFilter::default(), None, 9).await.unwrap();
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [queued, kept]);
    assert_mails_are_counted(&harness);
    let sent_on = harness.store.send_mails(TENANT, MailState::Kept, None, TRIED_FOR).await.unwrap();
    assert_eq!(sent_on, QueuedMails { queued: 1, more_after: None });
    assert_eq!(harness.store.delete_mail(TENANT, kept).await.unwrap(), DeleteMailResult::Deleted);
    assert_eq!(harness.store.delete_mail(TENANT, kept).await.unwrap(), DeleteMailResult::NotFound);
    assert_eq!(harness.store.delete_mail(TENANT, queued).await.unwrap(), DeleteMailResult::Deleted);
    assert_mails_are_counted(&harness);
}

/// More than are looked at by one operation.
const TENANTS: u128 = 520;

#[tokio::test]
async fn a_round_ends_however_many_tenants_have_to_wait() {
    let harness = Harness::new();
    let host = host(&harness.store).await;
    let retry = RetryPolicy::Fixed { delay: Duration::from_secs(30) };
    let rate = Rate { limit: 1, per: Duration::from_mins(1), burst: 1 };
    let terms = Arc::new(MailTerms { rules: MailRules { retry, give_up_after: TRIED_FOR }, rate, rate_of_all: None });
    for number in 1..=TENANTS {
        let tenant = super::tenants::make(&harness.store, &format!("t{number}")).await;
        commit(&harness.store, tenant, 2 * number, Some(TRIED_FOR)).await;
        commit(&harness.store, tenant, 2 * number + 1, Some(TRIED_FOR)).await;
    }
    let (mut round, mut ended, mut sent, mut looks) = (new_round(), None, 0, 0);
    let wait = loop {
        let turn = MailTurn::Round(round);
        let (next, gone_on) = harness.store.next_mail(host, ended.take(), turn, Arc::clone(&terms)).await.unwrap();
        round = gone_on.unwrap();
        match next {
            NextMail::Claimed(mail) => {
                (sent, ended) = (sent + 1, Some(taken(&mail)));
            }
            NextMail::More => {
                looks += 1;
                assert!(looks < 20, "it looks and looks");
            }
            NextMail::Nothing(wait) => break wait,
        }
    };
    assert_eq!((sent, looks), (TENANTS, 1), "each tenant's first, and one look at all of them");
    assert_eq!(wait, Some(Duration::from_mins(1)));
    // The next look is a whole one again.
    harness.clock.advance(60_000);
    assert!(matches!(next(&harness.store, host, round, None).await.0, NextMail::Claimed(_)));
}

#[tokio::test]
async fn one_that_can_not_be_read_fails_alone() {
    let harness = Harness::new();
    let mut ids = Vec::new();
    for number in 1..=5 {
        ids.push(commit(&harness.store, TENANT, number, Some(TRIED_FOR)).await);
    }
    let host = host(&harness.store).await;
    let damage = |statement: &'static str, id: MailId| {
        harness.store.write(Durability::Synced, move |sql: &rusqlite::Connection, _: &mut Draft| {
            Ok(sql.execute(statement, [id.to_bytes()]).unwrap())
        })
    };
    damage("UPDATE mail_recipients SET mailbox = 'nobody' WHERE mail_id = ?1 AND place = 1", ids[0]).await.unwrap();
    damage("UPDATE mail_contents SET content = x'00' WHERE mail_id = ?1", ids[1]).await.unwrap();
    damage("DELETE FROM mail_contents WHERE mail_id = ?1", ids[2]).await.unwrap();
    let fourth = claimed(&harness.store, host, None).await;
    assert_eq!(fourth.id, ids[3]);
    // One whose rows were damaged while it was transmitted.
    damage("UPDATE mail_recipients SET mailbox = 'nobody' WHERE mail_id = ?1 AND place = 0", ids[3]).await.unwrap();
    let fifth = claimed(&harness.store, host, Some(taken(&fourth))).await;
    assert_eq!(fifth.id, ids[4]);
    next(&harness.store, host, new_round(), Some(taken(&fifth))).await;
    assert_mails_are_counted(&harness);

    let rows = harness.store.mails(TENANT, MailFilter::default(), None, 9).await.unwrap();
    let states: Vec<_> = rows.iter().rev().map(|row| row.state).collect();
    let failed = MailState::Failed;
    assert_eq!(states, [failed, failed, failed, failed, MailState::Sent]);
    assert!(rows[4].error.as_deref().unwrap().contains("can't be read") && rows[4].ended_at.is_some());
    let shown: Vec<_> = rows[4].recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    assert_eq!(shown, ["ada@example.com", "nobody"]);
    for id in &ids[1..3] {
        assert_eq!(harness.store.mail(TENANT, *id).await.unwrap().unwrap().content, None);
    }
    for id in ids {
        assert_eq!(harness.store.delete_mail(TENANT, id).await.unwrap(), DeleteMailResult::Deleted);
    }
    assert_mails_are_counted(&harness);
}

#[tokio::test]
async fn a_server_that_is_away_costs_a_mail_none_of_its_own_patience() {
    let harness = Harness::new();
    let id = commit(&harness.store, TENANT, 7, Some(TRIED_FOR)).await;
    let host = host(&harness.store).await;
    let retry = RetryPolicy::Exponential { base: Duration::from_secs(30), cap: Duration::from_hours(1), jitter: 0.0 };
    let rate = Rate { limit: 1_000, per: Duration::from_secs(1), burst: 1_000 };
    let terms = Arc::new(MailTerms { rules: MailRules { retry, give_up_after: TRIED_FOR }, rate, rate_of_all: None });
    let go_on =
        |ended: Option<MailEnd>| harness.store.next_mail(host, ended, MailTurn::Round(new_round()), Arc::clone(&terms));
    let mut ended = None;
    for attempt in 1..=9 {
        // It is due at once, whenever there is a server.
        let NextMail::Claimed(mail) = go_on(ended).await.unwrap().0 else { panic!("it waits") };
        assert_eq!((mail.id, mail.attempt), (id, attempt));
        ended = Some(MailEnd { id, attempt, transmission: Transmission::Unreachable("nobody there".into()) });
    }
    let NextMail::Claimed(mail) = go_on(ended).await.unwrap().0 else { panic!("it waits") };
    let later = vec![(0, Answer::Later("451 later".into())), (1, Answer::Taken)];
    let end = MailEnd { id, attempt: mail.attempt, transmission: Transmission::Answered(later) };
    let NextMail::Nothing(wait) = go_on(Some(end)).await.unwrap().0 else { panic!("it does not wait") };
    assert_eq!(wait, Some(Duration::from_secs(30)), "as after the first answer");
    assert_eq!(harness.store.mail(TENANT, id).await.unwrap().unwrap().row.attempts, 10);
}

#[tokio::test]
async fn what_fails_again_is_not_met_twice() {
    let harness = Harness::new();
    let mails: usize = 1_100;
    let commits = (1..=mails as u128).map(|number| commit(&harness.store, TENANT, number, None));
    futures_util::future::join_all(commits).await;
    let (mut after, mut sum, mut rounds) = (None, 0, 0);
    loop {
        let queued = harness.store.send_mails(TENANT, MailState::Kept, after, TRIED_FOR).await.unwrap();
        (sum, rounds) = (sum + queued.queued, rounds + 1);
        // As if each were tried and kept again at once.
        let again = |sql: &rusqlite::Connection, _: &mut Draft| {
            sql.execute_batch(
                "UPDATE mails SET state = 'kept'; DELETE FROM mail_counts;
                INSERT INTO mail_counts SELECT tenant_id, state, count(*) FROM mails GROUP BY 1, 2",
            )
            .map_err(StoreError::internal)
        };
        harness.store.write(Durability::Synced, again).await.unwrap();
        after = queued.more_after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((sum, rounds), (mails, 3));
}
