//! What stands in the query of a request to the hub. Clients add parameters of their own: others are left alone.

use crate::api::error::ApiError;
use crate::api::extract::refuse_parameter;
use crate::api::identity::Caller;
use crate::api::notifications::one_user;
use crate::job::UserName;

/// Longest id of a connection, bytes.
const ID_BYTES_MAX: usize = 64;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct HubParameters {
    user: Option<String>,
    id: Option<String>,
    version: Option<String>,
}

impl HubParameters {
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut found = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let place = match &*name {
                "user" => &mut found.user,
                "id" => &mut found.id,
                "negotiateVersion" => &mut found.version,
                _ => continue,
            };
            place.get_or_insert_with(|| value.into_owned());
        }
        found
    }

    /// Whose connection it is.
    pub(super) fn user(&self, caller: &Caller) -> Result<UserName, ApiError> {
        one_user(caller, self.user.clone())
    }

    /// What `negotiate` called the connection.
    pub(super) fn id(&self) -> Result<&str, ApiError> {
        let is_id = |id: &&str| {
            !id.is_empty()
                && id.len() <= ID_BYTES_MAX
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        self.id
            .as_deref()
            .filter(is_id)
            .ok_or_else(|| refuse_parameter("id", "send the `connectionToken` of `POST /hubs/notifications/negotiate`"))
    }

    /// Of the negotiation: what is newer than 1 is answered as 1.
    pub(super) fn is_version_1(&self) -> Result<bool, ApiError> {
        match self.version.as_deref().map(str::parse::<u32>) {
            None => Ok(false),
            Some(Ok(version)) => Ok(version > 0),
            Some(Err(_)) => Err(refuse_parameter("negotiateVersion", "must be a whole number, like 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_left_alone() {
        let of = |query| HubParameters::of(Some(query));
        assert!(of("negotiateVersion=1&useStatefulReconnect=true&_=7").is_version_1().is_ok_and(|is_1| is_1));
        assert!(of("negotiateVersion=99").is_version_1().is_ok_and(|is_1| is_1), "the highest that is known");
        assert!(HubParameters::of(None).is_version_1().is_ok_and(|is_1| !is_1));
        assert!(of("negotiateVersion=x").is_version_1().is_err());
        assert_eq!(of("id=abc-_9&id=other").id().ok(), Some("abc-_9"));
        for wrong in ["", "id=", "id=a%0Ab", &format!("id={}", "a".repeat(ID_BYTES_MAX + 1))] {
            assert!(of(wrong).id().is_err(), "{wrong}");
        }
    }
}
