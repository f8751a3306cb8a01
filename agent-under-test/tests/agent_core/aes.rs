//! Encryption with AES, byte for byte and for any stream.
//!
//! The encrypted literals are OpenSSL's, each made from its plaintext in hexadecimal and the vector due:
//!
//! ```text
//! printf $plaintext | xxd -r -p | openssl enc -aes-256-cbc -K $KEY -iv $iv | xxd -p -c 0
//! ```
//!
//! with `-nopad` where the padding is spelt out in the plaintext. The agent's vectors are 11…11, 22…22 and so
//! on; the client's are a1…a1 and b4…b4.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use iaspec_reference::agent::core::{
    Connection, End, NoVector, Policy, Product, Request, RequiredEncryption, VectorSource, Versions,
};
use iaspec_reference::protocol::{
    Cipher, Command, CommandHeader, Frame, InitializationVector, Key, Padding, SealedFrame, Undecryptable,
};
use proptest::prelude::*;
use proptest::sample::Index;
use rstest::rstest;

use crate::support::*;

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Mode 2, the first vector, 2000, server version 51.
const PICKED_2000_AES: &str = "02 11111111111111111111111111111111 d0070000 33000000";
/// Mode 2, the first vector, session 1, server version 51.
const SESSION_1_AES: &str = "02 11111111111111111111111111111111 01000000 33000000";

/// The vector of the client's next message (a1), command 3, Otter; with the vector 11.
const OTTER: &str = "20000000 965fe30bdce6316a5ec0e066ec3389d462d23983e59fd0168d9493eac337f5a0";
/// b4, command 3, BuildMaster; with the vector a1.
const THEN_BUILDMASTER: &str = "20000000 ea6119143ee2dbabcd1f9a33965eb9330ab44bda27a6aa9450b0e77d513c0892";
/// b4, command 3, Otter; with the vector a1.
const THEN_OTTER: &str = "20000000 ea6119143ee2dbabcd1f9a33965eb933f35b8cc29f0751b148db43bdebb6986b";
/// 22, command 3, `/o`; with the vector 11.
const OTTER_ANSWER: &str = "20000000 e802d6aec868cbcebd966bfe12ce69f8c91f8067438477e1eaacd4d0926ae540";
/// 33, command 3, `/b`; with the vector 22.
const THEN_BUILDMASTER_ANSWER: &str =
    "20000000 818d3bbc2dbbb56f50d148fa400d92c2c5d76146345bc5e654daacf6012ba085";

/// 11…11, 22…22 and so on.
#[derive(Debug, Default)]
struct Counted(AtomicU8);

impl VectorSource for Counted {
    fn vector(&self) -> Result<InitializationVector, NoVector> {
        Ok(InitializationVector([0x11 * (self.0.fetch_add(1, Ordering::Relaxed) % 15 + 1); 16]))
    }
}

/// Gives so many vectors and then none.
#[derive(Debug)]
struct Exhausted(AtomicU8);

impl VectorSource for Exhausted {
    fn vector(&self) -> Result<InitializationVector, NoVector> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|left| InitializationVector([left; 16])).map_err(|_| NoVector("none left".to_owned()))
    }
}

fn cipher(key: &str, padding: Padding) -> Cipher {
    Cipher::new(Key::try_from(bytes(key).as_slice()).unwrap(), padding).unwrap()
}

fn with(versions: Versions, cipher: Cipher) -> Arc<Policy> {
    encrypted(versions, RequiredEncryption::Aes { cipher, vectors: Arc::new(Counted::default()) })
}

fn aes(versions: Versions) -> Arc<Policy> {
    with(versions, cipher(KEY_256, Padding::Pkcs7))
}

#[test]
fn each_direction_has_a_chain_of_its_own_from_the_acknowledgement_on() {
    let sent = format!("{OFFER_BOTH} {OTTER} {THEN_BUILDMASTER}");
    let client = converse_with(aes(Versions::BOTH), &sent);
    let expected = format!("{PICKED_2000_AES} {OTTER_ANSWER} {THEN_BUILDMASTER_ANSWER}");
    assert_eq!((hex::encode(&client.received), client.end()), (hex::encode(bytes(&expected)), None));
}

