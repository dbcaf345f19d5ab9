//! One traced program: its ring buffer, its open spans, and the probes that go with it.

use std::fmt;
use std::ops::AddAssign;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use opentelemetry::trace::TraceId;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Program;
use crate::arm::Armed;
use crate::child::{Image, pid_descriptor};
use crate::config::Limits;
use crate::events::decode::Record;
use crate::events::ring::{ALL, Ring, TURN};
use crate::export::{Exporting, Source};
use crate::log;
use crate::probes::attach::{Probes, detach, detach_link, leave_until_exit};
use crate::resource::gather::facts;
use crate::resource::resource;
use crate::spans::clock::{WallClock, boot_time};
use crate::spans::open::OpenSpans;
use crate::spans::panic_value::FileTypeNames;

/// A program that is traced.
pub(super) struct Traced {
    ring: Ring,
    spans: OpenSpans<FileTypeNames>,
    source: Source,
    probes: Probes,
    /// Readable when the process has ended. `None` where the kernel gives no such descriptor: then its last spans come
    /// when the launcher's own program ends.
    end: Option<AsyncFd<OwnedFd>>,
    /// What it is called in the log.
    file: PathBuf,
    image: Option<Image>,
}

impl Traced {
    /// Takes over a program. Must be called within a tokio runtime.
    pub(super) fn new(program: Program, limits: Limits, exporting: &Exporting) -> std::io::Result<Self> {
        let Program { pid, armed, process, said, known_methods, file, image } = program;
        let Armed { attached, plan: _, build_info, exe, load_bias, syscall: _ } = armed;
        let resource = resource(&said, &facts(pid.get(), process, Some(build_info)));
        // SAFETY: the descriptor is owned by what is returned, and so stays open and the same.
        let end = pid_descriptor(pid).and_then(|fd| Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?));
        Ok(Self {
            ring: Ring::new(attached.records, attached.lost)?,
            spans: OpenSpans::new(limits, known_methods, FileTypeNames { file: exe.keep(), load_bias }),
            source: exporting.source(&resource),
            probes: attached.probes,
            end: end.ok(),
            file,
            image,
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

    /// Whether the process is another program by now, or this one once more; says so. Its functions lie elsewhere, and what is
    /// remembered of goroutines is not about its own: it is not traced.
    pub(super) fn is_replaced(&mut self) -> bool {
        let is_replaced = !self.has_ended() && self.image.as_ref().is_some_and(Image::is_replaced);
        if is_replaced {
            log::warn(format_args!("{} has executed a program in its place, which is not traced", self.file.display()));
        }
        is_replaced
    }

    fn has_ended(&self) -> bool {
        self.end.as_ref().is_some_and(|end| is_readable(end.get_ref().as_fd()))
    }

    /// Gives back what reading the program's file took.
    pub(super) fn give_back(&self) {
        self.spans.type_names().file.give_back();
    }

    /// Takes the probe away that is not needed, if one is; a thread waits for the kernel.
    pub(super) fn judge_probes(&mut self) -> Option<JoinHandle<()>> {
        let link = self.probes.routes.as_mut()?.judge()?;
        log::debug(format_args!("routes are noted in the requests themselves: the probe of the mux is taken away"));
        detach_link(link)
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
                | Record::HttpClientEnd(_) => {}
            }
            if let Some(span) = self.spans.apply(&record, &clock) {
                exporting.push(&self.source, span);
            }
        });
        for span in self.spans.close_oldest(boot_time()) {
            exporting.push(&self.source, span);
        }
        more
    }

    /// Ends with the program, or with the launcher: takes the last records, and closes what is open.
    /// `detaching` gets the threads that take its probes away.
    pub(super) fn close(mut self, exporting: &mut Exporting, detaching: &mut Vec<JoinHandle<()>>) -> Losses {
        // Whoever runs on may go on to produce; what comes from now on is not waited for.
        self.take(ALL, exporting);
        // From one that has executed another program too, where it costs that.
        if self.has_ended() || self.image.as_ref().is_some_and(Image::is_replaced) {
            // While its last spans are sent, its probes go too.
            detaching.retain(|thread| !thread.is_finished());
            detaching.extend(detach(self.probes));
        } else {
            leave_until_exit(self.probes);
        }
        for span in self.spans.close_all(boot_time()) {
            exporting.push(&self.source, span);
        }
        let (losses, invalid) = self.ring.losses();
        Losses {
            full: losses.full,
            invalid: losses.invalid,
            why: invalid.map(ToString::to_string),
            orphans: self.spans.orphans(),
        }
    }
}

/// Records that no span came of.
#[derive(Debug, Default)]
pub(super) struct Losses {
    full: u64,
    invalid: u64,
    /// What was wrong with the first invalid one.
    why: Option<String>,
    orphans: u64,
}

impl Losses {
    pub(super) fn any(&self) -> bool {
        self.full + self.invalid + self.orphans > 0
    }
}

impl AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        self.full += other.full;
        self.invalid += other.invalid;
        self.orphans += other.orphans;
        self.why = self.why.take().or(other.why);
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { full, invalid, why, orphans } = self;
        let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        write!(f, "{full} records found the ring buffer full, {invalid} were invalid{why}, {orphans} ends had no start")
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].any().unwrap_or(false)
}
