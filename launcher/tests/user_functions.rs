//! Spans of the program's own functions, which the user names: what they are called, what they say, and whose children they are.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, Variant};
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, launcher};
use support::sink::Sink;
use support::traces::{hexadecimal, is_child};

/// Declarations as in the sources of `tests/apps/functions`.
const SPANS: &str = "\
func example.test/functions/shop.(*Store).Place(ctx context.Context, o *Order) (*Receipt, error); order.id=o.ID, order.items=len(o.Items), order.paid=o.Paid, order.weight=o.Weight, order.first=o.Items[0].Name, order.next=o.Next.ID, total=result0.Cents
example.test/functions/shop.(*Store).charge(ctx context.Context, money Money) error
example.test/functions/shop.Money.Add(other Money) Money
example.test/functions/shop.Total(items []Item) (cents int64); total=cents, items=len(items)
example.test/functions/shop.Wrapped(ctx context.Context, fails bool) (receipt *Receipt, err error); fails=fails, number=receipt.Number
example.test/functions/shop.Recovered(ctx context.Context, what string) (err error)
example.test/functions/shop.Explode(what string) int; what=what
example.test/functions/shop.Many(ctx context.Context, a int8, b uint16, c bool, d float64, e string, f []int, g [1]int32, h *Order, i any, j Item, k uint64, l string, m byte) (int, string, error); a=a, b=b, c=c, e=e, f=len(f), f.last=f[1], h=h.ID, i=typeof(i), k=k, l=l, m=m, count=result0, text=result1
example.test/functions/shop.Find(ctx context.Context, id string) (u User, err error); mail=u.Mail
example.test/functions/shop.Nine(n int) (a, b, c, d, e, f, g, h, i int); a=a, f=f, g=g, h=h, i=i
example.test/functions/shop.Map[T, U any](in []T, each func(T) U) []U; in=len(in), out=len(result0)
example.test/functions/shop.(*Stack[T]).Push(item T, weight int) int; weight=weight, result=result0
example.test/functions/shop.Factorial(n int) int; n=n, result=result0
example.test/functions/shop.Fetch(ctx context.Context, url string) (body string, err error); url=url
example.test/functions/shop.Work(number int) int; number=number
main.handle(w http.ResponseWriter, r *http.Request, kind string); kind=kind, path=r.URL.Path
main.leave(ctx context.Context) error
main.within(ctx context.Context, number int) int
main.deferring(ctx context.Context) (err error)
";

/// Runs the program with spans of these functions, with `load` on its server. The requests that it makes go to a server that answers
/// with what it has received.
fn run(app: &Path, functions: &str, load: impl FnOnce(SocketAddr)) -> Left {
    run_by(launcher(), app, functions, load)
}

/// The same, by this command.
fn run_by(mut command: Command, app: &Path, functions: &str, load: impl FnOnce(SocketAddr)) -> Left {
    let sink = Sink::of_headers();
    command.env("GO_AUTO_LAUNCH_SPANS", functions);
    let server = Server::start_with(command, app, &[&sink.url], 1);
    load(server.addresses[0]);
    let left = server.end();
    sink.end();
    left
}

/// A value as Go writes it.
fn written(value: &Value) -> String {
    match value {
        Value::StringValue(text) => format!("{text:?}"),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is_true) => is_true.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::ArrayValue(_) | Value::KvlistValue(_) | Value::BytesValue(_) | Value::StringValueStrindex(_) => {
            panic!("{value:?}")
        }
    }
}

