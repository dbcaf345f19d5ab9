//! One traced process: its ring buffer, its open spans, and the probes that go with it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::SpanData;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::NewProcess;
use super::losses::Losses;
use super::unsampled::Unsampled;
use crate::arm::Armed;
use crate::child::{Image, Successor, pid_descriptor};
use crate::clock::{WallClock, boot_time};
use crate::engine::Probes;
use crate::events::decode::Record;
use crate::events::ring::{Ring, TURN};
use crate::export::{Exporting, Source};
use crate::instrumentations::exports::is_export;
use crate::log;
use crate::panic_value::FileTypeNames;
use crate::resource::gather::facts;
use crate::resource::resource;
use crate::spans::open::OpenSpans;

/// A process that is traced.
pub(super) struct Traced {
    ring: Ring,
    spans: OpenSpans<FileTypeNames>,
    source: Source,
    /// The program has an exporter of its own.
    has_exporter: bool,
    probes: Box<dyn Probes>,
    /// Readable when the process has ended. `None` where the kernel gives no such descriptor: then its last spans come
    /// when the command ends.
    end: Option<AsyncFd<OwnedFd>>,
    /// What it is called in the log.
    file: PathBuf,
    image: Option<Image>,
    /// Not position-independent: a second run of the file lies at the same addresses.
    is_where_it_was: bool,
    /// There are detours, which are not in the file.
    propagates: bool,
    /// When it executed itself again, if that was at the last look (nanoseconds of `CLOCK_BOOTTIME`).
    executed_again: Option<u64>,
}

