//! What tracing costs that can be counted: probe hits of servers and clients, verified instructions, pages of the program's file.
//! (What it costs in time is the benchmark's matter.)
//!
//! Needs root: the kernel's BPF statistics are switched on while this runs.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aya::maps::MapInfo;
use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use go_auto_launch::binary::GoBinary;
use go_auto_launch::engine::bpf::routes::TRIAL;
use go_auto_launch::engine::bpf::{Uprobes, attach};
use go_auto_launch::instrumentations::CATALOG;
use go_auto_launch::kernel::UprobeKind;
use go_auto_launch::probes::plan::{Circumstances, Plan};
use nix::unistd::Pid;
use support::apps::{self, GoVersion, ModuleFile, Variant};
use support::front::LIBRARIES;
use support::plain::{Plain, everything};
use support::receiver::Attributes as _;
use support::server::{Client, Server, bpf_launcher, curl, get};
use support::sink::Sink;
use support::until::until;

/// To look at all loaded programs opens each, and what this process has open is looked at, too: one at a time.
static LOOKS: Mutex<()> = Mutex::new(());

/// How often each BPF program of this process has run, by the program's name in the kernel (15 characters).
fn runs(launcher: Pid) -> BTreeMap<String, u64> {
    let _alone = LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut of_launcher = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{launcher}/fdinfo")).unwrap() {
        let info = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        let id = info.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u32>().ok());
        of_launcher.extend(id);
    }
    let programs = loaded_programs().map(Result::unwrap).filter(|program| of_launcher.contains(&program.id()));
    programs.map(|program| (program.name_as_str().unwrap().to_owned(), program.run_count())).collect()
}

/// Hits of all programs but that of the mux.
fn hits(runs: &BTreeMap<String, u64>) -> u64 {
    runs.iter().filter(|(name, _)| *name != "http_route").map(|(_, count)| count).sum()
}

/// Two probe hits per request, HTTP/1 and HTTP/2, and one more for each HTTP/1 connection. The mux's are counted below.
#[test]
fn two_hits_per_request() {
    const REQUESTS: u64 = 200;
    let _stats = enable_stats(Stats::RunTime).unwrap();
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_26, GoVersion::GO_1_27] {
        let args = ["-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0"];
        let server = Server::start_with(bpf_launcher(), &apps::build("http_server", version, Variant::Stripped), &args, 2);
        let [plain, secure] = server.addresses[..] else { panic!("two servers") };
        let mut client = Client::connect(plain);
        for _ in 0..REQUESTS {
            assert_eq!(client.send("GET", "/hello", &[], ""), Some(200));
        }
        let http1 = runs(server.pid());
        assert_eq!(hits(&http1), 2 * REQUESTS, "{version:?}: {http1:?}");
        drop(client);

        // Each on one connection, one after the other: curl takes `{1-20}` as twenty addresses.
        let url = format!("https://{secure}/hello?n=[1-20]");
        let answers = curl(&["--http2"], &url);
        assert_eq!(answers.matches("2 200").count(), 20, "{answers}");
        let both = runs(server.pid());
        // The ends of the two connections may have been seen or not.
        let more = hits(&both) - hits(&http1);
        assert!((40..=42).contains(&more), "{version:?}: {more} hits for 20 requests: {both:?}");
        server.end();
    }
}

/// The same of fasthttp; fiber tells the route by one more.
#[test]
fn hits_of_fasthttp() {
    const REQUESTS: u64 = 100;
    let _stats = enable_stats(Stats::RunTime).unwrap();
    let newest = ModuleFile::named("fiber", "newest");
    let app = apps::build_tagged("fiber", GoVersion::GO_1_27, Variant::Default, "newest", Some(&newest));
    let server = Server::start_with(bpf_launcher(), &app, &["fiber3"], 1);
    let mut client = Client::connect(server.addresses[0]);
    for _ in 0..REQUESTS {
        assert_eq!(client.send("GET", "/pets/7", &[], ""), Some(200));
    }
    let runs = runs(server.pid());
    assert_eq!((runs["fasthttp_server"], runs["annotations"]), (2 * REQUESTS, REQUESTS), "{runs:?}");
    server.end();
}

