//! Looks for what the process was started with: variables, arguments, its input.

use std::io::Read as _;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "read-environment")]
pub fn read_environment(_context: &Context, _input: Anything) -> Result<Vec<String>, Failure> {
    let mut stdin = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut stdin);
    let variables = std::env::vars().map(|(name, value)| format!("{name}={value}"));
    Ok(variables.chain(std::env::args()).chain((!stdin.is_empty()).then(|| "stdin".to_owned())).collect())
}
