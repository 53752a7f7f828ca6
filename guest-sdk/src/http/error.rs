//! Why there is no response.

use std::error;
use std::fmt;

/// Why there is no response. A response of any status is one.
///
/// ```
/// # use stoker_sdk::http::Error;
/// let error = Error::Denied("api.example.com".into());
/// assert_eq!(error.to_string(), "requests to api.example.com are not granted");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The kind is not granted this host, or its name leads to an address that is none of the public network. If the attempt
    /// fails, it fails as `capability_denied`.
    Denied(String),
    /// The request can't be sent: a URL that is none, a header with a line break, a method that does not exist.
    Invalid(String),
    /// Nothing came in time.
    Timeout(String),
    /// The request or the response is larger than it may be.
    TooLarge(String),
    /// The connection broke off before all of the response was there. The server may have done what it was asked for.
    Incomplete(String),
    /// Anything else: no such name, nobody there, a certificate that does not fit.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Denied(host) => {
                f.write_str("requests to ")?;
                f.write_str(host)?;
                f.write_str(" are not granted")
            }
            Error::Invalid(why)
            | Error::Timeout(why)
            | Error::TooLarge(why)
            | Error::Incomplete(why)
            | Error::Failed(why) => f.write_str(why),
        }
    }
}

impl error::Error for Error {}
