//! Inboxes: what a success tells users is there with it, by key, counted, bounded, and no other tenant's or user's.

use super::*;
use crate::job::notification::NOTIFICATIONS_OF_USER_MAX;
use crate::job::{NewNotification, NotificationId, NotificationLevel, UserName};

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn to(name: &str, message: &str) -> NewNotification {
    let data = Some(Bytes::from_static(b"{}"));
    NewNotification { user: user(name), level: NotificationLevel::Success, message: message.to_owned(), data }
}

/// A job of a tenant that succeeds, and tells all of this.
async fn told(harness: &Harness, tenant: TenantId, asked: Vec<NewNotification>) -> FinishResult {
    let store = &harness.store;
    let kind = match store.catalog().kind(tenant, &"k".parse().unwrap()).map(|kind| kind.id) {
        Some(kind) => kind,
        None => super::tenants::kind_of(store, tenant, "k").await,
    };
    let host = store.register_host(4, "test").await.unwrap();
    assert!(matches!(store.enqueue(tenant, job(kind)).await.unwrap(), EnqueueResult::Created(_)));
    let lease = harness.claim(host, 1).await.remove(0).lease;
    let notifications = asked.into_iter().enumerate().collect();
    let effects = Effects {
        jobs: Vec::new(),
        events: Vec::new(),
        notifications,
        mails: Vec::new(),
        mail_tried_for: None,
        if_rejected: Next::Fail(failure()),
    };
    let next = Next::Succeed(Bytes::from_static(b"null"));
    let finish = Finish { effects: Some(Box::new(effects)), ..finish(lease, next, harness.store_now()) };
    store.finish(finish).await.unwrap()
}

async fn page(harness: &Harness, name: Option<&str>, unread: bool) -> Vec<String> {
    let filter = NotificationFilter { user: name.map(user), unread };
    let page = harness.store.notifications(TENANT, filter, None, 5_000).await.unwrap();
    page.rows.into_iter().map(|row| row.message).collect()
}

async fn unread(harness: &Harness, name: &str) -> u64 {
    harness.store.unread_notifications(TENANT, user(name)).await.unwrap()
}

