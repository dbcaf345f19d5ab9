//! What a probe gets from the kernel, from a synthetic process.

use super::*;

impl<const STORES: bool> Target for FakeProcess<STORES> {
    const STORES: bool = STORES;

    fn store(&self, address: u64, bytes: &[u8]) -> bool {
        STORES && self.memory.store(address, bytes)
    }

    fn leave(&self, [first, second]: [u64; 2], function: u64) {
        assert!(STORES);
        self.left.set(Some([first, second, function]));
    }

    fn stand_ins_at(&self, table: &StandIn) -> Option<[u64; 2]> {
        Some([table.holder.get(), table.made.get()])
    }

    fn registers(&self) -> Registers {
        self.registers.get()
    }

    fn load_bias(&self) -> u64 {
        self.load_bias.get()
    }

    fn cookie(&self) -> Cookie {
        self.cookie.get()
    }

    fn recipe(&self, number: u32) -> Option<&EndRecipe> {
        self.recipes.get(number as usize)
    }

    fn operation(&self, number: u32) -> Option<&OperationRecipe> {
        self.operations.get(number as usize)
    }

    fn parents(&self) -> &ParentsConfig {
        &self.parents
    }

    fn propagators(&self) -> &Propagators {
        &self.propagators
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn random(&self) -> u32 {
        // Distinct, and the same in each run.
        self.seed.set(self.seed.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        self.seed.get()
    }

    fn with_scratch(&self, work: impl FnOnce(&mut Scratch) -> Done) -> Done {
        if self.scratch_is_taken.get() {
            return Err(Missed::NoRoom);
        }
        let mut scratch = Box::new(NEW_SCRATCH);
        scratch.record.bytes.fill(UNWRITTEN);
        scratch.record.length = u64::MAX;
        scratch.search.texts = u64::from_ne_bytes([UNWRITTEN; 8]);
        scratch.random = self.numbers.get();
        scratch.random.seed_once(self);
        let done = work(&mut scratch);
        self.numbers.set(scratch.random);
        done
    }

    fn follow(&self, steps: Steps, scratch: &mut Scratch) {
        crate::instrumentations::operations::follow(self, self.load_bias(), steps, scratch);
    }

    fn goroutine_or_new(&self, address: u64) -> Option<&Goroutine> {
        if self.goroutines.get(address).is_none() {
            self.goroutines.set(address, NEW_GOROUTINE);
            self.goroutines.get(address)?.give_to(address);
        }
        self.goroutines.get(address)
    }

    fn frame_or_new(&self, key: u64) -> Option<&Frame> {
        if self.frames.get(key).is_none() {
            self.frames.set(key, NEW_FRAME);
        }
        self.frames.get(key)
    }

    fn object(&self, address: u64) -> Option<&OpenObject> {
        self.objects.get(address)
    }

    fn set_object(&self, address: u64, operation: &OpenObject) {
        self.objects.set(address, operation.clone());
    }

    fn forget_object(&self, address: u64) {
        self.objects.forget(address);
    }

    fn forget_known(&self, key: u64) {
        self.known.forget(key);
    }

    fn each_goroutine<V: Visit>(&self, visit: &V) {
        for address in self.goroutines.addresses() {
            if let Some(goroutine) = self.goroutines.get(address) {
                visit.visit(self, goroutine);
            }
        }
    }

    fn count_route(&self, in_request: bool) {
        let count = &self.routes[usize::from(in_request)];
        count.set(count.get() + 1);
    }

    fn remember_context(&self, context: u64, goroutine: u64) {
        self.contexts.set(context, goroutine);
    }

    fn forget_context(&self, context: u64) {
        self.contexts.forget(context);
    }

    fn creator(&self, address: u64) -> Option<&SealedSpan> {
        self.creators.get(address)
    }

    fn set_creator(&self, address: u64, creator: &SealedSpan) {
        self.creators.set(address, creator.clone());
    }

    fn sweep(&self) -> Option<&Sweep> {
        Some(&self.sweep)
    }

    fn each_creator(&self, sweep: &Sweep) {
        for address in self.creators.addresses() {
            let Some(creator) = self.creators.get(address) else { continue };
            match sweep.look(self, &self.parents, address, creator) {
                Look::Keep => {}
                Look::Forget => self.creators.forget(address),
                Look::Stop => return,
            }
        }
    }

    fn set_injection(&self, address: u64, injection: &Injection) {
        self.injections.set(address, injection.clone());
    }

    fn injection(&self, address: u64) -> Option<&Injection> {
        self.injections.get(address)
    }

    fn forget_injection(&self, address: u64) {
        self.injections.forget(address);
    }

    fn waiting(&self, number: u32) -> Option<&Shared<u64>> {
        self.waiting.get(number as usize)
    }

    fn take_text<const N: usize>(&self, record: &RecordBuffer, text: &mut [u8; N]) {
        *text = *record.bytes.first_chunk().unwrap();
    }

    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64 {
        let (at, length) = (usize::try_from(at).unwrap(), usize::try_from(length).unwrap().min(N));
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        bytes[at..at + length].copy_from_slice(&text[..length]);
        0
    }

    fn bucket(&self, number: u32) -> Option<&Bucket> {
        self.buckets.get(number as usize)
    }

    fn swap_tag(&self, tag: &Shared<u64>, old: u64, new: u64) -> bool {
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile(self);
        }
        let found = tag.get();
        if found == old {
            tag.set(new);
        }
        found == old
    }

    fn count(&self, missed: Missed) {
        self.missed.borrow_mut().push(missed);
    }

    fn count_unsampled(&self, kind: u32, duration: u64) {
        self.unsampled.borrow_mut().push((kind, duration));
    }
}
