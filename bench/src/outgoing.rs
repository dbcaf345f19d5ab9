//! Has a client under test send its requests (`bench/apps/client`), and takes what came of it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

use crate::load::{Load, Served};

/// Has the client send for the duration of the load. Every request has been answered when this returns.
pub(crate) fn run(client: SocketAddr, load: Load) -> anyhow::Result<Served> {
    let mut stream = TcpStream::connect(client).context("cannot connect to the client")?;
    stream.set_read_timeout(Some(load.duration + Duration::from_secs(30)))?;
    writeln!(stream, "{} {} {}", load.connections, load.rate.unwrap_or(0), load.duration.as_nanos())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("the client does not answer")?;
    decode(&answer).context("the client did not send")
}

/// The time of all, then that of each request.
fn decode(answer: &[u8]) -> Option<Served> {
    let (nanoseconds, rest) = answer.split_first_chunk()?;
    let (latencies, rest) = rest.as_chunks();
    let seconds = Duration::from_nanos(u64::from_le_bytes(*nanoseconds)).as_secs_f64();
    rest.is_empty().then(|| Served::new(latencies.iter().copied().map(u32::from_le_bytes).collect(), seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_answers() {
        let answer = [2_000_000_000_u64.to_le_bytes().as_slice(), &9000_u32.to_le_bytes(), &7000_u32.to_le_bytes()].concat();
        let served = decode(&answer).unwrap();
        assert_eq!(served.requests, 2);
        assert!((served.seconds - 2.0).abs() < 1e-9 && (served.percentile(0.0) - 7.0).abs() < 1e-9);
        assert!(decode(&answer[..15]).is_none() && decode(&answer[..7]).is_none());
    }
}
