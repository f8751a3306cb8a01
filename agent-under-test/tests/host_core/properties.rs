//! Requests in any segmentation, and bytes of any kind.

use iaspec_reference::host::core::Host;
use proptest::prelude::*;

use crate::support::{START, bytes, sent};

/// Requests that need nothing of the world, and their answers.
const DIALOGUE: [(&str, &str); 6] = [
    ("05000000 65000000 01000000 61", "06000000 65000000 01000000 00 61"),
    ("0c000000 67000000 01000000 01000000 02000000", "0b000000 67000000 01000000 00 00000000 0001"),
    ("06000000 6d000000 02000000 3132", ""),
    ("07000000 6d000000 02000000 333435", ""),
    (
        "04000000 6e000000 03000000",
        // CRC-32 of "12345" is cbf53a1c.
        "19000000 6e000000 03000000 00 0200000000000000 0500000000000000 1c3af5cb",
    ),
    ("08000000 66000000 04000000 00000000", "05000000 66000000 04000000 00"),
];

proptest! {
    #[test]
    fn every_segmentation_gives_the_same(cuts in proptest::collection::vec(1..40_usize, 1..200)) {
        let (mut requests, mut expected) = (Vec::new(), Vec::new());
        for (request, answer) in DIALOGUE {
            requests.extend(bytes(request));
            expected.extend(bytes(answer));
        }
        let (mut host, mut answers, mut rest) = (Host::new(), Vec::new(), requests.as_slice());
        for cut in cuts.into_iter().cycle() {
            let (piece, left) = rest.split_at(cut.min(rest.len()));
            host.handle_input(piece, START);
            answers.extend(sent(&mut host));
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(hex::encode(answers), hex::encode(expected));
    }

    /// Whatever comes, nothing panics, and what goes out is whole messages.
    #[test]
    fn any_bytes_are_survived(
        messages in proptest::collection::vec((95..118_i32, proptest::collection::vec(0..4_u8, 0..24)), 0..30),
        garbage in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut host = Host::new();
        let mut out = Vec::new();
        for (command, data) in messages {
            let mut message = u32::try_from(data.len()).unwrap().to_le_bytes().to_vec();
            message.extend(command.to_le_bytes());
            message.extend(data);
            host.handle_input(&message, START);
            while host.take_task().is_some() {
                host.handle_outcome(Err("refused".to_owned()), START);
            }
            // Bursts can be long: a piece of each is enough here.
            for _ in 0..4 {
                let piece = host.output().to_vec();
                host.handle_sent(piece.len());
                out.extend(piece);
            }
        }
        host.handle_input(&garbage, START);
        let mut rest = out.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(i32::from_le_bytes(*length)).unwrap();
            rest = behind.get(4 + length..).unwrap_or_default();
        }
    }

    #[test]
    fn a_sent_part_changes_nothing(pieces in proptest::collection::vec(1..70_000_usize, 1..60)) {
        let request = bytes("0c000000 67000000 01000000 05000000 a0860100");
        let mut host = Host::new();
        host.handle_input(&request, START);
        let whole = sent(&mut host);
        prop_assert_eq!(whole.len(), 5 * (100_000 + 17));
        host.handle_input(&request, START);
        let mut again = Vec::new();
        for piece in pieces.into_iter().cycle() {
            let output = host.output();
            let piece = piece.min(output.len());
            again.extend_from_slice(&output[..piece]);
            host.handle_sent(piece);
            if host.output().is_empty() {
                break;
            }
        }
        prop_assert!(again == whole);
    }
}
