//! The file that a process executes, mapped; and the auxiliary vector the kernel gave it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::mapped::Mapped;

/// The bytes of an executable file.
#[derive(Debug)]
pub struct MappedExe(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(Mapped),
    Read(Vec<u8>, File),
}

/// The file of a Go program that has been planned for: it takes no memory while nobody looks into it.
#[derive(Debug)]
pub struct KeptExe(Kept);

#[derive(Debug)]
enum Kept {
    /// Its pages come from the page cache when they are looked at, and then go again.
    Mapped(Mapped),
    /// It is read when it is looked at.
    File(File),
}

impl MappedExe {
    /// The link to the file that `pid` executes.
    #[must_use]
    pub fn link(pid: Pid) -> PathBuf {
        PathBuf::from(format!("/proc/{pid}/exe"))
    }

    /// Takes the bytes of a file: mapped where a process executes it, so that it hardly changes; else a copy.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(exe: &Exe) -> io::Result<Self> {
        let file = File::open(&exe.path)?;
        if exe.is_running()
            && let Some(mapped) = Mapped::new(&file)?
        {
            return Ok(Self(Bytes::Mapped(mapped)));
        }
        Ok(Self(Bytes::Read(read(&file)?, file)))
    }

    /// Reads the bytes. Where they have gone from the file meanwhile, there are zeros.
    pub fn read<R>(&self, reader: impl FnOnce(&[u8]) -> R) -> R {
        match &self.0 {
            Bytes::Mapped(mapped) => mapped.read(reader),
            Bytes::Read(bytes, _file) => reader(bytes),
        }
    }

    /// Keeps the file, which its name may not lead to later on. A copy of its bytes is dropped; what is mapped goes with
    /// [`KeptExe::give_back`].
    #[must_use]
    pub fn keep(self) -> KeptExe {
        KeptExe(match self.0 {
            Bytes::Mapped(mapped) => Kept::Mapped(mapped),
            Bytes::Read(_bytes, file) => Kept::File(file),
        })
    }
}

impl KeptExe {
    /// Gives the memory back that reading the file took.
    pub fn give_back(&self) {
        match &self.0 {
            Kept::Mapped(mapped) => mapped.give_back(),
            Kept::File(_) => {}
        }
    }

    /// What `look` finds in the bytes of the file.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        match &self.0 {
            Kept::Mapped(mapped) => {
                let found = mapped.read(look);
                mapped.give_back();
                Ok(found)
            }
            Kept::File(file) => Ok(look(&read(file)?)),
        }
    }
}

/// The whole file.
fn read(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An executable file: what it is called, and how it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exe {
    name: PathBuf,
    /// A path by which it can be opened: a link of `/proc`, or the name again.
    pub path: PathBuf,
    is_running: bool,
}

impl Exe {
    /// The file called `name` that a process executes, to be opened by `path`.
    #[must_use]
    pub fn of(name: PathBuf, path: PathBuf) -> Self {
        Self { name, path, is_running: true }
    }

    /// A file that is not executed yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { name: path.to_owned(), path: path.to_owned(), is_running: false }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Whether a process executes it, so that it does not change.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running
    }
}

/// The name of an executed file, of what the link to it says: the kernel appends to the name of a file that was deleted
/// (`d_path`, `fs/d_path.c`), and to that of every memory file.
#[must_use]
pub fn without_deletion(name: PathBuf) -> PathBuf {
    match name.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(before) => PathBuf::from(OsStr::from_bytes(before)),
        None => name,
    }
}

/// The part of a process's auxiliary vector that tells where its file lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auxv {
    /// `AT_ENTRY`: the address of the file's entry point.
    pub entry: Option<u64>,
    /// `AT_PHDR`: the address of the program headers.
    pub program_headers: Option<u64>,
    /// `AT_BASE`: the address of the dynamic loader; `None` or 0 in a static program.
    pub loader_base: Option<u64>,
    /// `AT_EXECFN`: the address of the path that was executed.
    pub executed: Option<u64>,
    /// `AT_SYSINFO_EHDR`: the address of the vDSO.
    pub vdso: Option<u64>,
}

