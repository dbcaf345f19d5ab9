//! `--check`, `--supported-versions` and the reasons for not tracing, against the real launcher and real binaries.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::apps::{self, GoVersion, Variant};
use support::server::launcher;

fn check(args: &[&str], program: &Path) -> Output {
    launcher().arg("--check").args(args).arg(program).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What does not depend on the machine: no path, no addresses, nothing of the kernel.
fn lasting(report: &str) -> String {
    let mut lines = String::new();
    for line in report.lines().filter(|line| !line.starts_with("kernel ") && !line.starts_with("here ")) {
        let line = if line.starts_with("program ") { "program       …" } else { line };
        let words = line.split(' ').map(|word| if word.starts_with("0x") { "0x…" } else { word });
        lines.push_str(&words.collect::<Vec<_>>().join(" "));
        lines.push('\n');
    }
    lines
}

/// The reports of three versions and both engines, as reviewed. `UPDATE_GOLDEN=1 cargo test --test check` writes them anew.
#[test]
fn reports_are_as_reviewed() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27] {
        for engine in ["native", "bpf"] {
            let app = apps::build("http_server", version, Variant::Stripped);
            let output = check(&["--verbose", "--engine", engine], &app);
            assert!(output.status.success());
            let report = lasting(&text(&output.stdout));
            let name = format!("tests/golden/check-{engine}-{}.txt", version.toolchain());
            let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&golden, &report).unwrap();
            }
            assert_eq!(report, std::fs::read_to_string(&golden).unwrap(), "{}", golden.display());
        }
    }
}

/// Every probe that is hit often stands on an instruction that the kernel emulates: not the end of the program, nor redirects.
#[test]
fn json_names_every_probe() {
    let output = check(&["--json", "--engine", "bpf"], &apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["go"]["go_version"], "go1.26.8");
    let planned = &report["go"]["plan"]["planned"][0];
    assert_eq!(planned["name"], "net/http/server");
    let probes = planned["probes"].as_array().unwrap();
    let sites = |body: &str| -> Vec<(&serde_json::Value, &serde_json::Value)> {
        let of_body = probes.iter().filter(|probe| probe["body"] == body);
        of_body.flat_map(|probe| probe["sites"].as_array().unwrap().iter().map(move |site| (probe, site))).collect()
    };
    let (of_server, of_route) = (sites("http_server"), sites("http_route"));
    assert_eq!(of_server.len(), 7, "{probes:?}");
    let often = of_server.iter().filter(|(probe, _)| probe["function"] != "runtime.exit");
    assert!(often.into_iter().all(|(_, site)| site["cost"] == "emulated"), "{probes:?}");
    // The one way on which a handler is found.
    assert!(of_route.iter().any(|(_, site)| site["instruction"] == "jump" && site["cost"] == "emulated"), "{probes:?}");
    assert!(of_route.iter().all(|(_, site)| site["cost"] == "emulated" || site["instruction"] == "return"), "{probes:?}");
    assert_eq!(planned["missing"].as_array().unwrap().len(), 0, "{planned}");
}

/// The answer: what stands before the first empty line.
fn answer(program: &Path) -> Vec<String> {
    let report = text(&check(&[], program).stdout);
    let answer: Vec<String> = report.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect();
    assert!(answer.len() <= 22, "{report}");
    answer
}

/// Each of these is the beginning of a line, in this order, and there is no other line.
fn assert_lines(answer: &[String], beginnings: &[&str]) {
    let fit = answer.iter().zip(beginnings).all(|(line, beginning)| line.starts_with(beginning));
    assert!(fit && answer.len() == beginnings.len(), "{answer:#?}");
}

