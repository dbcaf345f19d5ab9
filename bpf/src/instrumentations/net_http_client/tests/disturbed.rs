//! Memory and registers in which anything may be wrong: bodies never panic, and what they report has its form.

use super::*;
use crate::target::fake::disturbed::{Numbers, turns};

#[test]
fn nothing_panics() {
    for seed in 0..turns(100) {
        on_each(|_release, client| {
            let mut numbers = Numbers::of(seed);
            let memory = &client.process.memory;
            let (request, header) = client.request("/items/7", &[("Accept", "*/*"), ("B3", "0"), ("X-Trace", "a")]);
            let (writer, _) = client.writer(4_096, "GET / HTTP/1.1\r\n");
            let response = memory.allocate(144);
            memory.write_words(response + 16, &[204]);
            let error = [memory.allocate(32), memory.allocate(24)];
            memory.write_words(error[0] + 8, &[0x51_0000]);
            memory.write_words(error[1], &client.process.string("connection refused"));
            let hits = [
                (event::START, [7, request, 7, 7, 7], STACK),
                (event::INJECT, [header, BUFFERED, writer, 8, 0], STACK - 0x200),
                (event::INJECT_HTTP2, [0; 5], STACK - 0x200),
                (event::END, [response, 0, 0, 0, 0], STACK),
                (event::START, [7, request, 7, 7, 7], STACK),
                (event::END, [0, error[0], error[1], 0, 0], STACK),
            ];
            for (event, arguments, stack) in hits {
                let times = numbers.below(3);
                memory.disturb(&mut numbers, times);
                let wrong = |word| if numbers.below(16) == 0 { memory.wrong(word, &mut numbers) } else { word };
                let arguments = arguments.map(wrong);
                let _missed = client.hit(event, arguments, stack);
                for record in client.process.take_records() {
                    let _kind = kind_of(&record);
                }
            }
        });
    }
}
