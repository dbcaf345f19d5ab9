//! The launcher inside another init process, around one, and inside itself: statuses and signals come through each.
//!
//! Needs the packages tini, dumb-init and catatonit.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod init;

use std::process::Command;

use init::{Launched, subject, until};
use nix::sys::signal::Signal;

const LAUNCHER: &[&str] = &[env!("CARGO_BIN_EXE_go-auto-launch"), "--"];
const OTHERS: [&[&str]; 4] = [&["tini", "-s", "--"], &["tini", "-s", "-g", "--"], &["dumb-init"], &["catatonit", "--"]];

/// Every way of nesting: in itself, under each of the others, and above it.
fn nestings() -> Vec<Vec<&'static str>> {
    let mut nestings = vec![[LAUNCHER, LAUNCHER].concat(), [LAUNCHER, LAUNCHER, LAUNCHER].concat()];
    for other in OTHERS {
        nestings.push([other, LAUNCHER].concat());
        nestings.push([LAUNCHER, other].concat());
    }
    nestings
}

fn nested(nesting: &[&str], args: &[&str]) -> Command {
    let mut command = Command::new(nesting[0]);
    command.args(&nesting[1..]).arg(subject()).args(args);
    command
}

#[test]
fn statuses_come_through() {
    for nesting in nestings() {
        for code in [0, 7, 255] {
            let ended = init::code(&mut nested(&nesting, &["exit", &code.to_string()]));
            assert_eq!(ended, Some(code), "{nesting:?}");
        }
        for signal in [6, 9, 15] {
            let ended = init::code(&mut nested(&nesting, &["die", &signal.to_string()]));
            assert_eq!(ended, Some(128 + signal), "{nesting:?}");
        }
        let missing = Command::new(nesting[0]).args(&nesting[1..]).arg("/no/such/program").status().unwrap();
        // dumb-init and catatonit have numbers of their own.
        let own = [127, 2, 1];
        assert!(missing.code().is_some_and(|code| own.contains(&code)), "{nesting:?}: {missing}");
    }
}

#[test]
fn signals_come_through() {
    for nesting in nestings() {
        for (signal, number) in [(Signal::SIGTERM, "15"), (Signal::SIGUSR1, "10"), (Signal::SIGQUIT, "3")] {
            let mut launched = Launched::ready(&mut nested(&nesting, &["signals", number]));
            launched.signal(signal);
            assert_eq!(launched.line(), number, "{nesting:?}");
            assert_eq!(launched.end().code(), Some(0), "{nesting:?}");
        }
    }
}

#[test]
fn orphans_are_reaped_by_the_innermost() {
    for nesting in [[LAUNCHER, LAUNCHER].concat(), [&["tini", "-s", "--"], LAUNCHER].concat()] {
        let mut launched = Launched::ready(&mut nested(&nesting, &["orphans", "50"]));
        let inner = init::children(launched.pid())[0];
        until("all orphans to be reaped", || init::children(inner).len() == 1 && init::children(launched.pid()).len() == 1);
        launched.signal(Signal::SIGTERM);
        assert_eq!(launched.end().code(), Some(143));
    }
}
