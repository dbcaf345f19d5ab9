//! How types are called: the full names of defined ones, and unnamed ones spelled out.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::descriptor::Descriptor;
use super::kind::Form;
use super::types::Types;

/// Unnamed types such as `[][]*T` are spelled out to this depth.
const MAX_NAME_DEPTH: usize = 16;
/// Longer names are cut: they come from damaged files or from deeply nested generics.
const MAX_NAME: usize = 4096;

impl Types<'_, '_> {
    /// The full name: package path and name, or for unnamed types what they consist of.
    pub(super) fn name(&self, descriptor: &Descriptor) -> Option<String> {
        let mut name = String::new();
        self.write_name(descriptor, &mut name, 0)?;
        Some(name)
    }

    fn write_name(&self, descriptor: &Descriptor, out: &mut String, depth: usize) -> Option<()> {
        (depth <= MAX_NAME_DEPTH && out.len() <= MAX_NAME).then_some(())?;
        let at = u64::from(descriptor.offset);
        let element = |out: &mut String, field: u64| self.write_name(&self.region.descriptor_behind(at + field)?, out, depth + 1);
        if descriptor.is_named() {
            let text = self.region.text(descriptor)?;
            let package = self.region.package_path(descriptor)?;
            let short = short_name(text, MAX_NAME).unwrap_or(text);
            if !package.is_empty() {
                out.push_str(&String::from_utf8_lossy(package));
                out.push('.');
            }
            out.push_str(&cut(short));
            return Some(());
        }
        match descriptor.kind.form() {
            Form::Pointer => {
                out.push('*');
                element(out, 48)
            }
            Form::Slice => {
                out.push_str("[]");
                element(out, 48)
            }
            Form::Map => {
                out.push_str("map[");
                element(out, 48)?;
                out.push(']');
                element(out, 56)
            }
            Form::Array => {
                write!(out, "[{}]", self.region.word(at + 64)?).ok()?;
                element(out, 48)
            }
            Form::Basic | Form::Chan | Form::Func | Form::Interface | Form::Struct => {
                out.push_str(&cut(self.region.text(descriptor)?));
                Some(())
            }
        }
    }
}

/// Package path and name of a defined type's full name. Type arguments in brackets belong to the name.
pub(super) fn split_name(full: &str) -> (&str, &str) {
    let arguments = full.find('[').unwrap_or(full.len());
    match full.get(..arguments).and_then(|head| head.rfind('.')) {
        Some(dot) => (full.get(..dot).unwrap_or_default(), full.get(dot + 1..).unwrap_or_default()),
        None => ("", full),
    }
}

/// The part of `package.Name` or `package.Name[arguments]` behind the dot, or all of a name without package; `None` if
/// it is longer than `longest`.
pub(super) fn short_name(text: &[u8], longest: usize) -> Option<&[u8]> {
    let mut depth = 0_usize;
    for (index, byte) in text.iter().enumerate().rev().take(longest + 1) {
        match byte {
            b']' => depth += 1,
            b'[' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => return text.get(index + 1..),
            _ => {}
        }
    }
    (text.len() <= longest).then_some(text)
}

/// At most [`MAX_NAME`] bytes of a name.
fn cut(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name.get(..MAX_NAME).unwrap_or(name))
}

/// Whether `name` can only be that of a defined type.
pub(super) fn is_plain(name: &str) -> bool {
    let start = name.as_bytes().first();
    !matches!(start, Some(b'*' | b'['))
        && !["map[", "chan ", "func(", "struct {", "interface {"].iter().any(|p| name.starts_with(p))
}
