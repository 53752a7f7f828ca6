//! The words for how far a mail is, as they stand in rows and answers.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let known = Self::ALL.iter().copied().find(|known| known.as_str() == text);
                known.ok_or_else(|| {
                    let words: Vec<&str> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    format!("must be one of {}", words.join(", "))
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// How far a mail is.
    MailState {
        /// To be transmitted, for the first time or again.
        Queued = "queued",
        /// A host transmits it now.
        Sending = "sending",
        /// The server took it for every recipient.
        Sent = "sent",
        /// The server took it for some recipients, and for others it never will.
        PartlySent = "partly_sent",
        /// The server took it for none, and never will.
        Failed = "failed",
        /// There was no server to give it to; it is kept until somebody says that it is to be sent.
        Kept = "kept",
    }
}

impl MailState {
    /// Whether nothing happens to it any more by itself.
    pub fn is_over(self) -> bool {
        match self {
            MailState::Sent | MailState::PartlySent | MailState::Failed => true,
            MailState::Queued | MailState::Sending | MailState::Kept => false,
        }
    }
}

words! {
    /// What became of a mail for one recipient.
    RecipientState {
        /// Not yet.
        Queued = "queued",
        /// The server took it.
        Sent = "sent",
        /// The server will never take it.
        Refused = "refused",
        /// It was tried for as long as it may be.
        Failed = "failed",
    }
}

words! {
    /// In which line of a mail a recipient stands.
    RecipientRole {
        /// `To`.
        To = "to",
        /// `Cc`.
        Cc = "cc",
        /// In none: nobody else sees it.
        Bcc = "bcc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for state in MailState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
            assert_eq!(serde_json::to_value(state).ok(), Some(state.as_str().into()));
        }
        for state in RecipientState::ALL {
            assert_eq!(serde_json::to_value(state).ok(), Some(state.as_str().into()));
        }
        assert_eq!(
            "gone".parse::<MailState>().err().as_deref(),
            Some("must be one of queued, sending, sent, partly_sent, failed, kept")
        );
    }
}
