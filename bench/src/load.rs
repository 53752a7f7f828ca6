//! Many connections in a closed loop: each sends its next request as soon as its last one is answered.
//!
//! The generator shares its cores with the host under test, so it is one thread over epoll which reads and writes
//! and does nothing else: two system calls a request, no allocation, no parsing of bodies.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{Timespec, epoll};

use crate::client::refusal;
use crate::http;
use crate::samples::{Samples, Summary};
use crate::template::{FIRST_ID, Template};

/// Answers are read in pieces of this size; one for a single enqueue is smaller.
const READ_BYTES: usize = 64 << 10;
/// With no answer on any connection for so long the host is taken for stuck.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Connections that can be told of at once.
const EVENTS_MAX: usize = 64;
/// Requests whose durations fit without growing.
const SAMPLES_EXPECTED: usize = 1_000_000;

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After this time, of which the first part is not measured.
    Elapsed {
        /// Not measured.
        warm_up: Duration,
        /// Measured.
        window: Duration,
    },
    /// After so many jobs (rounded up to whole requests), all measured.
    Jobs(u64),
}

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadResult {
    /// Jobs acknowledged from the first request to the last.
    pub(crate) jobs: u64,
    /// Of these, the ones in the measured window.
    pub(crate) jobs_measured: u64,
    /// How long the measured window was.
    pub(crate) measured: Duration,
    /// Durations of the requests in it.
    pub(crate) latency: Summary,
    /// When the first request was sent.
    pub(crate) started: Instant,
}

impl LoadResult {
    /// Acknowledged jobs per second in the measured window.
    pub(crate) fn rate(&self) -> f64 {
        self.jobs_measured as f64 / self.measured.as_secs_f64()
    }
}

struct Connection {
    stream: TcpStream,
    template: Template,
    /// Bytes of the request written so far.
    written: usize,
    received: Vec<u8>,
    filled: usize,
    sent_at: Instant,
}

impl Connection {
    fn open(address: SocketAddr, template: Template) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, template, written: 0, received: vec![0; READ_BYTES], filled: 0, sent_at: Instant::now() })
    }

    /// Writes what the socket takes; `true` once the request is out.
    fn write(&mut self) -> anyhow::Result<bool> {
        while let Some(rest) = self.template.bytes().get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("sending a request"),
            }
        }
        Ok(true)
    }

    /// Reads once; `true` when the answer is complete.
    fn read(&mut self) -> anyhow::Result<bool> {
        if self.filled == self.received.len() {
            anyhow::ensure!(self.filled < http::ANSWER_BYTES_MAX, "an answer that does not end");
            self.received.resize(self.filled * 2, 0);
        }
        match self.stream.read(&mut self.received[self.filled..]) {
            Ok(0) => anyhow::bail!("the host closed a connection"),
            Ok(bytes) => self.filled += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(false),
            Err(error) => return Err(error).context("reading an answer"),
        }
        let received = &self.received[..self.filled];
        let Some(frame) = http::frame(received)? else { return Ok(false) };
        anyhow::ensure!((200..300).contains(&frame.status), refusal(frame.status, &received[frame.body]));
        self.filled = 0;
        Ok(true)
    }
}

/// Drives the host until `until`; every request sent is answered before this returns.
pub(crate) fn run(
    address: SocketAddr,
    template: &Template,
    connections: usize,
    until: Until,
) -> anyhow::Result<LoadResult> {
    let mut connections: Vec<Connection> =
        (0..connections).map(|_| Connection::open(address, template.clone())).collect::<anyhow::Result<_>>()?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, connection) in connections.iter().enumerate() {
        epoll::add(&poll, &connection.stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
    }

    let jobs_per_request = template.jobs();
    let started = Instant::now();
    let (warm_until, end, jobs_max) = match until {
        Until::Elapsed { warm_up, window } => (started + warm_up, started + warm_up + window, u64::MAX),
        Until::Jobs(jobs) => (started, started + Duration::from_hours(24), jobs),
    };
    let mut tally = Tally { samples: Samples::with_capacity(SAMPLES_EXPECTED), ..Tally::default() };
    let mut sent = 0;
    let mut busy = 0;
    for (index, connection) in connections.iter_mut().enumerate() {
        if sent < jobs_max {
            send_next(&poll, connection, index, &mut sent, jobs_per_request)?;
            busy += 1;
        }
    }

    let mut events = Vec::with_capacity(EVENTS_MAX);
    let wait = Timespec { tv_sec: SILENCE_MAX.as_secs().cast_signed(), tv_nsec: 0 };
    while busy > 0 {
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(0) => anyhow::bail!("no answer for {SILENCE_MAX:?}"),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for answers"),
        }
        for event in events.drain(..) {
            // Copied out: the kernel's struct is packed.
            let (flags, data) = (event.flags, event.data);
            let index = data.u64() as usize;
            let Some(connection) = connections.get_mut(index) else { continue };
            if flags.contains(epoll::EventFlags::OUT) {
                if connection.write()? {
                    watch(&poll, connection, index, epoll::EventFlags::IN)?;
                }
                continue;
            }
            if !connection.read()? {
                continue;
            }
            let now = Instant::now();
            tally.jobs += jobs_per_request;
            if now >= warm_until && now < end {
                tally.jobs_measured += jobs_per_request;
                tally.samples.record(now - connection.sent_at);
                tally.last = Some(now);
            }
            if now < end && sent < jobs_max {
                send_next(&poll, connection, index, &mut sent, jobs_per_request)?;
            } else {
                busy -= 1;
            }
        }
    }
    let measured = match until {
        Until::Elapsed { window, .. } => window,
        Until::Jobs(_) => tally.last.map_or(Duration::ZERO, |last| last - started),
    };
    let Tally { jobs, jobs_measured, samples, last: _ } = tally;
    Ok(LoadResult { jobs, jobs_measured, measured, latency: samples.summary(), started })
}

