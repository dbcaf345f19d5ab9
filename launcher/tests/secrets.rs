//! What must not get out: credentials of the collector into the log, and anything of the launcher's into the program.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};

use support::apps::{self, GoVersion, Variant};
use support::server::{Server, get, launcher};

/// In every credential; and `user:s3cr3t-password` as HTTP sends it.
const SECRETS: [&str; 2] = ["s3cr3t", "dXNlcjpzM2NyM3QtcGFzc3dvcmQ"];

/// A collector that refuses every request and repeats it in its answer.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
            let length = head.len();
            let answer = format!("HTTP/1.1 401 {}\r\nContent-Length: {length}\r\n\r\n{head}", head.lines().next().unwrap_or(""));
            let _gone = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

/// A port that nobody listens on.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn credentials_are_in_no_line_of_the_log() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    for collector in [echo(), closed()] {
        for (scheme, protocol) in
            [("http", "http/protobuf"), ("https", "http/protobuf"), ("http", "http/json"), ("http", "grpc"), ("https", "grpc")]
        {
            let endpoint = format!("{scheme}://user:s3cr3t-password@{collector}/v1/traces?token=s3cr3t-query");
            let mut command = launcher();
            command
                .arg("--verbose")
                .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
                .env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol)
                .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer s3cr3t-token,x-api-key=s3cr3t-key")
                .env("GO_AUTO_LAUNCH_FLUSH_TIMEOUT", "200ms");
            let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
            assert_eq!(get(server.addresses[0], "/hello"), 200);
            let left = server.end();
            assert!(left.status.success(), "{left:?}");
            // The failure was said.
            assert!(left.stderr.contains("lost"), "{}", left.stderr);
            for secret in SECRETS {
                assert!(!left.stderr.contains(secret), "{protocol} by {scheme}: {}", left.stderr);
            }
        }
    }
}

#[test]
fn values_that_cannot_be_used_are_not_shown_either() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: s3cr3t"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "s3cr3t"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:s3cr3t@collector"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://user:s3cr3t@collector:port"),
        ("HTTP_PROXY", "socks5://user:s3cr3t@proxy"),
        ("http_proxy", "http://user:s3cr3t@proxy:port"),
    ] {
        let mut command = launcher();
        if name.ends_with("_proxy") || name.ends_with("_PROXY") {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.test");
        }
        let output = command.args(["--verbose", "--", "true"]).env(name, value).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(name) && !said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn a_traced_program_holds_nothing_of_the_launchers() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let mut command = launcher();
    command.env("GO_AUTO_LAUNCH_VERBOSE", "true").env("GO_AUTO_LAUNCH_FLUSH_TIMEOUT", "1s").env("KEPT", "yes");
    let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
    let program = server.program();
    let environment = fs::read(format!("/proc/{program}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    assert!(environment.split('\0').any(|variable| variable == "KEPT=yes"));
    assert!(!environment.contains("GO_AUTO_LAUNCH_"), "{environment}");
    for entry in fs::read_dir(format!("/proc/{program}/fd")).unwrap() {
        let path = entry.unwrap().path();
        let number: u32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let target = fs::read_link(&path).unwrap();
        let target = target.to_str().unwrap();
        // What Go's runtime opens for itself: its poller, and the listener.
        let of_go = ["socket:", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"].iter().any(|known| target.starts_with(known));
        // What this test itself was started with passes through both.
        let inherited = fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|ours| ours.to_str() == Some(target));
        assert!(number <= 2 || of_go || inherited, "descriptor {number}: {target}");
    }
    let status = fs::read_to_string(format!("/proc/{program}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0"), "{status}");
    assert!(server.end().status.success());
}

#[test]
fn the_launcher_does_not_keep_its_working_directory() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let directory = tempfile::tempdir().unwrap();
    let mut command = launcher();
    command.current_dir(&directory);
    let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
    let working = |pid| fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    assert_eq!(working(server.program()), fs::canonicalize(&directory).unwrap());
    assert_eq!(working(server.pid()).as_os_str(), "/");
    assert!(server.end().status.success());
}

/// It has left the directory when a program behind a shell is traced, and still finds files by relative paths.
#[test]
fn relative_paths_are_those_of_the_first_working_directory() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let directory = tempfile::tempdir().unwrap();
    let mut command = launcher();
    command
        .current_dir(&directory)
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", "no-such-file.pem")
        .args(["--", "sh", "-c", "exec \"$@\"", "sh"])
        .arg(&app);
    let left = Server::start_as_typed(command, &["-addr", "127.0.0.1:0"], 1).end();
    let file = fs::canonicalize(&directory).unwrap().join("no-such-file.pem");
    assert!(left.stderr.contains(file.to_str().unwrap()), "{}", left.stderr);
}
