//! Any bytes as a Go program: an error or facts, never a panic, a hang or much memory.
//!
//! `launcher/fuzz/seeds.sh` makes the seed corpus; then, with the nightly toolchain,
//! `cargo fuzz run --fuzz-dir launcher/fuzz go_binary -- -max_len=2000000 -timeout=10`.
#![no_main]

#[path = "../../src/binary/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the launcher uses the rest")]
mod binary;

use binary::{GoBinary, first_call_after, merge_end_sites};
use libfuzzer_sys::fuzz_target;

const FUNCTIONS: [&str; 6] =
    ["main.main", "runtime.newproc1", "runtime.gopanic", "runtime.goexit0", "runtime.casgstatus", "runtime.main"];
const TYPES: [&str; 6] = ["runtime.g", "runtime.m", "runtime._panic", "*runtime.g", "map[string]int", "error"];

fuzz_target!(|file: &[u8]| {
    let Ok(binary) = GoBinary::parse(file) else { return };
    let found = binary.functions(&FUNCTIONS);
    for function in found.iter() {
        let _ = binary.entry_site(function);
        let _ = binary.end_sites(function, 3).map(merge_end_sites);
        let _ = (binary.entry_window(function), binary.exit_window(function));
        if let Ok(returns) = binary.return_sites(function, 3) {
            let _ = binary.return_windows(function, &returns);
        }
        if let Some(call) = binary.calls(function).ok().and_then(|mut calls| calls.next()) {
            let _ = binary.call_window(function, call.site);
        }
        if let Ok(calls) = binary.calls(function) {
            let _ = first_call_after(calls, function.entry, function.entry);
        }
        assert!(function.entry <= function.end);
        let _ = binary.function_at(function.entry);
        let _ = (binary.arg_info(function), binary.inlined_calls(function), binary.is_generated(function));
    }
    let _ = binary.inlined(&FUNCTIONS);
    for name in FUNCTIONS {
        let _ = found.only(name);
    }
    let _ = binary.all_functions().last();
    let _ = binary.layouts(&TYPES);
    let _ = binary.itab("*runtime.TypeAssertionError", "error");
    for layout in binary.all_layouts().unwrap_or_default() {
        for field in &layout.fields {
            assert!(field.offset + field.size <= layout.size);
            let _ = binary.type_name_at(field.type_address);
            let _ = binary.file_offset(field.type_address);
        }
    }
});
