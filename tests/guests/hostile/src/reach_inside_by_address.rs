//! Makes requests to this machine, its networks and the metadata service of a cloud, by their addresses in every spelling that
//! some program takes for one. It is granted the whole public network.

use stoker_sdk::{Context, Failure, handler};

use crate::{Ports, answered};

/// Loopback first, then private, link-local and metadata addresses.
const SPELLINGS: [&str; 47] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.127.127.127",
    "2130706433",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "127.000.000.001",
    "00000000127.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::5efe:127.0.0.1]",
    "[::1%25lo]",
    "[::]",
    "0.0.0.0",
    "0",
    "127.0.0.1%00",
    "127.0.0.1%2f",
    "%31%32%37.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}",
    "public.example@127.0.0.1",
    "public.example\\@127.0.0.1",
    "127.0.0.1\\.public.example",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "[fe80::1]",
    "255.255.255.255",
];

#[handler(kind = "reach-inside-by-address")]
pub fn reach_inside_by_address(_context: &Context, input: Ports) -> Result<Vec<String>, Failure> {
    let ways = SPELLINGS.iter().flat_map(|host| input.ports.iter().map(move |port| format!("http://{host}:{port}/")));
    Ok(answered(ways))
}
