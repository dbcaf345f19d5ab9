//! What the probes of the HTTP client need to know of a program.

use super::{ABSENT, MapLayout, NO_MAP, Offset, ReadOnlyData, Setting};

/// `net/http.Request`, `net/url.URL`, `net/http.Response`, `bufio.Writer` and `runtime.g` of a client.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpClientConfig {
    /// `*bufio.Writer` as `io.Writer`: the itab's address in the file; 0 where headers are not written.
    pub buffered_writer: Setting<u64>,
    /// Where the function begins, in the file, by which `httputil.DumpRequestOut` dials; 0 where the program does not have it.
    pub dump_dial: Setting<u64>,
    /// `Transport.Dial`, a function.
    pub dial: Offset,
    /// Zero.
    pub padding: Setting<u32>,
    /// `Request.Method string`.
    pub method: Offset,
    /// `Request.URL *url.URL`.
    pub url: Offset,
    /// `Request.Header Header`.
    pub header: Offset,
    /// `Request.ctx context.Context`.
    pub context: Offset,
    /// `Request.ContentLength int64`.
    pub content_length: Offset,
    /// `Request.Body io.ReadCloser`.
    pub body: Offset,
    /// `Request.Host string`.
    pub sent_host: Offset,
    /// `Request.Response *Response`: the redirect that has caused the request.
    pub redirect: Offset,
    /// `Response.Request *Request`.
    pub redirected: Offset,
    /// `URL.Scheme string`.
    pub scheme: Offset,
    /// `URL.User *Userinfo`.
    pub user: Offset,
    /// `URL.Host string`.
    pub host: Offset,
    /// `URL.Path string`.
    pub path: Offset,
    /// `URL.RawQuery string`.
    pub raw_query: Offset,
    /// `Response.StatusCode int`.
    pub status_code: Offset,
    /// `Response.ProtoMajor int`.
    pub proto_major: Offset,
    /// `Response.ProtoMinor int`.
    pub proto_minor: Offset,
    /// `Response.ContentLength int64`.
    pub response_length: Offset,
    /// `bufio.Writer.buf []byte`.
    pub buffer: Offset,
    /// `bufio.Writer.n int`.
    pub buffered: Offset,
    /// `bufio.Writer.wr io.Writer`: a `persistConnWriter`, which is a pointer to the connection.
    pub destination: Offset,
    /// Connections and their peers.
    pub peer: PeerLayout,
    /// The HTTP/2 client within the standard library, and that of `golang.org/x/net/http2`.
    pub http2: [Http2ClientLayout; 2],
    /// `net/http.Header`.
    pub header_map: MapLayout,
}

impl HttpClientConfig {
    /// Whether there are probes where headers are written.
    #[inline(always)]
    #[must_use]
    pub fn is_written(&self) -> bool {
        let [std, xnet] = &self.http2;
        self.buffered_writer.get() != 0 || std.header.get() != ABSENT || xnet.header.get() != ABSENT
    }
}

/// An HTTP/2 client.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Http2ClientLayout {
    /// From the stack pointer at the probed `CALL` to the `*clientStream`.
    pub stream: Setting<u32>,
    /// From the stack pointer there to the request.
    pub request: Setting<u32>,
    /// `Header` of what it takes for a request: `net/http.Request` or `http2.ClientRequest` (Go 1.27).
    pub header: Offset,
    /// `clientStream.cc *ClientConn`.
    pub connection: Offset,
    /// `ClientConn.henc *hpack.Encoder`.
    pub encoder: Offset,
    /// `hpack.Encoder.w io.Writer`.
    pub writer: Offset,
    /// `ClientConn.hbuf bytes.Buffer`, whose slice comes first.
    pub buffer: Offset,
    /// `ClientConn.tconn net.Conn`.
    pub connected: Offset,
}

/// None.
pub const NO_HTTP2: Http2ClientLayout = Http2ClientLayout {
    stream: Setting::new(0),
    request: Setting::new(0),
    header: Setting::new(ABSENT),
    connection: Setting::new(ABSENT),
    encoder: Setting::new(ABSENT),
    writer: Setting::new(ABSENT),
    buffer: Setting::new(ABSENT),
    connected: Setting::new(ABSENT),
};

