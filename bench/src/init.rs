//! What the launcher costs as an init process, beside others: start to exit of programs that end at once, and memory
//! while a program that is not traced runs. Written to `bench/INIT.md` and `bench/init.json`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::json;

use crate::clock::{median, monotonic};
use crate::machine;
use crate::options::Options;
use crate::process;
use crate::subject::{build_app, workspace};

/// Starts of each program under each init process.
const STARTS: u32 = 200;
const MIB: f64 = 1024.0 * 1024.0;
/// What the project promises: milliseconds more than tini, and memory when nothing is traced.
const GOALS: (f64, f64) = (2.0, 6.0);

/// An init process and how it is called; the first one is none.
fn inits(launcher: &Path) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let launcher = launcher.to_str().context("the launcher's path is no text")?;
    Ok(vec![
        ("none", Vec::new()),
        ("go-auto-launch", words(&[launcher, "--"])),
        // A subreaper, as the launcher is where it is not PID 1.
        ("tini", words(&["tini", "-s", "--"])),
        ("dumb-init", words(&["dumb-init"])),
        ("catatonit", words(&["catatonit", "--"])),
    ])
}

fn under(init: &[String], program: &Path) -> Command {
    let mut words = init.iter().map(String::as_str).chain(program.to_str());
    let mut command = Command::new(words.next().unwrap_or_default());
    // Silent, as the others are: a terminal's speed is not measured.
    command.args(words).env("OTEL_LOG_LEVEL", "none").stderr(Stdio::null());
    command
}

/// Measures, and writes both files. Returns the text.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    let inits = inits(&options.launcher)?;
    let programs = [("/bin/true", PathBuf::from("/bin/true")), ("a trivial Go program", build_app("trivial")?)];
    // By program and init process: milliseconds.
    let mut times: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for _round in 0..STARTS {
        for (name, program) in &programs {
            for (init, words) in &inits {
                times.entry((name, init)).or_default().push(start_to_exit(words, program)?);
            }
        }
    }
    let mut memory = BTreeMap::new();
    for (init, words) in inits.iter().skip(1) {
        memory.insert(*init, resident(words)? / MIB);
    }
    let time = |name: &str, init: &str| median(times.get(&(name, init)).cloned().unwrap_or_default());
    let mut text = format!(
        "# What go-auto-launch costs as an init process\n\nWritten by `make bench`; not edited by hand. Medians of {STARTS} starts, \
         one init process after the other in each round.\n\n| start to exit (ms) |"
    );
    for (init, _) in &inits {
        write!(text, " {init} |")?;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(inits.len()))?;
    for (name, _) in &programs {
        write!(text, "| {name} |")?;
        for (init, _) in &inits {
            write!(text, " {:.2} |", time(name, init))?;
        }
        writeln!(text)?;
    }
    write!(text, "| RSS beside `cat` (MiB) | |")?;
    for (init, _) in inits.iter().skip(1) {
        write!(text, " {:.1} |", memory.get(init).copied().unwrap_or_default())?;
    }
    let over = time("/bin/true", "go-auto-launch") - time("/bin/true", "tini");
    let own = memory.get("go-auto-launch").copied().unwrap_or_default();
    let met = |is: bool| if is { "met" } else { "**missed**" };
    writeln!(text, "\n\n| goal | measured | wanted | |\n|---|---|---|---|")?;
    writeln!(text, "| over tini, `/bin/true` | {over:.2} ms | ≤ {} ms | {} |", GOALS.0, met(over <= GOALS.0))?;
    writeln!(text, "| memory, nothing traced | {own:.1} MiB | ≤ {} MiB | {} |", GOALS.1, met(own <= GOALS.1))?;
    writeln!(text, "\n## Machine\n")?;
    for (name, value) in machine::describe(&go_version()) {
        writeln!(text, "- {name}: {value}")?;
    }
    let folder = workspace().join("bench");
    fs::write(folder.join("INIT.md"), &text).context("bench/INIT.md")?;
    let medians = times
        .into_iter()
        .map(|((program, init), times)| json!({"program": program, "init": init, "median_milliseconds": median(times)}));
    let json = json!({"starts": STARTS, "start_to_exit": medians.collect::<Vec<_>>(), "resident_mib": memory});
    fs::write(folder.join("init.json"), serde_json::to_string_pretty(&json)? + "\n").context("bench/init.json")?;
    Ok(text)
}

fn go_version() -> String {
    let output = Command::new("go").args(["env", "GOVERSION"]).current_dir(workspace().join("bench/apps/trivial")).output();
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Milliseconds from before the start to after the exit.
fn start_to_exit(init: &[String], program: &Path) -> anyhow::Result<f64> {
    let mut command = under(init, program);
    let before = monotonic();
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    let after = monotonic();
    anyhow::ensure!(status.success(), "{command:?} ended with {status}");
    Ok(after.saturating_sub(before) as f64 / 1e6)
}

/// Bytes of memory of the init process while `cat` runs and has answered.
fn resident(init: &[String]) -> anyhow::Result<f64> {
    let mut child = under(init, Path::new("/bin/cat")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    input.write_all(b"there\n")?;
    output.read_line(&mut String::new())?;
    let resident = process::memory(child.id(), "VmRSS");
    drop(input);
    child.wait()?;
    Ok(resident as f64)
}
