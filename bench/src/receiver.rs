//! An OTLP receiver (http/protobuf) that keeps what it gets and decodes it only when asked, to leave the cores alone.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

/// To every request.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

/// A running receiver; its threads end with the process.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Receiver {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the OTLP receiver")?;
        let address = listener.local_addr()?;
        let bodies = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // A connection ends when the launcher does.
                thread::spawn(move || serve(&stream, &kept));
            }
        });
        Ok(Self { address, bodies })
    }

    /// Number of spans received since the last call.
    pub(crate) fn take_spans(&self) -> anyhow::Result<u64> {
        let bodies = std::mem::take(&mut *self.bodies.lock().unwrap_or_else(PoisonError::into_inner));
        let mut spans = 0;
        for body in bodies {
            let request = ExportTraceServiceRequest::decode(body.as_slice()).context("what was received is no OTLP")?;
            let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            spans += scopes.map(|scope| scope.spans.len() as u64).sum::<u64>();
        }
        Ok(spans)
    }
}

/// Answers the requests of one connection until it is closed or makes no sense.
fn serve(stream: &TcpStream, bodies: &Mutex<Vec<Vec<u8>>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut writer = stream;
    loop {
        let Some(length) = read_head(&mut reader)? else { return Ok(()) };
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        writer.write_all(ANSWER)?;
    }
}

/// Reads a request's head; the length of its body, `None` at the end of the connection.
fn read_head(reader: &mut impl std::io::BufRead) -> std::io::Result<Option<usize>> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim_end().is_empty() {
            return Ok(Some(length));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    #[test]
    fn spans_are_counted() {
        let receiver = Receiver::start().unwrap();
        let scope = ScopeSpans { spans: vec![Span::default(); 3], ..ScopeSpans::default() };
        let resource = ResourceSpans { scope_spans: vec![scope.clone(), scope], ..ResourceSpans::default() };
        let body = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
        let mut stream = TcpStream::connect(receiver.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        for _twice in 0..2 {
            write!(stream, "POST /v1/traces HTTP/1.1\r\nHost: x\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
            stream.write_all(&body).unwrap();
            let mut answer = [0; ANSWER.len()];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, *ANSWER);
        }
        assert_eq!(receiver.take_spans().unwrap(), 12);
        assert_eq!(receiver.take_spans().unwrap(), 0);
    }
}
