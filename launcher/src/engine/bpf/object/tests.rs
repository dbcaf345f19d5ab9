//! What the verifier says of the BPF programs.

use super::*;
use bpf::config::Propagators;
use bpf::config::baggage::BaggageConfig;
use bpf::config::fasthttp_server::{EMPTY_FASTHTTP_SERVER, FasthttpServerConfig, WrappedLayout};
use bpf::config::grpc::{CarrierConfig, EMPTY_GRPC_CLIENT, GrpcClientConfig};
use bpf::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig, PeerLayout};
use bpf::config::http_server::{EMPTY_HTTP_SERVER, HttpServerConfig, PanicLayout, RequestLayout};
use bpf::config::otel_api::{CopyConfig, OtelApiConfig, ReceivedConfig};
use bpf::config::parents::{EMPTY_PARENTS, ParentsConfig};
use bpf::config::{MapLayout, Offset};
use bpf::shared::Shared;

use crate::probes::parents::Parents;
use crate::probes::plan::Planned;

/// Everything is sampled, if its parent is.
fn everything() -> Sampling {
    let settings = Settings { parent_based: Shared::new(1), off: Shared::new(0), threshold: Shared::new(1 << 63) };
    Sampling { settings, propagators: Propagators(Setting::new(3)) }
}

/// Needs root or `CAP_BPF` and `CAP_PERFMON`; `make test` runs as root.
#[test]
fn the_verifier_accepts_every_program() {
    for kind in [UprobeKind::Multi, UprobeKind::PerfEvent] {
        let mut object = Object::load(&Plan::default(), &everything()).unwrap();
        for (body, program) in object.programs(&BODIES, kind).unwrap() {
            if let Err(error) = verify(body, kind, program) {
                panic!("{body:?}: {error:?}");
            }
        }
    }
}

const BODIES: [Body; 13] = [
    Body::HttpServer,
    Body::Http2Request,
    Body::HttpClient,
    Body::HttpRoute,
    Body::Operations,
    Body::Annotations,
    Body::NewGoroutine,
    Body::ServedOperations,
    Body::GrpcClient,
    Body::FasthttpServer,
    Body::HertzServer,
    Body::OtelApi,
    Body::OtelApiCalls,
];

/// Instructions that the verifier may look at for each BPF program: a million is its limit, and each costs every start about a
/// microsecond and a half. BPF programs are verified at the same time.
const VERIFIED_AT_MOST: [u32; 13] =
    [13_500, 7_000, 16_500, 1_200, 18_000, 7_000, 500, 20_000, 10_000, 11_000, 11_000, 14_000, 11_000];

/// The layouts of fasthttp 1.34.
fn fasthttp() -> FasthttpServerConfig {
    let at = |offset: u32| Offset::new(offset);
    FasthttpServerConfig {
        peer: PeerLayout {
            tcp: Setting::new(0x50_0000),
            tls: Setting::new(0x50_1000),
            address: Setting::new(0x50_2000),
            tls_inner: at(0),
            persist_conn: at(0),
            remote: at(112),
            port: at(24),
        },
        request: at(0),
        response: at(856),
        connection: at(1400),
        method: at(48),
        target: at(72),
        host: at(120),
        user_agent: at(168),
        fields: at(192),
        content_length: at(8),
        no_http11: at(1),
        is_tls: at(800),
        status: at(8),
        body_stream: at(344),
        body_raw: at(392),
        body: at(384),
        panic: PanicLayout { g_panic: at(32), arg: at(8), goexit: at(80) },
        ..EMPTY_FASTHTTP_SERVER
    }
}

/// Layouts with all that those of hertz have.
fn hertz() -> FasthttpServerConfig {
    let at = |offset: u32| Offset::new(offset);
    FasthttpServerConfig {
        wrapped: WrappedLayout { netpoll: Setting::new(0x50_3000), remote: at(88), inner: at(0) },
        no_http11: at(bpf::config::ABSENT),
        protocol: at(240),
        body_writer: at(500),
        route: at(1_600),
        start: Setting::new(bpf::records::kind::HERTZ_SERVER_START),
        ..fasthttp()
    }
}

/// Those of otel 1.47.
fn otel_api(map: MapLayout) -> OtelApiConfig {
    let at = |offset: u32| Offset::new(offset);
    let copy = CopyConfig { identity: at(16), sampled: at(80), tracer_name: at(16), padding: Setting::new(0) };
    let address = |number: u64| Setting::new(0x50_0000 + number * 0x1000);
    OtelApiConfig {
        stand_in_table: address(0),
        is_recording: address(4),
        attribute_option: address(1),
        timestamp_option: address(2),
        function_option: address(3),
        sdk_code: [[address(5), address(6)]; 3],
        received: ReceivedConfig {
            parse: address(7),
            metadata_key: address(8),
            map,
            request: at(8),
            header: at(56),
            state: [at(0), at(0)],
            state_request: [at(8), at(bpf::config::ABSENT)],
            state_header: [at(56), at(80)],
        },
        copies: [copy; 2],
        stand_in_identity: at(16),
        sdk_kind: at(80),
        table_words: Setting::new(14),
        padding: Setting::new(0),
    }
}

