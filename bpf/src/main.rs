//! The BPF object: thin entry points over the probe bodies of the library.
//!
//! Each body has two entry points, because the ELF section decides how a program may be attached:
//! as one multi-uprobe link, or as single perf events where the kernel is older than 6.10.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
mod kernel;

#[cfg(target_arch = "bpf")]
mod entry_points {
    use aya_ebpf::EbpfContext as _;
    use aya_ebpf::macros::uprobe;
    use aya_ebpf::programs::ProbeContext;
    use bpf::config::fasthttp_server::{EMPTY_FASTHTTP_SERVER, FasthttpServerConfig};
    use bpf::config::grpc::{CarrierConfig, EMPTY_CARRIER, EMPTY_GRPC_CLIENT, GrpcClientConfig};
    use bpf::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig};
    use bpf::config::http_server::{EMPTY_HTTP_SERVER, HttpServerConfig};
    use bpf::config::otel_api::{EMPTY_OTEL_API, OtelApiConfig};
    use bpf::instrumentations::{fasthttp_server, grpc_client, net_http_client, net_http_server, operations, otel_api};
    use bpf::missed::{Done, Missed};
    use bpf::target::Target as _;
    use bpf::trace::creators;

    use crate::kernel::Hit;

    /// Layouts of the process's server, set by the launcher.
    #[unsafe(no_mangle)]
    static HTTP_SERVER: HttpServerConfig = EMPTY_HTTP_SERVER;
    /// Layouts of the process's client, set by the launcher.
    #[unsafe(no_mangle)]
    static HTTP_CLIENT: HttpClientConfig = EMPTY_HTTP_CLIENT;

    /// Layouts of the process's server of `fasthttp`, set by the launcher.
    #[unsafe(no_mangle)]
    static FASTHTTP_SERVER: FasthttpServerConfig = EMPTY_FASTHTTP_SERVER;
    /// The same of `hertz`.
    #[unsafe(no_mangle)]
    static HERTZ_SERVER: FasthttpServerConfig = EMPTY_FASTHTTP_SERVER;
    /// How the metadata of a call is read, set by the launcher.
    #[unsafe(no_mangle)]
    static CARRIER: CarrierConfig = EMPTY_CARRIER;
    /// Layouts of the process's client of gRPC, set by the launcher.
    #[unsafe(no_mangle)]
    static GRPC_CLIENT: GrpcClientConfig = EMPTY_GRPC_CLIENT;
    /// Layouts of the process's OpenTelemetry API, set by the launcher.
    #[unsafe(no_mangle)]
    static OTEL_API: OtelApiConfig = EMPTY_OTEL_API;

    macro_rules! probe {
        ($multi:ident, $perf_event:ident, $body:expr) => {
            #[uprobe(multi)]
            fn $multi(context: ProbeContext) -> u32 {
                count($body, &Hit::new(context.as_ptr()))
            }

            #[uprobe]
            fn $perf_event(context: ProbeContext) -> u32 {
                count($body, &Hit::new(context.as_ptr()))
            }
        };
    }

    /// Runs a probe's body, and counts what nothing came of.
    #[inline(always)]
    fn count(body: impl Fn(&Hit) -> Done, hit: &Hit) -> u32 {
        match body(hit) {
            // First, and without a look at the map: most ways through a body end here, and the verifier follows each.
            Ok(()) | Err(Missed::NothingToDo) => {}
            Err(missed) => hit.count(missed),
        }
        0
    }

    // As `launcher/src/engine/bpf/program.rs` names them.
    probe!(http_server, http_server_p, |hit| net_http_server::any(hit, &HTTP_SERVER));
    probe!(http_client, http_client_p, |hit| net_http_client::any(hit, &HTTP_CLIENT));
    probe!(http_route, http_route_p, |hit| net_http_server::route(hit));
    probe!(http2_request, http2_request_p, |hit| net_http_server::start_http2_request(hit, &HTTP_SERVER));
    probe!(operations, operations_p, |hit| operations::any(hit));
    probe!(annotations, annotations_p, |hit| operations::annotate(hit));
    probe!(served_operations, served_operations_p, |hit| operations::served(hit, &CARRIER.map));
    probe!(grpc_client, grpc_client_p, |hit| grpc_client::any(hit, &GRPC_CLIENT));
    probe!(fasthttp_server, fasthttp_server_p, |hit| fasthttp_server::any(hit, &FASTHTTP_SERVER));
    probe!(hertz_server, hertz_server_p, |hit| fasthttp_server::any(hit, &HERTZ_SERVER));
    probe!(otel_api_spans, otel_api_spans_p, |hit| otel_api::any(hit, &OTEL_API));
    probe!(otel_api_calls, otel_api_calls_p, |hit| otel_api::call(hit, &OTEL_API));
    probe!(new_goroutine, new_goroutine_p, |hit| creators::created(hit));

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo) -> ! {
        loop {}
    }

    /// Several helpers are for GPL-compatible programs only.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 4] = *b"GPL\0";
}
