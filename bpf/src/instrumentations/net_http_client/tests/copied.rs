//! A `traceparent` that is in the header already: the program's own, or a copy of that of the request that it serves.

use super::*;
use crate::trace::frames::{self, Opening, Standing};
use crate::trace::injection::NO_INJECTION;

/// What the program has set itself stays the only one, whichever way it has written the name.
#[test]
fn the_programs_own_traceparent_is_the_parent_and_stays_alone() {
    for name in ["Traceparent", "traceparent"] {
        on_each(|release, client| {
            let (request, header) = client.request("/", &[(name, &format!("00-{TRACE}-{PARENT}-01"))]);
            // A round trip with the map that stood here before has ended by a panic.
            client.process.injections.set(header, NO_INJECTION);
            let span = client.span(request);
            assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.into(), PARENT.into()), "{release} {name}");
            let (writer, _) = client.writer(4096, "GET / HTTP/1.1\r\n");
            assert_eq!(client.write(header, BUFFERED, writer, 8).err(), Some(Missed::NothingToDo), "{release} {name}");
        });
    }
}

/// `httputil.ReverseProxy` copies the headers of the request that it serves.
#[test]
fn a_copied_traceparent_is_not_the_programs_own() {
    on_each(|release, mut client| {
        let mut served = SpanIdentity { span_id: [7; 8], trace_flags: 1, ..SpanIdentity::NONE };
        for (bytes, text) in [(&mut served.trace_id[..], TRACE), (&mut served.parent_span_id[..], PARENT)] {
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
            }
        }
        let goroutine = client.process.goroutine_or_new(client.goroutine).unwrap();
        goroutine.next().unwrap().span.set(&served, client.goroutine);
        goroutine.opened(0);
        let copied = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{PARENT}-01"))]).0);
        assert_eq!((hex(&copied.trace_id), copied.parent_span_id), (TRACE.into(), [7; 8]), "{release}");
        client.end(0, [0, 0]);
        let other = "1111111111111111";
        let own = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{other}-01"))]).0);
        assert_eq!(hex(&own.parent_span_id), other, "{release}");
        client.end(0, [0, 0]);
        // Within functions of the user's.
        client.process.parents.has_frames = Setting::new(1);
        let mut within = SpanIdentity { parent_span_id: served.span_id, ..served };
        for level in 0..2 {
            within = SpanIdentity { span_id: [8 + level; 8], parent_span_id: within.span_id, ..within };
            let standing = Standing { address: client.goroutine, goid: 0, depth: 0x100 };
            let opening = Opening { level: level.into(), operation: 0, layer: 4, flags: 0, time: 1, object: 0 };
            let opened = client.process.with_scratch(|scratch| {
                within.copy_to(&mut scratch.span);
                frames::open(&client.process, client.process.goroutine(client.goroutine).unwrap(), &standing, &opening, scratch)
            });
            opened.unwrap();
        }
        let copied = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{PARENT}-01"))]).0);
        assert_eq!((hex(&copied.trace_id), copied.parent_span_id), (TRACE.into(), [9; 8]), "{release}");
        client.end(0, [0, 0]);
        let own = client.span(client.request("/", &[("Traceparent", &format!("00-{TRACE}-{other}-01"))]).0);
        assert_eq!(hex(&own.parent_span_id), other, "{release}");
    });
}
