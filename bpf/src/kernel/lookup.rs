//! A hit reads memory, and looks up what is remembered, as [`UserMemory`] does, which loops and global functions have instead.

use core::mem::MaybeUninit;

use bpf::config::operations::RecipeStep;
use bpf::config::parents::ContextType;
use bpf::go::string::GoString;
use bpf::missed::Done;
use bpf::records::RecordBuffer;
use bpf::target::{Lookup, Memory, Step};
use bpf::trace::answered;
use bpf::trace::extracted::Extracted;
use bpf::trace::frames::Frame;
use bpf::trace::goroutine::Goroutine;
use bpf::trace::stand_in::StandIn;
use bytemuck::AnyBitPattern;

use super::memory::UserMemory;
use super::{Hit, goroutines, otel_api};

impl Memory for Hit {
    #[inline(always)]
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        UserMemory.read(address)
    }

    #[inline(always)]
    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        UserMemory.read_or_zero(address)
    }

    #[inline(always)]
    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        UserMemory.read_prefix(address, length, words)
    }

    #[inline(always)]
    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        UserMemory.read_into(address, value)
    }

    #[inline(always)]
    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        UserMemory.read_bytes(address, length, bytes)
    }

    #[inline(always)]
    fn read_text(&self, address: u64, length: u32, record: &mut RecordBuffer) -> bool {
        UserMemory.read_text(address, length, record)
    }

    #[inline(always)]
    fn opaque(&self, value: u64) -> u64 {
        UserMemory.opaque(value)
    }
}

impl Lookup for Hit {
    #[inline(always)]
    fn goroutine(&self, address: u64) -> Option<&Goroutine> {
        goroutines::goroutine(address)
    }

    #[inline(always)]
    fn context_goroutine(&self, context: u64) -> Option<u64> {
        UserMemory.context_goroutine(context)
    }

    #[inline(always)]
    fn answered(&self, bucket: u32) -> Option<&answered::Bucket> {
        UserMemory.answered(bucket)
    }

    #[inline(always)]
    fn context_type(&self, address: u64) -> Option<&ContextType> {
        UserMemory.context_type(address)
    }

    #[inline(always)]
    fn recipe_step(&self, number: u32) -> Option<&RecipeStep> {
        UserMemory.recipe_step(number)
    }

    #[inline(always)]
    fn is_known(&self, key: u64, time: u64) -> bool {
        UserMemory.is_known(key, time)
    }

    #[inline(always)]
    fn frame(&self, key: u64) -> Option<&Frame> {
        UserMemory.frame(key)
    }

    #[inline(always)]
    fn stand_in(&self, number: u32) -> Option<&StandIn> {
        UserMemory.stand_in(number)
    }

    #[inline(always)]
    fn output(&self, record: &RecordBuffer, look: bool) -> Done {
        UserMemory.output(record, look)
    }

    #[inline(always)]
    fn set_extracted(&self, key: u64, extracted: &Extracted) {
        UserMemory.set_extracted(key, extracted);
    }

    #[inline(always)]
    fn extracted(&self, key: u64) -> Option<&Extracted> {
        UserMemory.extracted(key)
    }

    #[inline(always)]
    fn forget_extracted(&self, key: u64) {
        UserMemory.forget_extracted(key);
    }

    #[inline(always)]
    fn append_item(&self, number: u16, string: GoString, record: &mut RecordBuffer) {
        otel_api::append_item(number, string, record);
    }

    #[inline(always)]
    fn append_attributes(&self, array: u64, count: u64, record: &mut RecordBuffer) {
        otel_api::append_attributes(array, count, record);
    }

    #[inline(always)]
    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        UserMemory.repeat(limit, state);
    }
}
