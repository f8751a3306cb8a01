//! Encrypted frames (AES-1, AES-3, AES-5, AES-6).
//!
//! The ciphertexts are .NET's (RijndaelManaged) of plaintexts that count up by 7 from 3. Read as a frame, such
//! a plaintext has the next vector `03 0a … 6c`, and its header and data begin at `73`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use iaspec_reference::protocol::{
    AgentType, Cipher, Command, CommandHeader, Frame, InitializationVector, Key, OpenError, Padding, Reason,
    SealedFrame, TargetedHeader, Undecryptable, UnsuitableKey,
};
use rstest::rstest;

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const IV: InitializationVector = InitializationVector([
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
]);
const NEXT_IV: InitializationVector = InitializationVector([
    0x03, 0x0a, 0x11, 0x18, 0x1f, 0x26, 0x2d, 0x34, 0x3b, 0x42, 0x49, 0x50, 0x57, 0x5e, 0x65, 0x6c,
]);
/// `73 7a 81 88` as an int32.
const COMMAND: CommandHeader = CommandHeader { command: Command(-0x777e_858d) };
/// `73`, then `7a 81 88 8f` as an int32.
const TARGETED: TargetedHeader = TargetedHeader { target: AgentType(0x73), command: Command(-0x7077_7e86) };

fn cipher(key: &str, padding: Padding) -> Cipher {
    let key = hex::decode(key).expect("hexadecimal");
    Cipher::new(Key::try_from(key.as_slice()).expect("16 or 32 bytes"), padding).expect("AES works")
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).expect("hexadecimal")
}

#[rstest]
#[case::no_data(
    KEY_128,
    Padding::Pkcs7,
    "",
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f999dd6a684f407a73841a3d65ee0255e4"
)]
#[case::one_byte(
    KEY_128,
    Padding::Pkcs7,
    "8f",
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9038dbf1c07b30fe46f3c78f7e8e4b0bd"
)]
#[case::whole_blocks(
    KEY_128,
    Padding::Pkcs7,
    "8f969da4abb2b9c0c7ced5dc",
    "30000000 29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde0747e066643459c2c56a27d77c3141f864"
)]
#[case::whole_blocks_zeros(
    KEY_128,
    Padding::Zeros,
    "8f969da4abb2b9c0c7ced5dc",
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde07"
)]
#[case::no_data_256(
    KEY_256,
    Padding::Pkcs7,
    "",
    "20000000 9bc5af02a51b5fc458a4423e83c18f18692bd459b21c0ddd217b75c99dc2cfae"
)]
#[case::whole_blocks_256(
    KEY_256,
    Padding::Zeros,
    "8f969da4abb2b9c0c7ced5dc",
    "20000000 9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04"
)]
fn without_target(#[case] key: &str, #[case] padding: Padding, #[case] data: &str, #[case] sealed: &str) {
    let cipher = cipher(key, padding);
    let message =
        SealedFrame { next_iv: NEXT_IV, frame: Frame { header: COMMAND, data: bytes(data).into() } };
    let mut sealed = bytes(sealed);
    assert_eq!(hex::encode(message.seal(&cipher, &IV).unwrap()), hex::encode(&sealed));
    sealed.push(0xff);
    assert_eq!(SealedFrame::open(&mut sealed, &cipher, &IV), Ok((message, 1)));
}

#[rstest]
#[case::no_data(KEY_128, "", "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9038dbf1c07b30fe46f3c78f7e8e4b0bd")]
#[case::ten_bytes(
    KEY_128,
    "969da4abb2b9c0c7ced5",
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9ebcea34152b6e22a4fc2e16cc96cb9fc"
)]
#[case::no_data_256(KEY_256, "", "20000000 9bc5af02a51b5fc458a4423e83c18f18e6016a224d24bff8b3a7a7a8ae0716a9")]
fn with_target(#[case] key: &str, #[case] data: &str, #[case] sealed: &str) {
    let cipher = cipher(key, Padding::Pkcs7);
    let message =
        SealedFrame { next_iv: NEXT_IV, frame: Frame { header: TARGETED, data: bytes(data).into() } };
    let mut sealed = bytes(sealed);
    assert_eq!(hex::encode(message.seal(&cipher, &IV).unwrap()), hex::encode(&sealed));
    assert_eq!(SealedFrame::open(&mut sealed, &cipher, &IV), Ok((message, 0)));
}

#[rstest]
#[case::no_data(KEY_128, "", 12, "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9ec9f949a4fa1a69a2890c150f9943095")]
#[case::one_byte(
    KEY_128,
    "8f",
    11,
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9a173602d2b09e830735e85ef94287f2c"
)]
#[case::one_byte_256(
    KEY_256,
    "8f",
    11,
    "20000000 9bc5af02a51b5fc458a4423e83c18f18ce0a69e3ae0f40b263a298a4698e466d"
)]
fn zeros_of_the_padding_stay_with_the_data(
    #[case] key: &str,
    #[case] data: &str,
    #[case] padding: usize,
    #[case] sealed: &str,
) {
    let cipher = cipher(key, Padding::Zeros);
    let mut message =
        SealedFrame { next_iv: NEXT_IV, frame: Frame { header: COMMAND, data: bytes(data).into() } };
    let mut sealed = bytes(sealed);
    assert_eq!(hex::encode(message.seal(&cipher, &IV).unwrap()), hex::encode(&sealed));
    message.frame.data.to_mut().extend(vec![0; padding]);
    assert_eq!(SealedFrame::open(&mut sealed, &cipher, &IV), Ok((message, 0)));
}