/// How to get from a connection to the address of its peer. Itabs are those of the file.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PeerLayout {
    /// `*net.TCPConn` as `net.Conn`; 0 where peers are not known.
    pub tcp: Setting<u64>,
    /// `*tls.Conn` as `net.Conn`; 0 where there is none.
    pub tls: Setting<u64>,
    /// `*net.TCPAddr` as `net.Addr`.
    pub address: Setting<u64>,
    /// `tls.Conn.conn net.Conn`.
    pub tls_inner: Offset,
    /// `persistConn.conn net.Conn`.
    pub persist_conn: Offset,
    /// `netFD.raddr net.Addr`; `net.conn.fd *netFD` is the first field of a `TCPConn`.
    pub remote: Offset,
    /// `TCPAddr.Port int`; `IP` is the first field.
    pub port: Offset,
}

/// Peers are not known.
pub const NO_PEER: PeerLayout = PeerLayout {
    tcp: Setting::new(0),
    tls: Setting::new(0),
    address: Setting::new(0),
    tls_inner: Setting::new(ABSENT),
    persist_conn: Setting::new(ABSENT),
    remote: Setting::new(ABSENT),
    port: Setting::new(ABSENT),
};

/// Before the launcher has set anything.
pub const EMPTY_HTTP_CLIENT: HttpClientConfig = HttpClientConfig {
    buffered_writer: Setting::new(0),
    dump_dial: Setting::new(0),
    dial: Setting::new(ABSENT),
    padding: Setting::new(0),
    method: Setting::new(ABSENT),
    url: Setting::new(ABSENT),
    header: Setting::new(ABSENT),
    context: Setting::new(ABSENT),
    content_length: Setting::new(ABSENT),
    body: Setting::new(ABSENT),
    sent_host: Setting::new(ABSENT),
    redirect: Setting::new(ABSENT),
    redirected: Setting::new(ABSENT),
    scheme: Setting::new(ABSENT),
    user: Setting::new(ABSENT),
    host: Setting::new(ABSENT),
    path: Setting::new(ABSENT),
    raw_query: Setting::new(ABSENT),
    status_code: Setting::new(ABSENT),
    proto_major: Setting::new(ABSENT),
    proto_minor: Setting::new(ABSENT),
    response_length: Setting::new(ABSENT),
    buffer: Setting::new(ABSENT),
    buffered: Setting::new(ABSENT),
    destination: Setting::new(ABSENT),
    peer: NO_PEER,
    http2: [NO_HTTP2; 2],
    header_map: NO_MAP,
};

/// What a hit of the client's probes means ([`super::Cookie::event`]).
pub mod event {
    /// Start of `(*Transport).roundTrip` or `(*http2.Transport).RoundTripOpt`: RAX the transport, RBX the `*http.Request`.
    pub const START: u32 = 1;
    /// `CALL Header.writeSubset` in `(*Request).write`: RAX the header, RBX, RCX the `io.Writer`, RDI the names left out.
    pub const INJECT: u32 = 2;
    /// In `(*clientStream).encodeAndWriteHeaders` of the standard library's HTTP/2 client, the `CALL` by which a request's header
    /// fields are encoded.
    pub const INJECT_HTTP2: u32 = 4;
    /// The same of `golang.org/x/net/http2`.
    pub const INJECT_XNET: u32 = 5;
    /// A `CALL fmt.Fprintf` in `(*Request).write`, before the header: RAX, RBX the `io.Writer`. Only where the probe itself writes.
    pub const ROOM: u32 = 6;
    /// `CALL io.WriteString` in `(*Request).write`, behind the header: RAX, RBX the `io.Writer`. Only where the probe itself writes.
    pub const WRITTEN: u32 = 7;
    /// An end of what [`START`] is the start of.
    pub const END: u32 = 16;
}

const _: () = assert!(size_of::<HttpClientConfig>() == 16 + 4 * (24 + 10 + 16 + 16));

// SAFETY: 32-bit settings behind two of 64 bits, an even number of them (see the size assertion above).
unsafe impl ReadOnlyData for HttpClientConfig {}
