//! Mail that is sent when the job succeeds.
//!
//! The host commits it together with `succeeded`, and then gives it to its SMTP server until that takes it, or says that it never
//! will; of an attempt that fails, or is suspended, nothing is sent. Senders have to be granted (`grants(mail = ["noreply@example.com"])`).
//!
//! ```
//! use stoker_sdk::mail::Mail;
//! use stoker_sdk::testing::FakeHost;
//! use stoker_sdk::{Context, Failure, handler};
//!
//! #[handler(kind = "email.welcome", grants(mail = ["noreply@shop.example"]))]
//! fn welcome(context: &Context, address: String) -> Result<(), Failure> {
//!     context.send_mail(&Mail::to(address).from("Shop <noreply@shop.example>").subject("Welcome").text("Good to see you."))?;
//!     Ok(())
//! }
//!
//! let host = FakeHost::new();
//! assert_eq!(host.run::<welcome>("ada@example.com".into()), Ok(()));
//! let mails = host.mails();
//! assert_eq!((mails.len(), mails[0].recipients()), (1, vec!["ada@example.com"]));
//! ```

#[cfg(not(target_family = "wasm"))]
pub(crate) mod address;
#[cfg(not(target_family = "wasm"))]
mod fake;
mod message;

pub use message::Mail;

use crate::{Context, EffectError};

impl Context {
    /// Sends a mail when this job succeeds; returns the `Message-ID` that every transmission of it has.
    ///
    /// Asks the host, and so needs one of version 1.3 of `stoker:handler`.
    ///
    /// ```
    /// # use stoker_sdk::mail::Mail;
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().may_send_mail("*@shop.example").mail_sender("noreply@shop.example");
    /// let mail = Mail::to("ada@example.com").subject("Your invoice").text("It is attached.").attach(
    ///     "invoice.pdf",
    ///     "application/pdf",
    ///     b"%PDF-1.7".to_vec(),
    /// );
    /// host.context().send_mail(&mail).unwrap();
    /// assert_eq!(host.mails(), [mail]);
    /// ```
    pub fn send_mail(&self, mail: &Mail) -> Result<String, EffectError> {
        self.send(mail)
    }
}

#[cfg(target_family = "wasm")]
mod calls {
    use super::Mail;
    use crate::bindings::stoker::handler::mail::{self, Attachment, Message};
    use crate::{Context, EffectError};

    #[allow(clippy::unused_self, clippy::needless_pass_by_value)] // A fake host has them behind a context, and keeps what it is given.
    impl Context {
        pub(super) fn send(&self, mail: &Mail) -> Result<String, EffectError> {
            let Mail { sender, to, cc, bcc, reply_to, subject, text, html, headers, attachments } = mail.clone();
            let attachments = attachments.into_iter();
            let message = Message {
                sender,
                to,
                cc,
                bcc,
                reply_to,
                subject,
                text,
                html,
                headers,
                attachments: attachments
                    .map(|(name, content_type, bytes)| Attachment { name, content_type, bytes })
                    .collect(),
            };
            mail::send(&message).map_err(|error| match error {
                mail::Error::NotGranted => EffectError::NotGranted,
                mail::Error::Refused(why) => EffectError::Refused(why),
            })
        }
    }
}
