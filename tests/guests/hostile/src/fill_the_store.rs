//! Fills the key-value store until there is no room left, in large values and then in small ones.

use stoker_sdk::{Context, Failure, handler, kv};

use crate::Anything;

/// Whether the quota was in the way.
#[handler(kind = "fill-the-store")]
pub fn fill_the_store(context: &Context, _input: Anything) -> Result<bool, Failure> {
    let bucket = kv::open("large")?;
    let mut refusal = String::new();
    for bytes in [200_000, 2_000] {
        let value = vec![b'x'; bytes];
        for number in 0..1_000 {
            if let Err(error) = bucket.set(&format!("{} {bytes} {number}", context.job_id()), &value) {
                refusal = error.to_string();
                break;
            }
        }
    }
    Ok(refusal.contains("kv_bytes"))
}
