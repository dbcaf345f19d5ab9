//! An OTLP receiver over HTTP/1 with protobuf, in a thread of the test: what the launcher sends, decoded by the official
//! definitions.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

/// The receiver; its threads end with the test process.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::default();
        let shared = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, requests }
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let scopes = self.requests().into_iter().flat_map(|request| request.resource_spans).flat_map(|one| one.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

impl Receiver {
    /// Waits until a span has arrived.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Span) -> bool) {
        let begin = Instant::now();
        while !self.spans().iter().any(&wanted) {
            assert!(begin.elapsed() < PATIENCE, "the span has not arrived within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The service names of all server spans so far, and the number of them of each. (A program that requests something
    /// of itself has client spans as well.)
    pub(crate) fn services(&self) -> BTreeMap<String, usize> {
        let mut services = BTreeMap::new();
        for one in self.requests().into_iter().flat_map(|request| request.resource_spans) {
            let name = one.resource.unwrap_or_default().attributes.text("service.name").unwrap_or_default();
            let spans = one.scope_spans.iter().flat_map(|scope| &scope.spans);
            let spans = spans.filter(|span| span.kind() == SpanKind::Server).count();
            *services.entry(name).or_default() += spans;
        }
        services
    }
}

/// Far above what anything here takes; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers requests on one connection until it ends.
fn serve(stream: TcpStream, requests: &Mutex<Vec<ExportTraceServiceRequest>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        requests.lock().unwrap().push(ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        reader.get_mut().write_all(answer).ok()?;
    }
}

/// Reads attributes by name.
pub(crate) trait Attributes {
    /// A string attribute.
    fn text(&self, key: &str) -> Option<String>;
    /// An integer attribute.
    fn number(&self, key: &str) -> Option<i64>;
}

impl Attributes for [opentelemetry_proto::tonic::common::v1::KeyValue] {
    fn text(&self, key: &str) -> Option<String> {
        let found = value(self, key)?;
        let Value::StringValue(text) = found else { panic!("{key} is no string: {found:?}") };
        Some(text)
    }

    fn number(&self, key: &str) -> Option<i64> {
        let found = value(self, key)?;
        let Value::IntValue(number) = found else { panic!("{key} is no integer: {found:?}") };
        Some(number)
    }
}

impl Attributes for Span {
    fn text(&self, key: &str) -> Option<String> {
        self.attributes.text(key)
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.attributes.number(key)
    }
}

fn value(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str) -> Option<Value> {
    let mut found = attributes.iter().filter(|attribute| attribute.key == key);
    let value = found.next()?.value.clone()?.value;
    assert!(found.next().is_none(), "{key} stands twice");
    value
}