/// a1, meta, command 3, Otter; with the vector 11.
#[test]
fn v1_clients_name_the_target_inside() {
    let request = "20000000 965fe30bdce6316a5ec0e066ec3389d465d5e6add425c6bf392024bc90b24fa8";
    let client = converse_with(aes(Versions::V1), &format!("{OFFER_BOTH} {request}"));
    assert_eq!(client.received, bytes(&format!("{SESSION_1_AES} {OTTER_ANSWER}")));
}

/// The plaintexts of OTTER and OTTER_ANSWER; with zeros, the padding reaches the agent as data and is ignored.
#[rstest]
#[case::of_128_bits(
    KEY_128,
    Padding::Pkcs7,
    "20000000 67896c75ba00597bae4779270ef2b108e005de81a2ecad3d9cacfc8450f26064",
    "20000000 aa7f07422bd898330d8bdb89d3099cdef911b73de4892aaef746619df9458f70"
)]
#[case::padded_with_zeros(
    KEY_256,
    Padding::Zeros,
    "20000000 965fe30bdce6316a5ec0e066ec3389d4b98a00c3dfa507d63cb9a24b907bd7f9",
    "20000000 e802d6aec868cbcebd966bfe12ce69f831cbc938106f69f201273d2088a9762d"
)]
fn keys_and_paddings(
    #[case] key: &str,
    #[case] padding: Padding,
    #[case] request: &str,
    #[case] answer: &str,
) {
    let policy = with(Versions::BOTH, cipher(key, padding));
    let client = converse_with(policy, &format!("{OFFER_BOTH} {request}"));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000_AES} {answer}")));
}

#[test]
fn every_acknowledgement_has_a_vector_of_its_own() {
    let policy = aes(Versions::BOTH);
    let first = converse_with(Arc::clone(&policy), OFFER_BOTH);
    assert_eq!(first.received, bytes(PICKED_2000_AES));
    let second = converse_with(policy, OFFER_BOTH);
    assert_eq!(second.received, bytes(&PICKED_2000_AES.replace("11", "22")));
}

/// The vector reaches the first block alone, which is the next vector: even a wrong one is not noticed
/// (hazard AES-H1).
#[test]
fn a_client_that_ignores_the_chain_is_understood() {
    let client = converse_with(aes(Versions::BOTH), &format!("{OFFER_BOTH} {THEN_OTTER} {OTTER}"));
    assert_eq!((client.received.len(), client.end()), (25 + 2 * 36, None));
}

/// Plaintext sent to an agent that requires AES (AES-10), and everything that does not decrypt (AES-6).
#[rstest]
#[case::plaintext("01000000 03000000 01")]
#[case::length_0("00000000")]
#[case::length_15("0f000000")]
#[case::length_17("11000000")]
#[case::negative("ffffffff")]
#[case::negative_blocks("f0ffffff")]
#[case::largest("ffffff7f")]
// The plaintext of OTTER, its 11 bytes of padding replaced.
#[case::padding_of_zeros("20000000 965fe30bdce6316a5ec0e066ec3389d4b98a00c3dfa507d63cb9a24b907bd7f9")]
#[case::padding_of_17("20000000 965fe30bdce6316a5ec0e066ec3389d436fc8f049ff453ef6968b335b9143bfe")]
#[case::padding_0a_but_0b_at_its_end(
    "20000000 965fe30bdce6316a5ec0e066ec3389d4caa99e2842e0b92ddd5f32484b659e07"
)]
#[case::padding_0b_but_0a_at_its_start(
    "20000000 965fe30bdce6316a5ec0e066ec3389d4b88238104478874f04c8380eb57f4fcb"
)]
// Nothing but 16 bytes of padding; a vector and three bytes of a command.
#[case::nothing_inside("10000000 75e20829172112bbf2a04d3d2b12433d")]
#[case::header_cut_short("20000000 965fe30bdce6316a5ec0e066ec3389d40cd32b4591f1b086f57ddf520b4746c8")]
#[case::key_of_somebody_else("20000000 67896c75ba00597bae4779270ef2b108e005de81a2ecad3d9cacfc8450f26064")]
fn what_does_not_decrypt_ends_the_connection_in_one_way(#[case] sent: &str) {
    let client = converse_with(aes(Versions::BOTH), &format!("{OFFER_BOTH} {sent} {OTTER}"));
    assert_eq!(client.received, bytes(PICKED_2000_AES));
    assert_eq!(client.end(), Some(&End::Undecryptable(Undecryptable)));
    assert!(client.connection.is_over());
}

