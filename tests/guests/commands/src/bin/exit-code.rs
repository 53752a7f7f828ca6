//! Exits with the code its payload `{"code": 75}` asks for, after a line on stderr.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let payload: serde_json::Value = serde_json::from_reader(std::io::stdin())?;
    let code = payload["code"].as_i64().ok_or("the payload has no number `code`")?;
    eprintln!("exiting with {code}");
    println!("{{\"exit\":{code}}}");
    std::process::exit(i32::try_from(code)?)
}
