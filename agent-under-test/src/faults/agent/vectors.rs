//! Faults of an agent whose initialization vectors can be foreseen.

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::talk::Facts;
use crate::faults::vectors::{Made, use_source};

/// Replaces the vector of an acknowledgement.
fn acknowledge_with(acknowledgement: &mut [u8], facts: &Facts, made: Made) {
    if acknowledgement[0] == 2 {
        let number = u64::try_from(facts.number).unwrap_or(0);
        acknowledgement[1..17].copy_from_slice(&made.vector(number));
    }
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "acknowledged-vectors-count-up",
        acknowledgement: Some(|acknowledgement, facts, _| {
            acknowledge_with(acknowledgement, facts, Made::Counted);
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledged-vectors-count-up-from-the-front",
        acknowledgement: Some(|acknowledgement, facts, _| {
            acknowledge_with(acknowledgement, facts, Made::CountedFromTheFront);
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledged-vectors-differ-by-a-constant",
        acknowledgement: Some(|acknowledgement, facts, _| {
            acknowledge_with(acknowledgement, facts, Made::Stepped);
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledged-vectors-share-most-bits",
        acknowledgement: Some(|acknowledgement, facts, _| {
            acknowledge_with(acknowledgement, facts, Made::MostlyTheSame);
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledged-vectors-are-turned",
        acknowledgement: Some(|acknowledgement, facts, _| {
            acknowledge_with(acknowledgement, facts, Made::Turned);
        }),
        ..CORRECT
    },
    Fault {
        name: "announced-vectors-count-up",
        settings: Some(|settings| use_source(settings, Made::Counted)),
        ..CORRECT
    },
    Fault {
        name: "announced-vectors-share-most-bits",
        settings: Some(|settings| use_source(settings, Made::MostlyTheSame)),
        ..CORRECT
    },
    Fault {
        name: "announced-vectors-are-the-time",
        settings: Some(|settings| use_source(settings, Made::Timed)),
        ..CORRECT
    },
];
