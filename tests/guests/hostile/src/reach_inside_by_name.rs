//! Makes requests to names that lead to this machine, its networks and the metadata service of a cloud, alone and among others. It is
//! granted the whole public network.

use stoker_sdk::{Context, Failure, handler};

use crate::{Ports, answered};

const NAMES: [&str; 11] = [
    "loopback.test",
    "LOOPBACK.test.",
    "private.test",
    "link-local.test",
    "metadata.test",
    "zero.test",
    "mixed.test",
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "metadata.google.internal",
];

#[handler(kind = "reach-inside-by-name")]
pub fn reach_inside_by_name(_context: &Context, input: Ports) -> Result<Vec<String>, Failure> {
    let ways = NAMES.iter().flat_map(|host| input.ports.iter().map(move |port| format!("http://{host}:{port}/")));
    Ok(answered(ways))
}
