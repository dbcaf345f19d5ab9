//! An OTLP receiver over HTTP/1 with protobuf, in a thread of the test: what the launcher sends, decoded by the official
//! definitions.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use super::until::PATIENCE;

/// The receiver; its threads end with the test process.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    arrived: Arc<Arrived>,
}

/// What has come, and the news of it.
#[derive(Debug, Default)]
struct Arrived {
    requests: Mutex<Vec<ExportTraceServiceRequest>>,
    /// The `traceparent`s of those that had one.
    parents: Mutex<Vec<String>>,
    one_more: Condvar,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let arrived = Arc::default();
        let shared = Arc::clone(&arrived);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, arrived }
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.arrived.requests.lock().unwrap().clone()
    }

    /// The `traceparent`s of the requests that had one.
    pub(crate) fn parents(&self) -> Vec<String> {
        self.arrived.parents.lock().unwrap().clone()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.requests().iter().flat_map(spans_of).cloned().collect()
    }
}

impl Receiver {
    /// Waits until a span has arrived.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Span) -> bool) {
        let requests = self.arrived.requests.lock().unwrap();
        let is_missing = |requests: &mut Vec<_>| !requests.iter().flat_map(spans_of).any(&wanted);
        let outcome = self.arrived.one_more.wait_timeout_while(requests, PATIENCE, is_missing).unwrap();
        assert!(!outcome.1.timed_out(), "the span has not arrived within {PATIENCE:?}");
    }

    /// Waits until so many spans have arrived.
    pub(crate) fn wait_for_number(&self, number: usize) {
        let requests = self.arrived.requests.lock().unwrap();
        let are_missing = |requests: &mut Vec<_>| requests.iter().flat_map(spans_of).count() < number;
        let (requests, outcome) = self.arrived.one_more.wait_timeout_while(requests, PATIENCE, are_missing).unwrap();
        let arrived = requests.iter().flat_map(spans_of).count();
        assert!(!outcome.timed_out(), "of {number} spans {arrived} have arrived within {PATIENCE:?}");
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

fn spans_of(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    request.resource_spans.iter().flat_map(|one| &one.scope_spans).flat_map(|scope| &scope.spans)
}

/// Answers requests on one connection until it ends.
fn serve(stream: TcpStream, arrived: &Arrived) -> Option<()> {
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
            let (name, value) = line.split_once(':').map_or(("", ""), |(name, value)| (name, value.trim()));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap();
            }
            if name.eq_ignore_ascii_case("traceparent") {
                arrived.parents.lock().unwrap().push(value.to_owned());
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        arrived.requests.lock().unwrap().push(ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
        arrived.one_more.notify_all();
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
