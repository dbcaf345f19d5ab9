//! The program ends, and requests are still open: an event stream, a connection that was taken over, a slow handler.

use super::Server;
use super::response::fill_end;
use crate::config::ABSENT;
use crate::records::{HttpServerEnd, RecordHeader, end_flag, kind};
use crate::target::{Target, Visit};
use crate::trace::Goroutine;

/// The program is about to end: `runtime.exit` or, by a signal that it does not handle, `runtime.dieFromSignal`.
#[inline(always)]
pub(super) fn exit<T: Target>(target: &T) {
    target.each_goroutine::<Unfinished>();
}

/// Reports what is known of an open request.
struct Unfinished;

impl Visit for Unfinished {
    #[inline(always)]
    fn visit<T: Target>(target: &T, goroutine: &Goroutine) {
        if goroutine.open == 0 || goroutine.span.trace_flags & 1 == 0 {
            return;
        }
        let record = match target.reserve::<HttpServerEnd>() {
            Ok(record) => record,
            Err(missed) => return target.count(missed),
        };
        record.header = RecordHeader { kind: kind::HTTP_SERVER_UNFINISHED, size: size_of::<HttpServerEnd>() as u32 };
        let flags = if was_sent(target, goroutine) { end_flag::SENT } else { 0 };
        fill_end(target, record, target.now(), goroutine, flags);
        target.submit(record, false);
    }
}

/// Whether the header of the response has left the handler's buffer: `chunkWriter.wroteHeader` (`net/http/server.go`) or
/// `responseWriterState.sentHeader` (`http2/server.go`). Where the program has no such field, a status counts as sent.
#[inline(always)]
fn was_sent<T: Target>(target: &T, goroutine: &Goroutine) -> bool {
    let config = target.http_server();
    let (base, field) = if goroutine.server == Server::Http1 as u32 {
        (goroutine.writer, config.response.sent.get())
    } else {
        let is_xnet = goroutine.server == Server::Xnet as u32;
        let layout = if is_xnet { &config.xnet_writer } else { &config.http2_writer };
        (target.read_or_zero(goroutine.writer + u64::from(layout.rws.get())), layout.sent.get())
    };
    field == ABSENT || target.read_or_zero::<u8>(base + u64::from(field)) != 0
}