/// A span of a function with those within it, a line each: its name, its attributes, its failure, its events.
fn tree(span: &Span, spans: &[Span], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    write!(text, "{indent}{}", span.name).unwrap();
    if span.kind() == SpanKind::Internal {
        let function = span.text("code.function.name").unwrap();
        assert!(function == span.name || function == format!("example.test/functions/{}", span.name), "{function}");
        for attribute in &span.attributes {
            let value = attribute.value.as_ref().unwrap().value.as_ref().unwrap();
            match attribute.key.as_str() {
                "code.function.name" => {}
                "url" => text.push_str(" url"),
                key => write!(text, " {key}={}", written(value)).unwrap(),
            }
        }
        let status = span.status.clone().unwrap_or_default();
        if status.code() == StatusCode::Error {
            write!(text, " failed: {}", status.message).unwrap();
        }
        for event in &span.events {
            let value = |key: &str| event.attributes.text(key).unwrap();
            write!(text, " event: {} {} {:?}", event.name, value("exception.type"), value("exception.message")).unwrap();
        }
    } else {
        write!(text, " {:?}", span.kind()).unwrap();
    }
    text.push('\n');
    let mut within: Vec<&Span> = spans.iter().filter(|child| is_child(child, span)).collect();
    within.sort_by_key(|child| child.start_time_unix_nano);
    for child in within {
        let is_in_time =
            child.start_time_unix_nano >= span.start_time_unix_nano && child.end_time_unix_nano <= span.end_time_unix_nano;
        assert!(is_in_time, "{} within {}", child.name, span.name);
        tree(child, spans, depth + 1, text);
    }
}

/// Paths, and what is called there. Below `/fetch`, the requests have the functions that make them as parents.
const EXPECTED: &str = r#"
/place
  shop.(*Store).Place order.id="o-1" order.items=2 order.paid=true order.weight=1.5 order.first="apple" order.next="next" total=425
    shop.Total items=2 total=425
    shop.(*Store).charge
      shop.Money.Add
/empty
  shop.(*Store).Place order.id="o-2" order.items=0 order.paid=true order.weight=1.5 order.next="next" error.type="*errors.errorString" failed: the order is empty
/refused
  shop.(*Store).Place order.id="o-3" order.items=1 order.paid=true order.weight=1.5 order.first="refused" order.next="next" error.type="*example.test/functions/shop.Refused" failed: 
/wrapping
  shop.(*Store).Place order.id="o-4" order.items=1 order.paid=true order.weight=1.5 order.first="wrapped" order.next="next" error.type="*example.test/functions/shop.Refused" failed: placing o-4: refused with code 8
/background
  shop.(*Store).Place order.id="o-5" order.items=1 order.paid=true order.weight=1.5 order.first="apple" order.next="next" total=250
    shop.Total items=1 total=250
    shop.(*Store).charge
      shop.Money.Add
/wrapped
  shop.Wrapped fails=true error.type="*example.test/functions/shop.Refused" failed: wrapped: refused with code 9
  shop.Wrapped fails=false number=9
/recovered
  shop.Recovered error.type="*errors.errorString" failed: recovered: as asked: here
    shop.Explode what="here" error.type="string" failed: panic: as asked: here event: exception string "as asked: here"
/many
  shop.Many a=-7 b=60000 c=true e="e" f=2 f.last=6 h="o-6" i="string" k=9223372036854775807 l="l" m=200 count=59995 text="elpearo-6"
/results
  shop.Find mail="one@example.test"
  shop.Find mail="" error.type="*errors.errorString" failed: no id
  shop.Nine a=100 f=105 g=106 h=107 i=108
/generic
  shop.Map[...] in=3 out=3
  shop.Map[...] in=1 out=1
  shop.(*Stack[...]).Push weight=10 result=10
  shop.(*Stack[...]).Push weight=20 result=20
/recursive
  shop.Factorial n=5 result=120
    shop.Factorial n=4 result=24
      shop.Factorial n=3 result=6
        shop.Factorial n=2 result=2
          shop.Factorial n=1 result=1
/panics
  shop.Explode what="there" error.type="string" failed: panic: as asked: there event: exception string "as asked: there"
/recovering
  shop.Explode what="somewhere" error.type="string" failed: panic: as asked: somewhere event: exception string "as asked: somewhere"
/afterwards
  shop.Explode what="before" error.type="string" failed: panic: as asked: before event: exception string "as asked: before"
  shop.Work number=8
  shop.Fetch url
    GET Client
/deferred
  main.deferring
    shop.Explode what="meanwhile" error.type="string" failed: panic: as asked: meanwhile event: exception string "as asked: meanwhile"
      shop.Work number=9
/goexit
  main.leave error.type="runtime.Goexit" failed: its goroutine was ended by runtime.Goexit
    shop.Work number=1
