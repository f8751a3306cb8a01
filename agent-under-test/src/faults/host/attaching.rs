//! Faults in what a host checks before it attaches, and in how it does.

use iaspec_shm::raw::{Flag, HeaderField};
use iaspec_shm::{Direction, Field, Side};

use super::{CORRECT, HostFault};

pub(super) const FAULTS: &[HostFault] = &[
    HostFault { name: "host-magic-unchecked", unchecked: Some(Field::Magic), ..CORRECT },
    HostFault { name: "host-layout-unchecked", unchecked: Some(Field::Layout), ..CORRECT },
    HostFault { name: "host-header-size-unchecked", unchecked: Some(Field::HeaderSize), ..CORRECT },
    HostFault { name: "host-segment-size-unchecked", unchecked: Some(Field::SegmentSize), ..CORRECT },
    HostFault { name: "host-state-unchecked", unchecked: Some(Field::State), ..CORRECT },
    HostFault { name: "host-takes-the-segment-of-another", unchecked: Some(Field::HostPid), ..CORRECT },
    HostFault {
        name: "host-nonce-half-compared",
        expected: Some(|expected, raw| expected.nonce[8..].copy_from_slice(&raw.header().nonce[8..])),
        ..CORRECT
    },
    HostFault {
        name: "host-nonce-compared-but-for-its-end",
        expected: Some(|expected, raw| expected.nonce[15] = raw.header().nonce[15]),
        ..CORRECT
    },
    HostFault {
        name: "host-session-compared-in-16-bits",
        expected: Some(|expected, raw| {
            let high = raw.header().session & !0xffff;
            expected.session = high | (expected.session & 0xffff);
        }),
        ..CORRECT
    },
    HostFault { name: "host-refuses-with-code-1", refusal: Some(1), ..CORRECT },
    HostFault {
        name: "host-sets-its-flags-before-it-checks",
        before: Some(|raw| {
            raw.set_flag(Direction::HostToAgent, Side::Producer, Flag::Rings, 1);
            raw.set_flag(Direction::AgentToHost, Side::Consumer, Flag::Rings, 1);
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-sessions-without-a-sign",
        expected: Some(|expected, _| {
            if expected.session < 0 {
                expected.session = i32::MAX;
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-takes-memory-alone",
        expected: Some(|expected, _| {
            let is_memory = std::env::args().any(|word| word.starts_with("/proc/"));
            if !is_memory {
                expected.nonce = [0; 16];
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-takes-rings-of-a-page-and-more",
        expected: Some(|expected, raw| {
            if raw.header().capacity < 4096 {
                expected.nonce = [0; 16];
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-attaches-without-its-process-id",
        attached: Some(|raw| raw.set_header(HeaderField::HostPid, 0)),
        ..CORRECT
    },
    HostFault {
        name: "host-signs-in-as-its-parent",
        attached: Some(|raw| raw.set_header(HeaderField::HostPid, iaspec_shm::parent_pid())),
        ..CORRECT
    },
];
