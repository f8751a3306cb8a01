//! Faults in how a host keeps the rings: counts, wake-ups, and the end.

use std::time::Duration;

use super::ends::{Close, Counts, Falls, RIGHT, RingFault, Tells};
use super::{CORRECT, Closing, HostFault};

const fn ring(name: &'static str, ring: RingFault) -> HostFault {
    HostFault { name, ring, ..CORRECT }
}

const fn counts(name: &'static str, counts: Counts) -> HostFault {
    ring(name, RingFault { counts, ..RIGHT })
}

const fn for_bytes(name: &'static str, for_bytes: Falls) -> HostFault {
    ring(name, RingFault { for_bytes, ..RIGHT })
}

const fn for_room(name: &'static str, for_room: Falls) -> HostFault {
    ring(name, RingFault { for_room, ..RIGHT })
}

const fn publish(name: &'static str, publish: Tells) -> HostFault {
    ring(name, RingFault { publish, ..RIGHT })
}

const fn release(name: &'static str, release: Tells) -> HostFault {
    ring(name, RingFault { release, ..RIGHT })
}

const fn close(name: &'static str, close: Close) -> HostFault {
    ring(name, RingFault { close, ..RIGHT })
}

/// Seldom enough to be felt, and often enough to seem to work.
const NOW_AND_THEN: Duration = Duration::from_millis(50);

pub(super) const FAULTS: &[HostFault] = &[
    // ------------------------------------------------------------------ counts
    counts("host-counts-in-32-bits", Counts::Unsigned32),
    counts("host-counts-in-32-bits-with-a-sign", Counts::Signed32),
    counts("host-counts-in-64-bits-with-a-sign", Counts::Signed64),
    counts("host-counts-in-floating-point", Counts::Double),
    counts("host-counts-taken-to-begin-with-zero", Counts::FromZero),
    ring("host-believes-every-count", RingFault { credulous: true, ..RIGHT }),
    // ------------------------------------------------------------------ falling asleep
    for_bytes("host-sleeps-without-its-flag", Falls::WithoutFlag),
    for_bytes("host-sets-its-flag-too-late", Falls::FlagLate),
    for_bytes("host-reads-the-bell-too-late", Falls::BellLate),
    for_bytes("host-looks-for-bytes-now-and-then", Falls::Looks(NOW_AND_THEN)),
    for_room("host-waits-for-room-without-its-flag", Falls::WithoutFlag),
    for_room("host-sets-its-flag-for-room-too-late", Falls::FlagLate),
    for_room("host-reads-the-bell-for-room-too-late", Falls::BellLate),
    for_room("host-looks-for-room-now-and-then", Falls::Looks(NOW_AND_THEN)),
    ring("host-polls-too-slowly", RingFault { poll: NOW_AND_THEN, ..RIGHT }),
    // ------------------------------------------------------------------ telling the agent
    publish("host-publishes-without-its-bell", Tells::Silent),
    publish("host-publishes-and-wakes-nobody", Tells::WakesNobody),
    publish("host-reads-the-flag-before-it-publishes", Tells::AskedEarly),
    publish("host-rings-before-it-publishes", Tells::BellFirst),
    release("host-makes-room-without-its-bell", Tells::Silent),
    release("host-makes-room-and-wakes-nobody", Tells::WakesNobody),
    release("host-reads-the-flag-before-it-makes-room", Tells::AskedEarly),
    release("host-rings-before-it-makes-room", Tells::BellFirst),
    // ------------------------------------------------------------------ the end
    close("host-closes-without-ringing", Close::Quiet),
    close("host-rings-one-bell-at-the-end", Close::OneBell),
    close("host-leaves-its-writing-end-open", Close::WriterOpen),
    close("host-leaves-its-reading-end-open", Close::ReaderOpen),
    close("host-never-sets-the-state", Close::NoState),
    HostFault { name: "host-waits-for-what-is-delayed", closing: Closing::WaitForAll, ..CORRECT },
];
