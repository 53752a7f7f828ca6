//! The smallest Stoker job: one kind, one line of work.

use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, JsonSchema, handler};

/// Whom to greet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// A name; anything but blank.
    pub name: String,
}

/// The greeting.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Greeting {
    /// One line.
    pub greeting: String,
}

/// Greets somebody.
#[handler(kind = "hello")]
pub fn hello(_context: &Context, input: Hello) -> Result<Greeting, Failure> {
    let name = input.name.trim();
    if name.is_empty() {
        return Err(Failure::fatal("`name` is blank: there is nobody to greet"));
    }
    Ok(Greeting { greeting: format!("Hello, {name}!") })
}

stoker_sdk::module!(hello);

#[cfg(test)]
mod tests {
    use stoker_sdk::testing::FakeHost;

    use super::*;

    fn greet(name: &str) -> Result<String, Failure> {
        FakeHost::new().run::<hello>(Hello { name: name.into() }).map(|greeting| greeting.greeting)
    }

    #[test]
    fn greets_by_name() {
        assert_eq!(greet(" Ada "), Ok("Hello, Ada!".into()));
    }

    #[test]
    fn refuses_to_greet_nobody() {
        assert!(matches!(greet("  "), Err(Failure::Fatal { .. })));
    }

    #[test]
    fn reads_and_writes_json() {
        assert_eq!(FakeHost::new().run_json::<hello>(r#"{"name":"Ada"}"#), Ok(r#"{"greeting":"Hello, Ada!"}"#.into()));
    }
}
