//! The way of mails out of the host: how one is written as a message, the connection to the server it is given to, and whether there is
//! one. The only code that speaks SMTP. Knows no store: what became of a mail is told to who asked for its transmission.

mod connection;
mod courier;
mod message;
mod server;
#[cfg(test)]
mod tests;

pub use connection::SmtpError;
pub use courier::{Courier, CourierStatus, MailMetrics, Reach};
pub use message::{WriteError, written};
pub use server::{Encryption, Login, ServerError, SmtpServer};