impl Traced {
    /// Takes over a process. Must be called within a tokio runtime.
    pub(super) fn new(new: NewProcess, exporting: &Exporting) -> std::io::Result<Self> {
        let NewProcess { pid, armed, process, said, spans, file, image } = new;
        let Armed { attached, engine: _, not_native: _, plan, build_info, exe, load_bias, syscall: _ } = armed;
        let has_exporter = build_info.has_exporter();
        let resource = resource(&said, &facts(pid.get(), process, Some(build_info)));
        // SAFETY: the descriptor is owned by what is returned, and so stays open and the same.
        let end = pid_descriptor(pid).and_then(|fd| Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?));
        Ok(Self {
            ring: Ring::new(attached.records)?,
            spans: OpenSpans::new(spans, plan.operations.about.clone(), FileTypeNames { file: exe.keep(), load_bias }),
            source: exporting.source(&resource),
            has_exporter,
            probes: attached.probes,
            end: end.ok(),
            file,
            image,
            is_where_it_was: load_bias == Some(0),
            propagates: plan.detours().next().is_some(),
            executed_again: None,
        })
    }

    /// Ready when the kernel reports a backlog.
    pub(super) fn poll_backlog(&self, context: &mut Context<'_>) -> Poll<()> {
        self.ring.poll_backlog(context)
    }

    /// Ready when the process has ended.
    pub(super) fn poll_end(&self, context: &mut Context<'_>) -> Poll<()> {
        match &self.end {
            Some(end) => end.poll_read_ready(context).map(|_ready| ()),
            None => Poll::Pending,
        }
    }

    /// Whether the process still runs the Go program that is traced; says so where it is not, or is this one once more.
    ///
    /// The same file is traced on where the probes have come back: addresses, types and recipes are what they were, unless the
    /// program lies elsewhere each time. Of any other, what is remembered of goroutines and types is not about its own.
    pub(super) fn look(&mut self, exporting: &mut Exporting) -> bool {
        if let Some(exec) = self.executed_again.take() {
            // By now, what is open still was open then. Requests that began right behind the exec have ended meanwhile.
            for span in self.spans.close_before(exec, exec) {
                push(exporting, &self.source, self.has_exporter, &span);
            }
        }
        let successor = if self.has_ended() { None } else { self.image.as_ref().and_then(Image::successor) };
        match successor {
            None => true,
            Some(Successor::Again(image)) if self.is_where_it_was && image.has_breakpoints() => {
                self.probes.forget();
                let unpropagated = if self.propagates { "; trace context is not injected any more" } else { "" };
                log::warn(format_args!("{} has executed itself again, and is traced on{unpropagated}", self.file.display()));
                self.executed_again = Some(image.threads_since().unwrap_or_else(boot_time));
                self.image = Some(image);
                true
            }
            Some(Successor::Again(_) | Successor::Other) => false,
        }
    }

    /// Ends with the process in whose place another program runs, and says so: behind the line, nothing of that one is reported.
    pub(super) fn close_replaced(self, exporting: &mut Exporting, detaching: &mut Vec<JoinHandle<()>>) -> Losses {
        let file = self.file.clone();
        let losses = self.close(exporting, detaching);
        log::warn(format_args!("{} has executed a program in its place, which is not traced", file.display()));
        losses
    }

    fn has_ended(&self) -> bool {
        self.end.as_ref().is_some_and(|end| is_readable(end.get_ref().as_fd()))
    }

    /// Gives back what reading the Go program's file took.
    pub(super) fn give_back(&self) {
        self.spans.type_names().file.give_back();
    }

    /// Takes the probe away that is not needed, if one is; a thread waits for the kernel.
    pub(super) fn judge_probes(&mut self) -> Option<JoinHandle<()>> {
        self.probes.judge()
    }

    /// Takes a turn's records; returns whether there may be more.
    pub(super) fn drain(&mut self, exporting: &mut Exporting) -> bool {
        self.take(TURN, exporting)
    }

    fn take(&mut self, bytes: usize, exporting: &mut Exporting) -> bool {
        let clock = WallClock::now();
        let more = self.ring.drain(bytes, |record| {
            match &record {
                // Of an upgraded connection one span is dropped.
                Record::HttpServerStart(start) if start.upgrade_to_http2().is_some() => {}
                Record::HttpServerStart(start) => exporting.opened(TraceId::from_bytes(start.span.trace_id)),
                Record::HttpClientStart(start) => exporting.opened(TraceId::from_bytes(start.span.trace_id)),
                Record::HttpServerEnd(_)
                | Record::HttpServerUnfinished(_)
                | Record::HttpServerPanic(_)
                | Record::HttpClientEnd(_)
                | Record::OperationEvent(_)
                | Record::EncodedSpan(_)
                | Record::SpanCall(_)
                | Record::Superseded(_) => {}
                Record::OperationStart(start) => exporting.opened(TraceId::from_bytes(start.head.span.trace_id)),
            }
            self.spans.apply(&record, &clock, &mut |span| push(exporting, &self.source, self.has_exporter, span));
        });
        for span in self.spans.close_oldest(boot_time()) {
            push(exporting, &self.source, self.has_exporter, &span);
        }
        more
    }

    /// Ends with the process, or with the launcher: takes the last records, and closes what is open.
    /// `detaching` gets the threads that take its probes away.
    pub(super) fn close(mut self, exporting: &mut Exporting, detaching: &mut Vec<JoinHandle<()>>) -> Losses {
        if self.has_ended() {
            self.ring.end();
        }
        // Whoever runs on may go on to produce; what comes from now on is not waited for.
        self.take(self.ring.capacity(), exporting);
        // From one that has executed another program too, where it costs that.
        if self.has_ended() || self.image.as_ref().is_some_and(Image::is_replaced) {
            // While its last spans are sent, its probes go too.
            detaching.retain(|thread| !thread.is_finished());
            detaching.extend(self.probes.detach());
        } else {
            self.probes.leave_until_exit();
        }
        for span in self.spans.close_all(boot_time()) {
            push(exporting, &self.source, self.has_exporter, &span);
        }
        let (invalid, why) = self.ring.invalid();
        let missed = self.ring.missed();
        Losses {
            missed: missed.unwrap_or_default(),
            unknown: u64::from(missed.is_none()),
            invalid,
            why: why.map(ToString::to_string),
            orphans: self.spans.orphans(),
            unencoded: self.spans.unencoded(),
            unsampled: self.ring.unsampled().map(Unsampled).unwrap_or_default(),
        }
    }
}

/// Hands a finished span on, unless the program's own exporter has made it.
fn push(exporting: &mut Exporting, source: &Source, has_exporter: bool, span: &SpanData) {
    if has_exporter && is_export(span) {
        exporting.left_out(span.span_context.trace_id());
    } else {
        exporting.push(source, span);
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].any().unwrap_or(false)
}
