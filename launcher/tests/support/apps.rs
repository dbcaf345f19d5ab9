//! The Go programs below `tests/apps`, built on demand: `apps::build("http_server", GoVersion::GO_1_24, Variant::Default)`.
//!
//! A program is built at most once per change of its sources. Everything lies below `target/apps`, Go's build cache too;
//! file locks keep test processes that run at the same time apart. `scripts/go-std` fills the cache in advance. With `SHOW_TIMES`
//! set, each build says how long it took.

#![expect(clippy::expect_used, reason = "tests panic rather than return errors")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// A released Go toolchain; the `go` command fetches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GoVersion {
    pub(crate) minor: u16,
    pub(crate) patch: u16,
}

impl GoVersion {
    /// These two can be read but are not in [`Self::ALL`], which lists what is supported.
    pub(crate) const GO_1_18: Self = Self { minor: 18, patch: 10 };
    pub(crate) const GO_1_20: Self = Self { minor: 20, patch: 14 };
    pub(crate) const GO_1_21: Self = Self { minor: 21, patch: 13 };
    pub(crate) const GO_1_22: Self = Self { minor: 22, patch: 12 };
    pub(crate) const GO_1_23: Self = Self { minor: 23, patch: 12 };
    pub(crate) const GO_1_24: Self = Self { minor: 24, patch: 9 };
    pub(crate) const GO_1_25: Self = Self { minor: 25, patch: 4 };
    pub(crate) const GO_1_26: Self = Self { minor: 26, patch: 8 };
    pub(crate) const GO_1_27: Self = Self { minor: 27, patch: 3 };

    pub(crate) const ALL: [Self; 7] =
        [Self::GO_1_21, Self::GO_1_22, Self::GO_1_23, Self::GO_1_24, Self::GO_1_25, Self::GO_1_26, Self::GO_1_27];

    /// With which versions is tested what hardly depends on the version: the oldest and the newest; all
    /// of them with `TEST_ALL` (`make test-all`). What needs no version in particular is tested with 1.26, which needs no
    /// fetching; other ways to build than the plain ones take a standard library of their own, and are tested with these.
    pub(crate) fn sampled() -> &'static [Self] {
        const SAMPLED: &[GoVersion] = &[GoVersion::GO_1_21, GoVersion::GO_1_27];
        if tests_all() { &Self::ALL } else { SAMPLED }
    }

    /// Whether this is one of [`Self::sampled`].
    pub(crate) fn is_sampled(self) -> bool {
        Self::sampled().contains(&self)
    }

    /// As in `GOTOOLCHAIN` and in the build information.
    pub(crate) fn toolchain(self) -> String {
        format!("go1.{}.{}", self.minor, self.patch)
    }
}

/// Whether there is time for every combination.
pub(crate) fn tests_all() -> bool {
    std::env::var_os("TEST_ALL").is_some_and(|value| !value.is_empty())
}

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Variant {
    /// `CGO_ENABLED=0`, with a symbol table and uncompressed DWARF.
    Default,
    Stripped,
    Trimpath,
    Pie,
    PieStripped,
    /// The maps of Go 1.23; Go 1.24 and 1.25 only.
    NoSwissMap,
    Cgo,
    CgoPieStripped,
    /// With the race detector.
    Race,
    Arm64,
    Arm64Stripped,
    Arm64PieStripped,
    /// The program's own packages as the compiler makes them for a debugger.
    Unoptimized,
    Arm64Unoptimized,
}

impl Variant {
    /// The name of the standard library that it takes: those with the same one share what the compiler has made.
    /// `scripts/go-std` has the same names.
    fn standard_library(self) -> &'static str {
        match self {
            Self::Default | Self::Stripped | Self::Unoptimized => "default",
            Self::Trimpath => "trimpath",
            Self::Pie | Self::PieStripped => "pie",
            Self::NoSwissMap => "noswissmap",
            Self::Cgo => "cgo",
            Self::CgoPieStripped => "cgo-pie",
            Self::Race => "race",
            Self::Arm64 | Self::Arm64Stripped | Self::Arm64Unoptimized => "arm64",
            Self::Arm64PieStripped => "arm64-pie",
        }
    }

    /// The arguments of `go build`, and the environment.
    fn settings(self) -> (&'static [&'static str], &'static [(&'static str, &'static str)]) {
        const NO_CGO: &[(&str, &str)] = &[("CGO_ENABLED", "0")];
        const CGO: &[(&str, &str)] = &[("CGO_ENABLED", "1")];
        const ARM64: &[(&str, &str)] = &[("CGO_ENABLED", "0"), ("GOARCH", "arm64")];
        match self {
            Self::Default => (&["-ldflags=-compressdwarf=false"], NO_CGO),
            Self::Stripped => (&["-ldflags=-s -w"], NO_CGO),
            Self::Trimpath => (&["-trimpath", "-ldflags=-s -w"], NO_CGO),
            Self::Pie => (&["-buildmode=pie"], NO_CGO),
            Self::PieStripped => (&["-buildmode=pie", "-ldflags=-s -w"], NO_CGO),
            Self::NoSwissMap => (&["-ldflags=-s -w"], &[("CGO_ENABLED", "0"), ("GOEXPERIMENT", "noswissmap")]),
            Self::Cgo => (&["-ldflags=-linkmode=external"], CGO),
            Self::CgoPieStripped => (&["-buildmode=pie", "-ldflags=-linkmode=external -s -w"], CGO),
            Self::Race => (&["-race", "-ldflags=-s -w"], CGO),
            Self::Arm64 => (&[], ARM64),
            Self::Arm64Stripped => (&["-ldflags=-s -w"], ARM64),
            Self::Arm64PieStripped => (&["-buildmode=pie", "-ldflags=-s -w"], ARM64),
            Self::Unoptimized => (&["-ldflags=-compressdwarf=false", "-gcflags=-N -l"], NO_CGO),
            Self::Arm64Unoptimized => (&["-ldflags=-compressdwarf=false", "-gcflags=-N -l"], ARM64),
        }
    }
}

