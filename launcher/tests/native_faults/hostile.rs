//! A program that writes anything into the memory that it shares with the launcher, or into what the probes remember: the launcher ends as
//! the program does, and says so; the program serves on.

use native::ring::RING_BYTES;
use native::state::{ENABLED_BYTES, State};
use nix::unistd::Pid;

use crate::driving::{drive, planting, start};
use crate::process::{placed, read, state, write};
use crate::support::apps::{self, GoVersion, Variant, tests_all};
use crate::support::server::Left;

const REQUESTS: usize = 256;

fn rounds() -> u64 {
    if tests_all() { 40 } else { 2 }
}

/// What a word may be at worst.
fn wrong(random: &mut fastrand::Rng, word: u64) -> u64 {
    match random.u8(0..8) {
        0 => 0,
        1 => u64::MAX,
        2 => random.u64(..),
        3 => random.u64(0..10_000),
        4 => word.wrapping_add(1),
        5 => word.wrapping_sub(8),
        6 => !word,
        _ => word ^ 1 << random.u32(0..64),
    }
}

/// Makes words wrong in the bytes from `begin` to `end`, mostly such as are not 0.
fn scribble(program: Pid, begin: u64, end: u64, words: usize, random: &mut fastrand::Rng) {
    const PIECE: u64 = 1 << 20;
    let pieces: Vec<u64> = (begin..end).step_by(PIECE.try_into().unwrap()).collect();
    let mut used = Vec::new();
    for piece in pieces {
        let bytes = read(program, piece, PIECE.min(end - piece));
        let found =
            (piece..).step_by(8).zip(bytes.chunks(8)).map(|(at, word)| (at, u64::from_ne_bytes(word.try_into().unwrap())));
        used.extend(found.filter(|(_, word)| *word != 0));
    }
    for _ in 0..words {
        let at = begin + random.u64(0..(end - begin) / 8) * 8;
        let (at, word) = if random.u8(0..4) == 0 { (at, 0) } else { random.choice(&used).copied().unwrap_or((at, 0)) };
        write(program, at, &wrong(random, word).to_ne_bytes());
    }
}

fn is_survived(left: &Left, seed: u64) {
    assert_eq!(left.status.code(), Some(0), "{seed}: {}", left.stderr);
    assert!(!left.stderr.contains("panicked"), "{seed}: {}", left.stderr);
}

#[test]
fn what_is_shared_is_overwritten() {
    let app = apps::build("stress", GoVersion::GO_1_27, Variant::Stripped);
    for seed in 0..rounds() {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = start(planting(""), &app, &[]);
        drive(&server, 0..REQUESTS);
        let program = server.program();
        for round in 1..4 {
            let shared = placed(program).into_iter().filter(|mapping| mapping.access.starts_with("rw-s"));
            for mapping in shared {
                scribble(program, mapping.begin, mapping.end.min(mapping.begin + RING_BYTES as u64), 40, &mut random);
            }
            drive(&server, round * REQUESTS..(round + 1) * REQUESTS);
        }
        is_survived(&server.end(), seed);
    }
}

#[test]
fn what_is_remembered_is_overwritten() {
    let app = apps::build("stress", GoVersion::GO_1_27, Variant::Stripped);
    for seed in 0..rounds() {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = start(planting(""), &app, &["-collect"]);
        let program = server.program();
        let begin = state(program);
        for round in 0..4 {
            drive(&server, round * REQUESTS..(round + 1) * REQUESTS);
            scribble(program, begin + ENABLED_BYTES as u64, begin + size_of::<State>() as u64, 200, &mut random);
        }
        drive(&server, 4 * REQUESTS..5 * REQUESTS);
        is_survived(&server.end(), seed);
    }
}
