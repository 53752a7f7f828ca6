//! Prints its arguments and environment as JSON.

use std::collections::BTreeMap;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let env: BTreeMap<String, String> = std::env::vars().collect();
    println!("{}", serde_json::json!({ "args": args, "env": env }));
}
