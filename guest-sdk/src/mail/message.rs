//! A mail, put together piece by piece. What is wrong with an address the host says when the mail is sent.

/// A mail.
///
/// Addresses stand by themselves (`ada@example.com`) or after a name (`Ada Lovelace <ada@example.com>`). It has at most 50
/// recipients, and its bodies and attachments at most 1 MiB together.
///
/// ```
/// use stoker_sdk::mail::Mail;
///
/// let mail = Mail::to("ada@example.com")
///     .cc("bob@example.com")
///     .bcc("archive@example.com")
///     .from("Shop <noreply@shop.example>")
///     .reply_to("help@shop.example")
///     .subject("Your order")
///     .text("It is on its way.")
///     .html("<p>It is on its way.</p>")
///     .header("X-Order", "7");
/// assert_eq!(mail.recipients(), ["ada@example.com", "bob@example.com", "archive@example.com"]);
/// assert_eq!(mail.subject_line(), "Your order");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a mail is sent by `Context::send_mail`"]
pub struct Mail {
    pub(super) sender: Option<String>,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    pub(super) reply_to: Option<String>,
    pub(super) subject: String,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) attachments: Vec<(String, String, Vec<u8>)>,
}

impl Mail {
    /// To one recipient; [`Mail::and_to`] adds more.
    pub fn to(address: impl Into<String>) -> Self {
        Self::default().and_to(address)
    }

    /// To another one as well.
    pub fn and_to(mut self, address: impl Into<String>) -> Self {
        self.to.push(address.into());
        self
    }

    /// A copy to somebody.
    pub fn cc(mut self, address: impl Into<String>) -> Self {
        self.cc.push(address.into());
        self
    }

    /// A copy to somebody nobody else sees.
    pub fn bcc(mut self, address: impl Into<String>) -> Self {
        self.bcc.push(address.into());
        self
    }

    /// Whom it is from; without, the host's default sender. Either has to be granted.
    pub fn from(mut self, address: impl Into<String>) -> Self {
        self.sender = Some(address.into());
        self
    }

    /// Where answers go.
    pub fn reply_to(mut self, address: impl Into<String>) -> Self {
        self.reply_to = Some(address.into());
        self
    }

    /// What it is about: one line.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// The plain body.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The body with markup.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// A header whose name begins with `X-` or `List-`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A file that comes with it, and what it is, like `application/pdf`.
    pub fn attach(mut self, name: impl Into<String>, content_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        self.attachments.push((name.into(), content_type.into(), bytes));
        self
    }

    /// Everybody it goes to.
    pub fn recipients(&self) -> Vec<&str> {
        [&self.to, &self.cc, &self.bcc].into_iter().flatten().map(String::as_str).collect()
    }

    /// What it is about.
    pub fn subject_line(&self) -> &str {
        &self.subject
    }

    /// The plain body.
    pub fn text_body(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The body with markup.
    pub fn html_body(&self) -> Option<&str> {
        self.html.as_deref()
    }
}
