//! What the programs under test send their requests to: a process of its own, which nothing measures.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use crate::subject::value;

/// A running sink; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    child: Child,
    /// Where it speaks HTTP/1.
    pub(crate) plain: String,
    /// Where it speaks HTTP/2 over TLS.
    pub(crate) secure: String,
}

impl Sink {
    /// Starts it and waits until it listens.
    pub(crate) fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start the sink")?;
        let mut output = BufReader::new(child.stdout.take().context("the sink has no output")?);
        Ok(Self { child, plain: value(&mut output, "plain")?, secure: value(&mut output, "secure")? })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Closes its standard input, with which it ends; nobody is left to hear of a failure.
        let _ = self.child.wait();
    }
}
