//! Secrets that an operator has granted to the kind. Each is asked for by its name when it is needed; a handler that asks for
//! none carries none of this.

use std::error::Error;
use std::fmt;

use crate::Failure;

/// A secret's value. It shows itself to nobody who does not ask for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes, as they were set.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # let _host = FakeHost::new().secret("signing-key", "0123456789abcdef");
    /// let key = stoker_sdk::secrets::get("signing-key").unwrap();
    /// assert_eq!(key.bytes().len(), 16);
    /// assert_eq!(format!("{key:?}"), "Secret(…)");
    /// ```
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text; a fatal failure if it is none.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// # let _host = FakeHost::new().secret("api-token", "a very long token");
    /// let token = stoker_sdk::secrets::get("api-token").unwrap();
    /// assert_eq!(token.text(), Ok("a very long token"));
    /// ```
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.0).map_err(|_| Failure::fatal("a secret that is to be text is none"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be had. With `?` it means "try again later", as any error does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// The kind is not granted it: an operator has to.
    NotGranted,
    /// There is no such secret: somebody has to set it.
    NotFound,
    /// It can't be had now, and may be later: why.
    Unavailable(String),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::NotGranted => f.write_str("the kind is not granted the secret"),
            SecretError::NotFound => f.write_str("there is no such secret"),
            SecretError::Unavailable(why) => write!(f, "the secret can't be had now: {why}"),
        }
    }
}

impl Error for SecretError {}

/// A secret by its name. What is given here is taken out of the log, the output and the errors wherever it shows, and out of the
/// results of steps: ask for it where it is used.
///
/// Asks the host, and so needs one of version 1.2 of `stoker:handler`.
///
/// ```
/// use stoker_sdk::testing::FakeHost;
/// use stoker_sdk::{Context, Failure, handler, secrets};
///
/// #[handler(kind = "charge")]
/// fn charge(_context: &Context, cents: u64) -> Result<usize, Failure> {
///     let key = secrets::get("stripe-key")?;
///     Ok(format!("{cents} with {}", key.text()?).len())
/// }
///
/// let host = FakeHost::new().secret("stripe-key", "sk_test_12345678");
/// assert!(host.run::<charge>(5).is_ok());
/// drop(host);
/// assert!(FakeHost::new().run::<charge>(5).is_err(), "nobody granted it");
/// ```
pub fn get(name: &str) -> Result<Secret, SecretError> {
    read(name).map(Secret)
}

#[cfg(target_family = "wasm")]
fn read(name: &str) -> Result<Vec<u8>, SecretError> {
    use crate::bindings::stoker::handler::secrets;
    secrets::get(name).map_err(|error| match error {
        secrets::Error::NotGranted => SecretError::NotGranted,
        secrets::Error::NotFound => SecretError::NotFound,
        secrets::Error::Unavailable(why) => SecretError::Unavailable(why),
    })
}

#[cfg(not(target_family = "wasm"))]
fn read(name: &str) -> Result<Vec<u8>, SecretError> {
    let host = crate::testing::current().ok_or(SecretError::NotGranted)?;
    let mut record = host.lock();
    let found = record.secrets.get(name).cloned().ok_or(SecretError::NotGranted)?;
    record.secrets_given.insert(name.to_owned());
    Ok(found)
}
