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

/// Remembers for whom what the writer at this address writes is, until its header is complete. `span` has as its parent the one that is named.
pub(super) fn remember<T: Target>(target: &T, writer: u64, span: &SpanIdentity) -> Done {
    target.with_scratch(|scratch| {
        scratch.injection.span.set(span, writer);
        scratch.injection.extracted.set(0);
        scratch.injection.reset();
        target.set_injection(writer, &scratch.injection);
        Ok(())
    })
}

/// The header is complete: the names of the parent that was copied become those of the request's span. What names another one stays.
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
    let (trace, parent) = (hexadecimal(span.trace_id), hexadecimal(span.parent_span_id));
    let end = buffer.wrapping_add(count);
    let mut lines = Lines { next: buffer, end, trace, parent, found: [0; 3], sampled: [0; 2], is_multiple: false };
    target.repeat(MAX_BYTES, &mut lines);
    let own: [u64; 2] = hexadecimal(span.span_id);
    let flag = [b'0', b'0' + (span.trace_flags & 1)];
    let ([parent, single, mut multiple], [single_flag, mut multiple_flag]) = (lines.found, lines.sampled);
    if !lines.is_multiple {
        // `X-B3-Traceid` names another trace: `X-B3-Spanid` is a span of that.
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
/// Makes capitals small, and leaves digits and what stands between them as it is.
const SMALL: u64 = u64::from_ne_bytes([0x20; 8]);
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
    /// Those of the parent that was copied.
    parent: [u64; 2],
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
        if small(lookup, at) == Some(self.trace) && is_behind(32) {
            32
        } else if [high, more] == [NO_MORE; 2] && small(lookup, at) == Some([low, last]) && is_behind(16) {
            16
        } else {
            0
        }
    }

    /// The place, if the digits of the parent stand there, and then one of these bytes; else 0. What is written there is as long.
    fn parent<L: Lookup>(&self, lookup: &L, at: u64, behind: &[u8]) -> u64 {
        let is_parent = at.wrapping_add(ID) < self.end
            && small(lookup, at) == Some(self.parent)
            && behind.contains(&lookup.read_or_zero(at.wrapping_add(ID)));
        if is_parent { at } else { 0 }
    }

    /// The same of the id behind that of its trace, which begins here.
    fn parent_behind<L: Lookup>(&self, lookup: &L, trace: u64, behind: &[u8]) -> u64 {
        match self.digits(lookup, trace, b'-') {
            0 => 0,
            length => self.parent(lookup, trace.wrapping_add(length + 1), behind),
        }
    }
}

/// Words of text, in small letters.
fn small<L: Lookup, const W: usize>(lookup: &L, at: u64) -> Option<[u64; W]>
where
    [u64; W]: bytemuck::AnyBitPattern,
{
    lookup.read::<[u64; W]>(at).map(|words| words.map(|word| word | SMALL))
}

/// The first place of several lines of one kind, as what receives them reads the first.
fn first(before: u64, at: u64) -> u64 {
    if before == 0 { at } else { before }
}

impl Step for Lines {
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        // The shortest of them, with the end of the line before.
        let (at, line) = (self.next, self.next.wrapping_add(1));
        if line.wrapping_add(SPAN + ID) > self.end {
            return false;
        }
        self.next = line;
        if lookup.read_or_zero::<u8>(at) != b'\n' {
            return true;
        }
        let Some([name, more]) = small::<_, 2>(lookup, line).map(|words| words.map(u64::to_le_bytes)) else {
            return true;
        };
        let ([parent, single, multiple], [single_sampled, multiple_sampled]) = (self.found, self.sampled);
        // Whatever the version: those to come begin as this one does (§3.2.4 of W3C Trace Context).
        if &name == b"tracepar" && more.starts_with(b"ent: ") && more[7] == b'-' {
            let id = self.parent_behind(lookup, line.wrapping_add(PARENT), b"-");
            let [flags @ .., behind]: [u8; 3] = lookup.read_or_zero(id.wrapping_add(FLAGS));
            let is_whole = id.wrapping_add(FLAGS + 2) < self.end && flags.iter().all(u8::is_ascii_hexdigit);
            self.found[0] = first(parent, if is_whole && b"-\r".contains(&behind) { id } else { 0 });
        } else if name.starts_with(b"b3: ") {
            let id = self.parent_behind(lookup, line.wrapping_add(SINGLE), b"-\r");
            let state = id.wrapping_add(ID);
            let has_state = id != 0 && lookup.read_or_zero::<u8>(state) == b'-';
            self.found[1] = first(single, id);
            self.sampled[0] = first(single_sampled, if has_state { state.wrapping_add(1) } else { 0 });
        } else if &name == b"x-b3-spa" && more.starts_with(b"nid: ") {
            self.found[2] = first(multiple, self.parent(lookup, line.wrapping_add(SPAN), b"\r"));
        } else if &name == b"x-b3-sam" && more.starts_with(b"pled: ") {
            self.sampled[1] = first(multiple_sampled, line.wrapping_add(MULTIPLE));
        } else if &name == b"x-b3-tra" && more.starts_with(b"ceid: ") {
            self.is_multiple |= self.digits(lookup, line.wrapping_add(MULTIPLE), b'\r') != 0;
        }
        true
    }
}
