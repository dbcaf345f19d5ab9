//! Children of a traced program: nothing of the engine runs in them.

use std::fs;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::driving::{all_have_spans, drive, is_quiet, planting, start};
use crate::process::{placed, read, state};
use crate::support::apps::{self, GoVersion, Variant};

const REQUESTS: usize = 640;

/// The children of a process's threads.
fn children(program: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{program}/task")).unwrap();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let all: String = tasks.map(|task| of_task(task.unwrap())).collect();
    all.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// What the first word of the state is, by which hits are switched on.
fn is_enabled(process: Pid, state: u64) -> Option<bool> {
    let memory = fs::File::open(format!("/proc/{process}/mem")).ok()?;
    let mut word = [0; 4];
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut word, state).ok()?;
    Some(u32::from_ne_bytes(word) != 0)
}

/// A copy of the program by fork(2), which is in C code only: hits are switched off in it, and it has no descriptor of the launcher's memory.
#[test]
fn that_execute_nothing() {
    let app = apps::build("stress", GoVersion::GO_1_24, Variant::Cgo);
    let server = start(planting(""), &app, &["-fork", "-threads", "1"]);
    let program = server.program();
    let state = state(program);
    drive(&server, 0..REQUESTS);
    let begin = Instant::now();
    let mut seen = 0;
    while seen < 3 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{seen} children");
        for child in children(program) {
            // It may have ended meanwhile.
            if let Some(is_enabled) = is_enabled(child, state) {
                assert!(!is_enabled);
                seen += 1;
            }
        }
    }
    assert_eq!(read(program, state, 4), 1_u32.to_ne_bytes());
    let left = server.end();
    is_quiet(&left);
    all_have_spans(&left, REQUESTS);
}

/// What is executed has no mapping and no descriptor of the launcher's memory.
#[test]
fn that_execute_something() {
    let app = apps::build("stress", GoVersion::GO_1_27, Variant::Stripped);
    let server = start(planting(""), &app, &["-children"]);
    let program = server.program();
    assert!(!placed(program).is_empty());
    let open = fs::read_dir(format!("/proc/{program}/fd")).unwrap().map(|entry| entry.unwrap().path());
    let open: Vec<_> = open.filter_map(|path| fs::read_link(path).ok()).collect();
    assert!(open.iter().all(|path| !path.to_string_lossy().contains("memfd")), "{open:?}");
    drive(&server, 0..REQUESTS);
    let left = server.end();
    is_quiet(&left);
    all_have_spans(&left, REQUESTS);
}
