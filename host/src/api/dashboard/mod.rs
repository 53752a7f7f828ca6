//! The dashboard's way in: a form for a key, a session in a cookie, and a page that says who one is. Plain HTML without
//! scripts, nothing loaded from anywhere, everything from outside escaped.

mod home;
mod login;
mod logout;
mod page;

pub(super) use home::*;
pub(super) use login::*;
pub(super) use logout::*;

/// The first page.
pub(super) const DASHBOARD: &str = "/dashboard";
/// Where one comes from who is not known.
pub(super) const LOGIN: &str = "/dashboard/login";
