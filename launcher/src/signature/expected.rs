//! What the compiler says of a function's parameters for tracebacks, made again from their shapes
//! (`cmd/compile/internal/ssagen/ssa.go`, `EmitArgInfo`).

use super::shape::{Shape, each_field};
use crate::binary::{ArgInfo, ArgPart};

/// `abi.TraceArgsLimit`.
const LIMIT: usize = 10;
/// `abi.TraceArgsMaxDepth`.
const MAX_DEPTH: usize = 5;
/// `abi.TraceArgsSpecial`: higher offsets are not written.
const FAR: u64 = 0xf0;

/// From the place and shape of each parameter.
pub(super) fn arg_info<'s>(parameters: impl Iterator<Item = (u64, &'s Shape)>) -> ArgInfo {
    let mut writer = Writer { parts: Vec::new(), components: 0 };
    for (home, shape) in parameters {
        if !writer.visit(shape, home, 0) {
            break;
        }
    }
    ArgInfo(writer.parts)
}

struct Writer {
    parts: Vec<ArgPart>,
    /// Words, and brackets without contents.
    components: usize,
}

impl Writer {
    /// Writes `shape` at `at`, within so many brackets. Returns whether to go on.
    fn visit(&mut self, shape: &Shape, at: u64, depth: usize) -> bool {
        if self.components >= LIMIT {
            self.parts.push(ArgPart::More);
            return false;
        }
        if let Shape::Word { size, .. } = shape {
            let offset = u8::try_from(at).ok().filter(|_| at < FAR);
            self.parts.push(offset.map_or(ArgPart::FarWord, |offset| ArgPart::Word { offset, size: *size }));
            self.components += 1;
            return true;
        }
        self.parts.push(ArgPart::Open);
        if depth + 1 >= MAX_DEPTH {
            self.parts.push(ArgPart::More);
            self.components += 1;
        } else {
            self.contents(shape, at, depth + 1);
        }
        self.parts.push(ArgPart::Close);
        true
    }

    fn contents(&mut self, shape: &Shape, at: u64, depth: usize) {
        let before = self.components;
        match shape {
            Shape::Word { .. } => {}
            Shape::Pair => self.repeat(2, &Shape::POINTER, at, depth),
            Shape::Triple => self.repeat(3, &Shape::POINTER, at, depth),
            Shape::Complex(size) => self.repeat(2, &Shape::Word { size: size / 2, is_float: true }, at, depth),
            Shape::Array(len, element) => self.repeat(*len, element, at, depth),
            Shape::Struct(fields) => {
                each_field(fields, |field, offset, _| self.visit(field, at.saturating_add(offset), depth));
            }
        }
        let is_empty = matches!(shape, Shape::Array(0, _)) || matches!(shape, Shape::Struct(fields) if fields.is_empty());
        if is_empty {
            self.components = before + 1;
        }
    }

    fn repeat(&mut self, count: u64, element: &Shape, at: u64, depth: usize) {
        let size = element.size();
        for index in 0..count {
            if !self.visit(element, at.saturating_add(index.saturating_mul(size)), depth) {
                break;
            }
        }
    }
}
