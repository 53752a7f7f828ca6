//! A name server of a test's own, on loopback: what a test wants names to be, which may change from one question to the next.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// Of a question for an IPv4 address.
const TYPE_A: u16 = 1;
/// Length of the head of a message.
const HEAD_BYTES: usize = 12;

/// Answers until the test's process ends.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    questions: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// The closure is given a name and how often IPv4 addresses of it were asked for before; `None`: silence.
    pub fn start(answer: impl Fn(&str, usize) -> Option<Vec<Ipv4Addr>> + Send + 'static) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let questions: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked = Arc::clone(&questions);
        std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Some((name, kind, end)) = question(&buffer[..length]) else { continue };
                let addresses = if kind == TYPE_A {
                    let mut asked = asked.lock().expect("sound");
                    let before = asked.iter().filter(|known| **known == name).count();
                    asked.push(name.clone());
                    answer(&name, before)
                } else {
                    // Of the other kind there is none, unless the name is one that is never answered.
                    answer(&name, usize::MAX).map(|_| Vec::new())
                };
                if let Some(addresses) = addresses {
                    let _gone = socket.send_to(&reply(&buffer[..end], &addresses), from);
                }
            }
        });
        NameServer { address, questions }
    }

    /// For `--egress-dns`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Names whose IPv4 addresses were asked for, in order.
    pub fn questions(&self) -> Vec<String> {
        self.questions.lock().expect("sound").clone()
    }
}

/// The name asked for, the type, and where the question ends.
fn question(message: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = HEAD_BYTES;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

fn reply(asked: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut reply = asked.to_vec();
    // An answer, recursion available, no error; one question, so many answers, nothing else.
    reply[2..4].copy_from_slice(&[0x81, 0x80]);
    let count = u16::try_from(addresses.len()).expect("few");
    reply[4..12].copy_from_slice(&[0, 1, count.to_be_bytes()[0], count.to_be_bytes()[1], 0, 0, 0, 0]);
    for address in addresses {
        // The name of the question, an address, for the Internet, for a minute, four bytes.
        reply.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend_from_slice(&address.octets());
    }
    reply
}
