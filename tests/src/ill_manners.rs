//! Servers that no handler should have to do with: too slow, too much, too little, and not HTTP at all.

use crate::wait::pace;
use crate::web_server::{WebServer, respond, wait_for_the_end};

impl WebServer {
    /// Takes the request and never answers, as long as the other side waits.
    pub fn never_answering() -> WebServer {
        Self::start(|_, connection| {
            wait_for_the_end(connection);
            Ok(())
        })
    }

    /// Begins a body and never goes on.
    pub fn stalling() -> WebServer {
        Self::start(|_, connection| {
            write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegun")?;
            connection.flush()?;
            wait_for_the_end(connection);
            Ok(())
        })
    }

    /// A byte now and then, for as long as somebody takes them.
    pub fn dripping() -> WebServer {
        Self::start(|_, connection| {
            write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
            loop {
                connection.write_all(b"x")?;
                connection.flush()?;
                pace();
            }
        })
    }

    /// A body without end.
    pub fn endless() -> WebServer {
        Self::start(|_, connection| {
            write!(connection, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            loop {
                connection.write_all(&[b'x'; 8_192])?;
            }
        })
    }

    /// A head without end.
    pub fn endless_head() -> WebServer {
        Self::start(|_, connection| {
            write!(connection, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(connection, "x-more: {}\r\n", "y".repeat(4_000))?;
            }
        })
    }

    /// A head of very many short lines.
    pub fn many_lines() -> WebServer {
        Self::start(|_, connection| {
            let lines = (0..1_000).map(|number| format!("x-{number}: y\r\n")).collect::<Vec<_>>().concat();
            respond(connection, "200 OK", &lines, "")
        })
    }

    /// Announces a hundred gigabytes.
    pub fn boasting() -> WebServer {
        Self::start(|_, connection| {
            write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")?;
            connection.flush()?;
            wait_for_the_end(connection);
            Ok(())
        })
    }

    /// Says half of what it announced, and leaves.
    pub fn leaving() -> WebServer {
        Self::start(|_, connection| write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"))
    }

    /// Leaves in the middle of a body in chunks.
    pub fn leaving_in_a_chunk() -> WebServer {
        Self::start(|_, connection| {
            write!(connection, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n9\r\nhalf")
        })
    }

    /// Leads to another place.
    pub fn redirecting(to: String) -> WebServer {
        Self::start(move |_, connection| respond(connection, "302 Found", &format!("location: {to}\r\n"), ""))
    }

    /// Says this and calls it packed by gzip.
    pub fn packed(body: Vec<u8>) -> WebServer {
        Self::start(move |_, connection| {
            write!(connection, "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len())?;
            connection.write_all(&body)
        })
    }
}

/// So many zeros packed by gzip, which makes some hundred and fifty bytes one.
pub fn gzip_of_zeros(bytes: usize) -> Vec<u8> {
    /// The longest copy there is.
    const COPY_BYTES: usize = 258;
    let mut bits = Bits::default();
    // The last block, with the codes that everybody knows; a zero to copy; copies of it from one byte before; the end.
    bits.push(0b1, 1);
    bits.push(0b01, 2);
    bits.push(reversed(0b0011_0000, 8), 8);
    for _ in 0..bytes / COPY_BYTES {
        bits.push(reversed(0b1100_0101, 8), 8);
        bits.push(0, 5);
    }
    bits.push(0, 7);
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    packed.extend(bits.bytes);
    // A checksum and a length, which nobody gets to that does not unpack.
    packed.extend([0; 8]);
    packed
}

/// From the lowest bit on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, bits: u8, count: u32) {
        for place in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= (bits >> place & 1) << (self.used % 8);
            }
            self.used += 1;
        }
    }
}

fn reversed(code: u8, count: u32) -> u8 {
    code.reverse_bits() >> (8 - count)
}
