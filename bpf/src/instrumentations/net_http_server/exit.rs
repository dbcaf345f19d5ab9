//! The process ends, and requests are still open: an event stream, a connection that was taken over, a slow handler.

use super::response::{Served, append_patterns, fill_end, set_lengths};
use crate::config::ABSENT;
use crate::config::http_server::HttpServerConfig;
use crate::missed::Missed;
use crate::records::http_server::{HttpServerEnd, end_flag};
use crate::records::kind;
use crate::scratch::Scratch;
use crate::target::{Target, Visit};
use crate::trace::goroutine::Goroutine;
use crate::trace::operation;

/// The process is about to end: `runtime.exit` or, by a signal that it does not handle, `runtime.dieFromSignal`.
#[inline(always)]
pub(super) fn exit<T: Target>(target: &T, config: &HttpServerConfig) {
    target.each_goroutine(&Unfinished { config });
}

/// Reports what is known of an open request.
struct Unfinished<'a> {
    config: &'a HttpServerConfig,
}

impl Visit for Unfinished<'_> {
    #[inline(always)]
    fn visit<T: Target>(&self, target: &T, goroutine: &Goroutine) {
        let Some((_, operation)) = goroutine.served() else {
            return;
        };
        if operation.is_reported.get() == 0 || operation.kind.get() == operation::kind::FASTHTTP_SERVER {
            // Of another server nothing more is known: it writes what it answers when its handler has returned.
            return;
        }
        let served = Served::of(goroutine, operation);
        let reported = target.with_scratch(|scratch| {
            if !operation.span.copy_of(goroutine.holder(), &mut scratch.span) || scratch.span.trace_flags & 1 == 0 {
                return Err(Missed::NothingToDo);
            }
            let flags = was_sent(target, self.config, &served) * end_flag::SENT;
            scratch.record.length = target.opaque(size_of::<HttpServerEnd>() as u64);
            let Scratch { record, span, texts, .. } = scratch;
            append_patterns(target, self.config, &served, (texts, record));
            let head: &mut HttpServerEnd = record.head();
            fill_end(target, self.config, head, &served);
            head.time = target.now();
            head.flags |= flags;
            head.span_id = span.span_id;
            set_lengths(head, texts);
            record.submit(target, kind::HTTP_SERVER_UNFINISHED, false)
        });
        match reported {
            Ok(()) | Err(Missed::NothingToDo) => {}
            Err(missed) => target.count(missed),
        }
    }
}

/// 1 where the header of the response has left the handler's buffer: `chunkWriter.wroteHeader` (`net/http/server.go`) or
/// `responseWriterState.sentHeader` (`http2/server.go`). Where the process has no such field, a status counts as sent.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn was_sent<T: Target>(target: &T, config: &HttpServerConfig, served: &Served) -> u32 {
    let (base, field) = if served.kind == operation::kind::HTTP1_SERVER {
        (served.writer, config.response.sent.get())
    } else {
        let is_xnet = served.kind == operation::kind::XNET_SERVER;
        let layout = if is_xnet { &config.xnet_writer } else { &config.http2_writer };
        (target.read_or_zero(served.writer.wrapping_add(layout.rws.get().into())), layout.sent.get())
    };
    let was_sent = field == ABSENT || target.read_or_zero::<u8>(base.wrapping_add(field.into())) != 0;
    #[expect(clippy::cast_possible_truncation, reason = "0 or 1")]
    let was_sent = target.opaque(was_sent.into()) as u32;
    was_sent
}
