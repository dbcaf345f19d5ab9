//! Producers and the consumer of a ring in memory of the test: order, loss, holes, and several threads at once.

#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

use super::*;

use std::sync::atomic::AtomicBool;

/// A ring in memory that is not mapped twice: of `SIZE` bytes, and as many behind them, which are folded back by hand where a test wraps.
const SIZE: usize = 64 << 10;

struct Memory {
    control: Box<Control>,
    data: Vec<AtomicU64>,
}

impl Memory {
    fn new() -> Self {
        // SAFETY: all zero is a control block at its start.
        let control = unsafe { Box::new_zeroed().assume_init() };
        Self { control, data: (0..2 * SIZE / 8).map(|_| AtomicU64::new(0)).collect() }
    }

    fn ring(&self) -> Ring<'_> {
        // SAFETY: aligned, so long, and borrowed. The second half is no copy of the first: tests keep records out of it.
        unsafe { Ring::new(&self.control, self.data.as_ptr(), SIZE) }
    }
}

fn taken(consumer: &mut Consumer<'_>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while consumer.next(&mut |record| all.push(record.to_vec())).unwrap() {}
    all
}

#[test]
fn records_come_in_order_and_with_their_length() {
    let memory = Memory::new();
    let mut consumer = Consumer::new(memory.ring());
    assert_eq!(taken(&mut consumer), Vec::<Vec<u8>>::new());
    for length in [1, 8, 250, MAX_RECORD] {
        let record: Vec<u8> = (0..length).map(|n| n as u8).collect();
        memory.ring().reserve(length).unwrap().commit(&record);
        assert_eq!(taken(&mut consumer), [record]);
    }
    let Control { producer, consumer: position, .. } = &*memory.control;
    assert_eq!(producer.0.load(Ordering::Relaxed), position.0.load(Ordering::Relaxed));
    // What was taken is zero again.
    assert!(memory.data.iter().all(|word| word.load(Ordering::Relaxed) == 0));
}

#[test]
fn one_that_is_not_there_yet_holds_up_those_behind_it() {
    let memory = Memory::new();
    let mut consumer = Consumer::new(memory.ring());
    let first = memory.ring().reserve(8).unwrap();
    memory.ring().reserve(8).unwrap().commit(&[2; 8]);
    assert_eq!(taken(&mut consumer), Vec::<Vec<u8>>::new());
    first.commit(&[1; 8]);
    assert_eq!(taken(&mut consumer), [[1; 8], [2; 8]]);
    let given_up = memory.ring().reserve(100).unwrap();
    // SAFETY: it has not been committed.
    unsafe { give_up(given_up.address(), 100) };
    memory.ring().reserve(8).unwrap().commit(&[3; 8]);
    assert_eq!(taken(&mut consumer), [[3; 8]]);
}

/// Else the records of all other threads would be lost with that of one that was killed.
#[test]
fn what_a_killed_program_has_not_finished_is_passed_over() {
    let memory = Memory::new();
    let mut consumer = Consumer::new(memory.ring());
    let _killed = memory.ring().reserve(20).unwrap();
    memory.ring().reserve(8).unwrap().commit(&[2; 8]);
    assert_eq!(taken(&mut consumer), Vec::<Vec<u8>>::new());
    consumer.end();
    assert_eq!(taken(&mut consumer), [[2; 8]]);
    assert_eq!(consumer.cut_off(), 1);
}

#[test]
fn what_stands_behind_a_hole_is_found_when_the_program_is_over() {
    let memory = Memory::new();
    let mut consumer = Consumer::new(memory.ring());
    // Killed between the two.
    memory.ring().reserve(40).unwrap();
    memory.data[0].store(0, Ordering::Relaxed);
    memory.ring().reserve(8).unwrap().commit(&[2; 8]);
    assert_eq!(taken(&mut consumer), Vec::<Vec<u8>>::new());
    consumer.end();
    assert_eq!(taken(&mut consumer), [[2; 8]]);
    assert_eq!(consumer.cut_off(), 1);
}

/// A producer that meets the launcher sending producers on is not refused.
#[test]
fn nobody_is_refused_while_there_is_room() {
    let memory = Memory::new();
    let is_over = AtomicBool::new(false);
    let turns = if cfg!(miri) { 100 } else { 300_000 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut consumer = Consumer::new(memory.ring());
            while !is_over.load(Ordering::Acquire) {
                taken(&mut consumer);
            }
        });
        for _ in 0..turns {
            // So few are waiting that there is room for all. (The position of the consumer may be the newer one of the two.)
            let waiting = || {
                let produced = memory.control.producer.0.load(Ordering::Acquire);
                produced.saturating_sub(memory.control.consumer.0.load(Ordering::Acquire))
            };
            while waiting() > 1_024 {
                std::hint::spin_loop();
            }
            let reserved = memory.ring().reserve(56);
            if reserved.is_none() {
                is_over.store(true, Ordering::Release);
            }
            reserved.unwrap().commit(&[1; 56]);
        }
        is_over.store(true, Ordering::Release);
    });
}

