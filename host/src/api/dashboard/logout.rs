//! `POST /dashboard/logout`.

use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;

use super::LOGIN;
use super::login::{cookie, field, read_form};
use crate::api::error::ApiError;
use crate::api::extract::NoParameters;
use crate::api::identity::{Call, check_csrf};

/// Log out
///
/// A form with the `csrf_token` of the page. The session ends, wherever its cookie is.
#[utoipa::path(
    post, path = "/dashboard/logout", tag = "operations",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "The session has ended; on to /dashboard/login"),
        (status = 415, description = "`unsupported_media_type`"),
    ),
)]
pub(in crate::api) async fn logout(api: Call, _: NoParameters, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let form = read_form(&api, &parts.headers, body).await?;
    if let Some(session) = api.caller.session {
        let given = field(&form, "csrf_token").unwrap_or_default();
        check_csrf(crate::api::identity::cookie(&parts.headers).unwrap_or_default(), given.as_bytes())?;
        api.store.close_session(api.caller.scope, session).await?;
    }
    let mut response = Redirect::to(LOGIN).into_response();
    response.headers_mut().insert(SET_COOKIE, cookie(&api, "", 0)?);
    Ok(response)
}