#[test]
fn the_report_begins_with_the_answer() {
    let lines = answer(&apps::build("parentage", GoVersion::GO_1_26, Variant::Stripped));
    assert_lines(
        &lines,
        &[
            "program       /",
            "traced        net/http/server: 13 probes",
            "traced        net/http/client: ",
            "traced        go.opentelemetry.io/otel: 1 probes",
            "traced        github.com/gin-gonic/gin: 1 probes",
            "missing       go.opentelemetry.io/otel: spans that the program starts: its version of go.opentelemetry.io/otel",
            "missing       go.opentelemetry.io/otel: what the program adds to the current span: the program has no type",
            "here          would do",
            "engine        native",
            "sdk           join: the program's own spans and ours make one trace",
            "cost          net/http/server: 2 hits for each operation (start, end), 1 ",
            "cost          net/http/client: 3 hits for each operation (start, inject, end); by detours",
            "cost          go.opentelemetry.io/otel: 1 for each call",
            "cost          github.com/gin-gonic/gin: 1 where more is known of an operation; by detours",
            "cost          parents: 1 for each go statement; by detours",
            // Of its many modules those that the catalog knows.
            "module        github.com/gin-gonic/gin v",
            "module        go.opentelemetry.io/otel v",
            "module        go.opentelemetry.io/otel/sdk v",
            "module        go.opentelemetry.io/otel/trace v",
            "module        golang.org/x/net v",
            "go            go1.26.8 for amd64, main module example.test/parentage",
            "kernel        Linux ",
        ],
    );
    assert!(lines[2].ends_with(" detours"), "{}", lines[2]);

    let server = answer(&apps::build("http_server", GoVersion::GO_1_27, Variant::Stripped));
    assert_lines(
        &server,
        &["program ", "traced ", "not traced    net/http/client: ", "here ", "engine ", "cost ", "go ", "kernel "],
    );
    let without = answer(&apps::build("plain", GoVersion::GO_1_26, Variant::Stripped));
    assert_lines(
        &without,
        &["program ", "not traced    net/http/server: the program has no ", "not traced ", "here ", "engine ", "go ", "kernel "],
    );
    assert_lines(&answer(Path::new("/bin/ls")), &["program ", "not traced    not a Go program", "kernel "]);
    let shell = answer(Path::new("/bin/sh"));
    assert_lines(&shell, &["program ", "not traced    sh is there to start others: a launch follows it, and ", "kernel "]);
}

/// What one engine carries and the other does not is said of programs that it matters to.
#[test]
fn what_bpf_does_not_carry_is_said() {
    let app = apps::build("services", GoVersion::GO_1_27, Variant::Stripped);
    let says = |engine: &str| {
        let output = check(&["--engine", engine], &app);
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("a trace context that a proxy copies into a request by HTTP/1 is sent as it came")
    };
    assert_eq!(["native", "bpf"].map(says), [false, true]);
}

/// What lies in the way of a launch is said, and what is there is looked at.
#[test]
fn what_would_keep_a_launch_from_tracing_is_said() {
    let app = apps::build("http_server", GoVersion::GO_1_27, Variant::Stripped);
    let disabled = launcher().arg("--check").arg(&app).env("OTEL_SDK_DISABLED", "true").output().unwrap();
    assert!(text(&disabled.stdout).contains("\nhere          would not do: OTEL_SDK_DISABLED is true\n"));
    let folder = tempfile::tempdir().unwrap();
    // Somebody's own program, whatever it is called.
    let (copy, script) = (folder.path().join("gosu"), folder.path().join("start.sh"));
    std::fs::copy(&app, &copy).unwrap();
    std::fs::write(&script, "#!/bin/sh\nexec /app\n").unwrap();
    for file in [&copy, &script] {
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    }
    let answer = answer(&copy);
    assert!(answer.iter().any(|line| line.starts_with("traced        net/http/server: ")), "{answer:#?}");
    assert!(answer.iter().any(|line| line.ends_with("/gosu is not executable; chmod +x it")), "{answer:#?}");
    let script = check(&[], &script);
    assert_eq!(script.status.code(), Some(1));
    assert!(text(&script.stdout).contains("\nnot traced    a script: a launch follows its interpreter, and "));
    let directory = check(&[], folder.path());
    assert_eq!(directory.status.code(), Some(126));
    assert!(text(&directory.stderr).ends_with(": a directory; name the Go program's file\n"));
}

