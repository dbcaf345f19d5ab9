//! The telemetry thread: records of the ring buffers into spans, spans to the exporters, until the command has ended.
//!
//! It starts when the first process is traced and serves all that come after it. It runs a current-thread tokio runtime.
//! The main thread shares nothing with it but a channel ("this process too", "that was all") and a descriptor ("all is
//! out"). A panic here is caught by the thread's end; the processes run on.

mod losses;
mod traced;
mod unsampled;

use std::future::poll_fn;
use std::io::{PipeReader, PipeWriter};
use std::num::NonZeroU32;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use self::losses::Losses;
use self::traced::Traced;
use crate::arm::Armed;
use crate::capabilities::drop_for_good;
use crate::child::Image;
use crate::config::SpanSettings;
use crate::export::{Exporting, Report};
use crate::log;
use crate::memory;
use crate::resource::{ProcessFacts, ResourceSettings};

/// How often the ring buffers are looked at; a backlog is reported by the kernel at once.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);

/// How often it is looked whether a process still runs the Go program that is traced: a second.
const TICKS_PER_LOOK: u32 = 10;

/// How often memory is given back: ten seconds. Connections are made once, bursts pass, and what only they need would stay.
const LOOKS_PER_TRIM: u32 = 10;

/// A process whose spans are wanted.
#[derive(Debug)]
pub struct NewProcess {
    /// Its id.
    pub pid: NonZeroU32,
    /// Its probes.
    pub armed: Armed,
    /// What was found out about it, while it was certainly there.
    pub process: ProcessFacts,
    /// What the user says about it.
    pub said: ResourceSettings,
    /// The HTTP methods that are known.
    pub spans: SpanSettings,
    /// What it is called in the log.
    pub file: PathBuf,
    /// Its memory, where it has been executed and we may look into it.
    pub image: Option<Image>,
}

/// What the thread is told.
#[derive(Debug)]
enum Message {
    Process(Box<NewProcess>),
    /// No more processes; be done at this time.
    Finish(Instant),
}

/// The running thread, as the main thread sees it.
#[derive(Debug)]
pub struct Telemetry {
    messages: UnboundedSender<Message>,
    done: PipeReader,
    thread: JoinHandle<()>,
}

