//! How types are called: the full names of defined ones, and unnamed ones spelled out.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::descriptor::Descriptor;
use super::kind::Form;
use super::name_parts::short_name;
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

/// At most [`MAX_NAME`] bytes of a name.
fn cut(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name.get(..MAX_NAME).unwrap_or(name))
}
