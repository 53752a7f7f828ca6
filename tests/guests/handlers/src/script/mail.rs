//! A script's lines about mail.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stoker_sdk::Context;
use stoker_sdk::mail::Mail;

/// A mail.
#[derive(Deserialize, JsonSchema)]
pub struct MailLine {
    to: Vec<String>,
    #[serde(default)]
    cc: Vec<String>,
    #[serde(default)]
    bcc: Vec<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    html: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    attachment: Option<String>,
}

/// Its `Message-ID`, or why it can't be sent.
pub fn send(context: &Context, line: MailLine) -> Value {
    let MailLine { to, cc, bcc, from, subject, text, html, headers, attachment } = line;
    let mut mail = to.into_iter().fold(Mail::default(), Mail::and_to).subject(subject);
    mail = cc.into_iter().fold(mail, Mail::cc);
    mail = bcc.into_iter().fold(mail, Mail::bcc);
    mail = headers.into_iter().fold(mail, |mail, (name, value)| mail.header(name, value));
    if let Some(from) = from {
        mail = mail.from(from);
    }
    if let Some(text) = text {
        mail = mail.text(text);
    }
    if let Some(html) = html {
        mail = mail.html(html);
    }
    if let Some(text) = attachment {
        mail = mail.attach("attached.txt", "text/plain", text.into_bytes());
    }
    context.send_mail(&mail).map_or_else(|refused| json!({ "refused": refused.to_string() }), Value::from)
}
