//! A traced program that executes itself again: not traced from then on, and not probed. Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::apps::{self, GoVersion, Variant};
use support::plain::listening;
use support::receiver::{Attributes as _, Receiver};
use support::server::{get, launcher, sending_to};

#[test]
fn a_program_that_executes_itself_again_is_said_not_to_be_traced() {
    for variant in [Variant::Stripped, Variant::Pie] {
        let receiver = Receiver::start();
        let mut command = launcher();
        sending_to(&mut command, &receiver);
        command.arg("--").arg(apps::build("again", GoVersion::GO_1_26, variant)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let first = listening(&mut stdout, 1)[0];
        assert_eq!((get(first, "/hello"), get(first, "/again")), (200, 0));
        let second = listening(&mut stdout, 1)[0];
        let mut line = String::new();
        while !line.contains("has executed a program in its place, which is not traced") {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "{variant:?}: nothing is said");
        }
        for _ in 0..10 {
            assert_eq!(get(second, "/hello"), 200);
        }
        kill(Pid::from_raw(process.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        process.wait().unwrap();
        // The first request, and the one that has not ended. Nobody hears of the second program's, behind the line.
        let mut paths: Vec<_> = receiver.spans().iter().map(|span| span.text("url.path").unwrap()).collect();
        paths.sort();
        assert_eq!(paths, ["/again", "/hello"], "{variant:?}");
    }
}
