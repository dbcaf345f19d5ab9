//! What the probes of gRPC need to know of a program.

use super::{ABSENT, MapLayout, NO_MAP, Offset, ReadOnlyData, Setting};

/// How the metadata of a call is read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CarrierConfig {
    /// `map[string][]string`, whatever it is called.
    pub map: MapLayout,
}

/// Before the launcher has set anything.
pub const EMPTY_CARRIER: CarrierConfig = CarrierConfig { map: NO_MAP };

/// `internal/transport.loopyWriter` and its encoder, of a client, and what it is given to write.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GrpcClientConfig {
    /// `loopyWriter.hEnc *hpack.Encoder`.
    pub encoder: Offset,
    /// `loopyWriter.hBuf *bytes.Buffer`.
    pub buffer: Offset,
    /// `hpack.Encoder.w io.Writer`.
    pub writer: Offset,
    /// `clientHeaders.hf []hpack.HeaderField`, or that of `headerFrame`.
    pub fields: Offset,
    /// `csAttempt.cs *clientStream`.
    pub call: Offset,
    /// Nothing.
    pub padding: Offset,
    /// Where the code of `(*csAttempt).newStream` begins in the file, …
    pub attempt: Setting<u64>,
    /// … and how long it is; 0 where it is not plain where that keeps its receiver.
    pub attempt_length: Setting<u64>,
}

/// Before the launcher has set anything.
pub const EMPTY_GRPC_CLIENT: GrpcClientConfig = GrpcClientConfig {
    encoder: Setting::new(ABSENT),
    buffer: Setting::new(ABSENT),
    writer: Setting::new(ABSENT),
    fields: Setting::new(ABSENT),
    call: Setting::new(ABSENT),
    padding: Setting::new(ABSENT),
    attempt: Setting::new(0),
    attempt_length: Setting::new(0),
};

/// What a hit of the client's own probes means ([`super::Cookie::event`]).
pub mod event {
    /// `CALL (*controlBuffer).executeAndPut` in `(*http2Client).NewStream`: RDI is the item with the header fields of a call, a slice.
    pub const FIELDS: u32 = 1;
    /// `CALL (*loopyWriter).writeHeader`, on the connection's own goroutine: RAX the writer, RDI, RSI, R8 the header fields.
    pub const WRITE: u32 = 2;
}

const _: () = assert!(size_of::<CarrierConfig>() == 16 * 4 && size_of::<GrpcClientConfig>() == 10 * 4);

// SAFETY: 32-bit settings, an even number of them (see the size assertion above).
unsafe impl ReadOnlyData for CarrierConfig {}
// SAFETY: likewise, and two of 64 bits behind them.
unsafe impl ReadOnlyData for GrpcClientConfig {}
