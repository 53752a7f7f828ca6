//! What a server says, as a handler is told.

use std::error::Error as _;

use rustls::CertificateError;
use tokio_postgres::Error;

use crate::job::DatabaseError;
use crate::job::database::STATEMENT_TIME_MAX;

/// What the client says of a server that refuses TLS.
const NO_TLS: &str = "server does not support TLS";

/// Why a statement came to nothing.
pub(super) fn told(error: &Error) -> DatabaseError {
    let Some(said) = error.as_db_error() else {
        if error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>) {
            return DatabaseError::Unavailable("the connection to the database's server broke off".to_owned());
        }
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        return DatabaseError::Sql { code: "XX000".to_owned(), message: format!("{error}: {cause}") };
    };
    let (code, message) = (said.code().code(), said.message().to_owned());
    match code {
        "57014" | "25P04" => DatabaseError::Interrupted(too_late()),
        // Deadlock, serialization, a lock that was not got.
        "40001" | "40P01" | "55P03" => DatabaseError::Busy(format!("{message}; begin the transaction anew")),
        "53100" => DatabaseError::Quota(format!("the database's server: {message}")),
        // Of 26000 what was prepared on it, which is the host's to do, is gone: the connection is of no more use.
        "26000" | "53300" | "57P01" | "57P02" | "57P03" | "57P05" => unavailable(&message),
        _ if code.starts_with("08") => unavailable(&message),
        _ => DatabaseError::Sql { code: code.to_owned(), message },
    }
}

/// Why no connection was made.
pub(super) fn not_connected(error: &Error) -> DatabaseError {
    match error.as_db_error() {
        Some(said) => unavailable(&format!("{} ({})", said.message(), said.code().code())),
        None => unavailable(not_shaken(error).unwrap_or("it does not answer as PostgreSQL does")),
    }
}

/// Why TLS was not agreed upon.
fn not_shaken(error: &Error) -> Option<&'static str> {
    let cause = error.source()?;
    let Some(cause) = cause.downcast_ref::<std::io::Error>() else {
        return (cause.to_string() == NO_TLS)
            .then_some("it does not speak TLS, which `sslmode=require` in its URL asks for");
    };
    Some(match cause.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => {
                "nobody whom this host trusts vouches for its certificate; `egress_ca_file` of the host names further authorities"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is not of the host that its URL names"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
            _ => "its certificate is not good",
        },
        _ => "it does not speak TLS as it should",
    })
}

pub(super) fn unavailable(why: &str) -> DatabaseError {
    DatabaseError::Unavailable(format!("the database's server can't be used now: {why}"))
}

pub(super) fn too_late() -> String {
    format!("a statement may take {} s at most, and no longer than the attempt has left", STATEMENT_TIME_MAX.as_secs())
}
