//! The header fields of an HTTP/2 request are encoded: what is queued, and for whom.

use super::*;
use crate::config::http_client::Http2ClientLayout;

/// From the stack pointer at the `CALL` to the arguments.
const STREAM: u32 = 0xf0;
const REQUEST: u32 = 0xf8;
/// `ClientConn.henc`, `.hbuf` and `.tconn`, and `hpack.Encoder.w`.
const ENCODER: u32 = 432;
const BUFFER: u32 = 392;
const CONNECTED: u32 = 8;
const WRITER: u32 = 80;

/// A connection with an encoder that writes to its buffer, and the stack of a goroutine that encodes for a request.
struct Stream {
    connection: u64,
    encoder: u64,
    stack: u64,
}

impl Client {
    fn stream(&mut self, request: u64) -> Stream {
        self.process.client.http2[0] = Http2ClientLayout {
            stream: Setting::new(STREAM),
            request: Setting::new(REQUEST),
            header: self.process.client.header,
            connection: Setting::new(0),
            encoder: Setting::new(ENCODER),
            writer: Setting::new(WRITER),
            buffer: Setting::new(BUFFER),
            connected: Setting::new(CONNECTED),
        };
        let memory = &self.process.memory;
        let [connection, encoder, stream, stack] = [512, 128, 64, 512].map(|size| memory.allocate(size));
        memory.write_words(stream, &[connection]);
        memory.write_words(connection + u64::from(ENCODER), &[encoder]);
        memory.write_words(encoder + u64::from(WRITER), &[0x4e_0000, connection + u64::from(BUFFER)]);
        memory.write_words(stack + u64::from(STREAM), &[stream, request]);
        Stream { connection, encoder, stack }
    }

    fn encode(&self, stream: &Stream) -> Done {
        self.hit(event::INJECT_HTTP2, [0; 5], stream.stack)
    }

    fn queued(&self) -> Option<&Slot> {
        let bucket = self.process.bucket(bucket(self.goroutine)).unwrap();
        let way = bucket.tags.iter().position(|tag| tag.get() == self.goroutine + u64::from(site::HEADER_FIELDS))?;
        // SAFETY: no probe runs while the test looks.
        Some(unsafe { bucket.slots[way].get() })
    }
}

#[test]
fn a_text_is_queued_for_the_connection() {
    on_each(|release, mut client| {
        let (request, _) = client.request("/", &[]);
        let span = client.span(request);
        let stream = client.stream(request);
        client.encode(&stream).unwrap();
        let slot = client.queued().unwrap();
        assert_eq!(slot.meant_for, [stream.encoder, stream.connection + u64::from(BUFFER), stream.connection], "{release}");
        let text: &[u8] = bytemuck::cast_slice(&slot.words);
        let value = format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
        let field = [&b"\x00\x0btraceparent\x37"[..], value.as_bytes()].concat();
        assert_eq!((slot.length, slot.used, &text[..69]), (69, 0, field.as_slice()), "{release}");
    });
}

/// What was queued for a request that failed before its header was written is not another one's.
#[test]
fn what_was_left_behind_goes_with_the_next_request() {
    on_each(|release, mut client| {
        let (request, header) = client.request("/", &[]);
        client.span(request);
        let stream = client.stream(request);
        client.encode(&stream).unwrap();
        client.process.injections.forget(header);
        assert_eq!(client.encode(&stream), Err(Missed::NothingToDo), "{release}");
        assert!(client.queued().is_none(), "{release}");
    });
}

#[test]
fn nothing_is_queued_where_the_encoder_writes_elsewhere() {
    on_each(|release, mut client| {
        let (request, _) = client.request("/", &[]);
        client.span(request);
        let stream = client.stream(request);
        // What the goroutine had queued before is not for this one.
        client.encode(&stream).unwrap();
        client.process.memory.write_words(stream.encoder + u64::from(WRITER) + 8, &[stream.connection + 8]);
        assert_eq!(client.encode(&stream), Err(Missed::NotInjected), "{release}");
        assert!(client.queued().is_none(), "{release}");
    });
}
