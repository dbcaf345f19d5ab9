//! The layouts of three releases of Go, as `go-auto-launch --check` reads them from programs built by these.
//!
//! amd64; `tests/apps/http_server` built with go1.21.13, go1.24.9 and go1.27.3. Map layouts: `runtime/map.go` and
//! `internal/runtime/maps/{map,table,group}.go` of the same releases.

use crate::config::http_server::{
    EMPTY_HTTP_SERVER, Http2WriterLayout, HttpServerConfig, PanicLayout, RequestLayout, ResponseLayout, UrlLayout,
};
use crate::config::{ABSENT, MapLayout, Setting};

/// The release's name and its layouts.
pub const ALL: [(&str, HttpServerConfig); 3] = [("go1.21", GO_1_21), ("go1.24", GO_1_24), ("go1.27", GO_1_27)];

const REQUEST: RequestLayout = RequestLayout {
    method: Setting::new(0),
    url: Setting::new(16),
    proto_major: Setting::new(40),
    proto_minor: Setting::new(48),
    header: Setting::new(56),
    content_length: Setting::new(88),
    host: Setting::new(128),
    remote_addr: Setting::new(176),
    tls: Setting::new(208),
    context: Setting::new(248),
    pattern: Setting::new(232),
    pat: Setting::new(264),
};

const REQUEST_1_21: RequestLayout =
    RequestLayout { pattern: Setting::new(ABSENT), pat: Setting::new(ABSENT), context: Setting::new(232), ..REQUEST };

/// `net/http/internal/http2/api.go`.
const SERVER_REQUEST_1_27: RequestLayout = RequestLayout {
    method: Setting::new(48),
    url: Setting::new(64),
    proto_major: Setting::new(32),
    proto_minor: Setting::new(40),
    header: Setting::new(72),
    content_length: Setting::new(120),
    host: Setting::new(104),
    remote_addr: Setting::new(128),
    tls: Setting::new(160),
    context: Setting::new(0),
    pattern: Setting::new(ABSENT),
    pat: Setting::new(ABSENT),
};

const H2_WRITER: Http2WriterLayout =
    Http2WriterLayout { rws: Setting::new(0), status: Setting::new(72), wrote_bytes: Setting::new(96), sent: Setting::new(81) };

/// Not that of any release: it differs from [`H2_WRITER`], so that a mix-up shows.
const XNET_WRITER: Http2WriterLayout =
    Http2WriterLayout { rws: Setting::new(8), status: Setting::new(80), wrote_bytes: Setting::new(56), sent: Setting::new(89) };

const RESPONSE: ResponseLayout = ResponseLayout {
    conn: Setting::new(0),
    status: Setting::new(120),
    written: Setting::new(104),
    hijacked: Setting::new(136),
    sent: Setting::new(88),
};

/// Buckets, `runtime/map.go`.
const BUCKETS: MapLayout = MapLayout {
    swiss: Setting::new(0),
    full_from: Setting::new(5),
    full_count: Setting::new(0x100 - 5),
    keys: Setting::new(8),
    key_stride: Setting::new(16),
    keys_at_once: Setting::new(8),
    elements: Setting::new(136),
    element_stride: Setting::new(24),
    group_size: Setting::new(336),
    count: Setting::new(0),
    directory: Setting::new(16),
    directory_length: Setting::new(9),
    table_groups: Setting::new(ABSENT),
    table_mask: Setting::new(ABSENT),
    old_buckets: Setting::new(24),
    overflow: Setting::new(328),
};

/// Groups of interleaved slots.
const SLOTS: MapLayout = MapLayout {
    swiss: Setting::new(1),
    full_from: Setting::new(0),
    full_count: Setting::new(0x80),
    keys: Setting::new(8),
    key_stride: Setting::new(40),
    keys_at_once: Setting::new(4),
    elements: Setting::new(24),
    element_stride: Setting::new(40),
    group_size: Setting::new(328),
    count: Setting::new(0),
    directory: Setting::new(16),
    directory_length: Setting::new(24),
    table_groups: Setting::new(16),
    table_mask: Setting::new(24),
    old_buckets: Setting::new(ABSENT),
    overflow: Setting::new(ABSENT),
};

/// Groups with keys and elements apart.
const SPLIT: MapLayout = MapLayout {
    key_stride: Setting::new(16),
    keys_at_once: Setting::new(8),
    elements: Setting::new(136),
    element_stride: Setting::new(24),
    ..SLOTS
};

/// Go 1.21.
pub const GO_1_21: HttpServerConfig = HttpServerConfig {
    request: REQUEST_1_21,
    http2_request: REQUEST_1_21,
    url: UrlLayout { path: Setting::new(56), raw_query: Setting::new(96) },
    response: RESPONSE,
    http2_writer: H2_WRITER,
    xnet_writer: XNET_WRITER,
    panic: PanicLayout { g_panic: Setting::new(32), arg: Setting::new(8), goexit: Setting::new(50) },
    header_map: BUCKETS,
    ..EMPTY_HTTP_SERVER
};

/// Go 1.22: only `Request.pat` names the pattern.
pub const GO_1_22: HttpServerConfig = HttpServerConfig {
    request: RequestLayout { pattern: Setting::new(ABSENT), pat: Setting::new(248), ..REQUEST },
    pattern_str: Setting::new(0),
    ..GO_1_21
};

/// Go 1.24.
pub const GO_1_24: HttpServerConfig = HttpServerConfig {
    request: REQUEST,
    http2_request: REQUEST,
    pattern_str: Setting::new(0),
    panic: PanicLayout { g_panic: Setting::new(32), arg: Setting::new(8), goexit: Setting::new(97) },
    header_map: SLOTS,
    ..GO_1_21
};

/// Go 1.27.
pub const GO_1_27: HttpServerConfig = HttpServerConfig {
    http2_request: SERVER_REQUEST_1_27,
    url: UrlLayout { path: Setting::new(56), raw_query: Setting::new(88) },
    response: ResponseLayout { status: Setting::new(128), written: Setting::new(112), ..RESPONSE },
    http2_writer: Http2WriterLayout { status: Setting::new(240), wrote_bytes: Setting::new(264), ..H2_WRITER },
    panic: PanicLayout { g_panic: Setting::new(32), arg: Setting::new(0), goexit: Setting::new(90) },
    header_map: SPLIT,
    ..GO_1_24
};
