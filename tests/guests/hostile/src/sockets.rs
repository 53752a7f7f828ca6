//! Reaches for the network without HTTP: connects, listens, sends, asks for names.

use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "sockets")]
pub fn sockets(_context: &Context, _input: Anything) -> Result<Vec<String>, Failure> {
    let mut opened = Vec::new();
    if TcpStream::connect("127.0.0.1:7700").is_ok() {
        opened.push("connect");
    }
    if TcpListener::bind("127.0.0.1:0").is_ok() {
        opened.push("listen");
    }
    if UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", "127.0.0.1:53")).is_ok() {
        opened.push("send");
    }
    if "localhost:80".to_socket_addrs().is_ok_and(|mut found| found.next().is_some()) {
        opened.push("resolve");
    }
    Ok(opened.into_iter().map(str::to_owned).collect())
}