/// a1 and the four bytes `00 030000`, too few where a target comes first; a1 alone, which zeros do not fill.
#[rstest]
#[case::v1(
    Versions::V1,
    Padding::Pkcs7,
    "20000000 965fe30bdce6316a5ec0e066ec3389d4113c85d8191f3214d52b7da620777224"
)]
#[case::zeros(Versions::V2, Padding::Zeros, "10000000 965fe30bdce6316a5ec0e066ec3389d4")]
fn too_short_is_the_same_end(#[case] versions: Versions, #[case] padding: Padding, #[case] sent: &str) {
    let client = converse_with(with(versions, cipher(KEY_256, padding)), &format!("{OFFER_BOTH} {sent}"));
    assert_eq!(client.end(), Some(&End::Undecryptable(Undecryptable)));
}

#[test]
fn answers_come_before_the_end_and_nothing_after_it() {
    let sent = format!("{OFFER_BOTH} {OTTER} 11000000 {THEN_BUILDMASTER}");
    let client = converse_with(aes(Versions::BOTH), &sent);
    assert_eq!(client.received, bytes(&format!("{PICKED_2000_AES} {OTTER_ANSWER}")));
    assert!(client.connection.is_over());
}

/// The limit is 1000 bytes of data, so that an encrypted part may have 1064 bytes: 1056 in whole blocks.
#[rstest]
#[case::within("20040000", false)]
#[case::above("30040000", true)]
#[case::far_above("f0ffff7f", true)]
fn a_length_above_the_limit_is_refused_before_anything_comes(#[case] length: &str, #[case] refused: bool) {
    let client = converse_with(aes(Versions::BOTH), &format!("{OFFER_BOTH} {length}"));
    assert_eq!(client.received, bytes(PICKED_2000_AES));
    assert_eq!(matches!(client.end(), Some(End::BadFrame(_))), refused, "{:?}", client.end());
    assert_eq!(client.end().is_none(), !refused);
}

#[test]
fn a_client_that_half_closes_still_gets_what_it_is_owed() {
    let mut client = Client::of(aes(Versions::BOTH), Duration::ZERO);
    let mut sessions = no_sessions();
    let sent = bytes(&format!("{OFFER_BOTH} {OTTER} {THEN_BUILDMASTER}"));
    client.send(&sent[..sent.len() - 1], &mut sessions, Duration::ZERO);
    client.end_input(&mut sessions, Duration::ZERO);
    assert_eq!(client.received, bytes(&format!("{PICKED_2000_AES} {OTTER_ANSWER}")));
    assert_eq!(client.end(), Some(&End::Client));
    assert!(client.connection.is_over());
}

/// a1, command 2, then as UPDATE_V2; with the vector 11.
#[test]
fn an_update_is_taken_from_where_it_was_decrypted() {
    let update = "40000000 965fe30bdce6316a5ec0e066ec3389d407805b07947af570763e2cefcf423f0070978b519d5264ebea86\
                  dfde29148036eb5ff607b0aa379ac0f513b71de78eb7";
    let client = converse_with(aes(Versions::BOTH), &format!("{OFFER_BOTH} {update} {THEN_OTTER}"));
    let files: Vec<_> =
        client.updates.iter().flat_map(|update| &update.files).map(|file| &file.contents[..]).collect();
    assert_eq!((client.updates[0].product, files), (Product::Otter, vec![&[0, 0xff][..]]));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000_AES} {OTTER_ANSWER}")));
}