/goroutine
  main.within
    shop.Work number=7
/fetch
  shop.Fetch url
    GET Client
/fetch-background
  shop.Fetch url
    GET Client
/small
/main
  main.handle kind="main" path="/main"
"#;

/// The paths of [`EXPECTED`].
fn paths() -> impl Iterator<Item = &'static str> {
    EXPECTED.lines().filter(|line| line.starts_with('/'))
}

/// Asks for each path; the header fields of the requests that the program has made meanwhile.
fn ask(address: SocketAddr) -> Vec<serde_json::Value> {
    let mut received = Vec::new();
    for path in paths() {
        let mut client = Client::connect(address);
        let status = client.send("GET", path, &[("baggage".to_owned(), format!("path={path}"))], "");
        let expected = match path {
            "/panics" => None,
            "/recovering" => Some(500),
            _ => Some(200),
        };
        assert_eq!(status, expected, "{path}");
        if path.starts_with("/fetch") {
            let answer: serde_json::Value = serde_json::from_slice(&client.body).unwrap();
            assert_eq!(answer["headers"]["Baggage"][0], format!("path={path}"), "what came with the request goes out");
            received.push(answer["headers"].clone());
        }
    }
    received
}

fn holds_for(version: GoVersion, variant: Variant) {
    let app = apps::build("functions", version, variant);
    let mut received = Vec::new();
    let left = run(&app, SPANS, |address| received = ask(address));
    let mut found = String::from("\n");
    for path in paths() {
        let server = left.spans.iter().find(|span| span.text("url.path").as_deref() == Some(path)).unwrap();
        writeln!(found, "{path}").unwrap();
        for span in left.spans.iter().filter(|span| is_child(span, server)) {
            let is_in_time =
                span.start_time_unix_nano >= server.start_time_unix_nano && span.end_time_unix_nano <= server.end_time_unix_nano;
            assert!(is_in_time, "{} within {path}", span.name);
        }
        let mut outer: Vec<&Span> = left.spans.iter().filter(|span| is_child(span, server)).collect();
        outer.sort_by_key(|span| span.start_time_unix_nano);
        for span in outer {
            tree(span, &left.spans, 1, &mut found);
        }
    }
    assert_eq!(found, EXPECTED, "{version:?} {variant:?}: {}\n{found}", left.stderr);
    assert_eq!(found.lines().filter(|line| line.starts_with(' ')).count() + paths().count(), left.spans.len(), "no others");
    let clients = left.spans.iter().filter(|span| span.kind() == SpanKind::Client);
    let sent: Vec<String> =
        clients.map(|span| format!("00-{}-{}-01", hexadecimal(&span.trace_id), hexadecimal(&span.span_id))).collect();
    for headers in received {
        assert!(sent.iter().any(|sent| headers["Traceparent"][0] == **sent), "{headers}");
    }
    let mut lines = left.stderr.lines();
    assert!(lines.next().is_some_and(|line| line.contains(", functions; spans go to")), "{}", left.stderr);
    assert_eq!(lines.next(), None, "{}", left.stderr);
}

#[test]
fn functions_are_spans() {
    for &version in GoVersion::sampled() {
        for variant in [Variant::Default, Variant::Stripped] {
            holds_for(version, variant);
        }
    }
}

/// The tree of spans at the request for this path.
fn tree_at(path: &str, spans: &[Span]) -> String {
    let server = spans.iter().find(|span| span.text("url.path").as_deref() == Some(path)).unwrap();
    let mut within: Vec<&Span> = spans.iter().filter(|span| is_child(span, server)).collect();
    within.sort_by_key(|span| span.start_time_unix_nano);
    let mut text = String::new();
    for span in within {
        tree(span, spans, 0, &mut text);
    }
    text
}