#[test]
fn a_full_ring_takes_no_more_and_the_middle_is_crossed_once() {
    let memory = Memory::new();
    let mut consumer = Consumer::new(memory.ring());
    let (mut count, mut crossed) = (0, 0);
    while let Some(reserved) = memory.ring().reserve(120) {
        crossed += usize::from(reserved.is_half_full);
        reserved.commit(&[7; 120]);
        count += 1;
    }
    assert_eq!((count, crossed), (SIZE / 128, 1));
    assert_eq!(taken(&mut consumer).len(), count);
    memory.ring().reserve(8).unwrap().commit(&[1; 8]);
    assert_eq!(taken(&mut consumer), [[1; 8]]);
}

/// Else each page of the ring would take memory in the end, however little there is to say.
#[test]
fn an_empty_ring_begins_anew() {
    let memory = Memory::new();
    let mut consumer = Consumer::new(memory.ring());
    for _ in 0..10_000 {
        memory.ring().reserve(120).unwrap().commit(&[7; 120]);
        assert_eq!(taken(&mut consumer).len(), 1);
    }
    let touched = memory.control.producer.0.load(Ordering::Relaxed) as usize & (SIZE - 1);
    assert!(touched <= SIZE / 2 + 128, "{touched}");
}

#[test]
fn what_is_no_record_is_refused() {
    for header in [MAX_RECORD as u64 + 1, COMMITTED | (MAX_RECORD as u64 + 1), COMMITTED | 1 << 40 | 8, u64::MAX] {
        let memory = Memory::new();
        memory.data[0].store(header, Ordering::Relaxed);
        assert_eq!(Consumer::new(memory.ring()).next(&mut |_| unreachable!()), Err(Broken { header }));
    }
}

/// Producers on several threads, against a consumer that is as fast as they: no record is lost, none is torn, and each thread's come in
/// order.
#[test]
fn threads_produce_at_the_same_time() {
    let memory = Memory::new();
    let (threads, turns) = if cfg!(miri) { (2, 50) } else { (4, 100_000_u64) };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let producers: Vec<_> = (1..=threads)
            .map(|thread: u64| {
                let memory = &memory;
                scope.spawn(move || {
                    for turn in 1..=turns {
                        // A power of two with its header, so that none lies across the end.
                        let words = [thread, turn, thread ^ turn, 0, 0, 0, thread + turn];
                        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                        let reserved = loop {
                            match memory.ring().reserve(bytes.len()) {
                                Some(reserved) => break reserved,
                                None => std::thread::yield_now(),
                            }
                        };
                        reserved.commit(&bytes);
                    }
                })
            })
            .collect();
        let is_over = &is_over;
        let consumer = scope.spawn(|| {
            let mut consumer = Consumer::new(memory.ring());
            let mut last = vec![0; threads as usize + 1];
            loop {
                let was_over = is_over.load(Ordering::Acquire);
                for record in taken(&mut consumer) {
                    let words: Vec<u64> = record.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
                    let (thread, turn) = (words[0], words[1]);
                    assert_eq!(words, [thread, turn, thread ^ turn, 0, 0, 0, thread + turn]);
                    assert_eq!(turn, last[thread as usize] + 1);
                    last[thread as usize] = turn;
                }
                if was_over {
                    return last;
                }
                std::thread::yield_now();
            }
        });
        for producer in producers {
            producer.join().unwrap();
        }
        is_over.store(true, Ordering::Release);
        assert_eq!(consumer.join().unwrap()[1..], vec![turns; threads as usize]);
    });
}

/// Knuth's numbers (`MMIX`), of which the upper half is taken.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 32
}

/// What a program may have written there: the consumer comes to an end, and producers go nowhere else.
#[test]
fn anything_may_stand_in_the_memory() {
    let (seeds, words) = if cfg!(miri) { (4, 64) } else { (300, SIZE / 8) };
    for seed in 0..seeds {
        let (memory, mut seed) = (Memory::new(), seed);
        for word in &memory.data[..words] {
            let (size, other) = (random(&mut seed) % (MAX_RECORD as u64 + 16), random(&mut seed));
            let header = [0, size | COMMITTED, size, size | COMMITTED | GIVEN_UP, 8 | COMMITTED, other << 32 | other];
            word.store(header[random(&mut seed) as usize % header.len()], Ordering::Relaxed);
        }
        let mut consumer = Consumer::new(memory.ring());
        if seed & 1 << 40 == 0 {
            consumer.end();
        }
        while consumer.next(&mut |record| assert!(record.len() <= MAX_RECORD)) == Ok(true) {}
        for _ in 0..100 {
            let Control { producer, consumer, .. } = &*memory.control;
            producer.0.store(random(&mut seed) << 32 | random(&mut seed), Ordering::Relaxed);
            let ahead = random(&mut seed) % (2 * SIZE as u64);
            consumer.0.store(producer.0.load(Ordering::Relaxed).wrapping_sub(ahead), Ordering::Relaxed);
            if let Some(reserved) = memory.ring().reserve(random(&mut seed) as usize % 1_000) {
                let from = memory.data.as_ptr() as u64;
                assert!((from..from + SIZE as u64).contains(&reserved.address()));
            }
        }
    }
}