/// Whichever check fails, the outcome is the same (AES-6).
#[rstest]
#[case::length_0(Padding::Pkcs7, "00000000")]
#[case::length_negative(Padding::Pkcs7, "f0ffffff 29c99ea986fa95edf1f01a6a9ba4b1f9")]
#[case::length_15(Padding::Zeros, "0f000000 29c99ea986fa95edf1f01a6a9ba4b1")]
#[case::length_17_and_nothing_there(Padding::Zeros, "11000000")]
#[case::padded_with_zeros(
    Padding::Pkcs7,
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9a173602d2b09e830735e85ef94287f2c"
)]
#[case::last_byte_dc(
    Padding::Pkcs7,
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde07"
)]
#[case::plaintext_of_1(Padding::Pkcs7, "10000000 2a00818636b8a6fa2497c95cddefdcfe")]
#[case::plaintext_of_17(
    Padding::Pkcs7,
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9600b45c22cd0fa5e3fcfa165c2dfe8c2"
)]
#[case::plaintext_of_16_zeros(Padding::Zeros, "10000000 29c99ea986fa95edf1f01a6a9ba4b1f9")]
fn does_not_decrypt(#[case] padding: Padding, #[case] hex: &str) {
    let cipher = cipher(KEY_128, padding);
    let undecryptable = Some(OpenError::Undecryptable(Undecryptable));
    assert_eq!(SealedFrame::<CommandHeader>::open(&mut bytes(hex), &cipher, &IV).err(), undecryptable);
    assert_eq!(SealedFrame::<TargetedHeader>::open(&mut bytes(hex), &cipher, &IV).err(), undecryptable);
}

/// 20 bytes of plaintext are a frame without a target, and one byte too few for one that has it.
#[test]
fn a_target_needs_a_byte_of_its_own() {
    let sealed = bytes("20000000 29c99ea986fa95edf1f01a6a9ba4b1f999dd6a684f407a73841a3d65ee0255e4");
    let cipher = cipher(KEY_128, Padding::Pkcs7);
    assert!(SealedFrame::<CommandHeader>::open(&mut sealed.clone(), &cipher, &IV).is_ok());
    assert_eq!(
        SealedFrame::<TargetedHeader>::open(&mut sealed.clone(), &cipher, &IV),
        Err(OpenError::Undecryptable(Undecryptable))
    );
}

#[rstest]
#[case::empty("", Reason::CutShort { needed: 4, left: 0 })]
#[case::length_cut("200000", Reason::CutShort { needed: 4, left: 3 })]
#[case::nothing_sealed("10000000", Reason::PastTheEnd { length: 16, left: 0 })]
#[case::one_byte_missing("10000000 2a00818636b8a6fa2497c95cddefdc",
    Reason::PastTheEnd { length: 16, left: 15 })]
fn cut_short(#[case] hex: &str, #[case] reason: Reason) {
    match SealedFrame::<CommandHeader>::open(&mut bytes(hex), &cipher(KEY_128, Padding::Pkcs7), &IV) {
        Err(OpenError::Malformed(malformed)) => {
            assert_eq!((malformed.field.as_str(), malformed.offset), ("length", 0));
            assert_eq!(malformed.reason, reason);
        }
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::nothing("", Some(None))]
#[case::length_cut("100000", Some(None))]
#[case::one_block("10000000", Some(Some(20)))]
#[case::at_the_limit("40000000", Some(Some(68)))]
#[case::above_the_limit("50000000", None)]
#[case::no_block("00000000", None)]
#[case::part_of_a_block("11000000", None)]
#[case::negative("f0ffffff", None)]
fn the_size_of_a_frame_is_known_from_its_length(#[case] hex: &str, #[case] size: Option<Option<usize>>) {
    assert_eq!(SealedFrame::<CommandHeader>::size(&bytes(hex), 64).ok(), size);
}

#[rstest]
#[case(0)]
#[case(15)]
#[case(17)]
#[case(24)]
#[case(31)]
#[case(33)]
fn keys_of_other_lengths_are_refused(#[case] length: usize) {
    assert_eq!(Key::try_from(vec![0; length].as_slice()), Err(UnsuitableKey(length)));
}

#[test]
fn a_key_is_not_shown() {
    let shown = format!("{:?}", cipher(KEY_256, Padding::Zeros));
    assert_eq!(shown, "Cipher { key: Aes256(..), padding: Zeros }");
}
