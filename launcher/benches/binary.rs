//! How long it takes to learn everything about a Go program: a server of 10 MB and a stripped program of some 50 MB.

#![expect(clippy::expect_used, reason = "a benchmark panics rather than return errors")]

#[path = "../tests/support/apps.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod apps;

use std::hint::black_box;

use apps::{GoVersion, Variant};
use criterion::{Criterion, criterion_group, criterion_main};
use go_auto_launch::binary::GoBinary;

/// Names as a full catalog of instrumentations has them: some in every program, many in none.
fn names(present: &[&str], absent: &str) -> Vec<String> {
    let others = (0..100 - present.len()).map(|index| format!("example.com/{absent}/v{index}.(*Client).Do{index}"));
    present.iter().map(|&name| name.to_owned()).chain(others).collect()
}

fn functions() -> Vec<String> {
    let present = [
        "net/http.serverHandler.ServeHTTP",
        "net/http.(*conn).serve",
        "net/http.(*conn).hijacked",
        "net/http.(*response).finishRequest",
        "net/http.(*Transport).roundTrip",
        "net/http.Header.writeSubset",
        "net/http.(*ServeMux).findHandler",
        "google.golang.org/grpc.(*Server).handleStream",
        "google.golang.org/grpc.(*ClientConn).Invoke",
        "runtime.newproc1",
        "runtime.gopanic",
        "runtime.goexit0",
    ];
    names(&present, "function")
}

fn types() -> Vec<String> {
    let present = [
        "net/http.Request",
        "net/http.Response",
        "net/http.response",
        "net/http.conn",
        "net/http.Server",
        "net/http.Header",
        "net/http.Transport",
        "net/url.URL",
        "net.TCPAddr",
        "context.valueCtx",
        "runtime.g",
        "runtime.m",
        "runtime._panic",
    ];
    names(&present, "type")
}

fn bench(c: &mut Criterion) {
    let (functions, types) = (functions(), types());
    let functions: Vec<_> = functions.iter().map(String::as_str).collect();
    let types: Vec<_> = types.iter().map(String::as_str).collect();
    for (app, variant) in [("http_server", Variant::Default), ("big", Variant::Stripped)] {
        let file = std::fs::read(apps::build(app, GoVersion::GO_1_24, variant)).expect("it has been built");
        let mut group = c.benchmark_group(format!("{app} ({} MB)", file.len() >> 20));
        group.sample_size(50);
        group.bench_function("parse", |b| b.iter(|| GoBinary::parse(black_box(&file)).map(|binary| binary.is_pie())));
        group.bench_function("functions", |b| {
            let binary = GoBinary::parse(&file).expect("a Go program");
            b.iter(|| binary.functions(black_box(&functions)));
        });
        group.bench_function("inlined", |b| {
            let binary = GoBinary::parse(&file).expect("a Go program");
            b.iter(|| binary.inlined(black_box(&functions)));
        });
        group.bench_function("everything", |b| {
            b.iter(|| {
                let binary = GoBinary::parse(black_box(&file)).expect("a Go program");
                let found = binary.functions(&functions);
                let sites = found.iter().filter_map(|function| binary.entry_site(function).ok()).count();
                (sites, binary.layouts(&types))
            });
        });
        group.finish();
    }
    let file = std::fs::read(apps::build("http_client", GoVersion::GO_1_27, Variant::Stripped)).expect("it has been built");
    let binary = GoBinary::parse(&file).expect("a Go program");
    let mut group = c.benchmark_group("ends");
    for (name, results) in ENDS {
        let found = binary.functions(&[name]);
        let function = found.only(name).expect("one of that name").expect("the program has it");
        group.bench_function(name, |b| b.iter(|| binary.end_sites(black_box(function), results)));
    }
    group.finish();
}

/// Functions whose ends are looked for, and their result words.
const ENDS: [(&str, usize); 4] = [
    ("net/http.(*Transport).roundTrip", 3),
    ("net/http.(*persistConn).roundTrip", 3),
    ("net/http/internal/http2.(*clientStream).encodeAndWriteHeaders", 2),
    ("runtime.newproc1", 1),
];

criterion_group!(benches, bench);
criterion_main!(benches);
