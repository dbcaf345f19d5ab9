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
    let mut lines = Lines { next: buffer, end: buffer.wrapping_add(count), trace: hexadecimal(span.trace_id), found: [0; 3] };
    target.repeat(MAX_BYTES, &mut lines);
    let own: [u64; 2] = hexadecimal(span.span_id);
    let flag = [b'0', b'0' + (span.trace_flags & 1)];
    let [parent, single, multiple] = lines.found;
    let mut is_stored = parent | single | multiple != 0;
    for (line, at) in [(parent, PARENT), (single, SINGLE), (multiple, MULTIPLE)] {
        if line != 0 {
            is_stored &= target.store(line.wrapping_add(at), bytemuck::bytes_of(&own));
        }
    }
    if parent != 0 {
        is_stored &= target.store(parent.wrapping_add(FLAGS), &flag);
    }
    // A header so long that its beginning has left the buffer already.
    if is_stored { Ok(()) } else { Err(Missed::NotInjected) }
}

/// Where the span's id begins in `Traceparent: 00-` + 32 digits + `-`, …
const PARENT: u64 = 16 + 32 + 1;
/// … where the flags do, …
const FLAGS: u64 = PARENT + 16 + 1;
/// … in `B3: ` + 32 digits + `-`, …
const SINGLE: u64 = 4 + 32 + 1;
/// … and in `X-B3-Spanid: `.
const MULTIPLE: u64 = 13;

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
    /// Where `Traceparent`, `B3` and `X-B3-Spanid` begin; 0 where there is none.
    found: [u64; 3],
}

impl Lines {
    /// Whether the digits of this trace stand here.
    fn is_trace<L: Lookup>(&self, lookup: &L, at: u64) -> bool {
        lookup.read::<[u64; 4]>(at) == Some(self.trace)
    }
}

impl Step for Lines {
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        // The shortest of them, with the end of the line before.
        let (at, line) = (self.next, self.next.wrapping_add(1));
        if line.wrapping_add(MULTIPLE + 16) > self.end {
            return false;
        }
        self.next = line;
        let [first, name @ ..]: [u8; 9] = lookup.read_or_zero(at);
        if first != b'\n' {
            return true;
        }
        let fits = |length: u64| line.wrapping_add(length) <= self.end;
        let behind = |at: u64| lookup.read_or_zero::<[u8; 8]>(line.wrapping_add(at));
        let is_parent = &name == b"Tracepar" && fits(FLAGS + 2) && behind(8) == *b"ent: 00-";
        let is_single = name.starts_with(b"B3: ") && fits(SINGLE + 16);
        let is_multiple = &name == b"X-B3-Spa" && behind(8).starts_with(b"nid: ");
        let is_ours = is_parent && self.is_trace(lookup, line.wrapping_add(16))
            || is_single && self.is_trace(lookup, line.wrapping_add(4))
            || is_multiple;
        if is_ours {
            let [parent, single, multiple] = &mut self.found;
            *(if is_parent {
                parent
            } else if is_single {
                single
            } else {
                multiple
            }) = line;
        }
        true
    }
}
