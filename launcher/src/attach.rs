//! `--pid`: a process that is running already is traced until it ends or we are told to stop.
//!
//! It is not stopped, not ptraced and not changed: the kernel puts the probes into its file's pages and takes them out
//! again. Requests that are being served at that moment have no span.

use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::time::Instant;

use crate::arm::{Held, Untraced, open_and_arm};
use crate::capabilities::{drop_for_good, raised};
use crate::child::{Other, Signals};
use crate::command_line::CommandLine;
use crate::config::Config;
use crate::launch::leave_working_directory;
use crate::log;
use crate::outcome::Outcome;
use crate::resource::gather;
use crate::tracing::Tracing;

/// Why a process cannot be traced.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error("there is no such process (as seen from here: a container sees only its own, unless it shares a PID namespace)")]
    NoProcess,
    #[error("it is not the id of a process, but of one of its threads")]
    Thread,
    #[error("it ended before it could be traced")]
    Ended,
    #[error("it is a thread of the kernel, or has ended")]
    NoFile,
    #[error("we may not look into it: that takes the same user, or root with CAP_SYS_PTRACE ({0})")]
    NotOurs(std::io::Error),
    #[error("it cannot be watched ({0})")]
    Unwatched(std::io::Error),
    #[error("{file} is not traced: {why}")]
    Untraced { file: String, why: Untraced },
}

/// Traces process `pid`; `config` is what `typed` and the environment mean.
#[must_use]
pub fn attach(pid: NonZeroU32, config: &Config, typed: &CommandLine, signals: &Signals) -> Outcome {
    let mut tracing = Tracing::new(config, typed);
    leave_working_directory();
    let begun = raised(|| begin(pid, &mut tracing));
    drop_for_good();
    match begun {
        Ok(mut process) => {
            process.wait(signals);
            tracing.finish(|done, deadline| process.wait_for(done, deadline, signals));
            Outcome::Done
        }
        Err(error) => {
            log::error(format_args!("--pid {pid}: {error}"));
            Outcome::NotAttached
        }
    }
}

fn begin(pid: NonZeroU32, tracing: &mut Tracing<'_>) -> Result<Other, AttachError> {
    let begin = Instant::now();
    let process = Other::find(pid).map_err(|error| match error.raw_os_error() {
        Some(libc::ESRCH) => AttachError::NoProcess,
        Some(libc::EINVAL | libc::ENOENT) => AttachError::Thread,
        _ => AttachError::Unwatched(error),
    })?;
    let refused = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound { AttachError::NoFile } else { AttachError::NotOurs(error) }
    };
    let exe = process.exe().map_err(refused)?;
    let config = tracing.config_of(process.variables("OTEL_").as_deref());
    let facts = gather::process(pid.get());
    let armed = open_and_arm(pid, &exe, process.auxv(), Held::Not("the process runs already".to_owned()), &config);
    if process.has_ended() {
        return Err(AttachError::Ended);
    }
    let armed = armed.map_err(|why| AttachError::Untraced { file: exe.name().display().to_string(), why })?;
    tracing.add(pid, exe.name(), facts, armed, &config, begin);
    Ok(process)
}
