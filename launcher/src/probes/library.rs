//! A library as a table: the signatures of the functions where its operations begin and end, expressions for what is wanted of their
//! parameters and results, and a function that makes a span of what was captured.

use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use super::facts::Facts;
use super::left_out::LeftOut;
use super::planned::Planned;
use super::probe::Probe;
use crate::captured::Captured;

/// Fills in name, attributes and status of a span. Pure; of an operation whose end was not seen, the end's values are not there.
pub type SpanFunction = fn(&Captured<'_>, &mut SpanData);

/// Probes of ends; see [`Operation::returns`]. Pure.
pub type ReturnsFunction = fn(&Facts<'_>) -> Result<Vec<Probe>, LeftOut>;

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Name for people and for `OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS`, for example `database/sql`.
    pub name: &'static str,
    /// What is instrumented, in a few words.
    pub description: &'static str,
    /// Versions of the library that are tested; others are tried.
    pub tested_versions: &'static str,
    /// The import path of its package; those of its operations begin with it.
    pub package: &'static str,
    /// A function that the program has where it uses this library, as the linker calls it, where what is observed is another one's; empty: not asked.
    pub beside: &'static str,
    /// Instrumentations by the OpenTelemetry SDK that make spans of the same operations: their scopes.
    pub wrappers: &'static [&'static str],
    /// Libraries of which it is a part where they use it: within their operations, its own are none.
    pub inside: &'static [&'static str],
    /// What it does.
    pub operations: &'static [Operation],
    /// Where objects end with which operations go on.
    pub closes: &'static [Close],
    /// What more is learnt of operations, whatever they are, while they run.
    pub annotations: &'static [Annotation],
    /// Types of errors of which more is captured than their text.
    pub errors: &'static [ErrorType],
    /// Where operations go on whose function has returned.
    pub resumes: &'static [Resume],
    /// What a table cannot say: how the context is extracted from what comes, and injected into what goes.
    pub protocol: Option<&'static Protocol>,
}

/// Nothing said yet: what most libraries leave as it is.
pub const LIBRARY: Library = Library {
    name: "",
    description: "",
    tested_versions: "",
    package: "",
    beside: "",
    wrappers: &[],
    inside: &[],
    operations: &[],
    closes: &[],
    annotations: &[],
    errors: &[],
    resumes: &[],
    protocol: None,
};

/// What of a library is code, because its protocol is its own.
#[derive(Debug)]
pub struct Protocol {
    /// The functions that it needs, as the linker calls them.
    pub functions: &'static [&'static str],
    /// The types that it reads.
    pub types: &'static [&'static str],
    /// Plans its own probes, layouts and detours; what it cannot do is in [`Planned::missing`].
    pub plan: fn(&Facts<'_>) -> Result<Planned, LeftOut>,
}

/// A function within which an operation goes on that has an object: what it does belongs to that.
#[derive(Debug)]
pub struct Resume {
    /// The package of the function, below that of the library.
    pub package: &'static str,
    /// The function, as it is declared in one version or another.
    pub functions: &'static [&'static str],
    /// The object.
    pub object: &'static str,
    /// The object's type, of the library's package: by that, what is captured at the end knows it as `object`. Empty: the receiver is it.
    pub object_type: &'static str,
    /// The error with which it ends where the function returns; empty: none.
    pub error: &'static str,
    /// Whether it ends there without an error, too.
    pub ends: bool,
}

/// What most of these leave as it is.
pub const RESUME: Resume = Resume { package: "", functions: &[], object: "", object_type: "", error: "", ends: false };

/// A function by which more is known of an operation: an operation without a span.
#[derive(Debug)]
pub struct Annotation {
    /// The package of the function, below that of the library.
    pub package: &'static str,
    /// The function. One that has other parameters, or another name, in another version stands here twice; the first that the program
    /// agrees with counts.
    pub functions: &'static [&'static str],
    /// When.
    pub moment: Moment,
    /// What is annotated.
    pub about: About,
    /// It annotates only where this holds then; empty: always.
    pub only: &'static str,
    /// An error, of which all is captured that is of an operation's; empty: none.
    pub error: &'static str,
    /// What is captured. An annotation of a request of which nothing can be captured is none.
    pub captures: &'static [(&'static str, &'static str)],
    /// Adds that to the span around.
    pub span: SpanFunction,
}

/// When an annotation is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// When the function is called.
    Start,
    /// When it returns.
    End,
    /// Where it calls this function of this package, itself or in what it defers: expressions speak of the parameters of that.
    Calls(&'static str, &'static str),
    /// When it returns to this function of its package, which calls it once: expressions speak of its first two parameters, with the
    /// receiver, where it keeps them on the stack.
    ReturnsTo(&'static str),
}

/// What an annotation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The operation around: the innermost of a table on its goroutine, else the request that is served there.
    Around,
    /// The request that is served, whatever is open within it. Expressions know it as `served`, a `*http.Request`.
    Served,
}

