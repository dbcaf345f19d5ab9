//! The values of a header that was found: how they are reached from what [`super::Found`] has of it.

use crate::go::string::GoString;
use crate::records::{RecordBuffer, append_lines};
use crate::target::{Lookup, Memory};

/// Where the values of headers are.
pub trait Values {
    /// The first value; no string where `element` is 0.
    fn first<M: Memory>(memory: &M, element: u64) -> GoString;
    /// The first two, as of a header with several lines.
    fn first_two<M: Memory>(memory: &M, element: u64) -> [GoString; 2];
    /// The value, if it is the only one; `element` is not 0.
    fn only<M: Memory>(memory: &M, element: u64) -> GoString;
    /// Appends all of them to a record, joined by commas: [`append_lines`].
    fn append_lines<L: Lookup>(lookup: &L, record: &mut RecordBuffer, element: u64, capacity: u32) -> u64;
}

/// In slices: an element is the address of a `[]string`, as in `http.Header`.
#[derive(Clone, Copy, Debug)]
pub struct InSlices;

impl Values for InSlices {
    #[inline(always)]
    fn first<M: Memory>(memory: &M, element: u64) -> GoString {
        GoString::first_of_slice(memory, element)
    }

    #[inline(always)]
    fn first_two<M: Memory>(memory: &M, element: u64) -> [GoString; 2] {
        GoString::first_two_of_slice(memory, element)
    }

    #[inline(always)]
    fn only<M: Memory>(memory: &M, element: u64) -> GoString {
        GoString::only_of_slice(memory, element)
    }

    #[inline(always)]
    fn append_lines<L: Lookup>(lookup: &L, record: &mut RecordBuffer, element: u64, capacity: u32) -> u64 {
        append_lines(lookup, record, element, capacity)
    }
}

/// In place: an element is the address of a `string` or a `[]byte`, as in a list of names and values.
#[derive(Clone, Copy, Debug)]
pub struct InPlace;

impl Values for InPlace {
    #[inline(always)]
    fn first<M: Memory>(memory: &M, element: u64) -> GoString {
        if element == 0 { GoString::none(memory) } else { GoString::at(memory, element) }
    }

    #[inline(always)]
    fn first_two<M: Memory>(memory: &M, element: u64) -> [GoString; 2] {
        [Self::first(memory, element), GoString::none(memory)]
    }

    #[inline(always)]
    fn only<M: Memory>(memory: &M, element: u64) -> GoString {
        GoString::at(memory, element)
    }

    /// Of several lines one is found, of header fields the last and of arguments the first: alone it is another list.
    #[inline(always)]
    fn append_lines<L: Lookup>(lookup: &L, _record: &mut RecordBuffer, _element: u64, _capacity: u32) -> u64 {
        lookup.opaque(0)
    }
}
