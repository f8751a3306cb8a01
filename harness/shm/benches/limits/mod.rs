//! What the machine itself can do: no ring between two processors gets past this.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use iaspec_shm::layout::DEFAULT_CAPACITY;

use crate::peers::keep_to_a_processor;
use crate::{SPAN, gigabytes};

/// GB/s from one buffer to another of that size, by one processor.
///
/// They lie pages and a half apart: a little more than whole pages, as two allocations often do, takes some processors ten
/// times as long, and would make a limit that is none.
pub(crate) fn memcpy(size: usize) -> f64 {
    let distance = size.next_multiple_of(4096) + 2048;
    let mut memory = vec![0x5a_u8; distance + size];
    let (source, target) = memory.split_at_mut(distance);
    let source = &source[..size];
    let batch = ((1 << 20) / size).max(1);
    let (began, mut copied) = (Instant::now(), 0);
    while began.elapsed() < SPAN {
        for _ in 0..batch {
            black_box(&mut *target).copy_from_slice(black_box(source));
        }
        copied += batch * size;
    }
    gigabytes(copied, began.elapsed())
}

/// GB/s at which two processors that take turns fill and empty memory of a ring's size, by copies of that size: the slower
/// of the two, since at best they work at once.
pub(crate) fn hand_over(size: usize) -> f64 {
    const TURNS: usize = 16;
    let memory = Mutex::new(vec![0; DEFAULT_CAPACITY as usize]);
    let turn = AtomicUsize::new(0);
    let take_turns = |processor: usize| {
        keep_to_a_processor(None, processor);
        let mut buffer = vec![0x5a_u8; size];
        let mut time = Duration::ZERO;
        for number in 0..TURNS {
            wait_for(&turn, 2 * number + processor);
            let mut memory = memory.lock().expect("nobody panics");
            let began = Instant::now();
            for part in memory.chunks_exact_mut(size) {
                match processor {
                    0 => part.copy_from_slice(black_box(&buffer)),
                    _ => black_box(&mut buffer).copy_from_slice(part),
                }
            }
            time += began.elapsed();
            drop(memory);
            turn.fetch_add(1, Ordering::Release);
        }
        time
    };
    let (filling, emptying) = on_two_processors(take_turns);
    gigabytes(TURNS * DEFAULT_CAPACITY as usize, filling.max(emptying))
}

/// Microseconds that one cache line takes to another processor and back.
pub(crate) fn cache_line() -> f64 {
    const TURNS: usize = 20_000;
    let turn = AtomicUsize::new(0);
    let take_turns = |processor: usize| {
        keep_to_a_processor(None, processor);
        let began = Instant::now();
        for number in 0..TURNS {
            wait_for(&turn, 2 * number + processor);
            turn.store(2 * number + processor + 1, Ordering::Release);
        }
        began.elapsed()
    };
    let (time, _) = on_two_processors(take_turns);
    time.as_secs_f64() * 1e6 / TURNS as f64
}

fn on_two_processors(work: impl Fn(usize) -> Duration + Sync) -> (Duration, Duration) {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| work(1));
        let here = work(0);
        (here, other.join().expect("it does not panic"))
    })
}

fn wait_for(turn: &AtomicUsize, number: usize) {
    while turn.load(Ordering::Acquire) != number {
        std::hint::spin_loop();
    }
}