/// A module file of a program, which requires another version of a library than its `go.mod` (`make libraries` writes them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModuleFile {
    /// Relative to the program's folder.
    path: String,
    /// The lowest minor version of Go that it allows.
    minor: u16,
}

impl ModuleFile {
    /// Those of `tests/apps/<app>`, by library and version, for every version of the libraries in `tests/libraries`.
    pub(crate) fn all(app: &str) -> Vec<Self> {
        let folder = workspace().join("tests/apps").join(app);
        let names = fs::read_dir(folder.join("versions")).expect("the program has module files").map(|entry| {
            let name = entry.expect("the folder can be read").file_name();
            name.into_string().expect("names are text")
        });
        let mut names: Vec<String> = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "mod")).collect();
        // By library, the oldest version first.
        names.sort_by_key(|name| version(name));
        names.into_iter().map(|name| Self::read(app, &name)).collect()
    }

    /// `versions/<name>.mod`, with versions of all libraries of the program.
    pub(crate) fn named(app: &str, name: &str) -> Self {
        Self::read(app, &format!("{name}.mod"))
    }

    fn read(app: &str, name: &str) -> Self {
        let path = format!("versions/{name}");
        let file = workspace().join("tests/apps").join(app).join(&path);
        let text = fs::read_to_string(file).expect("module files can be read");
        let line = text.lines().find_map(|line| line.strip_prefix("go 1.")).expect("module files name their Go");
        let minor = line.split('.').next().and_then(|minor| minor.parse().ok()).expect("a minor version");
        Self { path, minor }
    }

    /// Those of one library, by the beginning of its name and version: `pgx-v5`.
    pub(crate) fn of(app: &str, library: &str) -> Vec<Self> {
        let mut files = Self::all(app);
        files.retain(|file| file.path.starts_with(&format!("versions/{library}")));
        assert!(!files.is_empty(), "{app} has no module files for {library}");
        files
    }

    /// The library's version.
    pub(crate) fn version(&self) -> Vec<u32> {
        version(self.path.trim_start_matches("versions/")).1
    }

    /// The oldest and the newest of the tested versions of Go that it allows.
    pub(crate) fn go_versions(&self) -> [GoVersion; 2] {
        let allowed = |version: &&GoVersion| version.minor >= self.minor;
        let oldest = GoVersion::ALL.iter().find(allowed).expect("a tested version of Go is new enough");
        [*oldest, GoVersion::GO_1_27]
    }
}

/// Library and version of a module file.
fn version(name: &str) -> (String, Vec<u32>) {
    let (library, version) = name.trim_end_matches(".mod").rsplit_once("-v").expect("names end with a version");
    let numbers = version.split('.').map(|number| number.parse().expect("versions are numbers"));
    (library.to_owned(), numbers.collect())
}

/// Program, version, variant, module file, build tag.
type Key = (String, GoVersion, Variant, Option<String>, Option<String>);
static BUILT: LazyLock<Mutex<HashMap<Key, Arc<OnceLock<PathBuf>>>>> = LazyLock::new(Mutex::default);

/// The root of the repository.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

/// The executable of `tests/apps/<app>`.
///
/// A module that needs another `go` line for Go 1.22 and newer has a second file `go122.mod`.
pub(crate) fn build(app: &str, version: GoVersion, variant: Variant) -> PathBuf {
    let module_file = "go122.mod";
    let has_file = version >= GoVersion::GO_1_22 && workspace().join("tests/apps").join(app).join(module_file).exists();
    build_from(app, version, variant, has_file.then_some(module_file), None)
}

