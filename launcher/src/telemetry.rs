//! The telemetry thread: records of the ring buffer into spans, spans to the exporters, until the program has ended.
//!
//! It runs a current-thread tokio runtime. The main thread shares nothing with it but two descriptors' worth of words:
//! "the program has ended", and back: "all is out". A panic here is caught by the thread's end; the program runs on.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use opentelemetry::trace::TraceId;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::arm::Armed;
use crate::capabilities::drop_for_good;
use crate::config::Limits;
use crate::events::decode::Record;
use crate::events::ring::Ring;
use crate::export::{Exporting, Report};
use crate::log;
use crate::probes::attach::detach;
use crate::spans::clock::WallClock;
use crate::spans::open::OpenSpans;
use crate::spans::panic_value::FileTypeNames;

/// How often the ring buffer is looked at; a backlog is reported by the kernel at once.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);

/// The running thread, as the main thread sees it.
#[derive(Debug)]
pub struct Telemetry {
    stop: Option<oneshot::Sender<Instant>>,
    done: PipeReader,
    thread: JoinHandle<()>,
}

impl Telemetry {
    /// Starts the thread. `exporting` is called on it, within its runtime.
    ///
    /// # Errors
    /// Where the kernel gives no thread or pipe.
    pub fn start(armed: Armed, limits: Limits, exporting: impl FnOnce() -> Exporting + Send + 'static) -> std::io::Result<Self> {
        let (done, done_writer) = std::io::pipe()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            // Closed when this thread ends, in whatever way.
            let _done: PipeWriter = done_writer;
            if let Err(error) = run(armed, limits, exporting, stopped) {
                log::error(format_args!("telemetry has stopped, the program runs on untraced: {error}"));
            }
        })?;
        Ok(Self { stop: Some(stop), done, thread })
    }

    /// Tells the thread that the program has ended and that it must be done at `deadline`.
    pub fn finish(&mut self, deadline: Instant) {
        if let Some(stop) = self.stop.take() {
            // A thread that is gone already has nothing to finish.
            let _gone = stop.send(deadline);
        }
    }

    /// Becomes readable when everything is out or the thread is gone.
    #[must_use]
    pub fn done(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// Whether the thread ended by a panic; only after [`Telemetry::done`] is readable.
    #[must_use]
    pub fn has_panicked(self) -> bool {
        self.thread.is_finished() && self.thread.join().is_err()
    }
}

fn run(
    armed: Armed,
    limits: Limits,
    exporting: impl FnOnce() -> Exporting,
    stopped: oneshot::Receiver<Instant>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let followed = runtime.block_on(async {
        let exporting = exporting();
        // The program has been described: from here on nothing needs them.
        drop_for_good();
        follow(armed, limits, exporting, stopped).await
    });
    // Not waited for: a name look-up that is stuck in the system's resolver.
    runtime.shutdown_background();
    followed
}

/// Follows the program from its start to its end.
async fn follow(
    armed: Armed,
    limits: Limits,
    mut exporting: Exporting,
    mut stopped: oneshot::Receiver<Instant>,
) -> std::io::Result<()> {
    let Armed { attached, plan: _, build_info: _, exe, load_bias } = armed;
    let _programs = attached.object;
    let mut ring = Ring::new(attached.records, attached.lost)?;
    let mut spans = OpenSpans::new(limits, FileTypeNames { file: exe, load_bias });
    let mut timer = tokio::time::interval(DRAIN_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let deadline = loop {
        tokio::select! {
            deadline = &mut stopped => break deadline.unwrap_or_else(|_main_thread_gone| Instant::now()),
            _ = timer.tick() => {}
            backlog = ring.backlog() => backlog?,
        }
        drain(&mut ring, &mut spans, &mut exporting);
        for span in spans.close_oldest(boot_time()) {
            exporting.push(span);
        }
    };
    drain(&mut ring, &mut spans, &mut exporting);
    // The program is gone; while its last spans are sent, its probes go too.
    detach(attached.links);
    for span in spans.close_all(boot_time()) {
        exporting.push(span);
    }
    let report = exporting.finish(deadline).await;
    say_losses(&ring, spans.orphans(), &report);
    Ok(())
}

fn drain<N: crate::spans::panic_value::TypeNames>(ring: &mut Ring, spans: &mut OpenSpans<N>, exporting: &mut Exporting) {
    let clock = WallClock::now();
    ring.drain(|record| {
        if let Record::HttpServerStart(start) = &record {
            exporting.opened(TraceId::from_bytes(start.span.trace_id));
        }
        if let Some(span) = spans.apply(&record, &clock) {
            exporting.push(span);
        }
    });
}

/// Nanoseconds of `CLOCK_BOOTTIME`.
fn boot_time() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// One line where anything was lost: how much, and why.
fn say_losses(ring: &Ring, orphans: u64, report: &Report) {
    let (losses, invalid) = ring.losses();
    if losses.full + losses.invalid + orphans > 0 {
        let why = invalid.map(|error| format!(" ({error})")).unwrap_or_default();
        log::warn(format_args!(
            "{} records found the ring buffer full, {} were invalid{why}, {orphans} ends had no start: their spans are lost",
            losses.full, losses.invalid
        ));
    }
    if report.lost() > 0 {
        log::warn(format_args!("{report}"));
    } else {
        log::debug(format_args!("{report}"));
    }
}