#[derive(Default)]
struct Tally {
    jobs: u64,
    jobs_measured: u64,
    samples: Samples,
    /// When the last measured answer came.
    last: Option<Instant>,
}

fn send_next(
    poll: &impl std::os::fd::AsFd,
    connection: &mut Connection,
    index: usize,
    sent: &mut u64,
    jobs_per_request: u64,
) -> anyhow::Result<()> {
    connection.template.stamp(FIRST_ID + *sent);
    *sent += jobs_per_request;
    connection.written = 0;
    connection.sent_at = Instant::now();
    if !connection.write()? {
        watch(poll, connection, index, epoll::EventFlags::OUT)?;
    }
    Ok(())
}

fn watch(
    poll: &impl std::os::fd::AsFd,
    connection: &Connection,
    index: usize,
    flags: epoll::EventFlags,
) -> anyhow::Result<()> {
    epoll::modify(poll, &connection.stream, epoll::EventData::new_u64(index as u64), flags)
        .context("watching a connection")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers every request of `request_bytes` with `answer`, on as many connections as come.
    fn answering(request_bytes: usize, answer: &'static [u8], requests: Arc<AtomicUsize>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, requests) = (stream.unwrap(), Arc::clone(&requests));
                std::thread::spawn(move || {
                    let mut request = vec![0; request_bytes];
                    while stream.read_exact(&mut request).is_ok() {
                        requests.fetch_add(1, Ordering::SeqCst);
                        if stream.write_all(answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";

    fn template_like(jobs: Option<usize>) -> Template {
        // The port is not known yet; another one of five digits makes the bytes as long.
        let address = ([127, 0, 0, 1], 10_000).into();
        jobs.map_or_else(|| Template::single(address), |jobs| Template::batch(address, jobs))
    }

    #[test]
    fn so_many_jobs_are_sent_and_answered() {
        let requests = Arc::new(AtomicUsize::new(0));
        let template = template_like(None);
        let address = answering(template.bytes().len(), CREATED, Arc::clone(&requests));
        let result = run(address, &template, 4, Until::Jobs(1_000)).unwrap();
        assert_eq!((result.jobs, result.jobs_measured, result.latency.count), (1_000, 1_000, 1_000));
        assert_eq!(requests.load(Ordering::SeqCst), 1_000);
        assert!(result.rate() > 0.0);
    }

    #[test]
    fn requests_larger_than_the_socket_buffer_arrive_whole() {
        let requests = Arc::new(AtomicUsize::new(0));
        let template = template_like(Some(20_000));
        let address = answering(template.bytes().len(), CREATED, Arc::clone(&requests));
        let result = run(address, &template, 2, Until::Jobs(60_000)).unwrap();
        assert_eq!((result.jobs, requests.load(Ordering::SeqCst)), (60_000, 3));
    }

    #[test]
    fn the_clock_ends_it_and_every_request_is_answered() {
        let requests = Arc::new(AtomicUsize::new(0));
        let template = template_like(None);
        let address = answering(template.bytes().len(), CREATED, Arc::clone(&requests));
        let until = Until::Elapsed { warm_up: Duration::from_millis(20), window: Duration::from_millis(50) };
        let result = run(address, &template, 3, until).unwrap();
        assert_eq!(result.jobs, requests.load(Ordering::SeqCst) as u64);
        assert!(result.jobs_measured < result.jobs);
    }

    #[test]
    fn a_refusal_ends_the_run_with_the_hosts_words() {
        let template = template_like(None);
        let refused = b"HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\n\r\nunknown kind";
        let address = answering(template.bytes().len(), refused, Arc::default());
        let error = run(address, &template, 1, Until::Jobs(1)).unwrap_err().to_string();
        assert!(error.contains("404") && error.contains("unknown kind"), "{error}");
    }
}
