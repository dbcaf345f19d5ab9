//! The report as text: the answer in about ten lines, then the probes, and where it is wanted all offsets and modules.

use std::fmt::{self, Write as _};

use super::modules::KnownModule;
use super::{Finding, GoProgram, Report};
use crate::binary::Cost;
use crate::instrumentations::CATALOG;
use crate::probes::plan::{FieldSource, LeftOut, Planned, PlannedDetour};
use crate::probes::probe::Probe;
use crate::probes::site::Site;

impl Report {
    /// The answer, then the probes; with `everything`, offsets and modules too.
    #[must_use]
    pub fn text(&self, everything: bool) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, everything);
        text
    }

    fn write(&self, text: &mut String, everything: bool) -> fmt::Result {
        let Self { program, finding, kernel, obstacle } = self;
        writeln!(text, "program       {}", program.display())?;
        let program = match finding {
            Finding::Untraceable(why) => return writeln!(text, "not traced    {why}\nkernel        {kernel}"),
            Finding::Go(program) => program,
        };
        write_answer(text, program)?;
        let verdict = obstacle.as_ref().map_or_else(|| "would do".to_owned(), |why| format!("would not do: {why}"));
        writeln!(text, "here          {verdict}")?;
        match &program.not_native {
            None => writeln!(text, "engine        {}", program.engine)?,
            Some(why) => writeln!(text, "engine        {}, not the native one: {why}", program.engine)?,
        }
        if let Some(sdk) = program.sdk {
            writeln!(text, "sdk           {}: {}", sdk.name(), sdk.meaning())?;
        }
        write_facts(text, program)?;
        writeln!(text, "kernel        {kernel}")?;
        let not_used = program.plan.left_out.iter().filter(|(name, reason)| is_not_used(name, reason));
        let not_used: Vec<&str> = not_used.map(|(name, _)| *name).collect();
        if everything && !not_used.is_empty() {
            writeln!(text, "not in it     {}", not_used.join(", "))?;
        }
        for Planned { name, probes, detours, fields, .. } in &program.plan.planned {
            write_probes(text, name, probes)?;
            write_detours(text, detours)?;
            if everything {
                write_offsets(text, fields)?;
            }
        }
        if let Some(parents) = &program.plan.parents {
            write_probes(text, "parents", &parents.probes)?;
            if everything {
                write_offsets(text, &parents.fields)?;
            }
        }
        if everything {
            return write_modules(text, &program.modules);
        }
        let kinds =
            [(offsets(program), "offsets"), (program.modules.len(), "modules")].into_iter().filter(|(count, _)| *count > 0);
        let more: Vec<String> = kinds.map(|(count, kind)| format!("{count} {kind}")).collect();
        if more.is_empty() { Ok(()) } else { writeln!(text, "\n--verbose lists {} too", more.join(" and ")) }
    }
}

fn offsets(program: &GoProgram) -> usize {
    let of_parents = program.plan.parents.as_ref().map_or(0, |parents| parents.fields.len());
    program.plan.planned.iter().map(|planned| planned.fields.len()).sum::<usize>() + of_parents
}

fn write_answer(text: &mut String, program: &GoProgram) -> fmt::Result {
    let plan = &program.plan;
    for Planned { name, probes, detours, .. } in &plan.planned {
        let detours = if detours.is_empty() { String::new() } else { format!(", {} detours", detours.len()) };
        writeln!(text, "traced        {name}: {} probes{detours}", probes.iter().flat_map(|probe| &probe.sites).count())?;
    }
    for (name, reason) in plan.left_out.iter().filter(|(name, reason)| !is_not_used(name, reason)) {
        writeln!(text, "not traced    {name}: {reason}")?;
    }
    for Planned { name, missing, .. } in &plan.planned {
        for what in missing {
            writeln!(text, "missing       {name}: {what}")?;
        }
    }
    for what in plan.parents.iter().flat_map(|parents| &parents.missing) {
        writeln!(text, "missing       parents: {what}")?;
    }
    Ok(())
}

/// Whether a library is not in the program: of those there are many, and nothing more to say.
fn is_not_used(name: &str, reason: &LeftOut) -> bool {
    let is_table = CATALOG.iter().any(|one| one.name == name && one.library().is_some());
    // Of `net/http` it is always said.
    let is_from_elsewhere = name.split('/').next().is_some_and(|first| first.contains('.'));
    (is_table || is_from_elsewhere) && matches!(reason, LeftOut::NotUsed(_))
}

