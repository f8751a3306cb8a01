//! Encryption with AES, byte for byte.
//!
//! The encrypted literals are OpenSSL's, each made from its plaintext in hexadecimal and the vector due:
//!
//! ```text
//! printf $plaintext | xxd -r -p | openssl enc -aes-128-cbc -K $KEY -iv $iv | xxd -p -c 0
//! ```
//!
//! with `-nopad` where the padding is spelt out in the plaintext. The acknowledgement's vector is f0…ff, the
//! client's are 01…01 and 02…02, the agent's a1…a1 and a2…a2.

use std::sync::Arc;

use iaspec_reference::client::core::{
    Answer, Kind, NoTrust, NoVector, Offer, Operation, Requirement, Terms, VectorSource,
};
use iaspec_reference::protocol::{AgentType, Cipher, InitializationVector, Key, Padding, SessionId};
use rstest::rstest;

use crate::support::*;

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

const PICKED_2000_AES: &str = "02 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff d0070000 33000000";
const SESSION_7_AES: &str = "02 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff 07000000 33000000";

/// 01, command 3, Otter; with the vector f0…ff.
const OTTER_SEALED: &str = "20000000 fa72df3022eadf572bc917e75685af7986576e30d106971c26e13ffb41a9079a";
/// 02, command 3, BuildMaster; with the vector 01.
const THEN_BUILDMASTER: &str = "20000000 c1a7aba1a23a94065807a08cc8eed06e1882033f0fdbf0d64da35a6a315e61e9";
/// a1, command 3, `/o`; with the vector f0…ff.
const OTTER_ANSWER: &str = "20000000 d0099fe42960cdaf5d403bda2c731e2a8d59561ece410606f5e616a2a7295949";
/// a2, command 3, `/b`; with the vector a1.
const THEN_BUILDMASTER_ANSWER: &str =
    "20000000 c1a7aba1a23a94065807a08cc8eed06eec71f5c7a3d13bb681ec8ecf8ded03e6";

fn aes(offer: Offer, key: &str, padding: Padding) -> Terms {
    let cipher = Cipher::new(Key::try_from(bytes(key).as_slice()).unwrap(), padding).unwrap();
    Terms { cipher: Some(cipher), ..terms(offer) }
}

fn v2() -> Client {
    Client::acknowledged(aes(range(1000, 2000), KEY_128, Padding::Pkcs7), PICKED_2000_AES)
}

#[test]
fn each_direction_has_a_chain_of_its_own_from_the_acknowledgement_on() {
    let mut client = v2();
    let otter = client.asks(Operation::GetRootPath(AgentType::OTTER));
    let buildmaster = client.asks(Operation::GetRootPath(AgentType::BUILDMASTER));
    assert_eq!(client.sent(), bytes(&format!("{OTTER_SEALED} {THEN_BUILDMASTER}")));
    client.hears(&format!("{OTTER_ANSWER} {THEN_BUILDMASTER_ANSWER}"));
    assert_eq!(client.outcomes(), [(otter, path("/o")), (buildmaster, path("/b"))]);
}

/// 01, meta, command 3, Otter; with the vector f0…ff.
#[test]
fn v1_names_the_target_inside() {
    let offer = Offer::Session(SessionId(0));
    let mut client = Client::acknowledged(aes(offer, KEY_128, Padding::Pkcs7), SESSION_7_AES);
    client.asks(Operation::GetRootPath(AgentType::OTTER));
    let expected = "20000000 fa72df3022eadf572bc917e75685af79c6e8d7aa8b209138bf1ee56214482c0b";
    assert_eq!(client.sent(), bytes(expected));
}

