//! Builds the BPF object from the `bpf` package and makes it available to `include_bytes_aligned!`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use aya_build::{Package, Toolchain};
use object::{Object as _, ObjectSection as _};

/// The pinned toolchain (rust-toolchain.toml): its LLVM is the one that bpf-linker was built for.
const TOOLCHAIN: &str = "1.98.0";

/// With this variable set the BPF object keeps its source lines, which the verifier's log then has between the instructions.
const LINES: &str = "BPF_SOURCE_LINES";
/// Where the header of `.BTF.ext` has the length of the source lines (`struct btf_ext_header`, `tools/lib/bpf/libbpf_internal.h`).
const LINES_LENGTH: usize = 20;

fn main() -> anyhow::Result<()> {
    // SAFETY: this build script is single-threaded here. The variable lets the pinned stable compiler build
    // `core` for BPF (`-Z build-std`); it reaches only the compiler runs that `build_ebpf` starts.
    unsafe { std::env::set_var("RUSTC_BOOTSTRAP", "1") };
    let root_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../bpf");
    aya_build::build_ebpf([Package { name: "bpf", root_dir, ..Package::default() }], Toolchain::Custom(TOOLCHAIN))
        .context("could not build the BPF object; `make setup` installs what it needs")?;
    println!("cargo::rerun-if-env-changed={LINES}");
    let object = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("bpf");
    // Skipped by AYA_BUILD_SKIP.
    if object.exists() {
        strip_debug_info(&object);
        if std::env::var_os(LINES).is_none() {
            drop_lines(&object).with_context(|| format!("could not drop the source lines of {}", object.display()))?;
        }
    }
    Ok(())
}

/// Removes the DWARF sections from the object and their relocations, which the loader would parse at each start; BTF stays.
fn strip_debug_info(path: &Path) {
    for strip in ["/usr/lib/llvm-22/bin/llvm-strip", "llvm-strip-22", "llvm-strip"] {
        if Command::new(strip).arg("--strip-debug").arg(path).status().is_ok_and(|status| status.success()) {
            return;
        }
    }
    println!("cargo::warning=no llvm-strip found: the BPF object keeps its DWARF, which costs some milliseconds at each start");
}

/// Says in `.BTF.ext` that there are no source lines: the loader would copy them into each program at each start, and the kernel move
/// them whenever it rewrites an instruction. The functions stay, which the kernel needs for those that are verified by themselves.
fn drop_lines(path: &Path) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(path)?;
    let file = object::File::parse(&*bytes)?;
    let section = file.section_by_name(".BTF.ext").context("no section .BTF.ext")?;
    let (start, _) = section.file_range().context("no bytes in .BTF.ext")?;
    let at = usize::try_from(start)? + LINES_LENGTH;
    bytes.get_mut(at..at + 4).context(".BTF.ext ends in its header")?.fill(0);
    std::fs::write(path, bytes)?;
    Ok(())
}
