//! The build information that the Go linker embeds: Go version, modules with their versions, build settings.
//!
//! Versions are for the cases in which behaviour differs; offsets never come from them.

use serde::Serialize;

use super::bytes::{u8_at, u64_at, varint_string};
use super::image::Image;
use super::{BinaryError, VirtAddr};

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Length of the header; inline strings follow it.
const HEADER_LEN: usize = 32;
/// Flag in byte 15: the strings are inline (Go 1.18 and newer).
const INLINE_STRINGS: u8 = 2;
/// `go1.27.3 X:` and the names of experiments; error messages repeat it.
const MAX_VERSION: usize = 512;
/// `-ldflags` may make the module text long, but not this long.
const MAX_LINES: usize = 65_536;

/// What the program says about how it was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BuildInfo {
    /// The Go version; `None` if the program carries no build information.
    pub go_version: Option<GoVersion>,
    /// Import path of the main package.
    pub path: Option<String>,
    /// The main module.
    pub main: Option<Module>,
    /// The modules that the program was linked from, in the order of the file.
    pub deps: Vec<Dependency>,
    /// Build settings such as `GOARCH`, `-ldflags`, `CGO_ENABLED`, `vcs.revision`.
    pub settings: Vec<(String, String)>,
}

/// A Go version as embedded, for example `go1.24.9 X:noswissmap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GoVersion {
    /// The text in the file.
    pub raw: String,
    /// Major, minor, patch, where the text has that form; not for `devel` builds.
    pub release: Option<(u16, u16, u16)>,
    /// The experiments named behind ` X:` in which the toolchain differs from its default.
    pub experiments: Vec<String>,
}

/// A module and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Module {
    /// Module path.
    pub path: String,
    /// Version; empty or `(devel)` if there is none.
    pub version: String,
    /// Checksum; empty when built from a vendor directory or a local directory.
    pub sum: String,
}

/// A module the program depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// What `go.mod` requires.
    pub module: Module,
    /// What it was built from instead (`replace` directive).
    pub replaced_by: Option<Module>,
}

impl Dependency {
    /// The version of the code that was linked; `None` if that is a local directory, whose version nobody knows.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let used = self.replaced_by.as_ref().unwrap_or(&self.module);
        let local = self.replaced_by.is_some() && used.path.starts_with(['.', '/']);
        (!local && !used.version.is_empty() && used.version != "(devel)").then_some(used.version.as_str())
    }
}

impl GoVersion {
    fn parse(raw: &str) -> Self {
        let (version, experiments) = raw.split_once(" X:").unwrap_or((raw, ""));
        Self {
            raw: raw.to_owned(),
            release: release(version),
            experiments: experiments.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        }
    }

    /// Whether this is known to be older than Go `major.minor`.
    #[must_use]
    pub fn is_before(&self, major: u16, minor: u16) -> bool {
        self.release.is_some_and(|(a, b, _)| (a, b) < (major, minor))
    }
}

/// `go1.24.9`, `go1.24`, `go1.25rc1`, `go1.24.1-vendor`: the numbers in front.
fn release(version: &str) -> Option<(u16, u16, u16)> {
    let mut parts = version.strip_prefix("go")?.splitn(3, '.');
    let major = parts.next()?.parse().ok()?;
    let mut number = || {
        let part = parts.next()?;
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits)?.parse().ok()
    };
    let minor = number()?;
    Some((major, minor, number().unwrap_or(0)))
}

impl BuildInfo {
    /// Whether the program was linked with an exporter of OpenTelemetry's that sends: for OTLP, or Zipkin.
    #[must_use]
    pub fn has_exporter(&self) -> bool {
        const EXPORTERS: [&str; 2] = ["go.opentelemetry.io/otel/exporters/otlp/", "go.opentelemetry.io/otel/exporters/zipkin"];
        self.deps.iter().any(|dependency| EXPORTERS.iter().any(|exporter| dependency.module.path.starts_with(exporter)))
    }

    /// The version and settings text of the whole program, or nothing at all.
    ///
    /// # Errors
    /// The record is there, but damaged.
    pub(super) fn find(image: &Image<'_>) -> Result<Option<Self>, BinaryError> {
        let Some((address, record)) = locate(image) else {
            return Ok(None);
        };
        let corrupt = || BinaryError::Corrupt { what: "the Go build information", address };
        let (version, modules) = strings(image, record).ok_or_else(corrupt)?;
        let mut info = Self { go_version: Some(GoVersion::parse(&version)), ..Self::default() };
        info.read_modules(&modules);
        Ok(Some(info))
    }

    /// Reads the lines `path`, `mod`, `dep`, `=>` and `build`.
    fn read_modules(&mut self, text: &str) {
        for line in text.lines().take(MAX_LINES) {
            let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
            match kind {
                "path" => self.path = Some(rest.to_owned()),
                "mod" => self.main = Some(module(rest)),
                "dep" => self.deps.push(Dependency { module: module(rest), replaced_by: None }),
                "=>" => {
                    if let Some(dependency) = self.deps.last_mut() {
                        dependency.replaced_by = Some(module(rest));
                    }
                }
                "build" => {
                    let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
                    self.settings.push((key.to_owned(), unquote(value)));
                }
                _ => {}
            }
        }
    }

