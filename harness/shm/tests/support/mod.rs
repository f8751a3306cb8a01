//! What the tests share: a pair of ends in one process, and streams whose every byte is known.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, none of which needs all of it"
)]

use iaspec_shm::{Attached, Error, Expected, Place, Plan, Receiver, Segment, Sender, Wait};

pub(crate) const NONCE: [u8; 16] = *b"0123456789abcdef";

pub(crate) fn plan(capacity: u32) -> Plan {
    Plan { place: Place::Memory, capacity, session: 7, agent_type: 2, nonce: NONCE, rings: true }
}

/// What a host in this same process expects.
pub(crate) fn expected() -> Expected {
    Expected { nonce: NONCE, agent_pid: std::process::id(), session: 7, agent_type: 2 }
}

/// Agent and host in one process.
pub(crate) struct Pair {
    pub(crate) segment: Segment,
    pub(crate) host: Attached,
    pub(crate) to_host: Sender,
    pub(crate) from_host: Receiver,
    pub(crate) to_agent: Sender,
    pub(crate) from_agent: Receiver,
}

pub(crate) fn pair(capacity: u32) -> Pair {
    pair_with(&plan(capacity), true, |_| {})
}

/// The same, with what the host rings, and what is done to the segment before anybody takes an end.
pub(crate) fn pair_with(plan: &Plan, host_rings: bool, prepare: impl FnOnce(&Segment)) -> Pair {
    let segment = Segment::create(plan).unwrap();
    let host = Attached::open(segment.path(), &expected(), host_rings).unwrap();
    segment.wait_attached(&Wait::forever()).unwrap();
    prepare(&segment);
    let (to_host, from_host) = segment.take_ends().unwrap();
    let (to_agent, from_agent) = host.take_ends().unwrap();
    Pair { segment, host, to_host, from_host, to_agent, from_agent }
}

/// Random numbers by SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most as u64 + 1)).unwrap()
    }
}

/// A stream that never ends, and repeats itself after a prime number of bytes only: what is lost, repeated or put in
/// another order shows.
pub(crate) struct Stream {
    period: Vec<u8>,
    position: usize,
}

impl Stream {
    const PERIOD: usize = 65537;

    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let period = (0..Self::PERIOD).map(|_| random.next().to_le_bytes()[0]).collect();
        Self { period, position: 0 }
    }

    /// The next bytes.
    pub(crate) fn next(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let rest = &self.period[self.position..];
            let part = &rest[..rest.len().min(length - bytes.len())];
            bytes.extend_from_slice(part);
            self.position = (self.position + part.len()) % Self::PERIOD;
        }
        bytes
    }
}

/// Both directions at once, with messages of random lengths.
pub(crate) struct Exchange {
    pub(crate) seed: u64,
    /// Bytes that this side sends before it closes.
    pub(crate) limit: u64,
    /// The longest message.
    pub(crate) longest: usize,
    pub(crate) wait: Wait,
}

/// What came of an exchange.
#[derive(Debug)]
pub(crate) struct Exchanged {
    /// Bytes that have come, all of them right.
    pub(crate) received: u64,
    /// How receiving ended; `Ok` at the end of the stream.
    pub(crate) receiving: Result<(), Error>,
    /// How sending ended; `Ok` when all was sent.
    pub(crate) sending: Result<(), Error>,
}

impl Exchange {
    /// Runs until both directions have ended. The streams of the two directions differ.
    pub(crate) fn run(&self, sender: Sender, receiver: Receiver) -> Exchanged {
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| self.send(sender));
            let (received, receiving) = self.receive(receiver);
            Exchanged { received, receiving, sending: sending.join().unwrap() }
        })
    }

    fn send(&self, mut sender: Sender) -> Result<(), Error> {
        let outgoing = sender.link().role().outgoing();
        let mut stream = Stream::new(self.seed ^ outgoing.control() as u64);
        let mut random = Random::new(self.seed);
        let mut left = self.limit;
        while left > 0 {
            let length =
                (random.up_to(self.longest - 1) + 1).min(usize::try_from(left).unwrap_or(usize::MAX));
            let message = stream.next(length);
            let (head, body) = message.split_at(random.up_to(length));
            sender.write_all_parts(&[head, body], &self.wait)?;
            left -= length as u64;
        }
        Ok(())
    }

    fn receive(&self, mut receiver: Receiver) -> (u64, Result<(), Error>) {
        let incoming = receiver.link().role().peer().outgoing();
        let mut stream = Stream::new(self.seed ^ incoming.control() as u64);
        let mut random = Random::new(!self.seed);
        let mut buffer = vec![0; self.longest];
        let mut received = 0;
        loop {
            let length = random.up_to(self.longest - 1) + 1;
            match receiver.read(&mut buffer[..length], &self.wait) {
                Ok(0) => return (received, Ok(())),
                Ok(read) => {
                    assert!(buffer[..read] == stream.next(read), "wrong bytes behind the first {received}");
                    received += read as u64;
                }
                Err(error) => return (received, Err(error)),
            }
        }
    }
}
