//! Gives what it was given as random, so that the attempts can be compared: nobody is to guess what others get.

use stoker_sdk::{Context, Failure, handler};
use wasip2::random::{insecure_seed::insecure_seed, random::get_random_u64};

use crate::Anything;

#[handler(kind = "guess-randomness")]
pub fn guess_randomness(_context: &Context, _input: Anything) -> Result<(String, String), Failure> {
    Ok((get_random_u64().to_string(), format!("{:?}", insecure_seed())))
}
