//! The write executor in real programs: they run with detours in place. Needs no capability, but is run as root by `make test`.

#![cfg(target_arch = "x86_64")]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests panic rather than return errors; one talks to another by standard output"
)]

mod support;

use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;

use bpf::slots::{BUCKETS, Bucket};
use go_auto_launch::binary::{Function, GoBinary};
use go_auto_launch::child::{self, Environment, Event, MappedExe, Signals};
use go_auto_launch::executor::{Detour, Memory, Moment, place};
use support::apps::{self, GoVersion, Variant};

const FUNCTIONS: [&str; 3] = ["net/http.Header.writeSubset", "net/http.(*Request).write", "net/http.(*Transport).roundTrip"];

/// Not a test by itself: the launcher's part, in a process of its own without other threads.
#[test]
fn executor_process() {
    let Ok(app) = std::env::var("EXECUTOR_PROCESS") else { return };
    // SAFETY: the runner's other thread waits for this one's result and holds no lock that the child needs.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None).unwrap();
        }
        nix::unistd::ForkResult::Child => {
            let _ = std::panic::catch_unwind(|| launch(&app));
            // SAFETY: _exit takes a number and does not return.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Runs the program with detours; says how it ended.
fn launch(app: &str) {
    let mut signals = Signals::take_over().unwrap();
    let command = child::Command::new(app.as_ref(), &["20".into(), "7".into()], Environment::inherited());
    let mut tree = child::spawn(command, &mut signals).unwrap();
    let Event::Exec(mut stopped) = tree.next(&signals).unwrap() else { panic!("held at its first instruction") };
    let file = MappedExe::open(&stopped.exe().unwrap()).unwrap().read(<[u8]>::to_owned);
    let binary = GoBinary::parse(&file).unwrap();
    let bias = stopped.auxv().unwrap().load_bias(binary.elf_entry().0).unwrap();
    let functions = binary.functions(&FUNCTIONS);
    let detours: Vec<Detour> = (0..)
        .zip(FUNCTIONS)
        .map(|(site, name)| {
            Detour::new(site, Moment::Depth, &binary.detour_site(functions.only(name).unwrap().unwrap()).unwrap().unwrap(), bias)
        })
        .collect();
    // SAFETY: the kernel has just made this descriptor; nothing else owns it.
    let slots = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"slots".as_ptr(), 0)) };
    std::fs::File::from(slots.try_clone().unwrap()).set_len(u64::from(BUCKETS) * size_of::<Bucket>() as u64).unwrap();
    let syscall = binary.syscall_instruction().unwrap().0.wrapping_add(bias);
    if std::env::var_os("EXECUTOR_STOPPED").is_some() {
        // It arrives in the middle of the first system call.
        let pid = stopped.pid();
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        assert!(stopped.inject(syscall).unwrap().call(libc::SYS_getpid, [0; 6]).is_err());
        stopped.release();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !state().contains(") T ") && !state().contains(") Z ") && !state().is_empty() {
            std::thread::yield_now();
        }
        println!("\nstopped: {}", state().contains(") T "));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        return;
    }
    let begin = std::time::Instant::now();
    let mut injector = stopped.inject(syscall).unwrap();
    place(
        &mut injector,
        stopped.pid().as_raw().cast_unsigned(),
        Memory { slots: slots.as_fd(), stand_ins: slots.as_fd() },
        8,
        &detours,
    )
    .unwrap();
    drop(injector);
    if let Some(number) = std::env::var("EXECUTOR_POISONED").ok().and_then(|number| number.parse::<usize>().ok()) {
        poison(stopped.pid().as_raw(), &binary, functions.only(FUNCTIONS[number]).unwrap().unwrap(), bias);
    }
    println!("\nplaced in {:?}", begin.elapsed());
    stopped.release();
    let Event::Ended(exited) = tree.next(&signals).unwrap() else { panic!("runs to its end") };
    println!("\n{:?}", exited.status());
}

/// Puts an illegal instruction where the jump in `function` leads.
fn poison(pid: i32, binary: &GoBinary<'_>, function: &Function, bias: u64) {
    let memory = std::fs::File::options().read(true).write(true).open(format!("/proc/{pid}/mem")).unwrap();
    let site = binary.detour_site(function).unwrap().unwrap().address.0.wrapping_add(bias);
    let mut jump = [0; 5];
    memory.read_exact_at(&mut jump, site).unwrap();
    let [0xe9, distance @ ..] = jump else { panic!("{jump:x?} is no jump") };
    let stub = site.wrapping_add(5).wrapping_add_signed(i32::from_le_bytes(distance).into());
    memory.write_all_at(&[0x0f, 0x0b], stub).unwrap();
}

/// Each detour lies on the way of what the program does: with an illegal instruction in it, the program dies of that.
#[test]
fn detours_are_taken() {
    for (version, variant) in [(GoVersion::GO_1_21, Variant::Default), (GoVersion::GO_1_27, Variant::PieStripped)] {
        for (number, name) in FUNCTIONS.iter().enumerate() {
            let app = apps::build("short", version, variant);
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "executor_process", "--nocapture", "--test-threads=1"]).env("EXECUTOR_PROCESS", &app);
            let output = command.env("EXECUTOR_POISONED", number.to_string()).output().unwrap();
            let (text, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let what = format!("{version:?} {variant:?} {name}: {text}{stderr}");
            assert!(stderr.contains("SIGILL: illegal instruction") && !text.contains("served 20"), "{what}");
        }
    }
}

/// A SIGSTOP that arrives while system calls are made in a program's name stops it afterwards.
#[test]
fn a_stop_is_not_lost() {
    let app = apps::build("short", GoVersion::GO_1_27, Variant::Pie);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "executor_process", "--nocapture", "--test-threads=1"]);
    let output = command.env("EXECUTOR_PROCESS", &app).env("EXECUTOR_STOPPED", "yes").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("stopped: true"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn programs_run_with_detours() {
    for (version, variant) in [
        (GoVersion::GO_1_21, Variant::Default),
        (GoVersion::GO_1_24, Variant::Stripped),
        (GoVersion::GO_1_27, Variant::Pie),
        (GoVersion::GO_1_27, Variant::Cgo),
        (GoVersion::GO_1_27, Variant::PieStripped),
    ] {
        let app = apps::build("short", version, variant);
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "executor_process", "--nocapture", "--test-threads=1"]).env("EXECUTOR_PROCESS", &app);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("served 20 as 0") && text.contains("Code(7)"), "{version:?} {variant:?}: {text}{stderr}");
    }
}
