//! A hit: which site it is, and the body that runs for it.

use core::cell::Cell;
use core::sync::atomic::Ordering;

use bpf::go::abi::GOROUTINE;
use bpf::instrumentations::{fasthttp_server, grpc_client, net_http_client, net_http_server, operations, otel_api};
use bpf::missed::{Done, Missed};
use bpf::target::{Memory as _, Target as _};
use bpf::trace::creators;
use bpf::trace::goroutine::Goroutine;
use native::configuration::{Site, body};
use native::control::disabled;
use native::state::{PLACES, Place};

use super::entry::Frame;
use super::machine::Saved;
use super::{configuration, control, part, state};

/// `_Gdead` (`runtime/runtime2.go`).
const DEAD: u32 = 6;

/// One hit of a probe.
pub(super) struct Hit<'f> {
    /// The registers at the thunk.
    pub(super) saved: &'f Saved,
    /// The site.
    pub(super) site: &'static Site,
    /// By what is left here a hit is given up.
    pub(super) frame: *mut Frame,
    /// What the function returns at once whose start was hit, or with what another function takes its place, which has this address.
    pub(super) left: Cell<Option<([u64; 2], u64)>>,
}

/// The entry calls this for each hit.
///
/// # Safety
/// `saved` and `frame` stand on the stack of this thread, above what is called here.
pub(super) unsafe extern "C" fn hit(saved: *mut Saved, number: u64, frame: *mut Frame) {
    let Some(site) = part::<Site>(configuration().sites).get(number as usize) else {
        return;
    };
    if control().disabled.load(Ordering::Relaxed) != disabled::NO {
        return;
    }
    // SAFETY: the caller's contract.
    let hit = Hit { saved: unsafe { &*saved }, site, frame, left: Cell::new(None) };
    #[cfg(feature = "planted")]
    super::planted::in_hit(frame);
    let configuration = configuration();
    let done = match site.body {
        body::HTTP_SERVER => net_http_server::any(&hit, &configuration.http_server),
        body::HTTP2_REQUEST => net_http_server::start_http2_request(&hit, &configuration.http_server),
        body::HTTP_ROUTE => net_http_server::route(&hit),
        body::HTTP_CLIENT => net_http_client::any(&hit, &configuration.http_client),
        body::OPERATIONS => operations::any(&hit),
        body::ANNOTATIONS => operations::annotate(&hit),
        body::NEW_GOROUTINE => created(&hit),
        body::SERVED_OPERATIONS => operations::served(&hit, &configuration.carrier.map),
        // One call: the body is not there twice.
        body::FASTHTTP_SERVER | body::HERTZ_SERVER => {
            let is_hertz = site.body == body::HERTZ_SERVER;
            let layouts = if is_hertz { &configuration.hertz_server } else { &configuration.fasthttp_server };
            fasthttp_server::any(&hit, layouts)
        }
        body::GRPC_CLIENT => grpc_client::any(&hit, &configuration.grpc_client),
        body::OTEL_API => otel_api::any(&hit, &configuration.otel_api),
        body::OTEL_API_CALLS => otel_api::call(&hit, &configuration.otel_api),
        _ => Err(Missed::NothingToDo),
    };
    // Where the frame pointer has been pushed, what lies on top of the stack is not where the function returns to.
    if let Some((words, function)) = hit.left.get().filter(|_| site.stack == 0) {
        // SAFETY: the caller's contract; nothing refers to it any more.
        unsafe { (*saved).leave(words, function) };
    }
    if let Err(missed) = done {
        hit.count(missed);
    }
}

/// Until the first operation there is nothing that a goroutine could have from its creator; and the first `go` statements come before Go
/// has handlers for signals.
#[inline(always)]
fn created(hit: &Hit<'_>) -> Done {
    if state().seeds.load(Ordering::Relaxed) == 0 { Err(Missed::NothingToDo) } else { creators::created(hit) }
}

impl Hit<'_> {
    #[inline(always)]
    fn goroutine_address(&self) -> u64 {
        self.saved.registers[GOROUTINE]
    }

    /// Whether what is remembered of the goroutine at `address` may be given away: it has nothing open, or is no more.
    pub(super) fn is_idle(&self, address: u64, goroutine: &Goroutine) -> bool {
        let is_dead = || {
            let status = configuration().parents.status.get();
            status != bpf::config::ABSENT && self.read_or_zero::<u32>(address.wrapping_add(status.into())) == DEAD
        };
        goroutine.open() == 0 && goroutine.frames() == 0 || is_dead()
    }

    /// Takes a place of scratch memory that is nobody else's. Threads begin at different ones.
    #[inline(always)]
    pub(super) fn take_place(&self) -> Option<&'static Place> {
        const TRIED: usize = 8;
        let thread: u64 = self.read_or_zero(self.goroutine_address().wrapping_add(configuration().g_m.into()));
        let first = (thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize;
        let take = |place: &&Place| {
            let taken = &place.taken;
            taken.load(Ordering::Relaxed) == 0 && taken.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        let places = || (first..first + PLACES).filter_map(|number| state().places.get(number % PLACES));
        // One whose thread is kept from running keeps its place: so all are tried before a hit is lost.
        places().take(TRIED).find(take).or_else(|| places().skip(TRIED).find(take))
    }
}
