//! A `traceparent` that is in the header already: the program's own, or a copy of that of the request that it serves.

use super::super::copied;
use super::*;
use crate::config::{Propagators, propagator};
use crate::target::Memory as _;
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

/// The span that a proxy serves: number 7 of the trace, below the parent that the request has named.
fn serve(client: &Client) -> SpanIdentity {
    let mut served = SpanIdentity { span_id: [7; 8], trace_flags: 1, ..SpanIdentity::NONE };
    for (bytes, text) in [(&mut served.trace_id[..], TRACE), (&mut served.parent_span_id[..], PARENT)] {
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        }
    }
    let goroutine = client.process.goroutine_or_new(client.goroutine).unwrap();
    goroutine.next().unwrap().span.set(&served, client.goroutine);
    goroutine.opened(0);
    served
}

/// Of several listed kinds one has come: that is a copy, and the others are written.
#[test]
fn what_did_not_come_is_written_beside_a_copy() {
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let single = format!("{TRACE}-{PARENT}-1");
    for (name, value, written) in [("Traceparent", &parent, "B3: "), ("B3", &single, "Traceparent: 00-")] {
        on_each(|release, mut client| {
            client.process.propagators = Propagators(Setting::new((propagator::TRACE_CONTEXT | propagator::B3).into()));
            serve(&client);
            let (request, header) = client.request("/", &[(name, value)]);
            let span = client.span(request);
            assert_eq!(span.parent_span_id, [7; 8], "{release} {name}");
            let (writer, _) = client.writer(4096, "GET / HTTP/1.1\r\n");
            let slot = client.write(header, BUFFERED, writer, 8).unwrap();
            let text = &bytemuck::cast_slice::<_, u8>(&slot.words[5..])[..usize::try_from(slot.words[4]).unwrap()];
            let line = format!("{written}{TRACE}-{}-", hex(&span.span_id));
            let text = std::str::from_utf8(text).unwrap();
            assert!(text.starts_with(&line) && text.lines().count() == 1, "{release} {name}: {text}");
        });
    }
}

/// What a header says when the names in it have been replaced by those of the span 8 of this trace, or nothing where none was.
fn replaced(trace: &str, lines: &str) -> Option<String> {
    let mut process = FakeProcess::<true>::of(layouts::ALL[0].1);
    process.client = layout(&layouts::ALL[0].1);
    let buffer = process.memory.allocate(4096);
    let writer = process.memory.allocate(64);
    process.memory.write(buffer, lines.as_bytes());
    process.memory.write_words(writer + 16, &[buffer, 4096, 4096]);
    process.memory.write_words(writer + 40, &[lines.len() as u64]);
    let mut span = SpanIdentity { span_id: [8; 8], trace_flags: 1, ..SpanIdentity::NONE };
    for (at, byte) in span.trace_id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap();
    }
    copied::remember(&process, writer, &span).unwrap();
    process.registers.set(Registers { stack_pointer: STACK, ..Registers::calling(&[BUFFERED, writer], 7) });
    copied::replace(&process, &process.client).ok()?;
    let text = process.read::<[u8; 512]>(buffer).unwrap();
    Some(String::from_utf8(text[..lines.len()].to_vec()).unwrap())
}

#[test]
fn names_of_the_parent_are_replaced_in_the_buffer() {
    let short = format!("{}a3ce929d0e0e4736", "0".repeat(16));
    let other = "1".repeat(32);
    let own = "08".repeat(8);
    let line = |name: &str, value: String| format!("GET / HTTP/1.1\r\n{name}: {value}\r\nUser-Agent: curl\r\n");
    let multiple = |trace: &str, span: &str| line("X-B3-Spanid", format!("{span}\r\nX-B3-Traceid: {trace}"));
    for (trace, named) in [(TRACE, TRACE), (&short, &short), (&short, &short[16..])] {
        for rest in ["", "-1", "-1-1111111111111111"] {
            let single = |span: &str| line("B3", format!("{named}-{span}{rest}"));
            assert_eq!(replaced(trace, &single(PARENT)), Some(single(&own)), "{named}{rest}");
        }
        assert_eq!(replaced(trace, &multiple(named, PARENT)), Some(multiple(named, &own)), "{named}");
    }
    // Whether it is sampled is the span's own to say, but for traces that are being debugged.
    let sampled = |state: &str, span: &str| line("B3", format!("{TRACE}-{span}{state}"));
    for (came, goes) in [("-0", "-1"), ("-d", "-d"), ("", "")] {
        assert_eq!(replaced(TRACE, &sampled(came, PARENT)), Some(sampled(goes, &own)), "{came}");
    }
    let sampled = |state: &str, trace: &str, span: &str| line("X-B3-Sampled", state.to_owned()) + &multiple(trace, span)[16..];
    for (came, goes) in [("0", "1"), ("true", "true")] {
        assert_eq!(replaced(TRACE, &sampled(came, TRACE, PARENT)), Some(sampled(goes, TRACE, &own)), "{came}");
    }
    assert_eq!(replaced(TRACE, &sampled("0", &other, PARENT)), None);
    let w3c = |span: &str, flags: &str| line("Traceparent", format!("00-{TRACE}-{span}-{flags}"));
    assert_eq!(replaced(TRACE, &w3c(PARENT, "00")), Some(w3c(&own, "01")));
    // Those of another trace stay.
    assert_eq!(replaced(TRACE, &line("Traceparent", format!("00-{other}-{PARENT}-01"))), None);
    assert_eq!(replaced(TRACE, &line("B3", format!("{other}-{PARENT}-1"))), None);
    assert_eq!(replaced(TRACE, &line("B3", format!("{}-{PARENT}-1", &TRACE[16..]))), None);
    assert_eq!(replaced(TRACE, &multiple(&other, PARENT)), None);
    let both = |span: &str| w3c(span, "01") + &multiple(&other, PARENT);
    assert_eq!(replaced(TRACE, &both(PARENT)), Some(both(&own)));
}

/// `httputil.ReverseProxy` copies the headers of the request that it serves.
#[test]
fn a_copied_traceparent_is_not_the_programs_own() {
    on_each(|release, mut client| {
        let served = serve(&client);
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
