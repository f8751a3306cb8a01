//! What clients do wrong about the initialization vectors of their messages.

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::vectors::{Made, source};

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "client-vectors-repeat", vectors: Some(|| source(Made::Repeated)), ..CORRECT },
    Fault { name: "client-vectors-count-up", vectors: Some(|| source(Made::Counted)), ..CORRECT },
    Fault {
        name: "client-vectors-share-most-bits",
        vectors: Some(|| source(Made::MostlyTheSame)),
        ..CORRECT
    },
    Fault { name: "client-vectors-are-the-time", vectors: Some(|| source(Made::Timed)), ..CORRECT },
];