/// Functions that call each other with a request's context, within one of another trace.
#[test]
fn a_context_leads_out_of_what_is_around_once() {
    let functions = "\
main.apart(job func()) int
main.handling(ctx context.Context) error
main.saving(ctx context.Context) error
main.executing(ctx context.Context) error
";
    for &version in GoVersion::sampled() {
        let app = apps::build("functions", version, Variant::Stripped);
        let left = run(&app, functions, |address| {
            assert_eq!(Client::connect(address).send("GET", "/apart", &[], ""), Some(200));
        });
        let found = tree_at("/apart", &left.spans);
        assert_eq!(found, "main.handling\n  main.saving\n    main.executing\n", "{version:?}: {}", left.stderr);
        let apart = left.spans.iter().find(|span| span.name == "main.apart").unwrap();
        assert!(apart.parent_span_id.is_empty() && left.spans.len() == 5, "{version:?}: {:?}", left.spans);
    }
}

/// The runtime gives the `g` of a goroutine that has died to the next one: what a panic has unwound there is around nothing.
#[test]
fn what_a_dead_goroutine_has_left_is_around_nothing() {
    let expected = "\
shop.Explode what=\"alone\" error.type=\"string\" failed: panic: as asked: alone event: exception string \"as asked: alone\"
shop.Work number=10
";
    for &version in GoVersion::sampled() {
        let app = apps::build("functions", version, Variant::Stripped);
        let mut command = launcher();
        command.env("GOMAXPROCS", "1");
        let left = run_by(command, &app, SPANS, |address| {
            assert_eq!(Client::connect(address).send("GET", "/reused", &[], ""), Some(200));
        });
        assert_eq!(tree_at("/reused", &left.spans), expected, "{version:?}: {}", left.stderr);
        // Nothing shows that it was unwound, until the process ends: it ends with the panic all the same.
        let [exploded, worked] =
            ["shop.Explode", "shop.Work"].map(|name| left.spans.iter().find(|span| span.name == name).unwrap());
        assert!(exploded.end_time_unix_nano <= worked.start_time_unix_nano, "{version:?}: {exploded:?} {worked:?}");
    }
}

/// Functions of which there can be no spans, or none of what is asked for: and what `--check` says of each.
const REFUSED: [(&str, &str); 7] = [
    (
        "example.test/functions/shop.Small(n int) int",
        "no spans of shop.Small: it is inlined wherever it is called, for example into main.routes.func",
    ),
    (
        "example.test/functions/shop.Recoverd(ctx context.Context, what string) (err error)",
        "no spans of shop.Recoverd: the program has no function example.test/functions/shop.Recoverd; did you mean \
         example.test/functions/shop.Recovered",
    ),
    (
        "example.test/functions/shop.Store.charge(ctx context.Context, money Money) error",
        "the program has no function example.test/functions/shop.Store.charge; did you mean example.test/functions/shop.(*Store).charge",
    ),
    (
        "example.test/functions/shop.Work(number int, more int) int",
        "no spans of shop.Work: example.test/functions/shop.Work has other parameters or results than these: they take 16 bytes: 8 8, \
         but in the program 8 bytes: 8",
    ),
    (
        "example.test/functions/shop.Many(ctx context.Context, a int8, b uint16, c bool, d float64, e string, f []int, g [1]int32, h \
         *Order, i any, j Item, k uint64, l string, m byte) (int, string, error); d=d",
        "the attribute d of shop.Many: d is passed in a floating-point register",
    ),
    ("example.test/functions/shop.Factorial(n int) int; n=n.Value", "the attribute n of shop.Factorial: "),
    ("example.test/functions/shop.Explode(what string) int; what=other", "the attribute what of shop.Explode: "),
];

/// A function whose calls are a library's spans: of two operations at the same place the second would end the first.
#[test]
fn what_a_library_observes_is_refused() {
    let query = "database/sql.(*DB).QueryContext(ctx context.Context, query string, args ...any) (*Rows, error)";
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_27] {
        let app = apps::build_tagged("database_sql", version, Variant::Stripped, "fake", None);
        let mut command = launcher();
        command.env("GO_AUTO_LAUNCH_SPANS", query);
        let server = Server::start_with(command, &app, &["full"], 1);
        assert_eq!(Client::connect(server.addresses[0]).send("GET", "/query", &[], ""), Some(200));
        let left = server.end();
        let said = "no spans of sql.(*DB).QueryContext: database/sql observes its calls already; leave it out here, or switch that off by \
                    OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS=database/sql";
        assert!(left.stderr.contains(said), "{version:?}: {}", left.stderr);
        assert!(left.spans.iter().any(|span| span.kind() == SpanKind::Client), "{version:?}: {:?}", left.spans);
        assert!(left.spans.iter().all(|span| span.text("error.type").is_none()), "{version:?}: {:?}", left.spans);
    }
}