/// The same with a version of a library.
pub(crate) fn build_with(app: &str, version: GoVersion, variant: Variant, module_file: &ModuleFile) -> PathBuf {
    build_from(app, version, variant, Some(&module_file.path), None)
}

/// The executable of a program that a test has written: its files by path in its folder.
pub(crate) fn build_files(app: &str, files: &[(&str, &str)], version: GoVersion, variant: Variant) -> PathBuf {
    static WRITING: Mutex<()> = Mutex::new(());
    let sources = workspace().join("target/apps/sources").join(app);
    let writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    fs::create_dir_all(&sources).expect("target/apps can be written");
    for (name, text) in files {
        let path = sources.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("target/apps can be written");
        fs::write(path, text).expect("target/apps can be written");
    }
    drop(writing);
    let key = (app.to_owned(), version, variant, None, None);
    let cell = BUILT.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
    cell.get_or_init(|| build_once(app, &sources, version, variant, (None, None))).clone()
}

/// The same of a program that is one of several, by a build tag; with the versions of `go.mod` unless there is a module file.
pub(crate) fn build_tagged(
    app: &str,
    version: GoVersion,
    variant: Variant,
    tag: &str,
    module_file: Option<&ModuleFile>,
) -> PathBuf {
    build_from(app, version, variant, module_file.map(|file| &*file.path), Some(tag))
}

fn build_from(app: &str, version: GoVersion, variant: Variant, module_file: Option<&str>, tag: Option<&str>) -> PathBuf {
    let key = (app.to_owned(), version, variant, module_file.map(str::to_owned), tag.map(str::to_owned));
    let cell = BUILT.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
    let sources = workspace().join("tests/apps").join(app);
    cell.get_or_init(|| build_once(app, &sources, version, variant, (module_file, tag))).clone()
}

fn build_once(
    app: &str,
    sources: &Path,
    version: GoVersion,
    variant: Variant,
    (module_file, tag): (Option<&str>, Option<&str>),
) -> PathBuf {
    let apps = workspace().join("target/apps");
    let output_dir = apps.join(app);
    fs::create_dir_all(&output_dir).expect("target/apps can be written");
    let library = module_file.and_then(|path| path.strip_prefix("versions/")?.strip_suffix(".mod"));
    let built = format!("{}-{variant:?}", version.toolchain());
    let name: Vec<&str> = [Some(&*built), tag, library].into_iter().flatten().collect();
    let output = output_dir.join(name.join("-"));
    let stamp = output.with_added_extension("stamp");

    // Nothing is compiled twice at the same time, and what has been compiled is not waited for.
    let locks = apps.join("locks");
    fs::create_dir_all(&locks).expect("target/apps can be written");
    let name = format!("{}-{}", version.toolchain(), variant.standard_library());
    let lock = File::create(locks.join(name)).expect("target/apps can be written");
    lock.lock().expect("the lock file can be locked");

    let wanted = stamp_of(sources, variant);
    if output.exists() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return output;
    }
    let (arguments, environment) = variant.settings();
    let mut command = Command::new("go");
    command.args(["build", "-p", "1"]).args(arguments);
    if let Some(file) = module_file {
        command.arg(format!("-modfile={file}"));
    }
    if let Some(tag) = tag {
        command.arg(format!("-tags={tag}"));
    }
    command
        .arg("-o")
        .arg(&output)
        .arg(".")
        .current_dir(sources)
        .env("GOTOOLCHAIN", version.toolchain())
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOWORK", "off")
        .env("GOCACHE", apps.join("gocache"))
        .envs(COMPILER_MEMORY)
        .envs(environment.iter().copied());
    let begin = Instant::now();
    let status = command.status().expect("the go command is installed");
    assert!(status.success(), "{command:?} failed: {status}");
    if std::env::var_os("SHOW_TIMES").is_some() {
        let seconds = begin.elapsed().as_secs_f64();
        writeln!(std::io::stderr(), "{}: built in {seconds:.1} s", output.display()).expect("standard error is open");
    }
    fs::write(&stamp, wanted).expect("target/apps can be written");
    output
}

/// Memory for time: the compiler's own garbage collection is a third of its work, for which most packages are too small.
const COMPILER_MEMORY: [(&str, &str); 2] = [("GOGC", "off"), ("GOMEMLIMIT", "1GiB")];

/// Everything that the output depends on, as text.
fn stamp_of(sources: &Path, variant: Variant) -> String {
    let mut text = format!("{:?}\n", variant.settings());
    let mut folders = vec![sources.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the application's folder can be read") {
            let path = entry.expect("the application's folder can be read").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    for file in files {
        let contents = fs::read(&file).expect("sources can be read");
        writeln!(text, "{} {}", file.display(), hash(&contents)).expect("strings can be written");
    }
    text
}

/// FNV-1a, which unlike the standard library's hash is the same in every version.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
