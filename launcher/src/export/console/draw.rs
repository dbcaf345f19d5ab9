//! A trace into the text of its waterfall. Pure: width and colours are given.
//!
//! ```text
//! trace 4bf92f35 · shop · 100.00 ms · 2 spans
//! GET /items/{id}    server ━━━━━━━━━━━━━━━━━━━━━━━━━ 100.00 ms error 500 /items/7
//! │  ! panic: out of items
//! └─ SELECT items    client      ━━                    10.00 ms
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanId;

use super::gather::Trace;
use super::line::{Line, Mood};

/// Deeper spans are drawn at this depth.
const MAX_DEPTH: usize = 16;

/// Columns that a duration takes: `999.99 ms`.
const DURATION: usize = 9;

/// Columns that the status takes: `error`.
const STATUS: usize = 5;

/// The bars are never narrower.
const MIN_BAR: usize = 8;

/// How to draw.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// Columns of the terminal.
    pub(super) width: usize,
    pub(super) has_colour: bool,
}

/// A line and the tree before it.
#[derive(Debug)]
struct Row<'a> {
    line: &'a Line,
    /// What stands before its name.
    branch: String,
    /// What stands before the text under it.
    below: String,
}

/// The waterfall of `trace`, with a newline after each line.
pub(super) fn draw(trace: &Trace, style: &Style) -> String {
    let begin = trace.lines.iter().map(|line| line.start).min().unwrap_or(SystemTime::UNIX_EPOCH);
    let end = trace.lines.iter().map(|line| line.end).max().unwrap_or(begin);
    let total = end.duration_since(begin).unwrap_or_default();
    let rows = tree(&trace.lines);
    let columns = Columns::new(&rows, style.width);
    let mut out = header(trace, total, style);
    for row in &rows {
        columns.span(&mut out, row, (begin, total), style);
    }
    if trace.more > 0 {
        put(&mut out, format_args!("… and {} more spans\n", trace.more));
    }
    out
}

/// Writing to a string does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn header(trace: &Trace, total: Duration, style: &Style) -> String {
    let spans = trace.lines.len() + trace.more;
    let plural = if spans == 1 { "" } else { "s" };
    let id = trace.id.to_string();
    let mut services: Vec<&str> = Vec::new();
    for line in &trace.lines {
        if !services.contains(&&*line.service) {
            services.push(&line.service);
        }
    }
    let text = format!("trace {} · {} · {} · {spans} span{plural}", &id[..8], services.join(", "), duration(total));
    format!("{}\n", paint(&text, BOLD, style))
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// `text` in a colour (parameters of the escape sequence SGR).
fn paint(text: &str, colour: &str, style: &Style) -> String {
    if style.has_colour && !text.trim().is_empty() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The widths of the columns of one trace.
#[derive(Debug)]
struct Columns {
    label: usize,
    bar: usize,
    details: usize,
}

impl Columns {
    fn new(rows: &[Row<'_>], width: usize) -> Self {
        let widest = |width: fn(&Row<'_>) -> usize| rows.iter().map(width).max().unwrap_or_default();
        let label = widest(|row| count(&row.branch) + count(&row.line.name) + 1 + count(row.line.kind)).min(width * 2 / 5);
        let details = widest(|row| count(&row.line.details)).min(width / 4);
        let fixed = label + DURATION + STATUS + details + 4;
        Self { label, bar: width.saturating_sub(fixed).max(MIN_BAR), details }
    }

    fn span(&self, out: &mut String, row: &Row<'_>, (begin, total): (SystemTime, Duration), style: &Style) {
        let Row { line, branch, below } = row;
        let (colour, status) = match line.mood {
            Mood::Good => (GREEN, ""),
            Mood::Doubtful => (YELLOW, ""),
            Mood::Failed => (RED, "error"),
        };
        let name = fit(&line.name, self.label.saturating_sub(count(branch) + 1 + count(line.kind)));
        let gap = " ".repeat(self.label.saturating_sub(count(branch) + count(&name) + count(line.kind)));
        let from = line.start.duration_since(begin).unwrap_or_default();
        let length = line.end.duration_since(line.start).unwrap_or_default();
        let text = format!(
            "{}{name}{gap}{} {} {:>DURATION$} {} {}",
            paint(branch, DIM, style),
            paint(line.kind, DIM, style),
            paint(&bar(from, length, total, self.bar), colour, style),
            duration(length),
            paint(&format!("{status:STATUS$}"), colour, style),
            fit(&line.details, self.details),
        );
        put(out, format_args!("{}\n", text.trim_end()));
        if let Some(error) = &line.error {
            let error = fit(error, style.width.saturating_sub(count(below) + 2));
            put(out, format_args!("{}{}\n", paint(below, DIM, style), paint(&format!("! {error}"), RED, style)));
        }
    }
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// At most `width` characters of `text`.
fn fit(text: &str, width: usize) -> String {
    if count(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain((width > 0).then_some('…')).collect()
}

/// The span's place within the trace: always visible, never outside.
fn bar(from: Duration, length: Duration, total: Duration, width: usize) -> String {
    let cell = |time: Duration| {
        let cells = time.as_nanos() * width as u128 / total.as_nanos().max(1);
        usize::try_from(cells).unwrap_or(width)
    };
    let start = cell(from).min(width - 1);
    let len = (cell(from + length) - cell(from)).clamp(1, width - start);
    format!("{}{}{}", " ".repeat(start), "━".repeat(len), " ".repeat(width - start - len))
}

/// Four or five digits and a unit.
fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let seconds = duration.as_secs_f64();
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// The lines as a tree, by start time; what has no parent here stands at the top.
fn tree(lines: &[Line]) -> Vec<Row<'_>> {
    let known: HashMap<SpanId, &Line> = lines.iter().map(|line| (line.id, line)).collect();
    let mut children: HashMap<SpanId, Vec<&Line>> = HashMap::new();
    for line in lines {
        let is_child = line.parent != line.id && known.contains_key(&line.parent);
        children.entry(if is_child { line.parent } else { SpanId::INVALID }).or_default().push(line);
    }
    for siblings in children.values_mut() {
        // The last one is taken first.
        siblings.sort_by_key(|line| std::cmp::Reverse(line.start));
    }
    let mut rows = Vec::with_capacity(lines.len());
    // Each line leaves `children` once: parents in a circle are never reached, and drawn at the end.
    let mut open = vec![(children.remove(&SpanId::INVALID).unwrap_or_default(), String::new())];
    loop {
        while let Some((siblings, indent)) = open.last_mut() {
            let Some(line) = siblings.pop() else {
                open.pop();
                continue;
            };
            let (is_last, indent) = (siblings.is_empty(), indent.clone());
            let own = children.remove(&line.id).unwrap_or_default();
            let is_top = open.len() == 1;
            let inner = inner(&indent, is_top, is_last);
            let branch = if is_top { String::new() } else { format!("{indent}{}", if is_last { "└─ " } else { "├─ " }) };
            let below = format!("{inner}{}", if own.is_empty() { "   " } else { "│  " });
            rows.push(Row { line, branch, below });
            open.push((own, inner));
        }
        let Some(circle) = children.keys().next().copied() else { return rows };
        open.push((children.remove(&circle).unwrap_or_default(), String::new()));
    }
}

/// What stands before the children of a line with `indent`.
fn inner(indent: &str, is_top: bool, is_last: bool) -> String {
    if is_top || count(indent) >= 3 * MAX_DEPTH {
        return indent.to_owned();
    }
    format!("{indent}{}", if is_last { "   " } else { "│  " })
}

#[cfg(test)]
pub(super) mod tests;
