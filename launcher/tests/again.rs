//! A traced program that executes itself again: traced on where its probes come back to the same places, else not traced and not
//! probed. Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_proto::tonic::trace::v1::Span;
use support::apps::{self, GoVersion, Variant};
use support::plain::listening;
use support::receiver::{Attributes as _, Receiver};
use support::server::{Running, bpf_launcher, get, launcher, sending_to};

/// The program under the launcher.
struct Again {
    receiver: Receiver,
    process: Running,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Again {
    fn start(variant: Variant) -> Self {
        Self::start_by(bpf_launcher(), variant)
    }

    fn start_by(mut command: Command, variant: Variant) -> Self {
        let receiver = Receiver::start();
        sending_to(&mut command, &receiver);
        command.arg("--").arg(apps::build("again", GoVersion::GO_1_27, variant)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Running(command.spawn().unwrap());
        let stdout = BufReader::new(process.0.stdout.take().unwrap());
        let stderr = BufReader::new(process.0.stderr.take().unwrap());
        Self { receiver, process, stdout, stderr }
    }

    fn address(&mut self) -> SocketAddr {
        listening(&mut self.stdout, 1)[0]
    }

    /// Waits for the launcher's line about the exec, which is to say this.
    fn is_said(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains("has executed") {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "the exec is not noticed");
        }
        assert!(line.contains(text), "{line}");
    }

    /// Asks the program to end; its spans, and what the launcher has said since.
    fn end(mut self) -> (Vec<Span>, String) {
        kill(Pid::from_raw(self.process.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let said = std::io::read_to_string(self.stderr).unwrap();
        self.process.0.wait().unwrap();
        (self.receiver.spans(), said)
    }
}

/// Paths of server spans and whether they were finished, sorted.
fn served(spans: &[Span]) -> Vec<(String, bool)> {
    let served = spans.iter().filter_map(|span| Some((span.text("url.path")?.clone(), span.text("error.type").is_none())));
    let mut served: Vec<_> = served.collect();
    served.sort();
    served
}

fn expected(paths: &[(&str, bool)]) -> Vec<(String, bool)> {
    paths.iter().map(|(path, is_finished)| ((*path).to_owned(), *is_finished)).collect()
}

#[test]
fn the_same_file_at_the_same_addresses_is_traced_on() {
    let mut again = Again::start(Variant::Stripped);
    let first = again.address();
    assert_eq!((get(first, "/get"), get(first, "/again")), (200, 0));
    let second = again.address();
    again.is_said("has executed itself again, and is traced on; trace context is not injected any more");
    for _ in 0..10 {
        assert_eq!(get(second, "/get"), 200);
    }
    let (spans, said) = again.end();
    assert!(!said.contains("go-auto-launch: "), "{said}");
    // The request that has not ended, once; before the exec, the client's span is the server's parent.
    let mut paths = vec![("/again", false)];
    paths.extend([("/get", true); 11]);
    paths.extend([("/hello", true); 11]);
    assert_eq!(served(&spans), expected(&paths));
    let clients: Vec<_> = spans.iter().filter(|span| span.text("url.full").is_some()).collect();
    let children = |client: &&&Span| spans.iter().any(|span| span.parent_span_id == client.span_id);
    assert_eq!((clients.len(), clients.iter().filter(children).count()), (11, 1));
}

#[test]
fn what_has_no_probes_any_more_is_said_not_to_be_traced() {
    // At other addresses; and by another thread than the one for which the probes were attached. What is put into the program itself is gone
    // in any case.
    for (command, variant, path) in [
        (bpf_launcher(), Variant::Pie, "/again"),
        (bpf_launcher(), Variant::Stripped, "/again-by-another-thread"),
        (launcher(), Variant::Stripped, "/again"),
    ] {
        let mut again = Again::start_by(command, variant);
        let first = again.address();
        assert_eq!((get(first, "/hello"), get(first, path)), (200, 0));
        let second = again.address();
        again.is_said("has executed a program in its place, which is not traced");
        for _ in 0..10 {
            assert_eq!(get(second, "/hello"), 200);
        }
        // Nobody hears of the second program's requests, behind the line.
        let (spans, _said) = again.end();
        assert_eq!(served(&spans), expected(&[(path, false), ("/hello", true)]), "{variant:?}");
    }
}
