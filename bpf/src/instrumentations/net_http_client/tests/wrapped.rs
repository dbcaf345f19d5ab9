//! Round trips that have a span of the SDK already, or of the OpenTelemetry API.

use super::*;
use crate::config::parents::{ContextType, Wrapper, context_kind};
use crate::config::{instrumentation, propagator};
use crate::trace::wrapped::span_kind;

/// Descriptors in the process, and the key of spans in contexts.
const VALUE: u64 = 0x50_1000;
const RECORDED: u64 = 0x50_2000;
const NOT_RECORDED: u64 = 0x50_3000;
const KEY: u64 = 0x50_4000;
const TRACER_AT: u64 = 16;
const SCOPE: u64 = 56;
const WRAPPER: &str = "otelhttp";
/// One of another layer.
const OTHER_WRAPPER: &str = "otelsql";

/// Round trips of a program with the SDK.
fn on_each_with_sdk(test: impl Fn(&str, &Client)) {
    on_each(|release, mut client| {
        let parents = &mut client.process.parents;
        parents.span_key = Setting::new(KEY);
        parents.sdk_scope = Setting::new(u32::try_from(SCOPE).unwrap());
        parents.wrappers[0] = Wrapper::new(WRAPPER, instrumentation::HTTP_CLIENT | instrumentation::HTTP_SERVER);
        parents.wrappers[1] = Wrapper::new(OTHER_WRAPPER, !instrumentation::HTTP_CLIENT);
        let value = ContextType { kind: context_kind::VALUE, offset: 0, through: ABSENT, span_kind: 0 };
        let span = ContextType { kind: context_kind::SPAN, offset: 96, ..value };
        let recorded = ContextType { through: 16, span_kind: 24, ..span };
        client.process.context_types.extend([(VALUE, value), (NOT_RECORDED, span), (RECORDED, recorded)]);
        test(release, &client);
    });
}

impl Client {
    /// A request within the span number 3, of this type, scope, kind and flags, with this header perhaps; and its header's map.
    fn within(&self, of_type: u64, scope: &str, of_kind: u64, flags: u64, headers: &[(&str, &str)]) -> (u64, u64) {
        let [tracer, value, table, data] = [128, 256, 32, 64].map(|size| self.process.memory.allocate(size));
        let write = |at: u64, words: &[u64]| self.process.memory.write_words(at, words);
        write(tracer + SCOPE, &self.process.string(scope));
        write(value + TRACER_AT, &[tracer, of_kind]);
        let id = u64::from_ne_bytes([3; 8]);
        write(value + 96, &[id, id, id, flags, 0, 0, 0, 0]);
        write(table + 8, &[VALUE]);
        write(data, &[0, 0, KEY, 0, of_type, value]);
        let (request, header) = self.request("/", headers);
        write(request + u64::from(self.process.client.context.get()), &[table, data]);
        (request, header)
    }

    /// What is sent for a header's map; nothing is asked for where nothing is to be.
    fn sent(&self, header: u64) -> Option<String> {
        let (writer, _) = self.writer(4_096, "GET / HTTP/1.1\r\n");
        let slot = self.write(header, BUFFERED, writer, 8).ok()?;
        let length = usize::try_from(slot.words[4]).unwrap();
        Some(String::from_utf8(bytemuck::cast_slice::<_, u8>(&slot.words[5..])[..length].to_vec()).unwrap())
    }
}

/// It is sent with the identity of the SDK's span, and nothing of it is reported.
#[test]
fn one_that_the_sdk_records_is_its_span() {
    on_each_with_sdk(|release, client| {
        for of_kind in [span_kind::CLIENT, span_kind::PRODUCER] {
            let (request, header) = client.within(RECORDED, WRAPPER, of_kind, 1, &[]);
            client.hit(event::START, [7, request, 7, 7, 7], STACK).unwrap();
            assert!(client.process.take_records().is_empty(), "{release}");
            let line = format!("Traceparent: 00-{}-{}-01\r\n", "03".repeat(16), "03".repeat(8));
            assert_eq!(client.sent(header).as_ref(), Some(&line), "{release}");
            let _nothing = client.hit(event::END, [0; 5], STACK);
            assert!(client.process.take_records().is_empty() && client.process.injections.is_empty(), "{release}");
        }
    });
}

/// What the wrapper has written into the header stays the only one.
#[test]
fn what_the_program_has_named_is_sent() {
    on_each_with_sdk(|release, client| {
        let named = format!("00-{}-{}-01", "03".repeat(16), "03".repeat(8));
        let (request, header) = client.within(RECORDED, WRAPPER, span_kind::CLIENT, 1, &[("Traceparent", &named)]);
        client.hit(event::START, [7, request, 7, 7, 7], STACK).unwrap();
        assert!(client.process.take_records().is_empty(), "{release}");
        assert_eq!(client.sent(header), None, "{release}");
    });
}

#[test]
fn of_another_kind_or_by_another_it_is_the_parent() {
    on_each_with_sdk(|release, client| {
        let cases = [
            (RECORDED, WRAPPER, span_kind::SERVER),
            (RECORDED, WRAPPER, 1),
            (RECORDED, "shop", span_kind::CLIENT),
            (RECORDED, OTHER_WRAPPER, span_kind::CLIENT),
            (NOT_RECORDED, WRAPPER, span_kind::CLIENT),
        ];
        for (of_type, scope, of_kind) in cases {
            let span = client.span(client.within(of_type, scope, of_kind, 1, &[]).0);
            assert_eq!((span.trace_id, span.parent_span_id), ([3; 16], [3; 8]), "{release} {scope} {of_kind}");
            client.end(0, [0, 0]);
        }
    });
}

/// What is not sampled is not recorded by either.
#[test]
fn an_unsampled_one_is_not_reported() {
    on_each_with_sdk(|release, client| {
        let (request, header) = client.within(RECORDED, WRAPPER, span_kind::CLIENT, 0, &[]);
        client.hit(event::START, [7, request, 7, 7, 7], STACK).unwrap();
        assert!(client.process.take_records().is_empty(), "{release}");
        assert!(client.sent(header).is_none_or(|line| line.ends_with("-00\r\n")), "{release}");
    });
}

/// A program that names the span that stands in for ours has copied it, and one that names its own for the request that it serves has none for
/// the one that it sends: ours is named. One that names the SDK's for a call has one.
#[test]
fn of_a_span_that_is_no_call_the_header_is_replaced() {
    on_each_with_sdk(|release, client| {
        let named = format!("00-{}-{}-01", "03".repeat(16), "03".repeat(8));
        let cases = [
            (NOT_RECORDED, span_kind::CLIENT, true),
            (RECORDED, span_kind::SERVER, true),
            (RECORDED, 1, true),
            (RECORDED, span_kind::CLIENT, false),
            (RECORDED, span_kind::PRODUCER, false),
        ];
        for (of_type, of_kind, is_copied) in cases {
            let (request, header) = client.within(of_type, "shop", of_kind, 1, &[("Traceparent", &named)]);
            let span = client.span(request);
            assert_eq!((span.trace_id, span.parent_span_id), ([3; 16], [3; 8]), "{release}");
            let mut injected = SpanIdentity::NONE;
            let is_its = client.process.injection(header).is_some_and(|one| one.span.copy_of(header, &mut injected));
            assert_eq!((is_its, injected.span_id), (true, span.span_id), "{release}");
            assert_eq!(injected.propagation & propagator::COPIED != 0, is_copied, "{release} {of_kind} {is_copied}");
            client.end(0, [0, 0]);
        }
    });
}
