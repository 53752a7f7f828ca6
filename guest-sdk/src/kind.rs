//! The name of a kind, and with it the type of its payloads.

use std::fmt;
use std::marker::PhantomData;

/// A kind whose jobs have payloads of type `P`.
///
/// `#[handler]` makes one beside each function. For a kind that another module or another language serves, write it down once,
/// for instance in a crate that both sides use:
///
/// ```
/// use serde::Serialize;
/// use stoker_sdk::Kind;
/// use stoker_sdk::enqueue::NewJob;
///
/// #[derive(Serialize)]
/// struct Welcome {
///     to: String,
/// }
///
/// const WELCOME: Kind<Welcome> = Kind::new("mail.welcome");
///
/// let job = NewJob::of(WELCOME, &Welcome { to: "ada@example.org".into() })?;
/// assert_eq!(job.to_json(), r#"{"kind":"mail.welcome","payload":{"to":"ada@example.org"}}"#);
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
pub struct Kind<P: ?Sized> {
    name: &'static str,
    /// Takes payloads, has none.
    payload: PhantomData<fn(&P)>,
}

impl<P: ?Sized> Kind<P> {
    /// The kind of this name, e.g. `email.send`. The host is the one to say whether there is such a kind.
    ///
    /// ```
    /// # use stoker_sdk::Kind;
    /// const PING: Kind<()> = Kind::new("ping");
    /// assert_eq!(PING.name(), "ping");
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self { name, payload: PhantomData }
    }

    /// As the API writes it.
    ///
    /// ```
    /// # use stoker_sdk::Kind;
    /// assert_eq!(Kind::<u32>::new("double").name(), "double");
    /// ```
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<P: ?Sized> Clone for Kind<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: ?Sized> Copy for Kind<P> {}

impl<P: ?Sized> PartialEq for Kind<P> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<P: ?Sized> Eq for Kind<P> {}

impl<P: ?Sized> PartialEq<&str> for Kind<P> {
    fn eq(&self, other: &&str) -> bool {
        self.name == *other
    }
}

impl<P: ?Sized> fmt::Debug for Kind<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name, f)
    }
}

impl<P: ?Sized> fmt::Display for Kind<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<P: ?Sized> From<Kind<P>> for String {
    fn from(kind: Kind<P>) -> Self {
        kind.name.to_owned()
    }
}
