//! Traces drawn as waterfalls on standard error, by a thread of its own: a terminal that is stopped (Ctrl-S) or a pipe that
//! nobody reads holds up neither the program nor the other exporters.

mod draw;
mod gather;
mod line;

use std::io::{IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use opentelemetry::Key;
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::resource as semconv;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use self::draw::{Style, draw};
use self::gather::{Gathering, Trace};
use self::line::{Line, printable};

/// Spans on their way to the thread; more are not drawn. Nobody reads that fast.
const CHANNEL: usize = 4096;

/// How often complete traces are looked for.
const TICK: Duration = Duration::from_millis(50);

/// Columns where there is no terminal to ask, and no `COLUMNS`.
const DEFAULT_WIDTH: usize = 120;

/// What the thread is told.
#[derive(Debug)]
enum Message {
    Opened(TraceId),
    LeftOut(TraceId),
    Ended(Line),
}

/// The console exporter.
#[derive(Debug)]
pub(super) struct Console {
    sender: SyncSender<Message>,
    done: oneshot::Receiver<()>,
    /// Spans that will not be drawn.
    left_out: u64,
}

impl Console {
    /// Starts the thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let style = style();
        let (sender, receiver) = sync_channel(CHANNEL);
        let (finished, done) = oneshot::channel();
        std::thread::Builder::new().name("console".to_owned()).spawn(move || {
            run(&receiver, &style, &mut std::io::stderr());
            // Nobody may wait any more.
            let _ = finished.send(());
        })?;
        Ok(Self { sender, done, left_out: 0 })
    }

    /// A span of this trace has begun.
    pub(super) fn opened(&mut self, trace: TraceId) {
        // If it is lost, the trace is drawn a little too early.
        let _ = self.sender.try_send(Message::Opened(trace));
    }

    /// A span of this trace that has begun is not drawn.
    pub(super) fn left_out(&mut self, trace: TraceId) {
        // If it is lost, the trace is drawn later.
        let _ = self.sender.try_send(Message::LeftOut(trace));
    }

    /// Takes a finished span of a service; never blocks.
    pub(super) fn push(&mut self, service: &Arc<str>, span: &SpanData) {
        if self.sender.try_send(Message::Ended(Line::new(service, span))).is_err() {
            self.left_out += 1;
        }
    }

    /// Draws what is left, until `deadline`; returns the number of spans that were not drawn.
    pub(super) async fn finish(self, deadline: Instant) -> u64 {
        let Self { sender, done, left_out } = self;
        drop(sender);
        // A thread that hangs in a write is left behind.
        let _is_drawn = timeout_at(deadline.into(), done).await;
        left_out
    }
}

/// Gathers and draws until the sender is gone.
fn run(receiver: &Receiver<Message>, style: &Style, out: &mut impl Write) {
    let mut gathering = Gathering::default();
    let mut looked = Instant::now();
    loop {
        let message = if gathering.is_empty() {
            receiver.recv().map_err(|_gone| RecvTimeoutError::Disconnected)
        } else {
            receiver.recv_timeout(TICK)
        };
        let now = Instant::now();
        match message {
            Ok(Message::Opened(trace)) => gathering.open(trace, now),
            Ok(Message::LeftOut(trace)) => gathering.leave_out(trace),
            Ok(Message::Ended(line)) => gathering.add(line, now),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return show(&gathering.rest(), style, out),
        }
        if now - looked >= TICK {
            looked = now;
            show(&gathering.complete(now), style, out);
        }
    }
}

/// One write per trace: what others write to standard error stands between traces, not within.
fn show(traces: &[Trace], style: &Style, out: &mut impl Write) {
    for trace in traces {
        // Closed, broken or full: there is nowhere left to say so.
        let _ = out.write_all(draw(trace, style).as_bytes());
    }
}

/// The name of the service, printable.
pub(super) fn service(resource: &Resource) -> Arc<str> {
    let name = resource.get(&Key::from_static_str(semconv::SERVICE_NAME));
    printable(&name.map(|name| name.to_string()).unwrap_or_default()).into()
}

fn style() -> Style {
    let is_terminal = std::io::stderr().is_terminal();
    let width = terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0));
    // What a shell says of the terminal at the other end of a pipe.
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    Style {
        width: width.or_else(columns).filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH).clamp(40, 1000),
        has_colour: has_colour(is_terminal, |name| std::env::var(name).ok()),
    }
}

/// <https://no-color.org>, <https://bixense.com/clicolors>
fn has_colour(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_COLOR") {
        return false;
    }
    if variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    is_terminal && variable("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests;
