//! Every order of memory accesses that the ring may meet, as far as a model can tell:
//! `RUSTFLAGS="--cfg loom" cargo test -p iaspec-shm --test loom --release`.
//!
//! The file of the ring, `src/ring.rs`, is compiled once more, over atomics that the model checker knows. Sleep is a lock
//! and a condition without a timeout, so that a lost wake-up is a deadlock, which the checker reports; bytes are cells
//! whose unordered accesses it reports too.
//!
//! What it cannot see: it takes sequentially consistent accesses for weaker ones (the ring has none, only fences), it never
//! lets a load see a store that comes later in its own thread's future, and it follows at most [`PREEMPTIONS`] switches of
//! threads that are not forced. The loops around this, with deadlines, interruption and the peer's death, are tested with
//! real threads and processes only.
#![cfg(loom)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use loom::thread;

use memory::RingMemory;
use ring::{Consumer, Half, Producer};
use sync::Ordering;

/// More take minutes and have shown nothing else.
const PREEMPTIONS: usize = 3;

/// The ring's atomics and bells, as the checker knows them.
mod sync {
    use std::time::Duration;

    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    use loom::sync::{Condvar, Mutex};

    #[derive(Default)]
    pub(crate) struct Bell {
        rings: AtomicU32,
        sleepers: Mutex<()>,
        woken: Condvar,
    }

    impl Bell {
        pub(crate) fn value(&self) -> u32 {
            self.rings.load(Ordering::Acquire)
        }

        pub(crate) fn advance(&self) {
            self.rings.fetch_add(1, Ordering::Release);
        }

        /// As a futex: the value is compared and the sleep begun with nobody waking in between.
        pub(crate) fn sleep(&self, value: u32, _timeout: Duration) {
            let sleepers = self.sleepers.lock().unwrap();
            if self.rings.load(Ordering::Relaxed) == value {
                drop(self.woken.wait(sleepers).unwrap());
            }
        }

        pub(crate) fn wake(&self) {
            let _sleepers = self.sleepers.lock().unwrap();
            self.woken.notify_all();
        }
    }
}

/// A ring's memory whose bytes tell when they are accessed without order.
mod memory {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    use crate::ring::Half;

    #[derive(Clone)]
    pub(crate) struct RingMemory(Arc<Parts>);

    struct Parts {
        producer: Half,
        consumer: Half,
        data: Vec<UnsafeCell<u8>>,
    }

    impl RingMemory {
        pub(crate) fn new(capacity: usize) -> Self {
            let data = (0..capacity).map(|_| UnsafeCell::new(0)).collect();
            Self(Arc::new(Parts { producer: crate::half(), consumer: crate::half(), data }))
        }

        pub(crate) fn producer(&self) -> &Half {
            &self.0.producer
        }

        pub(crate) fn consumer(&self) -> &Half {
            &self.0.consumer
        }

        pub(crate) fn capacity(&self) -> usize {
            self.0.data.len()
        }

        pub(crate) fn copy_in(&self, count: u64, bytes: &[u8]) {
            for (byte, count) in bytes.iter().zip(count..) {
                // SAFETY: the checker fails the test before two threads use the address at once.
                self.cell(count).with_mut(|cell| unsafe { *cell = *byte });
            }
        }

        pub(crate) fn copy_out(&self, count: u64, buffer: &mut [u8]) {
            for (byte, count) in buffer.iter_mut().zip(count..) {
                // SAFETY: as in `copy_in`.
                self.cell(count).with(|cell| *byte = unsafe { *cell });
            }
        }

        fn cell(&self, count: u64) -> &UnsafeCell<u8> {
            &self.0.data[usize::try_from(count).unwrap() % self.0.data.len()]
        }
    }
}

#[allow(dead_code, reason = "compiled for the models, which do not need all of it")]
#[path = "../src/ring.rs"]
mod ring;

fn half() -> Half {
    Half {
        counter: sync::AtomicU64::new(0),
        bell: sync::Bell::default(),
        closed: sync::AtomicU32::new(0),
        rings: sync::AtomicU32::new(1),
        waits: sync::AtomicU32::new(0),
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

fn ends(capacity: usize) -> (Producer, Consumer) {
    let memory = RingMemory::new(capacity);
    (Producer::new(memory.clone(), true).unwrap(), Consumer::new(memory, true).unwrap())
}

fn has_news(other: &Half, seen: u64) -> bool {
    other.counter.load(Ordering::Acquire) != seen || other.is_closed()
}

/// Writes all, asleep while the ring is full; false if the consumer has closed.
fn write_all(producer: &mut Producer, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        if producer.memory.consumer().is_closed() {
            return false;
        }
        let room = producer.room(bytes.len()).unwrap().min(bytes.len());
        if room > 0 {
            producer.store(&bytes[..room]);
            producer.publish();
            bytes = &bytes[room..];
        } else {
            let (own, other) = (producer.memory.producer(), producer.memory.consumer());
            own.sleep(other, Duration::MAX, || has_news(other, producer.peer_counter()));
        }
    }
    true
}

/// Reads to the end of the stream, asleep while the ring is empty.
fn read_to_end(consumer: &mut Consumer) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let closed = consumer.memory.producer().is_closed();
        let available = consumer.available(usize::MAX).unwrap();
        if available > 0 {
            let begin = bytes.len();
            bytes.resize(begin + available, 0);
            consumer.take(&mut bytes[begin..]);
            consumer.release();
        } else if closed {
            return bytes;
        } else {
            let (own, other) = (consumer.memory.consumer(), consumer.memory.producer());
            own.sleep(other, Duration::MAX, || has_news(other, consumer.peer_counter()));
        }
    }
}

fn close(own: &Half, other: &Half) {
    own.close();
    own.ring(other, true);
}

#[test]
fn bytes_arrive_in_order_through_a_ring_smaller_than_they() {
    check(|| {
        let (mut producer, mut consumer) = ends(2);
        let writing = thread::spawn(move || {
            assert!(write_all(&mut producer, &[1, 2, 3]));
            close(producer.memory.producer(), producer.memory.consumer());
        });
        assert_eq!(read_to_end(&mut consumer), [1, 2, 3]);
        writing.join().unwrap();
    });
}

#[test]
fn each_of_several_publications_wakes_a_sleeper() {
    check(|| {
        let (mut producer, mut consumer) = ends(4);
        let writing = thread::spawn(move || {
            assert!(write_all(&mut producer, &[1]));
            assert!(write_all(&mut producer, &[2]));
            close(producer.memory.producer(), producer.memory.consumer());
        });
        assert_eq!(read_to_end(&mut consumer), [1, 2]);
        writing.join().unwrap();
    });
}

#[test]
fn a_sleeping_writer_hears_that_nobody_reads() {
    check(|| {
        let (mut producer, consumer) = ends(1);
        let reading = thread::spawn(move || close(consumer.memory.consumer(), consumer.memory.producer()));
        assert!(!write_all(&mut producer, &[1, 2]));
        reading.join().unwrap();
    });
}

#[test]
fn a_sleeping_reader_hears_of_the_end() {
    check(|| {
        let (producer, mut consumer) = ends(1);
        let writing = thread::spawn(move || close(producer.memory.producer(), producer.memory.consumer()));
        assert_eq!(read_to_end(&mut consumer), []);
        writing.join().unwrap();
    });
}