/// The same of hertz, with the route, by both transports; one more for each connection.
#[test]
fn hits_of_hertz() {
    const REQUESTS: u64 = 100;
    let _stats = enable_stats(Stats::RunTime).unwrap();
    let newest = ModuleFile::named("hertz", "newest");
    let app = apps::build_tagged("hertz", GoVersion::GO_1_27, Variant::Default, "newest", Some(&newest));
    let server = Server::start_with(bpf_launcher(), &app, &["netpoll", "standard"], 2);
    for address in &server.addresses {
        let before = runs(server.pid())["hertz_server"];
        let mut client = Client::connect(*address);
        for _ in 0..REQUESTS {
            assert_eq!(client.send("GET", "/pets/7", &[], ""), Some(201));
        }
        let more = runs(server.pid())["hertz_server"] - before;
        // The ends of connections may have been seen or not.
        assert!((2 * REQUESTS..=2 * REQUESTS + 2).contains(&more), "{more} hits");
    }
    server.end();
}

/// A program whose requests hold their routes themselves pays for the mux's probe for some time, and never again; one in which a
/// middleware replaces them does all the time. Where muxes note no patterns there is no such probe.
#[test]
fn the_third_hit_ends_where_it_is_not_needed() {
    const REQUESTS: u64 = 4_200;
    let _stats = enable_stats(Stats::RunTime).unwrap();
    let before = apps::build("http_server", GoVersion::GO_1_21, Variant::Stripped);
    let server = Server::start_with(bpf_launcher(), &before, &["-addr", "127.0.0.1:0"], 1);
    assert!(!runs(server.pid()).contains_key("http_route"));
    server.end();

    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let file = std::fs::read(&app).unwrap();
    let circumstances = Circumstances { load_bias: Some(0), ..Circumstances::default() };
    let plan = Plan::new(CATALOG, &GoBinary::parse(&file).unwrap(), &Uprobes, circumstances).unwrap();
    for is_needed in [false, true] {
        let args: &[&str] = if is_needed { &["-addr", "127.0.0.1:0", "-replaced"] } else { &["-addr", "127.0.0.1:0"] };
        let server = Plain::start(&app, args, 1);
        let mut attached = attach(&plan, &everything(), UprobeKind::Multi, &app, server.pid()).unwrap();
        let mut client = Client::connect(server.addresses[0]);
        let mut send = |count: u64| (0..count).for_each(|_| assert_eq!(client.send("GET", "/hello", &[], ""), Some(200)));
        let hits = || runs(nix::unistd::getpid())["http_route"];
        send(REQUESTS);
        let routes = attached.probes.routes.as_mut().unwrap();
        assert_eq!(hits(), REQUESTS);
        assert!(routes.judge().is_none(), "it is too early");
        let link = routes.judge_after(TRIAL);
        assert_eq!(link.is_some(), !is_needed);
        drop(link);
        // A process that another test is just starting has what this one has open until it executes something, the link too.
        let mut hits_of = |requests: u64| {
            let before = hits();
            send(requests);
            hits() - before
        };
        until("the probe to be gone, or to stay", || hits_of(1) == u64::from(is_needed));
        assert_eq!(hits_of(100), if is_needed { 100 } else { 0 });
        drop(attached);
    }
}

/// Three hits for each outgoing request, in all versions: start, writing, end. And one for each `go` statement, as the program has a
/// server too: that server's own, which reads ahead on the connection of a request without a body (`backgroundRead`), and that of
/// an HTTP/2 client for each request (`doRequest`).
#[test]
fn hits_of_a_client() {
    const REQUESTS: u64 = 100;
    const BY_ITSELF: u64 = 3;
    let _stats = enable_stats(Stats::RunTime).unwrap();
    for version in GoVersion::ALL {
        let sink = Sink::of_headers();
        let app = apps::build("headers", version, Variant::Stripped);
        let server = Server::start_with(bpf_launcher(), &app, &["front", &sink.url, &sink.secure], 2);
        let mut client = Client::connect(server.addresses[0]);
        for library in LIBRARIES {
            let mut send = || assert_eq!(client.send("GET", &format!("/via?by={library}"), &[], ""), Some(200));
            // Connections cost `go` statements of their own.
            send();
            let before = runs(server.pid());
            (0..REQUESTS).for_each(|_| send());
            let after = runs(server.pid());
            let [hits, go_statements] = ["http_client", "new_goroutine"].map(|name| after[name] - before[name]);
            assert_eq!(hits, REQUESTS * BY_ITSELF, "{version:?} {library}");
            assert_eq!(go_statements, REQUESTS * if library == "http1" { 1 } else { 2 }, "{version:?} {library}");
        }
        server.end();
    }
}

