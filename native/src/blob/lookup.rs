//! What is remembered of goroutines and contexts, and loops that may look at it.

use core::mem::MaybeUninit;

use bpf::config::operations::{KNOWN_FOR, RecipeStep};
use bpf::config::parents::ContextType;
use bpf::missed::Done;
use bpf::records::RecordBuffer;
use bpf::shared::Shared;
use bpf::target::{Lookup, Memory, Step};
use bpf::trace::answered;
use bpf::trace::extracted::Extracted;
use bpf::trace::frames::Frame;
use bpf::trace::goroutine::Goroutine;
use bpf::trace::stand_in::StandIn;
use bytemuck::AnyBitPattern;
use native::configuration::{CONTEXT_TYPE_ENTRIES, ContextTypeEntry, context_type_entry};

use super::hit::Hit;
use super::memory::OwnMemory;
use super::output::output;
use super::{configuration, part, state};

impl Memory for Hit<'_> {
    #[inline(always)]
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        OwnMemory.read(address)
    }

    #[inline(always)]
    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        OwnMemory.read_or_zero(address)
    }

    #[inline(always)]
    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        OwnMemory.read_prefix(address, length, words)
    }

    #[inline(always)]
    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        OwnMemory.read_into(address, value)
    }

    #[inline(always)]
    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        OwnMemory.read_bytes(address, length, bytes)
    }

    #[inline(always)]
    fn read_text(&self, address: u64, length: u32, record: &mut RecordBuffer) -> bool {
        OwnMemory.read_text(address, length, record)
    }

    #[inline(always)]
    fn opaque(&self, value: u64) -> u64 {
        value
    }
}

impl Lookup for Hit<'_> {
    #[inline(always)]
    fn set_extracted(&self, key: u64, extracted: &Extracted) {
        state().extracted.set(key, extracted);
    }

    #[inline(always)]
    fn extracted(&self, key: u64) -> Option<&Extracted> {
        state().extracted.get(key)
    }

    #[inline(always)]
    fn forget_extracted(&self, key: u64) {
        state().extracted.remove(key);
    }

    #[inline(always)]
    fn goroutine(&self, address: u64) -> Option<&Goroutine> {
        state().goroutines.get(address)
    }

    #[inline(always)]
    fn context_goroutine(&self, context: u64) -> Option<u64> {
        state().contexts.get(context).map(Shared::get)
    }

    #[inline(always)]
    fn answered(&self, bucket: u32) -> Option<&answered::Bucket> {
        state().answered.get(bucket as usize)
    }

    #[inline(always)]
    fn context_type(&self, address: u64) -> Option<&ContextType> {
        let types: &[ContextTypeEntry] = part(configuration().context_types);
        let first = context_type_entry(address);
        for turn in 0..CONTEXT_TYPE_ENTRIES {
            let entry = types.get((first + turn) & (CONTEXT_TYPE_ENTRIES - 1))?;
            if entry.address == address {
                return Some(&entry.found);
            }
            if entry.address == 0 {
                return None;
            }
        }
        None
    }

    #[inline(always)]
    fn recipe_step(&self, number: u32) -> Option<&RecipeStep> {
        part(configuration().steps).get(number as usize)
    }

    #[inline(always)]
    fn is_known(&self, key: u64, time: u64) -> bool {
        let known = &state().known;
        let Some(before) = known.get(key) else {
            known.set(key, &Shared::new(time), |_, _| true);
            return false;
        };
        let is_known = time.wrapping_sub(before.get()) < KNOWN_FOR;
        if !is_known {
            before.set(time);
        }
        is_known
    }

    #[inline(always)]
    fn frame(&self, key: u64) -> Option<&Frame> {
        state().frames.get(key)
    }

    #[inline(always)]
    fn stand_in(&self, number: u32) -> Option<&StandIn> {
        state().stand_ins.get(number as usize)
    }

    #[inline(always)]
    fn output(&self, record: &RecordBuffer, _look: bool) -> Done {
        output(self.frame, record)
    }

    #[inline(always)]
    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        for _ in 0..limit {
            if !state.step(self) {
                return;
            }
        }
    }
}
