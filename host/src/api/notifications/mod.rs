//! Inboxes of users: listed, read, and followed as they fill.
//!
//! Guarantees: whoever calls as a user sees and changes that user's alone; others say whose they mean, and change them only
//! where they could make a token for that user as well.

mod delete;
mod follow;
mod list;
mod mark;
mod places;
mod stream;
mod token;
mod whose;

pub(super) use delete::*;
pub(super) use follow::{Followed, Following, Over};
pub(super) use list::*;
pub(super) use mark::*;
pub(super) use places::Places;
pub(super) use stream::*;
pub(super) use token::*;
pub(super) use whose::{UserParameters, one_user};

use super::error::{ApiError, ProblemCode};
use crate::job::NotificationId;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 512;

fn not_found(id: NotificationId) -> ApiError {
    ApiError::new(ProblemCode::NotificationNotFound, format!("there is no notification {id}"))
}