/// As `cost.rs` measures them.
#[test]
fn hits_are_counted_for_every_version() {
    for version in GoVersion::ALL {
        let app = apps::build("headers", version, Variant::Stripped);
        let report: serde_json::Value = serde_json::from_slice(&check(&["--json"], &app).stdout).unwrap();
        let prices = report["go"]["prices"].as_array().unwrap();
        for (price, (name, hits)) in prices.iter().zip([("net/http/server", 2), ("net/http/client", 3)]) {
            assert_eq!((price["name"].as_str(), price["each_operation"].as_array().map(Vec::len)), (Some(name), Some(hits)));
        }
        assert_eq!((prices.len(), &prices[2]["besides"][0]), (3, &"go_statement".into()), "{version:?}: {prices:?}");
        assert_eq!(report["go"]["known_modules"][0]["probed_by"][0], "net/http/client", "{version:?}");
    }
}

/// Where the output is a terminal, lines end at its width, and what is continued stands below its column.
#[test]
fn a_terminals_width_is_kept() {
    let app = apps::build("headers", GoVersion::GO_1_26, Variant::Stripped);
    let size = nix::pty::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = nix::pty::openpty(&size, None).unwrap();
    let child = launcher().arg("--check").arg(&app).stdout(pty.slave).spawn();
    let mut child = child.unwrap();
    let (mut shown, mut master) = (Vec::new(), std::fs::File::from(pty.master));
    // A terminal that nobody has open any more reads as an error.
    let _ended = std::io::Read::read_to_end(&mut master, &mut shown);
    assert!(child.wait().unwrap().success());
    let shown = text(&shown);
    let whole = text(&check(&[], &app).stdout);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&shown), words(&whole), "no word is broken");
    assert!(whole.lines().any(|line| line.len() > 80), "{whole}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.contains("\r\n              "), "{shown}");
}

#[test]
fn what_cannot_be_traced_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (program, why) in
        [(Path::new("/bin/ls"), "not a Go program"), (&script, "not traced    a script: a launch follows its interpreter")]
    {
        let output = check(&[], program);
        assert_eq!(output.status.code(), Some(1), "{}", program.display());
        assert!(text(&output.stdout).contains(why), "{}: {}", program.display(), text(&output.stdout));
    }
    let output = check(&[], Path::new("/no/such/program"));
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("/no/such/program"), "{}", text(&output.stderr));
}

#[test]
fn an_instrumentation_can_be_switched_off() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let output = launcher().env("OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS", "net/http").arg("--check").arg(app).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("switched off"), "{}", text(&output.stdout));
}

#[test]
fn arm64_programs_can_be_checked() {
    let output = check(&[], &apps::build("http_server", GoVersion::GO_1_27, Variant::Arm64Stripped));
    assert!(text(&output.stdout).contains("go1.27.3 for arm64"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("\nhere          would not do: only programs for amd64"), "{}", text(&output.stdout));
}

/// A program that is not traced runs as if alone: same output, same status, one line that says why.
fn runs_untraced(mut command: Command, why: &str) {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "out\n");
    let lines: Vec<String> = text(&output.stderr).lines().map(str::to_owned).collect();
    let own: Vec<&String> = lines.iter().filter(|line| line.starts_with("go-auto-launch: ")).collect();
    assert_eq!(own.len(), 1, "{lines:?}");
    assert!(own[0].contains(why), "{}", own[0]);
}

#[test]
fn untraced_programs_run_as_if_alone() {
    let mut shell = launcher();
    shell.args(["sh", "-c", "echo out; exit 3"]);
    runs_untraced(shell, "nothing was traced: ");
    let app = apps::build("plain", GoVersion::GO_1_26, Variant::Stripped);
    let mut no_http = launcher();
    no_http.arg(&app);
    runs_untraced(no_http, "nothing in this Go program can be traced");
    let mut disabled = launcher();
    disabled.env("OTEL_SDK_DISABLED", "true").arg(&app);
    runs_untraced(disabled, "OTEL_SDK_DISABLED");
    let mut too_old = launcher();
    let dir = tempfile::tempdir().unwrap();
    too_old.arg(made_older(&app, dir.path()));
    runs_untraced(too_old, "go1.16");
}