/// What is kept beside the rows is what the rows say.
fn assert_counted(harness: &Harness) {
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let read = |query: &str| -> Vec<(i64, String, i64, i64)> {
        let mut statement = sql.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let kept = read("SELECT tenant_id, user_name, notifications, unread FROM notified_users ORDER BY 1, 2");
    let counted = read("SELECT tenant_id, user_name, count(*), sum(read_at IS NULL) FROM notifications GROUP BY 1, 2");
    assert_eq!(kept, counted);
    let bytes = |query: &str| -> i64 { sql.query_row(query, [], |row| row.get(0)).unwrap() };
    let of_jobs = bytes("SELECT coalesce(sum(length(body)), 0) FROM payloads");
    let of_users = bytes(
        "SELECT coalesce(sum(octet_length(user_name) + octet_length(message) + coalesce(length(data), 0)), 0)
            FROM notifications",
    );
    assert_eq!(bytes("SELECT coalesce(sum(bytes), 0) FROM stored_bytes"), of_jobs + of_users);
}

#[tokio::test]
async fn an_inbox_is_listed_by_key_and_counted() {
    let harness = Harness::new();
    let asked = vec![to("ann", "1"), to("bob", "of bob"), to("ann", "2"), to("ann", "3")];
    assert_eq!(told(&harness, TENANT, asked).await, FinishResult::Finished(crate::job::JobState::Succeeded));
    assert_eq!(page(&harness, Some("ann"), false).await, ["3", "2", "1"]);
    assert_eq!(page(&harness, None, false).await, ["3", "2", "of bob", "1"]);
    assert_eq!((unread(&harness, "ann").await, unread(&harness, "eve").await), (3, 0));

    let filter = || NotificationFilter { user: Some(user("ann")), unread: false };
    let first = harness.store.notifications(TENANT, filter(), None, 1).await.unwrap();
    assert!(first.is_more);
    let first = &first.rows[0];
    let rest = harness.store.notifications(TENANT, filter(), Some(first.id), 2).await.unwrap();
    assert!(!rest.is_more);
    let rest = rest.rows;
    assert_eq!(rest.iter().map(|row| row.message.as_str()).collect::<Vec<_>>(), ["2", "1"]);
    let last = rest[1].id;
    let after = harness.store.notifications_after(TENANT, user("ann"), last, 9).await.unwrap();
    assert_eq!(after.iter().map(|row| row.message.as_str()).collect::<Vec<_>>(), ["2", "3"]);
    assert_eq!(harness.store.newest_notification(TENANT, user("ann")).await.unwrap(), Some(first.id));
    assert_eq!(harness.store.newest_notification(TENANT, user("eve")).await.unwrap(), None);

    let mark = async |name: Option<&str>, id, is_read| {
        harness.store.mark_notification(TENANT, name.map(user), id, is_read).await.unwrap()
    };
    assert_eq!(mark(Some("bob"), last, true).await, MarkedNotification::NotFound, "it is another's");
    let MarkedNotification::Done(row) = mark(Some("ann"), last, true).await else { panic!("it is ann's") };
    assert_eq!(row.read_at, Some(harness.store_now()));
    harness.clock.advance(5);
    assert_eq!(mark(None, last, true).await, MarkedNotification::Done(row), "it was read then");
    assert_eq!((unread(&harness, "ann").await, page(&harness, Some("ann"), true).await.len()), (2, 2));
    assert!(matches!(mark(Some("ann"), last, false).await, MarkedNotification::Done(row) if row.read_at.is_none()));
    assert_eq!(harness.store.read_all_notifications(TENANT, user("ann")).await.unwrap(), 3);
    assert_eq!(harness.store.read_all_notifications(TENANT, user("ann")).await.unwrap(), 0);
    assert_eq!((unread(&harness, "ann").await, page(&harness, None, true).await), (0, vec!["of bob".to_owned()]));
    assert!(!harness.store.delete_notification(TENANT, Some(user("bob")), last).await.unwrap());
    assert!(harness.store.delete_notification(TENANT, Some(user("ann")), last).await.unwrap());
    assert!(!harness.store.delete_notification(TENANT, None, last).await.unwrap());
    assert_counted(&harness);
}

#[tokio::test]
async fn nothing_is_told_of_a_success_that_was_not() {
    let harness = Harness::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    harness.store.on_commit(Box::new(move |notice| {
        notice.notified.iter().for_each(|notified| drop(sender.send(notified.clone())));
    }));
    // One too many bytes in all: the whole of it is refused.
    let quotas = crate::job::Quotas {
        stored_bytes: Some(crate::job::Most::Of(crate::job::ByteSize(20))),
        ..crate::job::Quotas::default()
    };
    let small = super::tenants::make_with(&harness.store, "small", 10, quotas).await;
    let refused = told(&harness, small, vec![to("ann", "fits"), to("ann", "does not fit any more")]).await;
    assert_eq!(refused, FinishResult::Finished(crate::job::JobState::Failed));
    let none = harness.store.notifications(small, NotificationFilter::default(), None, 9).await.unwrap();
    assert_eq!(none.rows, []);
    told(&harness, TENANT, vec![to("ann", "1"), to("ann", "2")]).await;
    let heard: Vec<_> = receiver.try_iter().collect();
    assert_eq!(heard, [(TENANT, user("ann"))], "once, and only of what was committed");
}

#[tokio::test]
async fn a_user_keeps_so_many_and_none_for_ever() {
    let harness = Harness::new();
    let max = usize::try_from(NOTIFICATIONS_OF_USER_MAX).unwrap();
    let many = |from: usize, to_: usize| (from..to_).map(|n| to("ann", &format!("n{n}"))).collect::<Vec<_>>();
    told(&harness, TENANT, many(0, max)).await;
    told(&harness, TENANT, vec![to("bob", "of bob")]).await;
    told(&harness, TENANT, many(max, max + 3)).await;
    let kept = page(&harness, Some("ann"), false).await;
    assert_eq!((kept.len(), kept[0].as_str(), kept[max - 1].as_str()), (max, "n1002", "n3"));
    assert_eq!(unread(&harness, "ann").await, NOTIFICATIONS_OF_USER_MAX);
    assert_counted(&harness);

    let day = Duration::from_hours(24);
    harness.clock.advance(24 * 3_600_000);
    told(&harness, TENANT, vec![to("ann", "young")]).await;
    assert!(!harness.store.prune_notifications(2 * day).await.unwrap());
    assert_eq!(page(&harness, None, false).await.len(), max + 1);
    while harness.store.prune_notifications(Duration::from_millis(24 * 3_600_000 - 1)).await.unwrap() {}
    assert_eq!(page(&harness, None, false).await, ["young"]);
    assert_counted(&harness);
}

#[tokio::test]
async fn a_page_of_large_ones_is_cut_and_goes_on() {
    let harness = Harness::new();
    let large = |n: u32| NewNotification { data: Some(Bytes::from(vec![b' '; 60_000])), ..to("ann", &n.to_string()) };
    told(&harness, TENANT, (0..50).map(large).collect()).await;
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = harness.store.notifications(TENANT, NotificationFilter::default(), before, 500).await.unwrap();
        assert!(!page.rows.is_empty() && page.rows.len() < 50, "{}", page.rows.len());
        before = page.rows.last().map(|row| row.id);
        seen.extend(page.rows.into_iter().map(|row| row.message));
        if !page.is_more {
            break;
        }
    }
    assert_eq!(seen, (0..50).rev().map(|n: u32| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn ids_go_on_when_the_clock_was_set_back() {
    let mut harness = Harness::new();
    told(&harness, TENANT, vec![to("ann", "1")]).await;
    let first = harness.store.newest_notification(TENANT, user("ann")).await.unwrap().unwrap();
    harness.reopen().await;
    harness.clock.jump(-60_000);
    told(&harness, TENANT, vec![to("ann", "2")]).await;
    let after = harness.store.notifications_after(TENANT, user("ann"), first, 9).await.unwrap();
    assert_eq!(after.len(), 1, "who has seen the first sees the second");
    assert!(after[0].id > first);
    assert_eq!(
        harness.store.notifications_after(TENANT, user("ann"), NotificationId::from_u128(0), 9).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn tenants_see_their_own_and_leave_nothing() {
    let harness = Harness::new();
    let acme = super::tenants::make(&harness.store, "acme").await;
    told(&harness, TENANT, vec![to("ann", "here")]).await;
    told(&harness, acme, vec![to("ann", "there")]).await;
    let all = NotificationFilter::default;
    let there = harness.store.notifications(acme, all(), None, 9).await.unwrap().rows;
    assert_eq!(there.iter().map(|row| row.message.as_str()).collect::<Vec<_>>(), ["there"]);
    assert!(!harness.store.delete_notification(TENANT, None, there[0].id).await.unwrap());
    let marked = harness.store.mark_notification(TENANT, None, there[0].id, true).await.unwrap();
    assert_eq!(marked, MarkedNotification::NotFound);
    assert!(matches!(harness.store.delete_tenant(acme, true).await.unwrap(), DeleteTenantResult::Deleting(_)));
    while harness.store.remove_tenant_further(acme).await.unwrap().again_in.is_some() {}
    assert_eq!(page(&harness, None, false).await, ["here"]);
    assert_counted(&harness);
}

#[tokio::test]
async fn the_key_of_tokens_stays_and_is_in_no_backup() {
    let mut harness = Harness::new();
    let key = harness.store.user_token_secret().await.unwrap();
    harness.reopen().await;
    assert_eq!(harness.store.user_token_secret().await.unwrap().0, key.0);
    assert_eq!(format!("{key:?}"), "UserTokenSecret(…)");
    let copy = harness.directory.path().join("copy.db");
    harness.store.backup(copy.clone()).await.unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    assert!(!bytes.windows(key.0.len()).any(|window| window == key.0));
    let sql = rusqlite::Connection::open(copy).unwrap();
    let left: u64 = sql.query_row("SELECT count(*) FROM user_token_key", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
