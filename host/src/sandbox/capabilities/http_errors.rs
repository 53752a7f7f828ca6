//! `http-error-code` of `wasi:http/types`: why a body broke off, in words a guest can act on. wasmtime-wasi-http's own answers
//! "unknown" to each error of a body that is read, because it looks for a type that no such error has.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, WasiHttpView};

use crate::sandbox::state::AttemptState;

/// As wasmtime-wasi-http links it; another version would not be shadowed but stand beside it.
const INTERFACE: &str = "wasi:http/types@0.2.12";

/// Over what wasmtime-wasi-http linked: this one function.
pub(in crate::sandbox) fn link(linker: &mut Linker<AttemptState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap(
        "http-error-code",
        |mut store: StoreContextMut<'_, AttemptState>, (error,): (Resource<wasmtime::Error>,)| {
            let http = store.data_mut().http();
            let error = http.table.get(&error)?;
            Ok((code_of(error),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The code, if it is an error of HTTP at all.
fn code_of(error: &wasmtime::Error) -> Option<ErrorCode> {
    if let Some(code) = error.downcast_ref::<ErrorCode>() {
        return Some(code.clone());
    }
    // Those that a body of `sandbox::egress` ends in.
    Some(match error.downcast_ref::<Error>()? {
        Error::HttpResponseBodySize(most) => ErrorCode::HttpResponseBodySize(*most),
        Error::HttpResponseHeaderSectionSize(most) => ErrorCode::HttpResponseTrailerSectionSize(*most),
        Error::HttpRequestBodySize(most) => ErrorCode::HttpRequestBodySize(*most),
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::HttpProtocolError => ErrorCode::HttpProtocolError,
        // What it says is the host's own.
        _ => ErrorCode::InternalError(None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_body_ends_in_has_a_code() {
        let code = |error: Error| code_of(&error.into()).map(|code| format!("{code:?}"));
        for (error, name) in [
            (Error::HttpResponseBodySize(Some(7)), "ErrorCode::HttpResponseBodySize"),
            (Error::ConnectionReadTimeout, "ErrorCode::ConnectionReadTimeout"),
            (Error::HttpResponseTimeout, "ErrorCode::HttpResponseTimeout"),
            (Error::HttpResponseIncomplete, "ErrorCode::HttpResponseIncomplete"),
            (Error::ConnectionTerminated, "ErrorCode::ConnectionTerminated"),
            (Error::HttpProtocolError, "ErrorCode::HttpProtocolError"),
            (Error::InternalError(Some("/etc/passwd".to_owned())), "ErrorCode::InternalError(None"),
        ] {
            let code = code(error).expect("a code");
            assert!(code.starts_with(name), "{name}: {code}");
        }
        assert!(code_of(&wasmtime::Error::msg("of something else")).is_none());
        assert!(code_of(&ErrorCode::DnsTimeout.into()).is_some());
    }
}
