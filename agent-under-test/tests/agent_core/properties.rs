//! What holds for any stream of bytes, in any pieces, beside any other connection.

use std::collections::HashSet;
use std::time::Duration;

use iaspec_reference::agent::core::{Admission, Versions};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::*;

/// What a client may send after its handshake, with what the agent owes it.
#[derive(Clone, Debug)]
enum Message {
    /// A command with its data, and the answer in hexadecimal.
    Answered(i32, Vec<u8>, &'static str),
    /// A command with its data that gets no answer.
    Ignored(i32, Vec<u8>),
    /// An update that is made.
    Update,
    /// A word of length that ends the connection.
    BadLength(i32),
}

fn message() -> impl Strategy<Value = Message> {
    let trailing = || proptest::collection::vec(any::<u8>(), 0..20);
    let with = |first: u8, mut rest: Vec<u8>| {
        rest.insert(0, first);
        rest
    };
    let root = (1_u8..=3, trailing()).prop_map(move |(product, rest)| {
        let answer = [OTTER_ROOT, BUILDMASTER_ROOT, HEDGEHOG_ROOT][usize::from(product) - 1];
        Message::Answered(3, with(product, rest), answer)
    });
    let no_root =
        (4_u8.., trailing()).prop_map(move |(product, rest)| Message::Ignored(3, with(product, rest)));
    let unknown = (prop_oneof![i32::MIN..0, 4..i32::MAX], trailing())
        .prop_map(|(command, data)| Message::Ignored(command, data));
    let bad = prop_oneof![i32::MIN..0, 1001..=i32::MAX].prop_map(Message::BadLength);
    prop_oneof![
        6 => root,
        2 => no_root,
        2 => unknown,
        2 => Just(Message::Ignored(2, vec![1, 0xff, 0xff, 0xff, 0xff])),
        2 => Just(Message::Update),
        1 => bad,
    ]
}

/// The bytes of the messages in a framing, and what has to come back for them: answers, updates, an end.
fn model(messages: &[Message], v1: bool) -> (Vec<u8>, Vec<u8>, usize, bool) {
    let (mut sent, mut answers, mut updates, mut ended) = (Vec::new(), Vec::new(), 0, false);
    let frame = |command: i32, data: &[u8]| {
        let mut frame = u32::try_from(data.len()).unwrap().to_le_bytes().to_vec();
        frame.extend(v1.then_some(0));
        frame.extend(command.to_le_bytes());
        frame.extend(data);
        frame
    };
    for message in messages {
        let (bytes_sent, answer) = match message {
            Message::Answered(command, data, answer) => (frame(*command, data), bytes(answer)),
            Message::Ignored(command, data) => (frame(*command, data), Vec::new()),
            Message::Update => (frame(2, &bytes(UPDATE_V2)[8..]), Vec::new()),
            Message::BadLength(length) => (length.to_le_bytes().to_vec(), Vec::new()),
        };
        sent.extend(bytes_sent);
        if !ended {
            answers.extend(answer);
            updates += usize::from(matches!(message, Message::Update));
            ended = matches!(message, Message::BadLength(_));
        }
    }
    (sent, answers, updates, ended)
}

/// The 24 bytes most of the time, else something near them.
fn handshake() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(bytes(OFFER_BOTH)),
        4 => Just(bytes(V1_NEW_SESSION)),
        1 => (any::<i32>(), any::<i32>()).prop_map(|(first, second)| {
            let id = bytes(OFFER_BOTH)[..16].to_vec();
            [id, first.to_le_bytes().to_vec(), second.to_le_bytes().to_vec()].concat()
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    #[test]
    fn the_pieces_make_no_difference(
        handshake in handshake(),
        messages in proptest::collection::vec(message(), 0..8),
        noise in proptest::collection::vec(any::<u8>(), 0..40),
        cuts in cuts(),
        v1 in any::<bool>(),
    ) {
        let stream = [handshake, model(&messages, v1).0, noise].concat();
        let whole = outcome(policy(Versions::BOTH), &[&stream]);
        prop_assert_eq!(&outcome(policy(Versions::BOTH), &pieces(&stream, &cuts)), &whole);
        prop_assert_eq!(&outcome(policy(Versions::BOTH), &stream.chunks(1).collect::<Vec<_>>()), &whole);
    }

    #[test]
    fn good_and_bad_messages_get_what_a_simple_model_says(
        messages in proptest::collection::vec(message(), 0..30),
        cuts in cuts(),
        v1 in any::<bool>(),
    ) {
        let (offer, acknowledgement) =
            if v1 { (V1_NEW_SESSION, SESSION_1) } else { (OFFER_BOTH, PICKED_2000) };
        let (sent, answers, updates, ended) = model(&messages, v1);
        let stream = [bytes(offer), sent].concat();
        let mut client = Client::new(Versions::BOTH, Duration::ZERO);
        let mut sessions = no_sessions();
        for piece in pieces(&stream, &cuts) {
            client.send(piece, &mut sessions, Duration::ZERO);
        }
        prop_assert_eq!(&client.received, &[bytes(acknowledgement), answers].concat());
        prop_assert_eq!(client.updates.len(), updates);
        prop_assert_eq!(client.end().is_some(), ended);
    }

    /// Whatever comes, the core neither panics nor goes on without end.
    #[test]
    fn any_bytes_are_survived(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        offer in prop_oneof![Just(OFFER_BOTH), Just(V1_NEW_SESSION)],
        cuts in cuts(),
    ) {
        let stream = [bytes(offer), noise].concat();
        let (received, ..) = outcome(policy(Versions::BOTH), &pieces(&stream, &cuts));
        prop_assert!(received.len() >= 9);
    }

    /// Connections that take turns in any order each get what they would get alone.
    #[test]
    fn connections_do_not_disturb_each_other(
        conversations in proptest::collection::vec(
            (proptest::collection::vec(message(), 0..5), cuts()), 2..5),
        turns in proptest::collection::vec(any::<Index>(), 0..60),
    ) {
        let streams: Vec<_> = conversations
            .iter()
            .map(|(messages, cuts)| ([bytes(OFFER_BOTH), model(messages, false).0].concat(), cuts))
            .collect();
        let mut sessions = no_sessions();
        let mut clients: Vec<_> = streams
            .iter()
            .map(|(stream, cuts)| (Client::new(Versions::BOTH, Duration::ZERO), pieces(stream, cuts).into_iter()))
            .collect();
        for turn in turns {
            let turn = turn.index(clients.len());
            let (client, pieces) = &mut clients[turn];
            if let Some(piece) = pieces.next() {
                client.send(piece, &mut sessions, Duration::ZERO);
            }
        }
        for (client, pieces) in &mut clients {
            for piece in pieces {
                client.send(piece, &mut sessions, Duration::ZERO);
            }
        }
        for ((client, _), (stream, _)) in clients.iter_mut().zip(&streams) {
            client.end_input(&mut sessions, Duration::ZERO);
            let alone = outcome(policy(Versions::BOTH), &[stream]);
            prop_assert_eq!((&client.received, &client.updates, client.end()), (&alone.0, &alone.1, alone.2.as_ref()));
        }
    }

    /// New sessions that are open together have IDs of their own, none of which is a version.
    #[test]
    fn open_sessions_differ(steps in proptest::collection::vec(any::<Option<Index>>(), 1..200)) {
        let mut sessions = no_sessions();
        let mut open = Vec::new();
        for step in steps {
            match step {
                Some(index) if !open.is_empty() => sessions.leave(open.swap_remove(index.index(open.len())), false, Duration::ZERO),
                _ => open.push(sessions.join(iaspec_reference::protocol::SessionId(0))),
            }
            let distinct: HashSet<_> = open.iter().collect();
            prop_assert_eq!(distinct.len(), open.len());
            prop_assert!(open.iter().all(|id| id.0 != 0 && id.0 < 1000));
        }
    }

    /// Clients come, finish or leave in any order: never more handshakes than slots, and a free slot is used.
    #[test]
    fn slots_are_never_overrun_nor_lost(
        limit in 1_usize..5,
        steps in proptest::collection::vec(any::<bool>(), 1..100),
    ) {
        let mut admission = Admission::new(limit);
        let (mut waiting, mut under_way) = (0, 0);
        for comes in steps {
            if comes {
                waiting += 1;
            } else if under_way > 0 {
                admission.leave();
                under_way -= 1;
            }
            while waiting > 0 && admission.has_room() {
                admission.enter();
                waiting -= 1;
                under_way += 1;
            }
            prop_assert!(under_way <= limit);
            prop_assert!(waiting == 0 || under_way == limit);
        }
    }
}
