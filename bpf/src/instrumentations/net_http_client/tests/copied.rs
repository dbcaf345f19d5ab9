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
    set_ids(&mut served, TRACE);
    let goroutine = client.process.goroutine_or_new(client.goroutine).unwrap();
    goroutine.next().unwrap().span.set(&served, client.goroutine);
    goroutine.opened(0);
    served
}

/// Of several listed kinds one has come: that is a copy. By BPF it stays, and what goes before it is written.
#[test]
fn what_did_not_come_is_written_beside_a_copy() {
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let single = format!("{TRACE}-{PARENT}-1");
    for (name, value, written) in [("Traceparent", &parent, None), ("B3", &single, Some("Traceparent: 00-"))] {
        on_each(|release, mut client| {
            client.process.propagators = Propagators(Setting::new((propagator::TRACE_CONTEXT | propagator::B3).into()));
            serve(&client);
            let (request, header) = client.request("/", &[(name, value)]);
            let span = client.span(request);
            assert_eq!(span.parent_span_id, [7; 8], "{release} {name}");
            let (writer, _) = client.writer(4096, "GET / HTTP/1.1\r\n");
            let written_by = client.write(header, BUFFERED, writer, 8);
            let Some(written) = written else {
                assert_eq!(written_by.err(), Some(Missed::NothingToDo), "{release} {name}");
                return;
            };
            let slot = written_by.unwrap();
            let text = &bytemuck::cast_slice::<_, u8>(&slot.words[5..])[..usize::try_from(slot.words[4]).unwrap()];
            let line = format!("{written}{TRACE}-{}-", hex(&span.span_id));
            let text = std::str::from_utf8(text).unwrap();
            assert!(text.starts_with(&line) && text.lines().count() == 1, "{release} {name}: {text}");
        });
    }
}

/// What a header says when the names in it of the parent in this trace have been replaced by those of the span 8, or nothing where none was.
fn replaced(trace: &str, lines: &str) -> Option<String> {
    let mut process = FakeProcess::<true>::of(layouts::ALL[0].1);
    process.client = layout(&layouts::ALL[0].1);
    let buffer = process.memory.allocate(4096);
    let writer = process.memory.allocate(64);
    process.memory.write(buffer, lines.as_bytes());
    process.memory.write_words(writer + 16, &[buffer, 4096, 4096]);
    process.memory.write_words(writer + 40, &[lines.len() as u64]);
    let mut span = SpanIdentity { span_id: [8; 8], trace_flags: 1, ..SpanIdentity::NONE };
    set_ids(&mut span, trace);
    copied::remember(&process, writer, &span).unwrap();
    process.registers.set(Registers { stack_pointer: STACK, ..Registers::calling(&[BUFFERED, writer], 7) });
    let done = copied::replace(&process, &process.client);
    let text = process.read::<[u8; 512]>(buffer).unwrap();
    let text = String::from_utf8(text[..lines.len()].to_vec()).unwrap();
    assert!(done.is_ok() || text == lines, "{text}");
    done.is_ok().then_some(text)
}

/// This trace, and the parent in it.
fn set_ids(span: &mut SpanIdentity, trace: &str) {
    for (bytes, text) in [(&mut span.trace_id[..], trace), (&mut span.parent_span_id[..], PARENT)] {
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        }
    }
}

fn line(name: &str, value: &str) -> String {
    format!("GET / HTTP/1.1\r\n{name}: {value}\r\nUser-Agent: curl\r\n")
}

fn multiple(trace: &str, span: &str) -> String {
    line("X-B3-Spanid", &format!("{span}\r\nX-B3-Traceid: {trace}"))
}

fn w3c(span: &str, flags: &str) -> String {
    line("Traceparent", &format!("00-{TRACE}-{span}-{flags}"))
}

const OWN: &str = "0808080808080808";
const OTHER: &str = "11111111111111111111111111111111";

