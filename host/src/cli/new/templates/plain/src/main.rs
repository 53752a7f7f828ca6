//! A plain command: the payload comes on standard input, the output goes to standard output, and what
//! is written to standard error is the job's log. The kind is the module's name, `{{name}}`.

use std::io::Read;
use std::process::ExitCode;

/// The payload is wrong: the job fails for good (`EX_DATAERR`).
const FATAL: u8 = 65;
/// It may go right later: the job is tried again (`EX_TEMPFAIL`).
const RETRY: u8 = 75;

fn main() -> ExitCode {
    let mut text = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut text) {
        eprintln!("cannot read the payload: {error}");
        return ExitCode::from(RETRY);
    }
    match shout(&text) {
        Ok(shouted) => {
            let attempt = std::env::var("STOKER_ATTEMPT").unwrap_or_default();
            eprintln!("shouting {} bytes in attempt {attempt}", text.len());
            print!("{shouted}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(FATAL)
        }
    }
}

/// The work itself, apart from where its input comes from: so it can be tested on this machine.
fn shout(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("the text is blank: there is nothing to shout".to_owned());
    }
    Ok(text.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shouts() {
        assert_eq!(shout("hello"), Ok("HELLO".to_owned()));
    }

    #[test]
    fn blank_text_is_refused() {
        assert!(shout(" \n").is_err());
    }
}
