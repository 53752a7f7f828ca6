//! Tries to reach the network without HTTP, in each of the ways there are. Tells what it was answered, or fails with it.

use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Ways {
    /// An address with its port.
    #[serde(default)]
    to: Option<String>,
    /// Fails instead of telling.
    #[serde(default)]
    fail: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct Told {
    connect: Option<String>,
    listen: Option<String>,
    udp: Option<String>,
    lookup: Option<String>,
}

#[handler(kind = "sockets")]
pub fn sockets(_context: &Context, input: Ways) -> Result<Told, Failure> {
    let to = input.to.unwrap_or_else(|| "127.0.0.1:80".into());
    let connect = TcpStream::connect(&to);
    if input.fail {
        connect?;
        return Err(Failure::fatal("it got through"));
    }
    let said = |error: Option<std::io::Error>| error.map(|error| format!("{:?}", error.kind()));
    Ok(Told {
        connect: said(connect.err()),
        listen: said(TcpListener::bind("127.0.0.1:0").err()),
        udp: said(UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", &to)).err()),
        lookup: said("localhost:80".to_socket_addrs().err()),
    })
}
