//! What a test sees of a process from outside: its mappings and its memory.

use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt as _;

use native::control::Control;
use nix::unistd::Pid;

/// A line of `/proc/PID/maps`.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) access: String,
    /// In the file.
    pub(crate) offset: u64,
    pub(crate) path: String,
}

pub(crate) fn mappings(pid: Pid) -> Vec<Mapping> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let hexadecimal = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
    let mapping = |line: &str| {
        let mut words = line.splitn(6, ' ');
        let (begin, end) = words.next().unwrap().split_once('-').unwrap();
        let (access, offset) = (words.next().unwrap().to_owned(), hexadecimal(words.next().unwrap()));
        let path = words.nth(2).unwrap_or_default().trim().to_owned();
        Mapping { begin: hexadecimal(begin), end: hexadecimal(end), access, offset, path }
    };
    text.lines().map(mapping).collect()
}

/// The memory that the launcher has put into a program.
pub(crate) fn placed(pid: Pid) -> Vec<Mapping> {
    let mut all = mappings(pid);
    all.retain(|mapping| mapping.path.contains("memfd:go-auto-launch"));
    all
}

pub(crate) fn read(pid: Pid, address: u64, bytes: u64) -> Vec<u8> {
    let mut found = vec![0; usize::try_from(bytes).unwrap()];
    File::open(format!("/proc/{pid}/mem")).unwrap().read_exact_at(&mut found, address).unwrap();
    found
}

/// Bytes of the memory's head.
fn head<const N: usize>(pid: Pid, offset: usize) -> [u8; N] {
    let head = placed(pid).into_iter().find(|mapping| mapping.offset == 0).unwrap();
    read(pid, head.begin + offset as u64, N as u64).try_into().unwrap()
}

/// What [`Control::disabled`] is.
pub(crate) fn disabled(pid: Pid) -> u32 {
    u32::from_ne_bytes(head(pid, offset_of!(Control, disabled)))
}

/// How many bytes wait in the ring.
pub(crate) fn waiting(pid: Pid) -> u64 {
    let at = |offset| u64::from_ne_bytes(head(pid, offset));
    // What is consumed was produced before: in this order the difference is never below zero.
    let consumed = at(offset_of!(Control, consumer));
    at(offset_of!(Control, producer)) - consumed
}

pub(crate) fn write(pid: Pid, address: u64, bytes: &[u8]) {
    let memory = File::options().write(true).open(format!("/proc/{pid}/mem")).unwrap();
    memory.write_all_at(bytes, address).unwrap();
}

/// Where the state is: the first word of the configuration, of which the head of the code says where it is (`native/src/blob/entry.rs`).
pub(crate) fn state(program: Pid) -> u64 {
    let code = placed(program).into_iter().find(|mapping| mapping.access.contains('x')).unwrap();
    let configuration = u32::from_ne_bytes(read(program, code.begin + 8, 4).try_into().unwrap());
    u64::from_ne_bytes(read(program, code.begin + u64::from(configuration), 8).try_into().unwrap())
}