impl Auxv {
    /// Reads the vector of `pid`.
    ///
    /// # Errors
    /// When there is no such process or no `/proc`, or we may not look into the process.
    pub fn of(pid: Pid) -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read(format!("/proc/{pid}/auxv"))?))
    }

    /// How far it was moved from the addresses in its file: `AT_ENTRY − e_entry`; 0 unless it is a PIE.
    #[must_use]
    pub fn load_bias(&self, elf_entry: u64) -> Option<u64> {
        self.entry.map(|entry| entry.wrapping_sub(elf_entry))
    }

    /// Pairs of native words, type and value, ended by type 0 (`AT_NULL`).
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let (words, _rest) = bytes.as_chunks::<8>();
        let find = |kind| {
            words
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[kind, value]| (u64::from_ne_bytes(*kind), u64::from_ne_bytes(*value)))
                .take_while(|(kind, _)| *kind != libc::AT_NULL)
                .find_map(|(found, value)| (found == kind).then_some(value))
        };
        Self {
            entry: find(libc::AT_ENTRY),
            program_headers: find(libc::AT_PHDR),
            loader_base: find(libc::AT_BASE),
            executed: find(libc::AT_EXECFN),
            vdso: find(libc::AT_SYSINFO_EHDR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auxv_is_parsed_and_a_truncated_one_too() {
        let mut bytes = Vec::new();
        for word in [libc::AT_PHDR, 0x40, libc::AT_ENTRY, 0x5555_0000_1000, 0, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        let auxv = Auxv::parse(&bytes);
        assert_eq!(auxv.load_bias(0x1000), Some(0x5555_0000_0000));
        assert_eq!(auxv.program_headers, Some(0x40));
        assert_eq!(auxv.loader_base, None);
        assert_eq!(Auxv::parse(&bytes[..21]).entry, None);
    }

    #[test]
    fn a_deleted_file_keeps_its_name() {
        for (link, name) in [
            ("/srv/app (deleted)", "/srv/app"),
            ("/memfd:my (deleted)", "/memfd:my"),
            ("/srv/app", "/srv/app"),
            ("/srv (deleted)/app", "/srv (deleted)/app"),
        ] {
            assert_eq!(without_deletion(PathBuf::from(link)), Path::new(name));
        }
    }

    #[test]
    fn a_kept_file_takes_no_memory_and_can_be_looked_into() {
        let own = std::fs::canonicalize(MappedExe::link(nix::unistd::getpid())).unwrap();
        // Of a mapping of this file that begins at this address.
        let resident = |begin: usize| {
            let (all, begin) = (std::fs::read_to_string("/proc/self/smaps").unwrap(), format!("{begin:x}-"));
            let lines = all.lines().skip_while(|line| !line.starts_with(&begin));
            lines.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap().trim().to_owned()
        };
        let sum = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum + u64::from(*byte));
        let mapped = MappedExe::open(&Exe::of(own.clone(), own.clone())).unwrap();
        let (expected, begin) = mapped.read(|bytes| (sum(bytes), bytes.as_ptr().addr()));
        let kept = mapped.keep();
        assert!(matches!(kept.0, Kept::Mapped(_)));
        kept.give_back();
        assert_eq!(resident(begin), "0 kB");
        assert_eq!(kept.look(|bytes| (sum(bytes), resident(begin) == "0 kB")).unwrap(), (expected, false));
        assert_eq!(resident(begin), "0 kB");

        let kept = MappedExe::open(&Exe::at(&own)).unwrap().keep();
        assert!(matches!(kept.0, Kept::File(_)));
        for _again in 0..2 {
            assert_eq!(kept.look(sum).unwrap(), expected);
        }
    }

    #[test]
    fn the_own_executable_is_mapped_and_has_an_entry() {
        let own = nix::unistd::getpid();
        let link = MappedExe::link(own);
        let exe = MappedExe::open(&Exe::of(link.clone(), link)).unwrap();
        assert!(matches!(exe, MappedExe(Bytes::Mapped(_))));
        assert_eq!(exe.read(|bytes| bytes[..4].to_owned()), b"\x7fELF");
        assert!(Auxv::of(own).unwrap().entry.is_some());
    }
}