fn baggage(map: MapLayout) -> BaggageConfig {
    let at = |offset: u32| Offset::new(offset);
    BaggageConfig {
        key: Setting::new(0x50_9000),
        map,
        list: at(0),
        value: at(0),
        properties: at(32),
        metadata: at(16),
        property_key: at(0),
        property_value: at(16),
        property_has_value: at(32),
        property_size: at(40),
        is_unseen: Setting::new(1),
        hooks: at(8),
    }
}

/// Needs root or `CAP_BPF` and `CAP_PERFMON`; `make test` runs as root.
#[test]
fn verification_is_short() {
    let at = |offset: u32| Offset::new(offset);
    let request = RequestLayout {
        method: at(0),
        url: at(16),
        proto_major: at(40),
        proto_minor: at(48),
        header: at(56),
        content_length: at(88),
        host: at(128),
        remote_addr: at(176),
        tls: at(208),
        context: at(248),
        pattern: at(232),
        pat: at(264),
    };
    for swiss in [0, 1] {
        let header_map = MapLayout {
            swiss: Setting::new(swiss),
            full_from: Setting::new(5 * (1 - swiss)),
            full_count: Setting::new(0x80),
            keys: at(8),
            key_stride: Setting::new(40),
            keys_at_once: Setting::new(4),
            elements: at(24),
            element_stride: Setting::new(40),
            group_size: Setting::new(328),
            count: at(0),
            directory: at(16),
            directory_length: at(if swiss == 1 { 24 } else { 9 }),
            table_groups: at(16),
            table_mask: at(24),
            old_buckets: at(24),
            overflow: at(328),
        };
        let config = HttpServerConfig { request, http2_request: request, header_map, ..EMPTY_HTTP_SERVER };
        let client = HttpClientConfig {
            method: at(0),
            url: at(16),
            header: at(56),
            body: at(64),
            content_length: at(88),
            sent_host: at(128),
            redirect: at(224),
            redirected: at(128),
            scheme: at(0),
            user: at(32),
            host: at(40),
            path: at(56),
            raw_query: at(96),
            header_map,
            ..EMPTY_HTTP_CLIENT
        };
        let grpc =
            GrpcClientConfig { encoder: at(8), buffer: at(16), writer: at(24), fields: at(8), call: at(16), ..EMPTY_GRPC_CLIENT };
        let layouts = vec![
            (Layout::HttpServer, config.as_bytes().to_vec()),
            (Layout::HttpClient, client.as_bytes().to_vec()),
            (Layout::Carrier, CarrierConfig { map: header_map }.as_bytes().to_vec()),
            (Layout::GrpcClient, grpc.as_bytes().to_vec()),
            (Layout::FasthttpServer, fasthttp().as_bytes().to_vec()),
            (Layout::HertzServer, hertz().as_bytes().to_vec()),
            (Layout::OtelApi, otel_api(header_map).as_bytes().to_vec()),
        ];
        let config = ParentsConfig {
            server_key: Setting::new(0x50_0000),
            span_key: Setting::new(0x50_1000),
            wanted: Setting::new(1),
            has_frames: Setting::new(1),
            sdk_scope: at(24),
            sdk_provider: at(16),
            sdk_processors: at(40),
            goid: at(152),
            status: at(144),
            g_m: at(48),
            m_curg: at(184),
            stack_high: at(8),
            baggage: baggage(header_map),
            ..EMPTY_PARENTS
        };
        let layout = (Layout::Parents, config.as_bytes().to_vec());
        let parents = Parents { probes: Vec::new(), fields: Vec::new(), missing: Vec::new(), context_types: Vec::new(), layout };
        let planned = vec![Planned { layouts, ..Planned::default() }];
        let plan = Plan { planned, parents: Some(parents), ..Plan::default() };
        let mut object = Object::load(&plan, &everything()).unwrap();
        let mut found = Vec::new();
        for (body, program) in object.programs(&BODIES, UprobeKind::Multi).unwrap() {
            verify(body, UprobeKind::Multi, program).unwrap();
            let verified = program.info().unwrap().verified_instruction_count().unwrap();
            found.push((body, verified, VERIFIED_AT_MOST[BODIES.iter().position(|one| *one == body).unwrap()]));
        }
        assert!(found.iter().all(|(_, verified, at_most)| verified < at_most), "swiss {swiss}: {found:?}");
    }
}