#[rstest]
#[case::for_the_acknowledgement(0, 0)]
#[case::for_the_answer(1, 25)]
fn without_a_fresh_vector_nothing_is_sent(#[case] vectors: u8, #[case] received: usize) {
    let vectors = Arc::new(Exhausted(AtomicU8::new(vectors)));
    let cipher = cipher(KEY_256, Padding::Pkcs7);
    let policy = encrypted(Versions::BOTH, RequiredEncryption::Aes { cipher, vectors });
    let client = converse_with(policy, &format!("{OFFER_BOTH} {OTTER}"));
    assert_eq!(client.received.len(), received);
    assert_eq!(client.end(), Some(&End::NoVector(NoVector("none left".to_owned()))));
}

/// The frame of a message, with a vector that the agent does not look at.
fn seal(command: i32, data: &[u8], cipher: &Cipher) -> Vec<u8> {
    let header = CommandHeader { command: Command(command) };
    let next_iv = InitializationVector([0xa1; 16]);
    let message = SealedFrame { next_iv, frame: Frame { header, data: data.into() } };
    message.seal(cipher, &InitializationVector([0x11; 16])).unwrap()
}

fn any_cipher() -> impl Strategy<Value = Cipher> {
    let key = prop_oneof![any::<[u8; 16]>().prop_map(Key::Aes128), any::<[u8; 32]>().prop_map(Key::Aes256)];
    (key, prop_oneof![Just(Padding::Pkcs7), Just(Padding::Zeros)])
        .prop_map(|(key, padding)| Cipher::new(key, padding).unwrap())
}

/// Requests, refused and unknown messages, updates.
fn message() -> impl Strategy<Value = (i32, Vec<u8>)> {
    let data = || proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        (0_u8..5, data()).prop_map(|(product, data)| (3, [vec![product], data].concat())),
        (any::<i32>(), data()),
        Just((2, bytes(UPDATE_V2)[8..].to_vec())),
    ]
}

proptest! {
    #[test]
    fn the_pieces_make_no_difference(
        cipher in any_cipher(),
        messages in proptest::collection::vec(message(), 0..6),
        noise in proptest::collection::vec(any::<u8>(), 0..60),
        cuts in cuts(),
    ) {
        let frames = messages.iter().flat_map(|(command, data)| seal(*command, data, &cipher));
        let stream: Vec<u8> = bytes(OFFER_BOTH).into_iter().chain(frames).chain(noise).collect();
        let policy = || with(Versions::BOTH, cipher.clone());
        let whole = outcome(policy(), &[&stream]);
        prop_assert_eq!(&outcome(policy(), &pieces(&stream, &cuts)), &whole);
        prop_assert_eq!(&outcome(policy(), &stream.chunks(1).collect::<Vec<_>>()), &whole);
    }

    /// What is said encrypted has the effect that it has in clear.
    #[test]
    fn encryption_changes_nothing_but_the_bytes(
        cipher in any_cipher(),
        messages in proptest::collection::vec(message(), 0..6),
    ) {
        prop_assume!(cipher.padding() == Padding::Pkcs7);
        let (mut clear, mut sealed) = (bytes(OFFER_BOTH), bytes(OFFER_BOTH));
        for (command, data) in &messages {
            clear.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
            clear.extend(command.to_le_bytes());
            clear.extend(data);
            sealed.extend(seal(*command, data, &cipher));
        }
        let (expected, updates, end) = outcome(policy(Versions::BOTH), &[&clear]);
        let (mut received, sealed_updates, sealed_end) =
            outcome(with(Versions::BOTH, cipher.clone()), &[&sealed]);
        let mut answers = bytes(PICKED_2000);
        let mut rest = &mut received[25..];
        while !rest.is_empty() {
            let (frame, left) = rest.split_at_mut(4 + usize::from(rest[0]));
            let opened = SealedFrame::<CommandHeader>::open(frame, &cipher, &InitializationVector([0; 16]));
            let message = opened.unwrap().0.frame;
            answers.extend(u32::try_from(message.data.len()).unwrap().to_le_bytes());
            answers.extend(message.header.command.0.to_le_bytes());
            answers.extend(&message.data[..]);
            rest = left;
        }
        prop_assert_eq!((answers, sealed_updates, sealed_end), (expected, updates, end));
    }

    /// Bits flipped where they damage the padding: no answer, no effect, whatever the message was.
    #[test]
    fn damage_that_shows_ends_the_connection_without_an_answer(
        messages in proptest::collection::vec(message(), 1..4),
        flips in proptest::collection::vec(any::<Index>(), 1..4),
        cuts in cuts(),
    ) {
        let cipher = cipher(KEY_256, Padding::Pkcs7);
        let mut frames: Vec<_> =
            messages.iter().map(|(command, data)| seal(*command, data, &cipher)).collect();
        for flip in flips {
            // Behind the length and the first block.
            let flip = flip.index((frames[0].len() - 20) * 8);
            frames[0][20 + flip / 8] ^= 1 << (flip % 8);
        }
        prop_assume!(cipher.decrypt(&InitializationVector([0x11; 16]), &mut frames[0].clone()[4..]).is_err());
        let stream = [bytes(OFFER_BOTH), frames.concat()].concat();
        let (received, updates, end) = outcome(with(Versions::BOTH, cipher), &pieces(&stream, &cuts));
        prop_assert_eq!(received, bytes(PICKED_2000_AES));
        prop_assert_eq!((updates.len(), end), (0, Some(End::Undecryptable(Undecryptable))));
    }

    /// Whatever comes, the core neither panics nor goes on without end.
    #[test]
    fn any_bytes_are_survived(
        blocks in proptest::collection::vec(any::<[u8; 16]>(), 1..6),
        noise in proptest::collection::vec(any::<u8>(), 0..40),
        v1 in any::<bool>(),
        padding in prop_oneof![Just(Padding::Pkcs7), Just(Padding::Zeros)],
    ) {
        let length = u32::try_from(16 * blocks.len()).unwrap().to_le_bytes().to_vec();
        let offer = if v1 { V1_NEW_SESSION } else { OFFER_BOTH };
        let stream = [bytes(offer), length, blocks.concat(), noise].concat();
        let policy = with(Versions::BOTH, cipher(KEY_128, padding));
        let (received, _, end) = outcome(policy, &[&stream]);
        prop_assert!(received.len() >= 25 && end.is_some());
    }
}