    /// The value of the build setting `key`.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The dependency whose module path (before replacement) is `path`.
    #[must_use]
    pub fn dependency(&self, path: &str) -> Option<&Dependency> {
        self.deps.iter().find(|dependency| dependency.module.path == path)
    }
}

fn module(columns: &str) -> Module {
    let mut columns = columns.split('\t').map(str::to_owned);
    let mut next = || columns.next().unwrap_or_default();
    Module { path: next(), version: next(), sum: next() }
}

/// Values with spaces or quotes are written as Go string literals; only the simple escapes occur in them.
fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.trim_matches('`').to_owned();
    };
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

/// Finds the record by its section, else by its magic number at 16-byte steps of the segments.
fn locate<'a>(image: &Image<'a>) -> Option<(VirtAddr, &'a [u8])> {
    if let Some((address, data)) = image.section(".go.buildinfo").filter(|(_, data)| data.starts_with(MAGIC)) {
        return Some((address, image.bytes_from(address).unwrap_or(data)));
    }
    image.segments_data_first().find_map(|segment| {
        // Steps are aligned by address, which equals the file's alignment modulo the page size.
        let skip = usize::try_from(segment.address.wrapping_neg() & 15).ok()?;
        let data = segment.data.get(skip..)?;
        let index = data.chunks(16).position(|chunk| chunk.starts_with(MAGIC))?;
        let record = data.get(index * 16..)?;
        let distance = u64::try_from(skip + index * 16).ok()?;
        Some((VirtAddr(segment.address).checked_add(distance)?, record))
    })
}

/// The two strings: Go version and module text. Before Go 1.18 they are reached by pointers and only the first is read.
fn strings(image: &Image<'_>, record: &[u8]) -> Option<(String, String)> {
    if u8_at(record, 15)? & INLINE_STRINGS == 0 {
        let header = image.bytes_from(VirtAddr(u64_at(record, 16)?))?;
        let len = u64_at(header, 8).filter(|len| usize::try_from(*len).is_ok_and(|len| len <= MAX_VERSION))?;
        let text = image.bytes(VirtAddr(u64_at(header, 0)?), len)?;
        return Some((String::from_utf8(text.to_vec()).ok()?, String::new()));
    }
    let (version, rest) = varint_string(record.get(HEADER_LEN..)?)?;
    let (modules, _) = varint_string(rest)?;
    (version.len() <= MAX_VERSION).then_some(())?;
    // The text stands between two 16-byte sentinels.
    let modules = modules.len().checked_sub(32).and_then(|len| modules.get(16..16 + len)).unwrap_or_default();
    Some((String::from_utf8(version.to_vec()).ok()?, String::from_utf8_lossy(modules).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_forms() {
        let parsed = |raw| GoVersion::parse(raw).release;
        assert_eq!(parsed("go1.24.9"), Some((1, 24, 9)));
        assert_eq!(parsed("go1.21"), Some((1, 21, 0)));
        assert_eq!(parsed("go1.27rc2"), Some((1, 27, 0)));
        assert_eq!(parsed("go1.24.1-fips"), Some((1, 24, 1)));
        assert_eq!(parsed("devel go1.28-abcdef Mon"), None);
        let version = GoVersion::parse("go1.24.9 X:noswissmap,synchashtriemap");
        assert_eq!(version.release, Some((1, 24, 9)));
        assert_eq!(version.experiments, ["noswissmap", "synchashtriemap"]);
        assert!(GoVersion::parse("go1.17.13").is_before(1, 18));
        assert!(!GoVersion::parse("go1.18").is_before(1, 18));
        assert!(!GoVersion::parse("devel").is_before(1, 18));
    }

    #[test]
    fn modules_replacements_and_settings() {
        let mut info = BuildInfo::default();
        info.read_modules(
            "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\texample.com/a\tv1.0.0\th1:x=\n\
             dep\texample.com/b\tv1.2.3\n=>\t../b\t(devel)\t\ndep\texample.com/c\tv1.2.3\n=>\tfork.org/c\tv1.9.0\th1:y=\n\
             build\tGOOS=linux\nbuild\t-ldflags=\"-X \\\"a=b\\\"\"\nunknown\tline\n=>\n",
        );
        assert_eq!(info.path.as_deref(), Some("example.com/app"));
        assert_eq!(info.dependency("example.com/a").and_then(Dependency::version), Some("v1.0.0"));
        assert_eq!(info.dependency("example.com/b").and_then(Dependency::version), None);
        assert_eq!(info.setting("GOOS"), Some("linux"));
        assert_eq!(info.setting("-ldflags"), Some("-X \"a=b\""));
        assert_eq!(info.deps.len(), 3);
    }

    #[test]
    fn a_replacement_gives_the_version_of_the_code() {
        let mut info = BuildInfo::default();
        info.read_modules("dep\texample.com/c\tv1.2.3\n=>\tfork.org/c\tv1.9.0\th1:y=\n");
        assert_eq!(info.deps.first().and_then(Dependency::version), Some("v1.9.0"));
    }
}