#[test]
fn names_of_the_parent_are_replaced_in_the_buffer() {
    let short = format!("{}a3ce929d0e0e4736", "0".repeat(16));
    for (trace, named) in [(TRACE, TRACE), (&short, &short), (&short, &short[16..]), (TRACE, &TRACE.to_uppercase())] {
        for rest in ["", "-1", "-1-1111111111111111"] {
            let single = |span: &str| line("B3", &format!("{named}-{span}{rest}"));
            assert_eq!(replaced(trace, &single(PARENT)), Some(single(OWN)), "{named}{rest}");
            assert_eq!(replaced(trace, &single(&PARENT.to_uppercase())), Some(single(OWN)), "{named}{rest}");
        }
        assert_eq!(replaced(trace, &multiple(named, PARENT)), Some(multiple(named, OWN)), "{named}");
    }
    assert_eq!(replaced(TRACE, &w3c(PARENT, "00")), Some(w3c(OWN, "01")));
    // Versions to come; and a name that a program has put into the map as it is.
    let later = |span: &str, flags: &str| line("traceparent", &format!("01-{TRACE}-{span}-{flags}-more"));
    assert_eq!(replaced(TRACE, &later(PARENT, "00")), Some(later(OWN, "01")));
}

/// It is the span's own to say, but for traces that are being debugged.
#[test]
fn whether_it_is_sampled_is_replaced_in_the_buffer() {
    let single = |state: &str, span: &str| line("B3", &format!("{TRACE}-{span}{state}"));
    for (came, goes) in [("-0", "-1"), ("-d", "-d"), ("", "")] {
        assert_eq!(replaced(TRACE, &single(came, PARENT)), Some(single(goes, OWN)), "{came}");
    }
    let multiple = |state: &str, trace: &str, span: &str| line("X-B3-Sampled", state) + &multiple(trace, span)[16..];
    for (came, goes) in [("0", "1"), ("true", "true")] {
        assert_eq!(replaced(TRACE, &multiple(came, TRACE, PARENT)), Some(multiple(goes, TRACE, OWN)), "{came}");
    }
    assert_eq!(replaced(TRACE, &multiple("0", OTHER, PARENT)), None);
}

/// Of another trace, or of another parent in this one.
#[test]
fn names_of_others_stay_in_the_buffer() {
    let other = &OTHER[..16];
    let lines = [
        line("Traceparent", &format!("00-{OTHER}-{PARENT}-01")),
        w3c(other, "01"),
        line("B3", &format!("{OTHER}-{PARENT}-1")),
        line("B3", &format!("{TRACE}-{other}-1")),
        line("B3", &format!("{}-{PARENT}-1", &TRACE[16..])),
        multiple(OTHER, PARENT),
        multiple(TRACE, other),
        line("X-Traceparent", &format!("00-{TRACE}-{PARENT}-01")),
    ];
    for lines in lines {
        assert_eq!(replaced(TRACE, &lines), None, "{lines}");
        // Before and behind a copy.
        let both = |span: &str| [w3c(span, "01"), lines.clone(), w3c(span, "01")].concat();
        let (came, goes) = (both(PARENT), both(OWN));
        // Of two lines of one kind the first is replaced.
        let rest = w3c(OWN, "01").len();
        let goes = format!("{}{}", &goes[..rest], &came[rest..]);
        assert_eq!(replaced(TRACE, &came).as_deref(), Some(&*goes), "{lines}");
    }
}

/// What is shorter than it should be makes nothing of the lines behind it.
#[test]
fn lines_that_are_cut_off_stay_in_the_buffer() {
    let whole = [w3c(PARENT, "01"), line("B3", &format!("{TRACE}-{PARENT}-1")), multiple(TRACE, PARENT)];
    for line in whole {
        let value = line.lines().nth(1).unwrap();
        for cut in 0..value.len() {
            let cut_off = line.replacen(value, &value[..cut], 1);
            let Some(text) = replaced(TRACE, &cut_off) else {
                continue;
            };
            // The id is there as a whole: nothing but it, and whether it is sampled, has changed.
            assert!(value[..cut].contains(PARENT), "{cut_off}");
            assert_eq!(text.replace(OWN, PARENT), cut_off);
        }
    }
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