/// 200000 bytes come in pieces and are decrypted where they have come together.
#[test]
fn a_large_update_arrives_whole() {
    let contents: Vec<u8> = (0..200_000_u32).map(|index| index.to_le_bytes()[1] ^ 0x5a).collect();
    let mut data = bytes("01 01000000 05612e646c6c 00008c1daec9d508 400d0300");
    data.extend(&contents);
    data.extend([0; 4]);
    let cipher = cipher(KEY_256, Padding::Pkcs7);
    let mut policy = Policy::clone(&with(Versions::BOTH, cipher.clone()));
    policy.max_message = 1 << 20;
    let mut connection = Connection::new(Arc::new(policy), Duration::ZERO);
    let stream = [bytes(OFFER_BOTH), seal(2, &data, &cipher), bytes(THEN_OTTER)].concat();
    for piece in stream.chunks(60_000) {
        connection.handle_input(piece, Duration::ZERO);
    }
    let Some(Request::Update(update)) = connection.take_request() else { panic!("{:?}", connection.end()) };
    assert!(update.files[0].contents == contents);
    connection.handle_update_over(Duration::ZERO);
    assert_eq!(connection.output(), bytes(&format!("{PICKED_2000_AES} {OTTER_ANSWER}")));
}

/// RTE-8 holds as in clear: meta, Otter; then a message to Otter's host, which there is none of.
#[test]
fn a_v1_message_to_a_product_ends_the_connection() {
    let cipher = cipher(KEY_256, Padding::Pkcs7);
    let mut sealed = bytes("a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 01 65000000");
    cipher.encrypt(&InitializationVector([0x11; 16]), &mut sealed, 0).unwrap();
    let sent = format!("{V1_NEW_SESSION} 20000000 {}", hex::encode(sealed));
    let client = converse_with(aes(Versions::BOTH), &sent);
    assert_eq!(client.received, bytes(SESSION_1_AES));
    assert_eq!(client.end(), Some(&End::NoHost(Product::Otter)));
}
