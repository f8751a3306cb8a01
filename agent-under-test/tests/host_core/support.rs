//! A host to talk to in hexadecimal.

use std::time::Duration;

use iaspec_reference::host::core::Host;

pub(crate) const START: Duration = Duration::ZERO;

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    hex::decode(digits).unwrap()
}

/// Everything that the host has to send now.
pub(crate) fn sent(host: &mut Host) -> Vec<u8> {
    let mut all = Vec::new();
    while let next @ [_, ..] = host.output() {
        all.extend_from_slice(next);
        let count = next.len();
        host.handle_sent(count);
    }
    all
}

/// What a new host answers to some bytes.
pub(crate) fn answer(hex: &str) -> Vec<u8> {
    let mut host = Host::new();
    host.handle_input(&bytes(hex), START);
    sent(&mut host)
}