/// Captures of one moment take as many steps as the interpreter follows, at most: the rest is said to be missing, and not cut.
#[test]
fn too_many_steps_are_said() {
    let app = apps::build("functions", GoVersion::GO_1_26, Variant::Stripped);
    let long = ["o.Next.Next.Items[0].Name"; 30].join(" | ");
    let attributes: Vec<String> = (0..8).map(|number| format!("a{number}={long}")).collect();
    let place = "example.test/functions/shop.(*Store).Place(ctx context.Context, o *Order) (*Receipt, error)";
    let (report, _) = check(&app, &format!("{place}; {}", attributes.join(", ")));
    let missing =
        |number: usize| report.contains(&format!("the attribute a{number} of shop.(*Store).Place: it takes too many steps"));
    assert!(!missing(0) && missing(7), "{report}");
    let last = attributes.iter().enumerate().rposition(|(number, _)| !missing(number)).unwrap();
    let left = run(&app, &format!("{place}; {}, last=len(o.Items)", attributes[..=last].join(", ")), |address| {
        assert_eq!(Client::connect(address).send("GET", "/place", &[], ""), Some(200));
    });
    let span = left.spans.iter().find(|span| span.name == "shop.(*Store).Place").unwrap();
    assert!(span.number("last") == Some(2) || left.stderr.contains("the attribute last of "), "{}", left.stderr);
}

/// Of a function the program describes the parameters alone. A result that is declared and not there is whatever a register held.
#[test]
fn an_error_that_is_not_there_is_none() {
    let app = apps::build("functions", GoVersion::GO_1_26, Variant::Stripped);
    let declared = "example.test/functions/shop.Nine(n int) (int, error); n=n, error=n, cause=n";
    let left = run(&app, declared, |address| {
        assert_eq!(Client::connect(address).send("GET", "/results", &[], ""), Some(200));
    });
    let span = left.spans.iter().find(|span| span.name == "shop.Nine").unwrap();
    let numbers = ["n", "error", "cause"].map(|name| span.number(name));
    assert_eq!((numbers, span.text("error.type")), ([Some(100); 3], None), "{span:?}");
    assert_eq!(span.status.clone().unwrap_or_default().code(), StatusCode::Unset);
}

/// Lines that are none, each with the place under which the caret stands, and the reason.
const WRONG: [(&str, &str, &str); 7] = [
    ("example.test/functions/shop.Counter.func1() int", "func1", "a closure has no declaration of its own"),
    ("main.pause(number int) int; number", " number\n", "expected an attribute, as order.id=o.ID"),
    ("main.pause(number int) int; number=number; more=number", "; more", "nothing more is expected"),
    ("main.pause(number int int) int", "int)", "expected"),
    ("main.pause(number int", "\n", "expected , or )"),
    ("main.pause(number int) int; number=number.", "\n", "a field is missing"),
    ("pause(number int) int", "pause", "the function's name must follow its package"),
];

/// One that is none of these.
const GOOD: &str = "main.handle(w http.ResponseWriter, r *http.Request, kind string)";

fn check(app: &Path, functions: &str) -> (String, String) {
    let mut command = launcher();
    let output = command.env("GO_AUTO_LAUNCH_SPANS", functions).arg("--check").arg(app).output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).into()
}