impl Telemetry {
    /// Starts the thread. `exporting` is called on it, within its runtime.
    ///
    /// # Errors
    /// Where the kernel gives no thread or pipe.
    pub fn start(exporting: impl FnOnce() -> Exporting + Send + 'static) -> std::io::Result<Self> {
        let (done, done_writer) = std::io::pipe()?;
        let (messages, receiver) = unbounded_channel();
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            // Closed when this thread ends, in whatever way.
            let _done: PipeWriter = done_writer;
            if let Err(error) = run(exporting, receiver) {
                log::error(format_args!("telemetry has stopped, the program runs on untraced: {error}"));
            }
        })?;
        Ok(Self { messages, done, thread })
    }

    /// Hands over a process that is about to run.
    pub fn add(&self, process: NewProcess) {
        // A thread that is gone has said so.
        let _gone = self.messages.send(Message::Process(Box::new(process)));
    }

    /// Tells the thread that the command has ended and that it must be done at `deadline`.
    pub fn finish(&mut self, deadline: Instant) {
        // A thread that is gone already has nothing to finish.
        let _gone = self.messages.send(Message::Finish(deadline));
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

fn run(exporting: impl FnOnce() -> Exporting, messages: UnboundedReceiver<Message>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // What is attached for the processes was attached by the main thread.
    drop_for_good();
    runtime.block_on(async { follow(exporting(), messages).await });
    // Not waited for: a name look-up that is stuck in the system's resolver.
    runtime.shutdown_background();
    Ok(())
}

/// Follows all processes to their ends.
async fn follow(mut exporting: Exporting, mut messages: UnboundedReceiver<Message>) {
    let mut processes: Vec<Traced> = Vec::new();
    let mut losses = Losses::default();
    let mut detaching = Vec::new();
    let mut timer = tokio::time::interval(DRAIN_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A turn has left records.
    let mut more = false;
    let mut ticks: u32 = 0;
    let mut looks: u32 = 0;
    // What a start has taken is to be given back, behind it.
    let mut has_added = false;
    let deadline = loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(Message::Process(process)) => {
                    add(*process, &exporting, &mut processes);
                    has_added = true;
                }
                Some(Message::Finish(deadline)) => break deadline,
                None => break Instant::now(),
            },
            _ = timer.tick(), if !processes.is_empty() => {
                more = drain(&mut processes, &mut exporting);
                detaching.extend(processes.iter_mut().filter_map(Traced::judge_probes));
                ticks = (ticks + 1) % TICKS_PER_LOOK;
                if ticks == 0 {
                    looks = (looks + 1) % LOOKS_PER_TRIM;
                    if std::mem::take(&mut has_added) || looks == 0 {
                        processes.iter().for_each(Traced::give_back);
                        memory::trim();
                    }
                    let replaced: Vec<Traced> = processes.extract_if(.., |process| !process.look(&mut exporting)).collect();
                    for replaced in replaced {
                        losses += replaced.close_replaced(&mut exporting, &mut detaching);
                    }
                }
            }
            () = poll_fn(|context| poll_backlogs(&processes, context)) => more = drain(&mut processes, &mut exporting),
            // Behind all else that is to be done on this thread.
            () = tokio::task::yield_now(), if more => more = drain(&mut processes, &mut exporting),
            ended = poll_fn(|context| poll_ends(&processes, context)) => {
                losses += processes.swap_remove(ended).close(&mut exporting, &mut detaching);
            }
        }
    };
    // The processes' end may be known here before they are.
    while let Ok(Message::Process(process)) = messages.try_recv() {
        add(*process, &exporting, &mut processes);
    }
    for process in processes {
        losses += process.close(&mut exporting, &mut detaching);
    }
    let report = exporting.finish(deadline).await;
    say(&losses, &report);
    // The launcher could not end before them in any case; and what the end of its process kills, the kernel may leave undone.
    for thread in detaching {
        // A panic there has been said by its hook, and nothing depends on it.
        let _panicked = thread.join();
    }
}

fn add(process: NewProcess, exporting: &Exporting, processes: &mut Vec<Traced>) {
    let pid = process.pid;
    match Traced::new(process, exporting) {
        Ok(traced) => processes.push(traced),
        Err(error) => {
            log::error(format_args!("process {pid} runs untraced: its ring buffer cannot be waited for ({error})"));
        }
    }
}

/// Takes a turn's records of each process; returns whether there may be more.
fn drain(processes: &mut [Traced], exporting: &mut Exporting) -> bool {
    processes.iter_mut().fold(false, |more, process| process.drain(exporting) | more)
}

/// Ready when the kernel reports a backlog of any process.
fn poll_backlogs(processes: &[Traced], context: &mut Context<'_>) -> Poll<()> {
    let ready = processes.iter().filter(|process| process.poll_backlog(context).is_ready()).count();
    if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
}

/// Ready with the index of a process that has ended.
fn poll_ends(processes: &[Traced], context: &mut Context<'_>) -> Poll<usize> {
    match processes.iter().position(|process| process.poll_end(context).is_ready()) {
        Some(ended) => Poll::Ready(ended),
        None => Poll::Pending,
    }
}

/// One line where anything was lost: how much, and why.
fn say(losses: &Losses, report: &Report) {
    if losses.any() {
        log::warn(format_args!("spans are lost: of what was reported, {losses}"));
    }
    if losses.not_injected() > 0 {
        log::warn(format_args!("{} requests were sent without trace context: it could not be written", losses.not_injected()));
    }
    if losses.without_parent() > 0 {
        log::warn(format_args!(
            "{} spans have no parent: the requests whose contexts they used were answered too long before",
            losses.without_parent()
        ));
    }
    if losses.unsampled.any() {
        log::debug(format_args!("not sampled: {}", losses.unsampled));
    }
    if report.lost() > 0 || report.undrawn() > 0 {
        log::warn(format_args!("{report}"));
    } else {
        log::debug(format_args!("{report}"));
    }
}
