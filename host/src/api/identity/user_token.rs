//! Tokens that this host makes for users of applications that have no issuer of their own: short-lived, signed, stored nowhere.
//! One says whose it is and until when; what it may do is in its role, `user`.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::job::{Timestamp, UserName};
use crate::store::{TenantId, UserTokenSecret};

/// What every such token begins with.
const MARK: &str = "stu_";
/// The form of what is signed.
const VERSION: u8 = 1;
/// Longest a token may last.
pub(in crate::api) const USER_TOKEN_MAX: Duration = Duration::from_hours(24);
/// How long one lasts where nobody says.
pub(in crate::api) const USER_TOKEN_DEFAULT: Duration = Duration::from_hours(1);

/// What they are signed with, once it is known.
#[derive(Debug, Default)]
pub(super) struct UserTokens(OnceLock<hmac::Key>);

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct UserToken {
    pub(in crate::api) tenant: TenantId,
    pub(in crate::api) user: UserName,
    pub(in crate::api) expires_at: Timestamp,
}

/// What there is to say of something that looks like one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Good(UserToken),
    /// This host made it, and its time is over.
    Expired,
    Bad,
}

/// Whether it looks like one: costs nothing.
pub(super) fn may_be_one(token: &[u8]) -> bool {
    token.starts_with(MARK.as_bytes())
}

impl UserTokens {
    /// From now on they can be made and read.
    pub(super) fn begin(&self, secret: &UserTokenSecret) {
        // There is one for each store, so a second one is the same.
        let _same = self.0.set(hmac::Key::new(hmac::HMAC_SHA256, &secret.0));
    }

    /// `None`: the key is not known yet.
    pub(super) fn make(&self, token: &UserToken) -> Option<String> {
        let key = self.0.get()?;
        let UserToken { tenant, user, expires_at } = token;
        let mut said = vec![VERSION];
        said.extend(tenant.0.to_be_bytes());
        said.extend(expires_at.as_ms().to_be_bytes());
        said.extend(user.as_str().as_bytes());
        let signed = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(said));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(key, signed.as_bytes()));
        Some(format!("{signed}.{signature}"))
    }

    /// Nothing of what it says is looked at before its signature.
    pub(super) fn read(&self, token: &[u8], now: Timestamp) -> Read {
        let token = self.0.get().zip(std::str::from_utf8(token).ok()).and_then(|(key, text)| signed(key, text));
        match token {
            None => Read::Bad,
            Some(token) if now >= token.expires_at => Read::Expired,
            Some(token) => Read::Good(token),
        }
    }
}

fn signed(key: &hmac::Key, text: &str) -> Option<UserToken> {
    let (signed, signature) = text.split_once('.')?;
    hmac::verify(key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let said = URL_SAFE_NO_PAD.decode(signed.strip_prefix(MARK)?).ok()?;
    let (version, said) = said.split_first()?;
    let (tenant, said) = said.split_first_chunk::<8>()?;
    let (expires_at, user) = said.split_first_chunk::<8>()?;
    let user = std::str::from_utf8(user).ok()?.parse().ok()?;
    let (tenant, expires_at) = (TenantId(i64::from_be_bytes(*tenant)), Timestamp(i64::from_be_bytes(*expires_at)));
    (*version == VERSION).then_some(UserToken { tenant, user, expires_at })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tokens(key: u8) -> UserTokens {
        let tokens = UserTokens::default();
        tokens.begin(&UserTokenSecret([key; 32]));
        tokens
    }

    #[test]
    fn a_token_is_what_was_signed_until_its_time() {
        let token = UserToken { tenant: TenantId(7), user: "Zoë 7".parse().unwrap(), expires_at: Timestamp(1_000) };
        let text = tokens(1).make(&token).unwrap();
        assert!(may_be_one(text.as_bytes()));
        assert_eq!(tokens(1).read(text.as_bytes(), Timestamp(999)), Read::Good(token.clone()));
        assert_eq!(tokens(1).read(text.as_bytes(), Timestamp(1_000)), Read::Expired);
        assert_eq!(tokens(2).read(text.as_bytes(), Timestamp(999)), Read::Bad);
        assert_eq!(UserTokens::default().read(text.as_bytes(), Timestamp(999)), Read::Bad);
        assert_eq!(UserTokens::default().make(&token), None);
        for at in MARK.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            // An expired one that was changed is no expired one of ours.
            let read = tokens(1).read(&changed, Timestamp(1_000));
            // The last character of base64 has bits that stand for nothing: decoding refuses them.
            assert_eq!(read, Read::Bad, "{at}");
        }
        for wrong in ["stu_", "stu_.", "stu_AA.AA", &text[..text.len() - 1], &format!("{text}.")] {
            assert_eq!(tokens(1).read(wrong.as_bytes(), Timestamp(1)), Read::Bad, "{wrong}");
        }
    }
}
