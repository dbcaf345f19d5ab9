//! Builds the BPF object from the `bpf` package and makes it available to `include_bytes_aligned!`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use aya_build::{Package, Toolchain};

/// The pinned toolchain (rust-toolchain.toml): its LLVM is the one that bpf-linker was built for.
const TOOLCHAIN: &str = "1.98.0";

fn main() -> anyhow::Result<()> {
    // SAFETY: this build script is single-threaded here. The variable lets the pinned stable compiler build
    // `core` for BPF (`-Z build-std`); it reaches only the compiler runs that `build_ebpf` starts.
    unsafe { std::env::set_var("RUSTC_BOOTSTRAP", "1") };
    let root_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../bpf");
    aya_build::build_ebpf([Package { name: "bpf", root_dir, ..Package::default() }], Toolchain::Custom(TOOLCHAIN))
        .context("could not build the BPF object; `make setup` installs what it needs")?;
    strip_debug_info(&PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("bpf"));
    Ok(())
}

/// Removes the DWARF sections from the object and their relocations, which the loader would parse at each start; BTF stays.
fn strip_debug_info(path: &Path) {
    // Skipped by AYA_BUILD_SKIP.
    if !path.exists() {
        return;
    }
    for strip in ["/usr/lib/llvm-22/bin/llvm-strip", "llvm-strip-22", "llvm-strip"] {
        if Command::new(strip).arg("--strip-debug").arg(path).status().is_ok_and(|status| status.success()) {
            return;
        }
    }
    println!("cargo::warning=no llvm-strip found: the BPF object keeps its DWARF, which costs some milliseconds at each start");
}