/// The plaintexts of OTTER_SEALED and OTTER_ANSWER.
#[rstest]
#[case::of_256_bits(
    KEY_256,
    Padding::Pkcs7,
    "20000000 c6c380a7d15454deb2158b8e056530546fefaddca3fd162b7bb9036616ed46ec",
    "20000000 cbc98ce47e4186215c2ed7c49e6ae1b8797b15a24fa5c9f31a3b6a135b0a8a04"
)]
#[case::padded_with_zeros(
    KEY_128,
    Padding::Zeros,
    "20000000 fa72df3022eadf572bc917e75685af79104263b55b50349fe619eae63cfff52a",
    "20000000 d0099fe42960cdaf5d403bda2c731e2af5672cd1f64194dfdbe4c4ae97e7a801"
)]
fn keys_and_paddings(
    #[case] key: &str,
    #[case] padding: Padding,
    #[case] request: &str,
    #[case] answer: &str,
) {
    let mut client = Client::acknowledged(aes(range(1000, 2000), key, padding), PICKED_2000_AES);
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    assert_eq!(client.sent(), bytes(request));
    client.hears(answer);
    assert_eq!(client.outcomes(), [(root, path("/o"))]);
}

#[rstest]
#[case::too_short_for_a_command("20000000 d0099fe42960cdaf5d403bda2c731e2a8817a09fe96a5f2f6e4889e30118dc70")]
#[case::padding_of_zeros("20000000 d0099fe42960cdaf5d403bda2c731e2af5672cd1f64194dfdbe4c4ae97e7a801")]
#[case::another_key("20000000 cbc98ce47e4186215c2ed7c49e6ae1b8797b15a24fa5c9f31a3b6a135b0a8a04")]
#[case::no_block("00000000")]
#[case::half_a_block("08000000")]
#[case::negative("f0ffffff")]
fn a_message_that_does_not_decrypt_ends_the_connection(#[case] frame: &str) {
    let mut client = v2();
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    client.hears(frame);
    assert_eq!(client.kinds(), [(root, Err(Kind::Crypto))]);
    assert!(client.connection.is_over());
}

/// 64 MiB and 64 bytes are the most; the next possible length is too large.
#[rstest]
#[case::at_the_limit("40000004", false)]
#[case::above_it("50000004", true)]
fn lengths(#[case] length: &str, #[case] refused: bool) {
    let mut client = v2();
    client.hears(length);
    let kind = client.connection.failure().map(|failure| failure.kind);
    assert_eq!(kind, refused.then_some(Kind::Protocol));
}

#[test]
fn a_key_is_not_used_where_none_is_required() {
    let with_a_key = aes(range(1000, 2000), KEY_128, Padding::Pkcs7);
    let mut client = Client::acknowledged(with_a_key.clone(), PICKED_2000);
    client.asks(Operation::GetRootPath(AgentType::OTTER));
    assert_eq!(client.sent(), bytes(OTTER));
    let required = Terms { require: Some(Requirement::Aes), ..with_a_key };
    let mut client = Client::new(required.clone());
    client.hears(PICKED_2000);
    assert_eq!(client.kinds(), [(CONNECT, Err(Kind::Protocol))]);
    let mut client = Client::new(required);
    client.hears(PICKED_2000_AES);
    assert_eq!(client.outcomes(), [(CONNECT, connected(2, 2000, None))]);
}

#[derive(Debug)]
struct Exhausted;

impl VectorSource for Exhausted {
    fn vector(&self) -> Result<InitializationVector, NoVector> {
        Err(NoVector("none left".to_owned()))
    }
}

#[test]
fn nothing_is_sent_with_a_vector_that_is_not_fresh() {
    let cipher = Cipher::new(Key::Aes128([7; 16]), Padding::Pkcs7).unwrap();
    let exhausted = Terms::new(range(1000, 2000), Arc::new(Exhausted), Arc::new(NoTrust));
    let mut client = Client::acknowledged(Terms { cipher: Some(cipher), ..exhausted }, PICKED_2000_AES);
    let sent = client.asks(send(AgentType::META, 1, "aa"));
    assert_eq!((client.kinds(), client.sent()), (vec![(sent, Err(Kind::Crypto))], Vec::new()));
    assert!(client.connection.is_over());
    assert!(!matches!(client.connection.take_outcome(), Some((_, Ok(Answer::Done)))));
}