/// What most annotations leave as it is.
pub const ANNOTATION: Annotation = Annotation {
    package: "",
    functions: &[],
    moment: Moment::Start,
    about: About::Around,
    only: "",
    error: "",
    captures: &[],
    span: |_captured, _span| {},
};

/// A kind of operation.
#[derive(Debug)]
pub struct Operation {
    /// The package of its functions, below that of the library: empty, or `/pgxpool`.
    pub package: &'static str,
    /// The functions that are such operations. One that has other parameters in another version stands here twice; the first that the
    /// program agrees with counts.
    pub functions: &'static [&'static str],
    /// It is an operation only where this holds when it is called; empty: always.
    pub only: &'static str,
    /// Its `context.Context`, by which the parent is found; empty: by the goroutine alone.
    pub context: &'static str,
    /// What came with it: a `map[string][]string` that names its parent, and may have `tracestate` and `baggage`. Such an operation serves
    /// a request from elsewhere; its context is that of all that is done for it. Empty: none.
    pub carrier: &'static str,
    /// Whether its context is injected into what it sends; the library's [`Protocol`] says how.
    pub injects: bool,
    /// Whether a round trip of `net/http` sends its request, which then has no span of its own: the header names that of the operation.
    pub by_http: bool,
    /// An object that says with what it is done, for example a pool of connections, and what is captured of that: once a second for each,
    /// while its address stays the same. Empty: nothing.
    pub known_by: &'static str,
    /// See [`Self::known_by`].
    pub known: &'static [(&'static str, &'static str)],
    /// What is captured when it is called: names and expressions.
    pub start: &'static [(&'static str, &'static str)],
    /// What is captured when it returns.
    pub end: &'static [(&'static str, &'static str)],
    /// The error that it returns; empty: none.
    pub error: &'static str,
    /// The object with which it goes on when it has returned without an error; empty: none.
    pub object: &'static str,
    /// Its object is open only where this holds when it returns: else that has ended already ([`Close::only`]). Empty: always.
    pub open: &'static str,
    /// Whether it lasts as long as its object: where the end of that is not seen, it is unfinished. Else it has ended with its function then.
    pub lasts: bool,
    /// Where it is told that a function of it has returned, if not at its returns: with a failure, or where the operation goes on elsewhere, with
    /// an object that is noted while it runs. One that returns otherwise ends with its object, on the same goroutine. These are the probes of
    /// ends; an error: at its returns, in this program. `None`: in any.
    pub returns: Option<ReturnsFunction>,
    /// The object that it makes, which later operations name ([`Self::within`]); empty: none.
    pub makes: &'static str,
    /// An object that an earlier operation has made: its span is linked; empty: none.
    pub within: &'static str,
    /// The function that its functions call last, where that is so: its end is cheaper to observe than their `RET`s; empty: none.
    pub tail: &'static str,
    /// What kind of span it is.
    pub kind: SpanKind,
    /// Makes the span.
    pub span: SpanFunction,
}

/// Nothing said yet: what most operations leave as it is.
pub const OPERATION: Operation = Operation {
    package: "",
    functions: &[],
    only: "",
    context: "",
    carrier: "",
    injects: false,
    by_http: false,
    known_by: "",
    known: &[],
    start: &[],
    end: &[],
    error: "",
    object: "",
    open: "",
    lasts: false,
    returns: None,
    makes: "",
    within: "",
    tail: "",
    kind: SpanKind::Client,
    span: |_captured, _span| {},
};

/// A function by which an object ends.
#[derive(Debug)]
pub struct Close {
    /// The package of the function, below that of the library.
    pub package: &'static str,
    /// The function.
    pub function: &'static str,
    /// The object, which it gets.
    pub object: &'static str,
    /// It ends only where this holds; empty: always. Where something is said, it may end before the function has returned in which the
    /// operation began, on another goroutine.
    pub only: &'static str,
    /// Whether the rest is read when the function returns, rather than when it is called: a second hit.
    pub at_return: bool,
    /// What is captured.
    pub captures: &'static [(&'static str, &'static str)],
    /// The error of the operation; empty: none.
    pub error: &'static str,
    /// Whether the object is no operation's but what operations are [known by](Operation::known_by): what is known is captured again then,
    /// since its address may be given to another one.
    pub forgets: bool,
}

/// What a close has where nothing is said.
pub const CLOSE: Close =
    Close { package: "", function: "", object: "", only: "", at_return: false, captures: &[], error: "", forgets: false };

/// A type of errors.
#[derive(Debug)]
pub struct ErrorType {
    /// The type, with its whole import path: `*github.com/lib/pq.Error`.
    pub type_name: &'static str,
    /// What is captured of it: names, and what stands behind the error in an expression, such as `.Code`.
    pub captures: &'static [(&'static str, &'static str)],
    /// The field with the error that it wraps, of which all is captured then; empty: none.
    pub cause: &'static str,
}