/// At every start, in the logs of every container: one short line, and what is behind it on request.
#[test]
fn why_a_program_is_not_traced_is_one_clause() {
    let said = |options: &[&str], program: &Path| {
        let mut command = launcher();
        text(&command.args(options).arg("--").arg(program).output().unwrap().stderr)
    };
    let program = std::fs::canonicalize("/bin/true").unwrap();
    let line = format!("go-auto-launch: {} is not traced: not a Go program\n", program.display());
    assert_eq!(said(&[], &program), line);
    let verbose = said(&["--verbose"], &program);
    assert!(verbose.contains(&line) && verbose.contains("packed by UPX must be unpacked"), "{verbose}");
    let plain = apps::build("plain", GoVersion::GO_1_26, Variant::Stripped);
    let line = format!(
        "go-auto-launch: {} is not traced: nothing in this Go program can be traced (--check says why)\n",
        plain.display()
    );
    assert_eq!(said(&[], &plain), line);
    assert!(said(&["--verbose"], &plain).contains("net/http/server: "), "the reasons");
}

/// A copy of a program that says it was built by Go 1.16.
fn made_older(app: &Path, dir: &Path) -> PathBuf {
    let mut file = std::fs::read(app).unwrap();
    let version = b"go1.26.8";
    let places: Vec<usize> =
        file.windows(version.len()).enumerate().filter(|(_, seen)| seen == version).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        file[at..at + version.len()].copy_from_slice(b"go1.16.8");
    }
    let copy = dir.join("older");
    std::fs::write(&copy, file).unwrap();
    std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    copy
}

/// Without any capability the program runs, and one line says what is missing; `--strict` refuses.
#[test]
fn without_capabilities() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let powerless = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_go-auto-launch")]);
        command.args(["--engine", "bpf"]).args(args).arg("--").arg(&app).arg("-nonsense");
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (status, stderr) = powerless(&[]);
    // The Go flag package ends a program with 2 where a flag is unknown: so it ran.
    assert_eq!(status, Some(2), "{stderr}");
    let own: Vec<&str> = stderr.lines().filter(|line| line.starts_with("go-auto-launch: ")).collect();
    assert_eq!(own.len(), 1, "{stderr}");
    assert!(own[0].contains("CAP_BPF"), "{stderr}");
    let (status, stderr) = powerless(&["--strict"]);
    assert_eq!(status, Some(125), "{stderr}");
}

#[test]
fn supported_versions_are_a_table_and_json() {
    let output = launcher().arg("--supported-versions").output().unwrap();
    assert!(text(&output.stdout).starts_with("| instrumentation |"));
    let output = launcher().args(["--supported-versions", "--json"]).output().unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["name"], "net/http/server");
}

#[test]
fn the_launcher_copies_itself() {
    let folder = tempfile::tempdir().unwrap();
    for target in [folder.path().to_owned(), folder.path().join("other")] {
        let output = launcher().arg("--install").arg(&target).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    for name in ["go-auto-launch", "other"] {
        let copy = folder.path().join(name);
        let output = Command::new(&copy).args(["sh", "-c", "exit 3"]).env("OTEL_TRACES_EXPORTER", "none").output().unwrap();
        assert_eq!(output.status.code(), Some(3));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
    let output = launcher().args(["--install", "/proc/nowhere/launcher"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("/proc/nowhere/launcher"), "{}", text(&output.stderr));
}

#[test]
fn the_launcher_replaces_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    for target in [&pipe, &link] {
        let output = launcher().arg("--install").arg(target).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("a device, a socket or a pipe"), "{}", text(&output.stderr));
        assert!(std::os::unix::fs::FileTypeExt::is_fifo(&target.metadata().unwrap().file_type()));
    }
    // A link to a file is replaced itself.
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let link = folder.path().join("link to a file");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(launcher().arg("--install").arg(&link).output().unwrap().status.code(), Some(0));
    assert!(link.symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left behind");
}
