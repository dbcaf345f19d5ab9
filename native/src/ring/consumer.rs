//! The launcher's end of the ring.

use core::sync::atomic::Ordering;

use super::{Broken, COMMITTED, GIVEN_UP, HEADER, LOW_BYTES, MAX_RECORD, Ring};
use crate::control::Control;

/// The launcher's end.
#[derive(Debug)]
pub struct Consumer<'m> {
    ring: Ring<'m>,
    /// Where the next record is.
    at: u64,
    /// The record that was taken last: what others may change is not looked at twice.
    record: [u8; MAX_RECORD],
    /// The program has ended.
    is_over: bool,
    /// Records that it has not finished.
    cut_off: u64,
}

impl<'m> Consumer<'m> {
    /// The only consumer of a ring in which nothing has been taken yet.
    #[must_use]
    #[expect(clippy::large_stack_arrays, reason = "moved to where it stays")]
    pub const fn new(ring: Ring<'m>) -> Self {
        Self { ring, at: 0, record: [0; MAX_RECORD], is_over: false, cut_off: 0 }
    }

    /// Hands the next record over; false if there is none yet. Of what was given up there is none.
    ///
    /// # Errors
    /// Where no record can stand there. Nothing more is to be read then.
    pub fn next(&mut self, use_record: &mut dyn FnMut(&[u8])) -> Result<bool, Broken> {
        loop {
            let header = self.ring.word(self.at).load(Ordering::Acquire);
            if header & COMMITTED == 0 && header <= MAX_RECORD as u64 && !self.is_over {
                if header == 0 {
                    self.rewind();
                }
                return Ok(false);
            }
            if header == 0 {
                // Somebody was killed before he had said how much it was.
                if !self.pass_over_zeros() {
                    return Ok(false);
                }
                continue;
            }
            let is_given_up = header & GIVEN_UP != 0 || header & COMMITTED == 0;
            let size = header & u64::from(u32::MAX);
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if header & !(COMMITTED | GIVEN_UP | u64::from(u32::MAX)) != 0 || size > MAX_RECORD {
                return Err(Broken { header });
            }
            self.take(size);
            self.cut_off += u64::from(header & COMMITTED == 0);
            if !is_given_up {
                use_record(self.record.get(..size).unwrap_or_default());
                return Ok(true);
            }
        }
    }

    /// The program has ended: what it has not finished is passed over from now on, and not waited for.
    pub const fn end(&mut self) {
        self.is_over = true;
    }

    /// How many records it has not finished.
    #[must_use]
    pub const fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// Goes on to the next word that is not zero; false where there is none before the position of producers.
    fn pass_over_zeros(&mut self) -> bool {
        let end = self.ring.control.producer.0.load(Ordering::Relaxed);
        let words = usize::try_from(end.wrapping_sub(self.at)).unwrap_or(usize::MAX).min(self.ring.size) / HEADER;
        let is_set = |word: &usize| self.ring.word(self.at.wrapping_add((word * HEADER) as u64)).load(Ordering::Relaxed) != 0;
        let Some(word) = (0..words).find(is_set) else {
            return false;
        };
        self.cut_off += 1;
        self.at = self.at.wrapping_add((word * HEADER) as u64);
        true
    }

    /// Copies a record and gives its room back.
    fn take(&mut self, size: usize) {
        let words = 1 + size.div_ceil(HEADER);
        for (word, bytes) in (1..words).zip(self.record.chunks_mut(HEADER)) {
            let found = self.ring.behind(self.at, word).load(Ordering::Relaxed).to_ne_bytes();
            bytes.copy_from_slice(found.get(..bytes.len()).unwrap_or_default());
        }
        for word in 0..words {
            self.ring.behind(self.at, word).store(0, Ordering::Relaxed);
        }
        self.at = self.at.wrapping_add((words * HEADER) as u64);
        self.ring.control.consumer.0.store(self.at, Ordering::Release);
    }

    /// Sends producers back to the beginning of the memory, where nothing is left and they have come far.
    fn rewind(&mut self) {
        let all = self.ring.size as u64;
        let within = self.at & (all - 1);
        if within < LOW_BYTES.min(all / 2) {
            return;
        }
        let next = self.at.wrapping_add(all - within);
        let Control { producer, consumer, .. } = self.ring.control;
        if producer.0.compare_exchange(self.at, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.at = next;
            consumer.0.store(next, Ordering::Release);
        }
    }
}
