//! Finished spans to their destinations.
//!
//! ```text
//! push ──┬─> console: traces drawn on standard error
//!        └─> encode ─> queue (bounded) ─> sender (up to 4 requests) ─> client: OTLP over gRPC or HTTP
//! ```
//! Nothing here blocks the caller of `push`, nothing here fails the launch: what cannot be set up is said once and left
//! out, what is lost is counted.

mod answer;
mod batch;
mod client;
mod console;
mod encode;
mod failure;
mod grpc;
mod otlp;
mod outage;
mod proxy;
mod queue;
mod sender;
pub mod settings;
mod tls;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use self::console::Console;
use self::encode::EncodedResource;
use self::otlp::Otlp;
use self::queue::{Account, Held};
use self::settings::ExportSettings;
use crate::log;

/// The exporters and the queue before them. The default one exports nothing.
#[derive(Debug, Default)]
pub struct Exporting {
    console: Option<Console>,
    collector: Collector,
}

/// A program whose spans are exported.
#[derive(Clone, Debug)]
pub struct Source {
    /// The service's name, printable.
    service: Arc<str>,
    /// `None` where nothing is sent.
    encoded: Option<Arc<EncodedResource>>,
}

/// The way to the collector.
#[derive(Debug, Default)]
enum Collector {
    /// None was asked for.
    #[default]
    None,
    Otlp(Otlp),
    /// One was asked for, but it could not be set up: what should have gone there is lost.
    Broken(Account),
}

/// What became of the spans that went to the collector.
#[derive(Clone, Debug, Default)]
pub struct Report {
    account: Account,
    unsent: Held,
    /// Spans that were not drawn.
    undrawn: u64,
}

impl Exporting {
    /// Starts the exporters. Must be called within a tokio runtime; an exporter that cannot be set up is left out, and
    /// the log says why.
    #[must_use]
    pub fn start(settings: &ExportSettings) -> Self {
        let collector = match settings.otlp.as_ref().map(|otlp| Otlp::start(otlp, settings.batch)) {
            None => Collector::None,
            Some(Ok(otlp)) => Collector::Otlp(otlp),
            Some(Err(error)) => {
                log::error(format_args!("spans will not be sent: {error}"));
                Collector::Broken(Account { last_error: Some(error.to_string()), ..Account::default() })
            }
        };
        let console = settings.console.then(Console::start);
        let console = console
            .and_then(|console| console.inspect_err(|error| log::error(format_args!("traces will not be drawn: {error}"))).ok());
        Self { console, collector }
    }

    /// A program whose spans will be pushed.
    #[must_use]
    pub fn source(&self, resource: &Resource) -> Source {
        let encoded = match &self.collector {
            Collector::Otlp(otlp) => Some(otlp.resource(resource)),
            Collector::None | Collector::Broken(_) => None,
        };
        Source { service: console::service(resource), encoded }
    }

    /// A span of this trace has begun. The console draws a trace when nothing of it is open any more; it works without
    /// being told, but may then draw a trace in several parts.
    pub fn opened(&mut self, trace: TraceId) {
        if let Some(console) = &mut self.console {
            console.opened(trace);
        }
    }

    /// A span of this trace that has begun goes nowhere.
    pub fn left_out(&mut self, trace: TraceId) {
        if let Some(console) = &mut self.console {
            console.left_out(trace);
        }
    }

    /// Takes a finished span of `source`; never blocks.
    pub fn push(&mut self, source: &Source, span: &SpanData) {
        if let Some(console) = &mut self.console {
            console.push(&source.service, span);
        }
        match (&mut self.collector, &source.encoded) {
            (Collector::Otlp(otlp), Some(resource)) => otlp.push(resource, span),
            (Collector::Broken(account), _) => account.failed += 1,
            (Collector::None | Collector::Otlp(_), _) => {}
        }
    }

    /// Sends what is queued, until `deadline`.
    pub async fn finish(self, deadline: Instant) -> Report {
        let Self { console, collector } = self;
        let drawn = async {
            match console {
                Some(console) => console.finish(deadline).await,
                None => 0,
            }
        };
        let sent = async {
            match collector {
                Collector::None => (Account::default(), Held::default()),
                Collector::Otlp(otlp) => otlp.finish(deadline.into()).await,
                Collector::Broken(account) => (account, Held::default()),
            }
        };
        let (undrawn, (account, unsent)) = tokio::join!(drawn, sent);
        Report { account, unsent, undrawn }
    }
}

impl Report {
    /// Spans that the collector does not have. (What was not drawn is not lost.)
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.account.dropped + self.account.refused + self.account.failed + self.unsent()
    }

    /// Spans that came faster than they could be drawn.
    #[must_use]
    pub fn undrawn(&self) -> u64 {
        self.undrawn
    }

    /// Spans that the collector has taken.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.account.exported
    }

    /// Spans that found the queue full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.account.dropped
    }

    /// Spans that the collector has refused within requests that it took.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.account.refused
    }

    /// Spans in requests that have failed for good.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.account.failed
    }

    /// Spans that were still held at the deadline.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.unsent.spans as u64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { exported, dropped, refused, failed, last_error } = &self.account;
        write!(f, "{exported} spans exported, {} lost", self.lost())?;
        if self.undrawn > 0 {
            write!(f, ", {} not drawn", self.undrawn)?;
        }
        let parts = [
            (*dropped, "found the queue full"),
            (*refused, "were refused by the collector"),
            (*failed, "could not be sent"),
            (self.unsent(), "were unsent at the deadline"),
        ];
        let mut separator = ": ";
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {what}")?;
            separator = ", ";
        }
        match last_error {
            Some(error) if self.lost() > 0 => write!(f, " (last error: {error})"),
            Some(_) | None => Ok(()),
        }
    }
}
