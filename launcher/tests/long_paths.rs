//! Requests whose line and headers fill the writer's buffer in every way carry their header all the same, once, and are else as they were.
//!
//! The native engine's. By BPF the header is left out where it finds no room: some 70 lengths of each 4,096.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use support::apps::{self, GoVersion, Variant};
use support::server::{Server, launcher};

#[test]
fn every_length_has_its_header() {
    for &version in GoVersion::sampled() {
        let mut command = launcher();
        command.env("GO_AUTO_LAUNCH_ENGINE", "native");
        let app = apps::build("long_paths", version, Variant::Stripped);
        let left = Server::start_with(command, &app, &[], 1).wait();
        assert_eq!(left.stdout, "usual 1300 of 1300\nbare 1300 of 1300\nlong 1300 of 1300\n", "{version:?}: {}", left.stderr);
        assert_eq!(left.spans.len(), 3 * 1_300, "{version:?}");
    }
}
