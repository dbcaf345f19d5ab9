//! What a probe gets from the kernel, from a synthetic process.

use super::*;

impl Target for FakeProcess {
    fn registers(&self) -> Registers {
        self.registers.get()
    }

    fn all_registers(&self) -> AllRegisters {
        self.all_registers.get()
    }

    fn load_bias(&self) -> u64 {
        self.load_bias.get()
    }

    fn cookie(&self) -> u64 {
        self.cookie.get().into()
    }

    fn http_server(&self) -> &HttpServerConfig {
        &self.layout
    }

    fn http_client(&self) -> &HttpClientConfig {
        &self.client
    }

    fn http_route_ends(&self) -> &EndRecipes<ROUTE_ENDS> {
        &self.route_ends
    }

    fn http_client_ends(&self) -> &EndRecipes<CLIENT_ENDS> {
        &self.client_ends
    }

    fn parents(&self) -> &ParentsConfig {
        &self.parents
    }

    fn remember_context(&self, context: u64, span: &SpanIdentity) {
        self.contexts.set(context, Sealed::new(span, context));
    }

    fn forget_context(&self, context: u64) {
        self.contexts.forget(context);
    }

    fn creator(&self, address: u64) -> Option<&Creator> {
        self.creators.get(address)
    }

    fn set_creator(&self, address: u64, creator: &Creator) {
        self.creators.set(address, *creator);
    }

    fn sweep(&self) -> Option<&mut Sweep> {
        // SAFETY: tests run one probe at a time, and it asks once.
        Some(unsafe { &mut *self.sweep.get() })
    }

    fn each_creator(&self, sweep: &mut Sweep) {
        let mut has_stopped = false;
        self.creators.retain(|address, creator| {
            if has_stopped {
                return true;
            }
            let look = sweep.look(self, &self.parents, address, creator);
            has_stopped = look == Look::Stop;
            look != Look::Forget
        });
    }

    fn count(&self, missed: Missed) {
        self.missed.borrow_mut().push(missed);
    }

    fn set_injection(&self, map: u64, injection: &Injection) {
        self.injections.set(map, *injection);
    }

    fn injection(&self, map: u64) -> Option<&mut Injection> {
        self.injections.get_mut(map)
    }

    fn new_extracted(&self, key: u64) -> Option<&mut Extracted> {
        self.extracted.set(key, NOTHING_EXTRACTED);
        self.extracted.get_mut(key)
    }

    fn extracted(&self, key: u64) -> Option<&Extracted> {
        self.extracted.get(key)
    }

    fn forget_extracted(&self, key: u64) {
        self.extracted.forget(key);
    }

    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64 {
        let (at, length) = (usize::try_from(at).unwrap(), usize::try_from(length).unwrap().min(N));
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        bytes[at..at + length].copy_from_slice(&text[..length]);
        0
    }

    fn forget_injection(&self, map: u64) {
        self.injections.forget(map);
    }

    fn bucket(&self, number: u32) -> Option<&mut Bucket> {
        // SAFETY: tests run one probe at a time.
        self.buckets.get(usize::try_from(number).unwrap()).map(|bucket| unsafe { &mut *bucket.get() })
    }

    fn swap_tag(&self, tag: &mut u64, old: u64, new: u64) -> bool {
        let found = core::mem::replace(tag, if *tag == old { new } else { *tag });
        found == old
    }

    fn sampler(&self) -> &SamplerSetting {
        &self.sampler
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn random(&self) -> u32 {
        // Distinct, and the same in each run.
        self.random.set(self.random.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        self.random.get()
    }

    fn goroutine(&self, address: u64) -> Option<&mut Goroutine> {
        // SAFETY: the box stays where it is for as long as the program lives, and a probe asks for one goroutine, once.
        self.goroutines.borrow().get(&address).map(|goroutine| unsafe { &mut *goroutine.get() })
    }

    fn goroutine_or_new(&self, address: u64) -> Option<&mut Goroutine> {
        if self.goroutine(address).is_none() {
            self.goroutines.borrow_mut().insert(address, Box::new(UnsafeCell::new(NEW_GOROUTINE)));
            let new = self.goroutine(address)?;
            new.holder = address;
            new.random.seed(self);
        }
        self.goroutine(address)
    }

    fn each_goroutine<V: Visit>(&self) {
        for goroutine in self.goroutines.borrow().values() {
            // SAFETY: as above; nothing else asks for one meanwhile.
            V::visit(self, unsafe { &*goroutine.get() });
        }
    }

    fn count_route(&self, in_request: bool) {
        let count = &self.routes[usize::from(in_request)];
        count.set(count.get() + 1);
    }

    fn reserve<R: 'static>(&self) -> Result<&mut R, Missed> {
        assert!(size_of::<R>() <= Self::RECORD_WORDS * 8 && align_of::<R>() <= 8);
        if self.ring_is_full.get() {
            return Err(Missed::RingFull);
        }
        let room = Box::new(UnsafeCell::new([u64::from_ne_bytes([UNWRITTEN; 8]); Self::RECORD_WORDS]));
        let record = room.get().cast::<R>();
        self.reserved.borrow_mut().push(room);
        // SAFETY: large and aligned enough (asserted above), initialised, and records are integers only. The box stays
        // where it is until the record is submitted, and nobody else has a reference into it.
        Ok(unsafe { &mut *record })
    }

    fn submit<R: 'static>(&self, record: &mut R, _look: bool) {
        let mut reserved = self.reserved.borrow_mut();
        let address = core::ptr::from_mut(record).addr();
        let index = reserved.iter().position(|room| room.get().addr() == address).unwrap();
        let words = reserved.swap_remove(index).into_inner();
        self.submitted.borrow_mut().push(bytemuck::cast_slice(&words)[..size_of::<R>()].to_vec());
    }

    fn discard<R: 'static>(&self, record: &mut R) {
        let mut reserved = self.reserved.borrow_mut();
        let address = core::ptr::from_mut(record).addr();
        let index = reserved.iter().position(|room| room.get().addr() == address).unwrap();
        reserved.swap_remove(index);
    }
}
