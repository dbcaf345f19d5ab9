//! Golden texts.

use opentelemetry::trace::TraceId;

use super::*;

pub(in crate::export::console) fn line(id: u64, parent: u64, name: &str, from: u64, to: u64) -> Line {
    let time = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + millis);
    Line {
        service: "shop".into(),
        trace: TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        id: SpanId::from(id),
        parent: SpanId::from(parent),
        is_local_root: parent == 0,
        name: name.to_owned(),
        kind: if parent == 0 { "server" } else { "client" },
        start: time(from),
        end: time(to),
        mood: Mood::Good,
        error: None,
        details: String::new(),
    }
}

fn style(width: usize, has_colour: bool) -> Style {
    Style { width, has_colour }
}

fn trace(lines: Vec<Line>) -> Trace {
    Trace { id: lines[0].trace, lines, more: 0 }
}

fn failed(mut line: Line, error: &str, details: &str) -> Line {
    line.mood = Mood::Failed;
    line.error = Some(error.to_owned());
    line.details = details.to_owned();
    line
}

#[test]
fn a_trace_is_a_waterfall() {
    // In the order in which they end.
    let text = draw(
        &trace(vec![
            line(3, 2, "SELECT items", 20, 30),
            failed(line(2, 1, "GET", 10, 60), "connection refused", "10.0.0.7"),
            line(5, 4, "UPDATE", 70, 95),
            line(4, 1, "checkout", 60, 100),
            failed(line(1, 0, "GET /items/{id}", 0, 100), "panic: out of items", "500 /items/7"),
        ]),
        &style(80, false),
    );
    let expected = "\
trace 4bf92f35 · shop · 100.00 ms · 5 spans
GET /items/{id}    server ━━━━━━━━━━━━━━━━━━━━━━━━━ 100.00 ms error 500 /items/7
│  ! panic: out of items
├─ GET             client   ━━━━━━━━━━━━━            50.00 ms error 10.0.0.7
│  │  ! connection refused
│  └─ SELECT items client      ━━                    10.00 ms
└─ checkout        client                ━━━━━━━━━━  40.00 ms
   └─ UPDATE       client                  ━━━━━━    25.00 ms
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn colours_follow_the_outcome() {
    let mut doubtful = line(1, 0, "GET", 0, 1);
    doubtful.mood = Mood::Doubtful;
    assert!(draw(&trace(vec![doubtful]), &style(60, true)).contains("\x1b[33m━"));
    assert!(draw(&trace(vec![line(1, 0, "GET", 0, 1)]), &style(60, true)).contains("\x1b[32m━"));
    let red = draw(&trace(vec![failed(line(1, 0, "GET", 0, 1), "no", "")]), &style(60, true));
    assert!(red.contains("\x1b[31m━") && red.contains("\x1b[31m! no\x1b[0m"), "{red}");
    assert!(!draw(&trace(vec![line(1, 0, "GET", 0, 1)]), &style(60, false)).contains('\x1b'));
}

#[test]
fn parents_in_a_circle_and_missing_parents_are_drawn() {
    let text = draw(
        &trace(vec![line(1, 2, "a", 0, 1), line(2, 1, "b", 0, 1), line(3, 9, "c", 0, 1), line(4, 4, "d", 0, 1)]),
        &style(60, false),
    );
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[test]
fn deep_and_narrow_stays_within_reason() {
    let lines: Vec<Line> = (1..400).map(|id| line(id, id - 1, &"long name ".repeat(9), 0, 1)).collect();
    let text = draw(&trace(lines), &style(40, false));
    assert_eq!(text.lines().count(), 400);
    assert!(text.lines().all(|line| count(line) < 160), "{text}");
}

#[test]
fn durations_have_the_unit_that_fits() {
    let text = |nanos| duration(Duration::from_nanos(nanos));
    assert_eq!(text(0), "0 ns");
    assert_eq!(text(1_234), "1.2 µs");
    assert_eq!(text(12_345_678), "12.35 ms");
    assert_eq!(text(61_000_000_000), "61.00 s");
}

#[test]
fn a_span_without_length_has_a_bar() {
    assert_eq!(bar(Duration::ZERO, Duration::ZERO, Duration::ZERO, 4), "━   ");
    assert_eq!(bar(Duration::from_secs(4), Duration::ZERO, Duration::from_secs(4), 4), "   ━");
    assert_eq!(bar(Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), 4), " ━━ ");
}
