//! Whose notifications a request is about.

use serde::Deserialize;

use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{parse_parameter, refuse_parameter};
use crate::api::identity::Caller;
use crate::job::{Role, UserName};

/// `?user=`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UserParameters {
    user: Option<String>,
}

impl UserParameters {
    /// As it was said.
    pub(in crate::api) fn said(self) -> Option<String> {
        self.user
    }
}

/// The user who is named, or calls; `None`: everybody of the tenant.
pub(super) fn whose(caller: &Caller, named: Option<String>) -> Result<Option<UserName>, ApiError> {
    let named = parse_parameter::<UserName>("user", named)?;
    match (&caller.user, named) {
        (None, named) => Ok(named),
        (Some(own), Some(named)) if *own != named => {
            let sentence = "a user's token is good for that user's notifications, and no other's";
            Err(ApiError::new(ProblemCode::Forbidden, sentence))
        }
        (Some(own), _) => Ok(Some(own.clone())),
    }
}

/// The same where it must be one.
pub(in crate::api) fn one_user(caller: &Caller, named: Option<String>) -> Result<UserName, ApiError> {
    whose(caller, named)?.ok_or_else(|| refuse_parameter("user", "name one: the credential is no user's own"))
}

/// Users change their own; others need to be able to make a user's token.
pub(super) fn may_change(caller: &Caller) -> Result<(), ApiError> {
    if caller.user.is_some() || caller.role >= Role::Producer {
        return Ok(());
    }
    let detail = format!("users mark their own; others need the role `{}` or a greater one", Role::Producer);
    Err(ApiError::new(ProblemCode::Forbidden, detail).with("needed_role", Role::Producer.as_str()))
}
