//! Secrets as rows: set, replaced, listed, removed, and encrypted anew in pieces.

use std::sync::Arc;

use super::*;
use crate::job::SecretName;
use crate::secrets::{KeyRing, KeyRingError, SecretValue, SecretsKey, Vault, admit, reencrypt};

fn key(digits: &str) -> SecretsKey {
    SecretsKey::parse(&digits.repeat(32)).unwrap()
}

fn ring(current: &str, previous: &[&str]) -> KeyRing {
    KeyRing::new(Some(key(current)), previous.iter().map(|digits| key(digits)).collect())
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn secrets_are_a_tenants_own_and_come_back_only_as_they_were_set() {
    let harness = Harness::new();
    let ring = ring("01", &[]);
    admit(&harness.store, &ring).await.unwrap();
    let vault = Vault::new(harness.store.clone(), ring);
    let other = super::tenants::make(&harness.store, "acme").await;
    let set = vault.set(TENANT, name("b"), &value("the value of b")).await.unwrap();
    assert!(matches!(set, SetSecretResult::Created(row) if row.version == 1));
    vault.set(TENANT, name("a"), &value("the value of a")).await.unwrap();
    vault.set(other, name("b"), &value("another's value")).await.unwrap();
    harness.clock.advance(5);
    let replaced = vault.set(TENANT, name("b"), &value("a newer value")).await.unwrap();
    assert!(matches!(replaced, SetSecretResult::Replaced(row) if row.version == 2 && row.updated_at > row.created_at));

    let names = |rows: Vec<SecretRow>| rows.iter().map(|row| row.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(vault.list(TENANT, None, 9).await.unwrap()), ["a", "b"]);
    assert_eq!(names(vault.list(TENANT, Some(name("a")), 9).await.unwrap()), ["b"]);
    assert_eq!(vault.read(TENANT, name("b")).await.unwrap(), Some(value("a newer value")));
    assert_eq!(vault.read(other, name("b")).await.unwrap(), Some(value("another's value")));
    assert_eq!(vault.read(other, name("a")).await.unwrap(), None);
    assert!(!vault.delete(other, name("a")).await.unwrap());
    assert!(vault.delete(TENANT, name("a")).await.unwrap());
    assert_eq!(vault.read(TENANT, name("a")).await.unwrap(), None);

    // A row put in another's place is of no use there.
    let stolen = harness.store.sealed_secret(TENANT, name("b")).await.unwrap().unwrap();
    harness.store.set_secret(other, name("b"), Arc::new(stolen)).await.unwrap();
    vault.read(other, name("b")).await.unwrap_err();
}

#[tokio::test]
async fn a_host_without_the_right_key_does_not_start() {
    let harness = Harness::new();
    // As long as nothing is encrypted any key will do.
    for digits in ["01", "02"] {
        admit(&harness.store, &ring(digits, &[])).await.unwrap();
    }
    let vault = Vault::new(harness.store.clone(), ring("02", &[]));
    vault.set(TENANT, name("a"), &value("the value of a")).await.unwrap();
    let refused = admit(&harness.store, &ring("01", &[])).await.unwrap_err();
    assert!(
        matches!(&refused, KeyRingError::Wrong { stored, given } if *stored == key("02").id() && *given == key("01").id())
    );
    assert!(refused.to_string().contains("secrets_key_previous_file"), "{refused}");
    admit(&harness.store, &KeyRing::default()).await.unwrap();
    admit(&harness.store, &ring("01", &["02"])).await.unwrap();
    assert_eq!(harness.store.secrets_keys().await.unwrap().len(), 2);
    let keyless = Vault::new(harness.store.clone(), KeyRing::default());
    keyless.set(TENANT, name("b"), &value("the value of b")).await.unwrap_err();
    keyless.read(TENANT, name("a")).await.unwrap_err();
}

#[tokio::test]
async fn rotation_goes_on_in_pieces_and_leaves_what_is_set_meanwhile() {
    let harness = Harness::new();
    admit(&harness.store, &ring("01", &[])).await.unwrap();
    let old = Vault::new(harness.store.clone(), ring("01", &[]));
    for number in 0..40 {
        old.set(TENANT, name(&format!("s{number:02}")), &value(&format!("value number {number}"))).await.unwrap();
    }
    let rotating = ring("02", &["01"]);
    admit(&harness.store, &rotating).await.unwrap();
    let new = Vault::new(harness.store.clone(), rotating.clone());
    assert!(reencrypt(&new).await.unwrap(), "one piece is not all");
    let status = new.status().await.unwrap();
    assert_eq!(status.in_use.len(), 2);
    // Both keys are needed now, whichever way.
    admit(&harness.store, &ring("01", &[])).await.unwrap_err();
    admit(&harness.store, &ring("02", &[])).await.unwrap_err();
    // What somebody sets between the read and the write of a piece stays.
    let found = harness.store.secrets_not_under(key("02").id(), 1).await.unwrap().remove(0);
    new.set(TENANT, found.name.clone(), &value("set meanwhile")).await.unwrap();
    let late = Resealed { id: found.id, was: found.sealed.clone(), now: found.sealed.clone() };
    harness.store.reseal_secrets(key("02").id(), vec![late]).await.unwrap();
    assert_eq!(new.read(TENANT, found.name.clone()).await.unwrap(), Some(value("set meanwhile")));

    while reencrypt(&new).await.unwrap() {}
    assert!(!reencrypt(&new).await.unwrap(), "there is nothing left to do");
    assert_eq!(new.status().await.unwrap().in_use, [key("02").id()]);
    assert_eq!(harness.store.secrets_keys().await.unwrap().len(), 1);
    let alone = ring("02", &[]);
    admit(&harness.store, &alone).await.unwrap();
    let alone = Vault::new(harness.store.clone(), alone);
    for row in alone.list(TENANT, None, 99).await.unwrap() {
        let read = alone.read(TENANT, row.name.clone()).await.unwrap().unwrap();
        let number = row.name.as_str()[1..].parse::<u32>().unwrap();
        let expected =
            if row.name == found.name { value("set meanwhile") } else { value(&format!("value number {number}")) };
        assert_eq!(read, expected, "{}", row.name);
        assert_eq!(row.version, if row.name == found.name { 2 } else { 1 }, "to encrypt anew is no change");
    }
}