/// Programs with a server and a client, as they are: verification delays their start by about a microsecond for each instruction.
#[test]
fn verification_of_whole_programs_is_short() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_26, GoVersion::GO_1_27] {
        let mut command = bpf_launcher();
        command.arg("--verbose");
        let server =
            Server::start_with(command, &apps::build("parentage", version, Variant::Stripped), &["http://127.0.0.1:1"], 1);
        let left = server.end();
        for (program, at_most) in
            [("http_server", 12_500), ("http_client", 18_200), ("http_route", 1_200), ("new_goroutine", 500)]
        {
            let line = left.stderr.lines().find_map(|line| line.split_once(&format!("BPF program {program}: ")));
            let Some((_, count)) = line else {
                // Muxes of Go 1.21 note no patterns.
                assert!(program == "http_route" && version == GoVersion::GO_1_21, "{version:?}: {}", left.stderr);
                continue;
            };
            let count: u32 = count.split(' ').next().unwrap().parse().unwrap();
            assert!(count < at_most, "{version:?}: {program} {count}");
        }
    }
}

/// Bytes of locked memory that the BPF maps of a process take, as the kernel counts them; and the largest, by name.
fn locked(process: Pid) -> (u64, Vec<(u64, String)>) {
    let mut maps = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap() {
        let info = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        let number = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
        if let (Some(id), Some(bytes)) = (number("map_id:"), number("memlock:")) {
            let name = MapInfo::from_id(id.try_into().unwrap()).unwrap().name_as_str().unwrap().to_owned();
            maps.insert(id, (bytes, name));
        }
    }
    let mut by_size: Vec<_> = maps.into_values().collect();
    by_size.sort_unstable();
    by_size.reverse();
    (by_size.iter().map(|(bytes, _)| bytes).sum(), by_size)
}

/// Of a process with a server and a client, which needs all maps. (What grows with the processors is small.)
#[test]
fn maps_take_little_memory() {
    let app = apps::build("parentage", GoVersion::GO_1_27, Variant::Stripped);
    let server = Server::start_with(bpf_launcher(), &app, &["http://127.0.0.1:1"], 1);
    let (all, by_size) = locked(server.pid());
    assert!(all <= 8 << 20, "{all} bytes: {by_size:?}");
    server.end();
}

/// It is given back within a second, behind the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// KiB of a file that this process holds in memory by mapping it.
fn resident(pid: Pid, file: &Path) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut is_of_file = false;
    let mut kilobytes = None;
    for line in maps.lines() {
        match line.split_once(':') {
            Some(("Rss", size)) if is_of_file => {
                let size: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
                *kilobytes.get_or_insert(0) += size;
            }
            // "7f2a81a00000-7f2a81c00000 r--s 00000000 fe:00 1234   /srv/app": the only lines with a device.
            Some((before, _)) if before.contains('-') => is_of_file = line.ends_with(file.to_str().unwrap()),
            Some(_) | None => {}
        }
    }
    kilobytes.unwrap_or_else(|| panic!("{} is not mapped", file.display()))
}

/// The file is read to plan, and where a type is looked up; in between it takes no memory.
#[test]
fn the_programs_file_is_not_resident() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let mut command = bpf_launcher();
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
    for (path, attribute) in [("/hello", None), ("/panic-runtime", Some("runtime.boundsError"))] {
        get(server.addresses[0], path);
        // What sends its span has taken the program over, and has found the type.
        server.receiver.wait_for(|span| {
            let is_it = span.text("url.path").as_deref() == Some(path);
            let found = span.events.first().and_then(|event| event.attributes.text("exception.type"));
            is_it && found.as_deref() == attribute
        });
        let begin = Instant::now();
        while resident(server.pid(), &app) > 0 {
            assert!(begin.elapsed() < PATIENCE, "{} KiB after {path}", resident(server.pid(), &app));
            std::thread::yield_now();
        }
    }
    server.end();
}