#[test]
fn what_can_be_no_span_is_said_with_the_reason() {
    for &version in GoVersion::sampled() {
        let app = apps::build("functions", version, Variant::Stripped);
        for (function, expected) in REFUSED {
            let (report, said) = check(&app, &format!("{function}\n{GOOD}"));
            assert!(report.contains(expected), "{version:?} {function}\n{report}");
            assert_eq!(said, "", "{version:?} {function}");
        }
        // The program runs all the same, with those that it has.
        let all: Vec<&str> = REFUSED.iter().map(|(function, _)| *function).collect();
        let left = run(&app, &format!("{SPANS}{}", all[..4].join("\n")), |address| {
            assert_eq!(Client::connect(address).send("GET", "/place", &[], ""), Some(200));
        });
        assert!(left.spans.iter().any(|span| span.name == "shop.(*Store).Place"), "{version:?}: {}", left.stderr);
        for (_, expected) in &REFUSED[..3] {
            assert!(left.stderr.contains(expected), "{version:?}: {expected}\n{}", left.stderr);
        }
    }
}

#[test]
fn a_line_that_is_none_is_said_with_the_place() {
    let app = apps::build("functions", GoVersion::GO_1_26, Variant::Stripped);
    for (line, place, reason) in WRONG {
        let (_, said) = check(&app, line);
        let lines: Vec<&str> = said.lines().map(|line| line.strip_prefix("go-auto-launch: ").unwrap()).collect();
        let [about, shown, caret] = lines[..] else { panic!("{said}") };
        assert_eq!((about, shown), ("a function of GO_AUTO_LAUNCH_SPANS has no spans:", line));
        let (blank, what) = caret.split_once('^').unwrap();
        assert!(blank.chars().all(|c| c == ' ') && what.trim_start().starts_with(reason), "{said}");
        assert!(format!("{line}\n").get(blank.len()..).unwrap().starts_with(place), "{place:?}\n{said}");
    }
    let left = run(&app, &format!("{}\n{GOOD}", WRONG[0].0), |address| {
        assert_eq!(Client::connect(address).send("GET", "/main", &[], ""), Some(200));
    });
    assert!(left.stderr.contains("^ a closure has no declaration"), "{}", left.stderr);
    assert!(left.spans.iter().any(|span| span.name == "main.handle"), "{}", left.stderr);
}

/// This many goroutines are in a function at the same time; the spans of their calls, and what the launcher has said.
fn goroutines(count: usize) -> (Vec<Span>, String) {
    let app = apps::build("functions", GoVersion::GO_1_27, Variant::Stripped);
    let left = run(&app, "main.pause(number int) int; number=number, result=result0", |address| {
        assert_eq!(Client::connect(address).send("GET", &format!("/goroutines?count={count}"), &[], ""), Some(200));
    });
    let spans: Vec<Span> = left.spans.into_iter().filter(|span| span.name == "main.pause").collect();
    let numbers: HashSet<i64> = spans.iter().map(|span| span.number("number").unwrap()).collect();
    assert_eq!(numbers.len(), spans.len(), "a call is one span");
    for span in &spans {
        let result = span.number("result");
        assert!(result.is_none() || result == span.number("number"), "another one's end");
    }
    (spans, left.stderr)
}

/// How many spans or records the launcher says were lost, for whatever reason, and how many spans found the exporter's queue full.
fn lost(said: &str) -> [usize; 2] {
    let numbers = |line: &str| line.split(' ').filter_map(|word| word.parse::<usize>().ok()).sum::<usize>();
    let of = |mark: &str| said.lines().filter_map(|line| Some(numbers(line.split_once(mark)?.1))).sum();
    [of("spans are lost: of what was reported, "), of(" spans exported, ") / 2]
}

/// More than are remembered, and more than can be queued: what is lost is said, and nothing else is.
#[test]
fn many_goroutines_at_once() {
    for count in [1_000, 10_000, 40_000] {
        let (spans, said) = goroutines(count);
        let ended = spans.iter().filter(|span| span.number("result").is_some()).count();
        let [forgotten, refused] = lost(&said);
        assert!(spans.len() + refused + forgotten >= count, "{count}: {} spans: {said}", spans.len());
        assert!(ended + refused + forgotten >= count, "{count}: {ended} ended: {said}");
        // The request around may be among them.
        assert!(spans.len() + refused <= count + 1 && (refused > 0 || ended + forgotten <= count + 1), "{count}: {said}");
        assert!(count > 1_000 || (forgotten, refused) == (0, 0), "{said}");
    }
}
