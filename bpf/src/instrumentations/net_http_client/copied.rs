//! The header of an HTTP/1 request has been written, with a parent's name in it that the program has copied from what it serves: it
//! becomes the name of the request's own span, in the writer's buffer. Both are equally long.
//!
//! Only where a probe stores itself. match-go: 1.21..: io.WriteString(w, s)

use super::http1::WRITER_WORDS;
use crate::config::http_client::HttpClientConfig;
use crate::go::words::word;
use crate::missed::{Done, Missed};
use crate::records::SpanIdentity;
use crate::target::{Lookup, Step, Target};
use crate::write;

/// Bytes of a buffer that are looked through, at most.
const MAX_BYTES: u32 = 64 << 10;

/// Remembers for whom what the writer at this address writes is: until its header is complete.
pub(super) fn remember<T: Target>(target: &T, writer: u64, span: &SpanIdentity) -> Done {
    target.with_scratch(|scratch| {
        scratch.injection.span.set(span, writer);
        scratch.injection.reset();
        target.set_injection(writer, &scratch.injection);
        Ok(())
    })
}

/// The header is complete: names of a parent in this trace become those of the request's span.
pub(super) fn replace<T: Target>(target: &T, config: &HttpClientConfig) -> Done {
    let registers = target.registers();
    let (table, writer) = (registers.argument(0), registers.argument(1));
    if table != config.buffered_writer.get().wrapping_add(target.load_bias()) {
        return Err(Missed::NothingToDo);
    }
    let injection = target.injection(writer).ok_or(Missed::NothingToDo)?;
    let mut span = SpanIdentity::NONE;
    let is_its = injection.span.copy_of(writer, &mut span);
    target.forget_injection(writer);
    let words: [u64; WRITER_WORDS] = target.read(writer).ok_or(Missed::NotInjected)?;
    let (buffer, count) = (word(&words, config.buffer.get()), word(&words, config.buffered.get()));
    if !is_its || count > word(&words, config.buffer.get() + 8) {
        return Err(Missed::NotInjected);
    }
    let trace = hexadecimal(span.trace_id);
    let mut lines =
        Lines { next: buffer, end: buffer.wrapping_add(count), trace, found: [0; 3], sampled: [0; 2], is_multiple: false };
    target.repeat(MAX_BYTES, &mut lines);
    let own: [u64; 2] = hexadecimal(span.span_id);
    let flag = [b'0', b'0' + (span.trace_flags & 1)];
    let ([parent, single, mut multiple], [single_flag, mut multiple_flag]) = (lines.found, lines.sampled);
    if !lines.is_multiple {
        // Another trace is named, of which this one's parent is not.
        (multiple, multiple_flag) = (0, 0);
    }
    let mut is_stored = parent | single | multiple != 0;
    for at in [parent, single, multiple] {
        if at != 0 {
            is_stored &= target.store(at, bytemuck::bytes_of(&own));
        }
    }
    if parent != 0 {
        is_stored &= target.store(parent.wrapping_add(FLAGS), &flag);
    }
    for at in [single_flag, multiple_flag] {
        // A trace that is being debugged stays so, and `true` is of old.
        if at != 0 && matches!(target.read_or_zero::<u8>(at), b'0' | b'1') {
            is_stored &= target.store(at, &flag[1..]);
        }
    }
    // A header so long that its beginning has left the buffer already.
    if is_stored { Ok(()) } else { Err(Missed::NotInjected) }
}

/// Bytes of a span's id.
const ID: u64 = 16;
/// Where the trace begins in `Traceparent: 00-` + 32 digits + `-` + the span's id + `-` + two digits, …
const PARENT: u64 = 16;
/// … where the flags do, from the id on, …
const FLAGS: u64 = ID + 1;
/// … and where the trace begins in `B3: ` + 32 or 16 digits + `-` + the span's id, …
const SINGLE: u64 = 4;
/// … and in `X-B3-Traceid: `, as long as `X-B3-Sampled: `.
const MULTIPLE: u64 = 14;
/// Where the id begins in `X-B3-Spanid: `.
const SPAN: u64 = 13;

/// Digits of an id, eight in each word.
fn hexadecimal<const N: usize, const W: usize>(id: [u8; N]) -> [u64; W] {
    core::array::from_fn(|word| {
        let at = |byte: usize| id.get(word * 4 + byte).copied().unwrap_or(0);
        write::hexadecimal([at(0), at(1), at(2), at(3)])
    })
}

/// The look for lines that name a parent.
struct Lines {
    next: u64,
    end: u64,
    /// The digits of the trace.
    trace: [u64; 4],
    /// Where the span's id begins in `Traceparent`, `B3` and `X-B3-Spanid`; 0 where there is none.
    found: [u64; 3],
    /// Where `B3` and `X-B3-Sampled` say whether it is sampled, in one letter.
    sampled: [u64; 2],
    /// Whether `X-B3-Traceid` is this trace.
    is_multiple: bool,
}

impl Lines {
    /// How many digits of this trace stand here, and then this byte: all 32, or the last 16 of a trace that has no more; 0 for another's.
    fn digits<L: Lookup>(&self, lookup: &L, at: u64, behind: u8) -> u64 {
        const NO_MORE: u64 = u64::from_le_bytes(*b"00000000");
        let [high, more, low, last] = self.trace;
        let is_behind = |length: u64| lookup.read::<u8>(at.wrapping_add(length)) == Some(behind);
        if lookup.read(at) == Some(self.trace) && is_behind(32) {
            32
        } else if [high, more] == [NO_MORE; 2] && lookup.read(at) == Some([low, last]) && is_behind(16) {
            16
        } else {
            0
        }
    }
}

impl Step for Lines {
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        // The shortest of them, with the end of the line before.
        let (at, line) = (self.next, self.next.wrapping_add(1));
        if line.wrapping_add(SPAN + ID) > self.end {
            return false;
        }
        self.next = line;
        let [first, name @ ..]: [u8; 9] = lookup.read_or_zero(at);
        if first != b'\n' {
            return true;
        }
        let more: [u8; 8] = lookup.read_or_zero(line.wrapping_add(8));
        // The id of a span behind its trace's, which begins at `trace`, with `rest` bytes behind it.
        let behind = |trace: u64, rest: u64| {
            let trace = line.wrapping_add(trace);
            let length = self.digits(lookup, trace, b'-');
            let id = trace.wrapping_add(length + 1);
            if length != 0 && id.wrapping_add(ID + rest) <= self.end { id } else { 0 }
        };
        if &name == b"Tracepar" && more == *b"ent: 00-" {
            self.found[0] = behind(PARENT, FLAGS + 2 - ID);
        } else if name.starts_with(b"B3: ") {
            let id = behind(SINGLE, 0);
            let state = id.wrapping_add(ID);
            let has_state = id != 0 && state.wrapping_add(2) <= self.end && lookup.read_or_zero::<u8>(state) == b'-';
            (self.found[1], self.sampled[0]) = (id, if has_state { state.wrapping_add(1) } else { 0 });
        } else if &name == b"X-B3-Spa" && more.starts_with(b"nid: ") {
            self.found[2] = line.wrapping_add(SPAN);
        } else if &name == b"X-B3-Sam" && more.starts_with(b"pled: ") {
            self.sampled[1] = line.wrapping_add(MULTIPLE);
        } else if &name == b"X-B3-Tra" && more.starts_with(b"ceid: ") {
            self.is_multiple = self.digits(lookup, line.wrapping_add(MULTIPLE), b'\r') != 0;
        }
        true
    }
}
