//! Mail: what became of it, and what an operator does with it. Handlers alone write mails.

mod change;
mod inspect;
mod send;

pub(super) use change::*;
pub(super) use inspect::*;
pub(super) use send::*;

use super::error::{ApiError, ProblemCode};
use crate::job::{MailId, MailState};

fn mail_not_found(id: MailId) -> ApiError {
    let detail = format!(
        "there is no mail `{id}`; those that are over are forgotten after `mail_keep`: GET /v1/mail lists them"
    );
    ApiError::new(ProblemCode::MailNotFound, detail)
}

fn wrong_state(state: MailState, why: &str) -> ApiError {
    ApiError::new(ProblemCode::WrongState, why).with("state", state.as_str())
}
