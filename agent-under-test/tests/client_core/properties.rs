//! What holds for any stream of bytes from an agent, in any pieces.

use iaspec_reference::client::core::{Answer, Failure, Kind, Operation, OperationId};
use iaspec_reference::protocol::AgentType;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::*;

/// What comes of a client that asks three times before anything comes, and receives at the end.
fn told(acknowledged: bool, pieces: &[&[u8]]) -> Vec<(OperationId, Result<Answer, Kind>)> {
    let mut client = if acknowledged { Client::v2() } else { Client::new(terms(range(1000, 2000))) };
    for _ in 0..2 {
        client.asks(Operation::GetRootPath(AgentType::OTTER));
    }
    client.asks(open_session(0));
    for piece in pieces {
        client.hears_bytes(piece, NOW);
    }
    client.hears_the_end();
    let mut told = client.outcomes();
    loop {
        client.asks(Operation::Receive);
        let received = client.outcomes();
        let over = received[0].1.is_err();
        told.extend(received);
        if over {
            break;
        }
    }
    assert!(client.connection.is_over());
    told.sort_by_key(|(id, _)| *id);
    told.into_iter().map(|(id, outcome)| (id, outcome.map_err(|Failure { kind, .. }| kind))).collect()
}

fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![Just(1), Just(3), any::<i32>()];
    let data = prop_oneof![
        2 => Just(vec![2, b'/', b'o']),
        1 => Just(vec![9, 0, 0, 0]),
        3 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let good = (command, data).prop_map(|(command, data)| {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        [&length[..], &command.to_le_bytes(), &data].concat()
    });
    let bad = prop_oneof![i32::MIN..0, (64 << 20) + 1..=i32::MAX]
        .prop_map(|length: i32| length.to_le_bytes().to_vec());
    prop_oneof![8 => good, 1 => bad, 1 => proptest::collection::vec(any::<u8>(), 0..12)]
}

proptest! {
    #[test]
    fn the_pieces_make_no_difference(
        frames in proptest::collection::vec(frame(), 0..12),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let stream = frames.concat();
        let whole = told(true, &[&stream]);
        prop_assert_eq!(&told(true, &pieces(&stream, &cuts)), &whole);
        prop_assert_eq!(&told(true, &stream.chunks(1).collect::<Vec<_>>()), &whole);
    }

    #[test]
    fn nor_do_they_where_an_acknowledgement_comes_first(
        acknowledgement in prop_oneof![
            3 => Just(bytes(PICKED_2000)),
            2 => Just(bytes(SESSION_7)),
            1 => proptest::collection::vec(any::<u8>(), 0..12),
        ],
        frames in proptest::collection::vec(frame(), 0..6),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let stream = [acknowledgement, frames.concat()].concat();
        let whole = told(false, &[&stream]);
        prop_assert_eq!(&told(false, &pieces(&stream, &cuts)), &whole);
        prop_assert_eq!(&told(false, &stream.chunks(1).collect::<Vec<_>>()), &whole);
    }

    /// Every operation has one outcome, whatever comes.
    #[test]
    fn every_operation_has_an_outcome(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let told = told(false, &[&noise]);
        let ids: Vec<u64> = told.iter().map(|(id, _)| id.0).collect();
        prop_assert_eq!(ids, (0..told.len() as u64).collect::<Vec<_>>());
    }
}
