//! A load generator: HTTP/1.1 over keep-alive connections, one thread each, raw sockets.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections.
    pub(crate) connections: u32,
    /// Requests per second over all connections; `None` is as many as can be.
    pub(crate) rate: Option<u32>,
    /// For how long.
    pub(crate) duration: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Nanoseconds from sending a request to having its answer, sorted.
    latencies: Vec<u32>,
}

impl Served {
    /// Of the nanoseconds that each request took.
    pub(crate) fn new(mut latencies: Vec<u32>, seconds: f64) -> Self {
        latencies.sort_unstable();
        Self { requests: latencies.len() as u64, seconds, latencies }
    }

    /// The latency, in microseconds, that the fraction `part` of the requests did not exceed.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length is a length")]
        let at = (self.latencies.len() as f64 * part) as usize;
        let latency = self.latencies.get(at).or(self.latencies.last());
        latency.map_or(0.0, |nanoseconds| f64::from(*nanoseconds) / 1e3)
    }
}

/// Asks `server` for the duration of the load. Every request has been answered when this returns.
pub(crate) fn run(server: SocketAddr, load: Load) -> anyhow::Result<Served> {
    // All connections begin together.
    let begin = Instant::now() + Duration::from_millis(20);
    let threads: Vec<_> =
        (0..load.connections).map(|index| thread::spawn(move || Connection::open(server, index)?.ask(load, begin))).collect();
    let mut latencies = Vec::new();
    let mut failed = None;
    for thread in threads {
        match thread.join() {
            Ok(Ok(more)) => latencies.extend(more),
            Ok(Err(error)) => failed = Some(error),
            Err(_panicked) => failed = Some(anyhow::anyhow!("a connection's thread panicked")),
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    if let Some(error) = failed {
        return Err(error.context("the server did not answer"));
    }
    Ok(Served::new(latencies, seconds))
}

struct Connection {
    stream: TcpStream,
    index: u32,
    request: String,
    answer: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr, index: u32) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).context("cannot connect to the server")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream, index, request: String::new(), answer: vec![0; 4096] })
    }

    /// Latencies of all requests.
    fn ask(mut self, load: Load, begin: Instant) -> anyhow::Result<Vec<u32>> {
        let mut latencies = Vec::with_capacity(1 << 16);
        let interval = load.rate.map(|rate| Duration::from_secs(1) * load.connections / rate);
        // Spread over the interval.
        let mut next = begin + interval.unwrap_or_default() * self.index / load.connections;
        let end = begin + load.duration;
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            let sent = Instant::now();
            if sent >= end {
                return Ok(latencies);
            }
            self.exchange(latencies.len())?;
            latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
            next += interval.unwrap_or_default();
        }
    }

    fn exchange(&mut self, number: usize) -> anyhow::Result<()> {
        self.request.clear();
        self.request.push_str(
            "GET /hello?page=2 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) bench/1.0\r\n\
             Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br\r\n",
        );
        if number.is_multiple_of(2) {
            let (trace, parent) = (u64::from(self.index) + 1, number as u64 + 1);
            write!(self.request, "traceparent: 00-4bf92f35{trace:08x}{parent:016x}-{parent:016x}-01\r\n")?;
        }
        self.request.push_str("\r\n");
        self.stream.write_all(self.request.as_bytes())?;
        let mut filled = 0;
        loop {
            anyhow::ensure!(filled < self.answer.len(), "the answer is too long");
            let read = self.stream.read(&mut self.answer[filled..])?;
            anyhow::ensure!(read > 0, "the server has closed the connection");
            filled += read;
            if is_complete(&self.answer[..filled])? {
                return Ok(());
            }
        }
    }
}

/// Whether these bytes are a whole answer with status 200.
fn is_complete(answer: &[u8]) -> anyhow::Result<bool> {
    const LENGTH: &[u8] = b"Content-Length: ";
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
    let (head, body) = answer.split_at(head + 4);
    anyhow::ensure!(head.starts_with(b"HTTP/1.1 200 "), "the answer is no 200: {}", String::from_utf8_lossy(head));
    let at = head.windows(LENGTH.len()).position(|window| window == LENGTH).context("the answer has no length")?;
    let digits = head[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(body.len() >= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert!(is_complete(answer).unwrap());
        assert!(!is_complete(&answer[..answer.len() - 1]).unwrap());
        assert!(!is_complete(&answer[..20]).unwrap());
        assert!(is_complete(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn percentiles() {
        let served = Served::new((1..=100).rev().map(|us| us * 1000).collect(), 1.0);
        assert!((served.percentile(0.5) - 51.0).abs() < 1e-9);
        assert!((served.percentile(0.99) - 100.0).abs() < 1e-9);
    }
}
