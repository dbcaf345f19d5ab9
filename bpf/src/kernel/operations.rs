//! Recipes of operations, those that are open, and the objects with which they go on.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap};
use bpf::config::operations::{KNOWN_FOR, OperationRecipe, RecipeStep};
use bpf::instrumentations::operations::OpenObject;
use bpf::trace::frames::{Frame, NEW_FRAME};

/// How operations are captured; as many as the launcher says.
#[map(name = "OPERATIONS")]
static OPERATIONS: Array<OperationRecipe> = Array::with_max_entries(1, 0);
/// The steps of their recipes; as many as the launcher says.
#[map(name = "STEPS")]
static STEPS: Array<RecipeStep> = Array::with_max_entries(1, 0);
/// Open operations, by goroutine and level.
#[map(name = "FRAMES")]
static FRAMES: LruHashMap<u64, Frame> = LruHashMap::with_max_entries(16_384, 0);
/// Operations that go on until an object ends, by its address.
#[map(name = "OBJECTS")]
static OBJECTS: LruHashMap<u64, OpenObject> = LruHashMap::with_max_entries(8_192, 0);

/// When what is known by a key was captured.
#[map(name = "KNOWN")]
static KNOWN: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1_024, 0);

/// All zero; here, because it is too large for the stack.
static NEW: Frame = NEW_FRAME;

#[inline(always)]
pub(super) fn operation(number: u32) -> Option<&'static OperationRecipe> {
    // SAFETY: only the launcher writes to the map, before the process runs.
    OPERATIONS.get_ptr(number).map(|recipe| unsafe { &*recipe })
}

#[inline(always)]
pub(super) fn step(number: u32) -> Option<&'static RecipeStep> {
    // SAFETY: as above.
    STEPS.get_ptr(number).map(|step| unsafe { &*step })
}

#[inline(always)]
pub(super) fn is_known(key: u64, time: u64) -> bool {
    // SAFETY: valid and aligned; of an evicted entry it is another key's moment, which does little harm.
    let before = KNOWN.get_ptr(&key).map_or(0, |before| unsafe { before.read_volatile() });
    if time.wrapping_sub(before) < KNOWN_FOR {
        return true;
    }
    // Full: the oldest is forgotten.
    let _never = KNOWN.insert(&key, &time, 0);
    false
}

#[inline(always)]
pub(super) fn frame(key: u64) -> Option<&'static Frame> {
    // SAFETY: one that is evicted meanwhile stays valid memory, whose words are read and written one by one.
    FRAMES.get_ptr(&key).map(|frame| unsafe { &*frame })
}

/// A call of its own: whether it was new is forgotten when it returns.
#[inline(never)]
pub(super) fn frame_or_new(key: u64) -> Option<&'static Frame> {
    if let Some(known) = frame(key) {
        return Some(known);
    }
    let _full = FRAMES.insert(&key, &NEW, 0);
    frame(key)
}

#[inline(always)]
pub(super) fn object(address: u64) -> Option<&'static OpenObject> {
    // SAFETY: an evicted or removed entry stays valid memory, and its seal says whose it is.
    OBJECTS.get_ptr(&address).map(|open| unsafe { &*open })
}

#[inline(always)]
pub(super) fn set_object(address: u64, operation: &OpenObject) {
    // Full: the oldest is forgotten.
    let _never = OBJECTS.insert(&address, operation, 0);
}

#[inline(always)]
pub(super) fn forget_object(address: u64) {
    let _absent = OBJECTS.remove(&address);
}

#[inline(always)]
pub(super) fn forget_known(key: u64) {
    let _absent = KNOWN.remove(&key);
}