/// What the process would pay, and what the program is.
fn write_facts(text: &mut String, program: &GoProgram) -> fmt::Result {
    let GoProgram { go_version, architecture, pie, main_module, known_modules, prices, .. } = program;
    for price in prices {
        writeln!(text, "cost          {}: {price}", price.name)?;
    }
    for module in known_modules {
        write_known(text, module)?;
    }
    let kind = if *pie { ", position-independent" } else { "" };
    let main = main_module.as_ref().map(|main| format!(", main module {main}")).unwrap_or_default();
    writeln!(text, "go            {} for {architecture}{kind}{main}", go_version.as_deref().unwrap_or("unknown version"))
}

fn write_known(text: &mut String, module: &KnownModule) -> fmt::Result {
    let KnownModule { path, version, probed_by, tested_versions } = module;
    let version = version.as_deref().unwrap_or("(unknown version)");
    if probed_by.is_empty() {
        return writeln!(text, "module        {path} {version}: not probed; tested: {}", tested_versions.join("; "));
    }
    writeln!(text, "module        {path} {version}: probed by {}", probed_by.join(", "))
}

fn write_probes(text: &mut String, name: &str, probes: &[Probe]) -> fmt::Result {
    if !probes.is_empty() {
        writeln!(text, "\nprobes of {name}")?;
    }
    for Probe { function, event, point: _, sites } in probes {
        for Site { address, instruction, cost, offset: _, recipes: _, recipe: _, patch: _ } in sites {
            let cost = match cost {
                Cost::Emulated => "emulated",
                Cost::SingleStep => "single-step",
                Cost::Detour => "detour",
            };
            writeln!(text, "  {:#x}  {instruction:<8}  {cost:<11}  {function}: {}", address.0, event.meaning)?;
        }
    }
    Ok(())
}

fn write_detours(text: &mut String, detours: &[PlannedDetour]) -> fmt::Result {
    if !detours.is_empty() {
        writeln!(text, "  written by the process itself (the write executor; --no-write switches it off)")?;
    }
    for PlannedDetour { function, place, site: _, moment: _, stack_high: _ } in detours {
        writeln!(text, "  {:#x}  detour                 {function}", place.address.0)?;
    }
    Ok(())
}

fn write_offsets(text: &mut String, fields: &[FieldSource]) -> fmt::Result {
    writeln!(text, "  offsets")?;
    for field in fields {
        match field.offset {
            Some(offset) => writeln!(text, "    {offset:>4}  {}  ({})", field.field, field.source)?,
            None => writeln!(text, "       -  {}  (not in this program)", field.field)?,
        }
    }
    Ok(())
}

fn write_modules(text: &mut String, modules: &[String]) -> fmt::Result {
    if !modules.is_empty() {
        writeln!(text, "\nmodules")?;
    }
    for module in modules {
        writeln!(text, "  {module}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::binary::Architecture;
    use crate::engine::EngineKind;
    use crate::kernel::{KernelSupport, Support};
    use crate::probes::plan::Plan;

    fn report(modules: usize) -> Report {
        let left_out = vec![("net/http/server", LeftOut::SwitchedOff), ("net/http/client", LeftOut::NotUsed("f".to_owned()))];
        let program = GoProgram {
            go_version: Some("go1.26.8".to_owned()),
            architecture: Architecture::Amd64,
            pie: true,
            main_package: "example.com/app".to_owned(),
            main_module: None,
            modules: (0..modules).map(|number| format!("example.com/{number} v1.0.0")).collect(),
            known_modules: Vec::new(),
            prices: Vec::new(),
            engine: EngineKind::Bpf,
            not_native: Some("--no-write".to_owned()),
            sdk: None,
            plan: Plan { left_out, ..Plan::default() },
        };
        let (release, capabilities) = ("6.18.44".to_owned(), vec!["CAP_BPF"]);
        let kernel = KernelSupport { release, multi_uprobe: Support::Yes, capabilities, preemption: None };
        let obstacle = kernel.obstacle();
        Report { program: PathBuf::from("/app"), finding: Finding::Go(Box::new(program)), kernel, obstacle }
    }

    #[test]
    fn modules_of_which_there_is_nothing_to_say_are_counted_only() {
        let text = report(150).text(false);
        assert!(text.lines().count() <= 11, "{text}");
        assert!(text.contains("150 modules") && !text.contains("example.com"), "{text}");
        assert_eq!(report(150).text(true).matches("  example.com/").count(), 150);
    }

    #[test]
    fn the_answer_comes_first() {
        let text = report(0).text(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..7],
            [
                "program       /app",
                "not traced    net/http/server: switched off by OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS",
                "not traced    net/http/client: the program has no function f",
                "here          would not do: probes need CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN",
                "engine        BPF, not the native one: --no-write",
                "go            go1.26.8 for amd64, position-independent",
                "kernel        Linux 6.18.44, one multi-uprobe link per BPF program; capabilities: CAP_BPF",
            ]
        );
    }
}
