//! Calls by which the program exports what its SDK records, as they are natively.

use super::*;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A call with this method begins and ends; whether it was sampled.
fn is_sampled<const STORES: bool>(method: &str, has_exporter: bool, is_served: bool) -> bool {
    let mut program = Program::<STORES>::of();
    program.process.parents.has_exporter = Setting::new(has_exporter.into());
    let start = vec![words(0, 1), step(code::CAPTURE_TEXT, 0, 128)];
    let call = program.add(Function { start, flags: flag::INJECTS, ..Function::default() });
    if is_served {
        program.serve(0xc0_5000, &span(7));
    }
    program.begin(call, 0x100, &program.process.string(method)).unwrap();
    let started = program.process.take_records().len();
    let key = frames::key(program.goroutine, 0);
    let mut identity = SpanIdentity::NONE;
    assert!(program.process.frame(key).unwrap().span.copy_of(key, &mut identity));
    let is_sampled = identity.trace_flags & 1 == 1;
    assert_eq!(program.end(call, 0x100, &[]), if is_sampled { Ok(()) } else { Err(Missed::NothingToDo) });
    let ended = program.process.take_records().len();
    assert_eq!(program.open(), 0);
    let unsampled = program.process.unsampled.borrow().len();
    let expected = if is_sampled { (1, 1, 0) } else { (0, 0, 1) };
    assert_eq!((started, ended, unsampled), expected, "{method}");
    is_sampled
}

#[test]
fn an_export_is_not_sampled() {
    assert!(!is_sampled::<true>(EXPORT, true, false));
    assert!(is_sampled::<true>("/shop.v1.Orders/Get", true, false));
    assert!(is_sampled::<true>(EXPORT, true, true), "it is part of a request");
    assert!(is_sampled::<true>(EXPORT, false, false), "the program has no exporter");
    assert!(is_sampled::<false>(EXPORT, true, false), "BPF does not look");
}
