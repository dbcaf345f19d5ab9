//! Builds the probe bodies twice: the BPF object from the `bpf` package, and from `native` the code that the native engine places into
//! programs. Both are embedded into the launcher.

#[path = "build/stack.rs"]
mod stack;

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
    build_native_code().context("could not build the code of the native engine")?;
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

/// Directories whose change means that the native code is built again.
const NATIVE_SOURCES: [&str; 3] = ["../native/src", "../native/blob.ld", "../bpf/src"];
/// Where the blob's head says whether faults are planted.
const PLANTED: usize = 12;
/// Bodies take no more of a thread's own stack, which has 16 KiB where Go has made it; the handler of signals looks for the hit's frame
/// twice as far (`native/src/blob/signals.rs`).
const MAX_STACK: u64 = 4 << 10;
/// The code takes no more bytes: what grows beyond is a mistake of the build.
const MAX_CODE: u64 = 256 << 10;

/// Builds `native`'s blob for a machine without an operating system, and writes it as one piece, `blob.bin`: its bytes from address zero to
/// the place of the configuration. Nothing in it may need a loader.
fn build_native_code() -> anyhow::Result<()> {
    for source in NATIVE_SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    let package = manifest.join("../native");
    let machine = match std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => Some(&AMD64),
        Ok("aarch64") => Some(&ARM64),
        _ => None,
    };
    // With faults that tests plant; not in a release.
    let is_tested = std::env::var("PROFILE").as_deref() == Ok("debug");
    let code = |machine: Option<&Machine>, is_planted| match machine {
        Some(machine) => native_code(machine, &package, &out.join("native"), is_planted),
        None => Ok(Vec::new()),
    };
    std::fs::write(out.join("planted.bin"), code(machine.filter(|_| is_tested), true)?)?;
    Ok(std::fs::write(out.join("blob.bin"), code(machine, false)?)?)
}

/// What the code is built for.
struct Machine {
    target: &'static str,
    flags: &'static [&'static str],
}

const AMD64: Machine = Machine { target: "x86_64-unknown-none", flags: &[] };
/// The goroutine, by which the runtime knows where a signal has come, is in R28 and nowhere else.
const ARM64: Machine = Machine { target: "aarch64-unknown-none-softfloat", flags: &["-Ctarget-feature=+reserve-x28"] };

/// The blob's bytes, with faults that tests plant or without.
fn native_code(machine: &Machine, package: &Path, target: &Path, is_planted: bool) -> anyhow::Result<Vec<u8>> {
    let script = format!("-Clink-arg=-T{}", package.join("blob.ld").display());
    let mut flags = vec![
        "-Crelocation-model=pic",
        "-Ccode-model=small",
        "-Zplt=yes",
        "-Zdirect-access-external-data=yes",
        "-Zdefault-visibility=hidden",
        "-Zunstable-options",
        "-Zemit-stack-sizes",
        "-Cpanic=immediate-abort",
        "-Clink-arg=--no-dynamic-linker",
        "-Clink-arg=-no-pie",
        &script,
    ];
    flags.extend(machine.flags);
    let mut cargo = Command::new("rustup");
    cargo
        .args(["run", TOOLCHAIN, "cargo", "build", "--release", "--bin", "blob", "--target", machine.target])
        .args(["-Zbuild-std=core,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .args(if is_planted { ["--features", "planted"].as_slice() } else { &[] })
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("RUSTC_BOOTSTRAP", "1");
    // What cargo has set for this build is not for that one.
    for variable in ["RUSTC", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO", "RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    anyhow::ensure!(cargo.status().context("rustup")?.success(), "cargo has failed");
    let elf = target.join(machine.target).join("release/blob");
    let bytes = std::fs::read(&elf)?;
    let code = flattened(&bytes).with_context(|| elf.display().to_string())?;
    let taken = stack::depth(&bytes).with_context(|| elf.display().to_string())?;
    anyhow::ensure!(taken <= MAX_STACK, "{} takes {taken} bytes of a stack, more than {MAX_STACK}", elf.display());
    // The head says which one it is (`native/src/blob/entry.rs`).
    let said = code.get(PLANTED..PLANTED + 4).context("the head is short")?;
    anyhow::ensure!(said == u32::from(is_planted).to_le_bytes(), "{} has faults planted: {said:?}", elf.display());
    Ok(code)
}

/// Whether nothing writes R28, arm64: it is in no instruction but a branch where the register is that most of them write.
fn keeps_goroutine(text: &[u8]) -> bool {
    let words = text.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    words.into_iter().all(|word| word & 31 != 28 || word >> 26 & 7 == 5)
}

/// The sections of the code one behind the other, as they lie in memory; the last one, `.end`, marks the end.
fn flattened(elf: &[u8]) -> anyhow::Result<Vec<u8>> {
    let file = object::File::parse(elf)?;
    let (mut code, mut end) = (Vec::new(), None);
    for section in file.sections() {
        let name = section.name()?;
        anyhow::ensure!(section.relocations().next().is_none(), "section {name} has relocations");
        match name {
            ".head" | ".entry" | ".text" | ".faults" | ".rodata" => {
                let keeps =
                    file.architecture() != object::Architecture::Aarch64 || name != ".text" || keeps_goroutine(section.data()?);
                anyhow::ensure!(keeps, "the compiler uses R28, in which Go has the goroutine");
                code.resize(usize::try_from(section.address())?, 0);
                code.extend_from_slice(section.data()?);
            }
            ".end" => end = Some(section.address()),
            // Of the file alone.
            ".stack_sizes" | ".shstrtab" | ".symtab" | ".strtab" | "" => {}
            other => anyhow::bail!("there is a section {other}: the code must have no data of its own and need no loader"),
        }
    }
    let end = end.context("no section .end")?;
    anyhow::ensure!(end <= MAX_CODE, "{end} bytes are more than expected");
    code.resize(usize::try_from(end)?, 0);
    Ok(code)
}
