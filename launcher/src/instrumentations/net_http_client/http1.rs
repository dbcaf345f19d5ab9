//! What injects the context into requests by HTTP/1: a probe where the header is written, and the detour that puts lines before it, where
//! the probe cannot do that itself.
//!
//! `(*Request).write` writes the request line and `Host` into a `*bufio.Writer`, then the program's header through
//! `Header.writeSubset`, in Go 1.21 to 1.27 (`net/http/request.go`, `header.go`).

use bpf::config::Setting;
use bpf::config::http_client::{HttpClientConfig, event};
use bpf::instrumentations::net_http_client::WRITER_WORDS;
use bpf::slots::site;

use super::Writing;
use crate::executor::Moment;
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::LeftOut;
use crate::probes::probe::{Probe, When};

/// Writes a request.
pub(super) const WRITE: &str = "net/http.(*Request).write";
/// Writes a line before the header.
///
/// match-go: 1.18..: fmt.Fprintf(w, format, a)
pub(super) const WRITE_LINE: &str = "fmt.Fprintf";
/// Writes the empty line behind the header.
pub(super) const END_HEADER: &str = "io.WriteString";
/// Writes a header.
pub(super) const WRITE_HEADER: &str = "net/http.Header.writeSubset";

/// Plans it, and notes in `config` where the writer's buffer is.
pub(super) fn plan(
    facts: &Facts<'_>,
    fields: &mut FieldReader<'_>,
    stack_high: u32,
    config: &mut HttpClientConfig,
) -> Result<Writing, LeftOut> {
    let probe =
        facts.at_call_of(WRITE, WRITE_HEADER, super::event(event::INJECT, When::Inject, "the header of a request is written"))?;
    let (mut probes, mut detours) = (vec![probe], Vec::new());
    if facts.placement.stores() {
        probes.extend(lines(facts)?);
        probes.push(facts.at_call_of(WRITE, END_HEADER, super::event(event::WRITTEN, When::Inject, "the header was written"))?);
    } else {
        detours.push(facts.detour(WRITE_HEADER, (site::WRITE_SUBSET, Moment::Depth), stack_high)?);
    }
    let Some(table) = facts.binary.itab("*bufio.Writer", "io.Writer")? else {
        return Err(LeftOut::NotUnderstood("the program does not use *bufio.Writer as io.Writer".to_owned()));
    };
    config.buffer = fields.within("bufio.Writer", "buf", 2, WRITER_WORDS)?;
    config.destination = fields.within("bufio.Writer", "wr", 2, WRITER_WORDS)?;
    config.buffered = fields.within("bufio.Writer", "n", 1, WRITER_WORDS)?;
    config.buffered_writer = Setting::new(table.0);
    Ok(Writing { probes, detours })
}

/// The probes where the lines before the header are written: there is made room for what is injected.
fn lines(facts: &Facts<'_>) -> Result<Vec<Probe>, LeftOut> {
    let event = super::event(event::ROOM, When::Inject, "a line before the header is written");
    let (function, entry) = (facts.function(WRITE)?, facts.function(WRITE_LINE)?.entry);
    let calls = facts.binary.calls(function)?.filter(|call| call.target == entry);
    calls.map(|call| facts.at_call(WRITE, call.site, event)).collect()
}
