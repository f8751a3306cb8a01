//! Every way in which bytes can be malformed, with the offset, the field and the reason (DAT-5, AES-6).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::format::{Padding, Secrets, Undecodable, Wrong};
use rstest::rstest;
use support::{FORMATS, bytes};

const PROTOCOL_ID: &str = "4ed2eb6cf74a134ab9af81d3dfc644be";

fn secrets(padding: Padding) -> Secrets {
    let iv = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().expect("16 bytes");
    Secrets { key: bytes("000102030405060708090a0b0c0d0e0f"), iv, padding }
}

fn undecodable(type_name: &str, hex: &str, secrets: Option<&Secrets>) -> Undecodable {
    FORMATS.decode(type_name, &bytes(hex), secrets).expect_err("bytes that cannot be decoded")
}

fn assert_malformed(type_name: &str, hex: &str, at: usize, or_later: bool, path: &str, reason: &str) {
    let error = undecodable(type_name, hex, Some(&secrets(Padding::Pkcs7)));
    assert_eq!(error.wrong, Wrong::Malformed { at, or_later }, "{error:?}");
    assert_eq!((error.path.as_str(), error.reason.as_str()), (path, reason));
}

#[rstest]
#[case("int8", "", "cut short: 1 byte expected, 0 left")]
#[case("byte", "", "cut short: 1 byte expected, 0 left")]
#[case("int32", "", "cut short: 4 bytes expected, 0 left")]
#[case("int32", "010203", "cut short: 4 bytes expected, 3 left")]
#[case("int64", "01020304050607", "cut short: 8 bytes expected, 7 left")]
#[case("datetime", "00*7", "cut short: 8 bytes expected, 7 left")]
#[case("datetime", "ff*8", "-1 is outside 0 to 3155378975999999999")]
#[case("datetime", "004037f47528ca2b", "3155378976000000000 is outside 0 to 3155378975999999999")]
#[case("guid", "00*15", "cut short: 16 bytes expected, 15 left")]
#[case("string", "", "the length prefix is cut short")]
#[case("string", "80", "the length prefix is cut short")]
#[case("string", "ffffff", "the length prefix is cut short")]
#[case("string", "808080808001", "a length prefix over 5 bytes")]
#[case("string", "808080808000", "a length prefix over 5 bytes")]
#[case("string", "ffffffffff01", "a length over 32 bits")]
#[case("string", "8080808010", "a length over 32 bits")]
#[case("string", "ffffffff0f61", "a length of 4294967295 with 1 byte left")]
#[case("string", "0261", "a length of 2 with 1 byte left")]
#[case("string", "02c328", "not UTF-8 from its byte 0 on")]
#[case("string", "0461c0806200", "not UTF-8 from its byte 1 on")]
#[case("string", "03eda080", "not UTF-8 from its byte 0 on")]
#[case("string", "04f4908080", "not UTF-8 from its byte 0 on")]
#[case("string", "0361e282", "not UTF-8 from its byte 1 on")]
#[case("string", "0161ff", "")]
#[case("root_path", "05", "a length of 5 with 0 bytes left")]
#[case("bytes", "", "cut short: 4 bytes expected, 0 left")]
#[case("bytes", "000000", "cut short: 4 bytes expected, 3 left")]
#[case("bytes", "ffffffff", "a count of -1")]
#[case("bytes", "00000080ff", "a count of -2147483648")]
fn a_plain_value_is_malformed_at_its_first_byte(
    #[case] type_name: &str,
    #[case] hex: &str,
    #[case] reason: &str,
) {
    if reason.is_empty() {
        // The control: bytes behind a whole value harm nothing.
        assert!(FORMATS.decode(type_name, &bytes(hex), None).is_ok());
    } else {
        assert_malformed(type_name, hex, 0, false, type_name, reason);
    }
}

#[rstest]
#[case("bytes", "01000000", 0, "bytes", "a count of 1, each at least 1 byte, with 0 bytes left")]
#[case("bytes", "ffffff7f 00", 0, "bytes", "a count of 2147483647, each at least 1 byte, with 1 byte left")]
#[case(
    "update_file",
    "00 00*8 03000000 aabb",
    9,
    "contents",
    "a count of 3, each at least 1 byte, with 2 bytes left"
)]
#[case(
    "update_agent",
    "01 01000000 00*12",
    1,
    "assemblies",
    "a count of 1, each at least 13 bytes, with 12 bytes left"
)]
#[case(
    "update_agent",
    "01 ffffff7f 00*26",
    1,
    "assemblies",
    "a count of 2147483647, each at least 13 bytes, with 26 bytes left"
)]
#[case(
    "update_agent",
    "01 00000000 02000000 00*25",
    5,
    "extensions",
    "a count of 2, each at least 13 bytes, with 25 bytes left"
)]
#[case("frame_client_v1", "02000000 01 03000000 aa", 0, "length", "a length of 2 with 1 byte left")]
#[case("frame_client_v2", "01000000 03000000", 0, "length", "a length of 1 with 0 bytes left")]
#[case("frame_agent", "ffffff7f 03000000 aabb", 0, "length", "a length of 2147483647 with 2 bytes left")]
#[case("aes_frame_agent", "20000000 00*31", 0, "length", "a length of 32 with 31 bytes left")]
#[case("aes_frame_client_v1", "f0ffff7f", 0, "length", "a length of 2147483632 with 0 bytes left")]
fn a_count_that_cannot_fit_may_be_noticed_later(
    #[case] type_name: &str,
    #[case] hex: &str,
    #[case] at: usize,
    #[case] path: &str,
    #[case] reason: &str,
) {
    assert_malformed(type_name, hex, at, true, path, reason);
}

#[rstest]
#[case("update_file", "0561", 0, "name", "a length of 5 with 1 byte left")]
#[case("update_file", "0161 00*7", 2, "modified_ticks", "cut short: 8 bytes expected, 7 left")]
#[case("update_file", "0161 ff*8 00000000", 2, "modified_ticks", "-1 is outside 0 to 3155378975999999999")]
#[case("update_file", "0161 00*8 000000", 10, "contents", "cut short: 4 bytes expected, 3 left")]
#[case("update_file", "0161 00*8 feffffff", 10, "contents", "a count of -2")]
#[case("update_agent", "", 0, "agent_type", "cut short: 1 byte expected, 0 left")]
#[case("update_agent", "01 0000", 1, "assemblies", "cut short: 4 bytes expected, 2 left")]
#[case("update_agent", "01 ffffffff", 1, "assemblies", "a count of -1")]
#[case("update_agent", "01 00000000", 5, "extensions", "cut short: 4 bytes expected, 0 left")]
#[case("update_agent", "01 00000000 000080ff", 5, "extensions", "a count of -8388608")]
// 13 bytes are enough for one item by the count, but this one has a name.
#[case(
    "update_agent",
    "01 01000000 0161 00*8 000000",
    15,
    "assemblies[0].contents",
    "cut short: 4 bytes expected, 3 left"
)]
#[case("update_agent", "01 01000000 0d 61*12", 5, "assemblies[0].name", "a length of 13 with 12 bytes left")]
#[case(
    "update_agent",
    "01 02000000 00 00*12 0161 ff*8 00000000 00000000",
    20,
    "assemblies[1].modified_ticks",
    "-1 is outside 0 to 3155378975999999999"
)]
#[case(
    "update_agent",
    "01 00000000 01000000 02c080 00*12",
    9,
    "extensions[0].name",
    "not UTF-8 from its byte 0 on"
)]
#[case("get_root_path", "", 0, "agent_type", "cut short: 1 byte expected, 0 left")]
#[case("open_session", "01 000000", 1, "session", "cut short: 4 bytes expected, 3 left")]
#[case("ack", "", 0, "encryption", "cut short: 1 byte expected, 0 left")]
#[case("ack", "03 00*8", 0, "encryption", "3 is not one of 0 (none), 1 (ssl), 2 (aes)")]
#[case("ack", "ff 00*8", 0, "encryption", "-1 is not one of 0 (none), 1 (ssl), 2 (aes)")]
#[case("ack", "02 00*15", 1, "iv", "cut short: 16 bytes expected, 15 left")]
#[case("ack", "00 0000", 1, "value", "cut short: 4 bytes expected, 2 left")]
#[case("ack", "02 00*16 000000", 17, "value", "cut short: 4 bytes expected, 3 left")]
#[case("ack", "00 00000000", 5, "server_version", "0 bytes left, expected 4 or 16")]
#[case("ack", "00 00000000 000000", 5, "server_version", "3 bytes left, expected 4 or 16")]
#[case("ack", "01 00000000 00*5", 5, "server_version", "5 bytes left, expected 4 or 16")]
#[case("ack", "01 00000000 00*8", 5, "server_version", "8 bytes left, expected 4 or 16")]
#[case("ack", "02 00*16 00000000 00*17", 21, "server_version", "17 bytes left, expected 4 or 16")]
#[case("frame_client_v1", "000000", 0, "length", "cut short: 4 bytes expected, 3 left")]
#[case("frame_client_v1", "ffffffff", 0, "length", "a length of -1")]
#[case("frame_client_v1", "00000080 01 03000000", 0, "length", "a length of -2147483648")]
// The header comes before the length is held against the bytes left.
#[case("frame_client_v1", "05000000", 4, "target", "cut short: 1 byte expected, 0 left")]
#[case("frame_client_v1", "05000000 01 030000", 5, "command", "cut short: 4 bytes expected, 3 left")]
#[case("frame_client_v2", "05000000 030000", 4, "command", "cut short: 4 bytes expected, 3 left")]
#[case("frame_agent", "05000000", 4, "command", "cut short: 4 bytes expected, 0 left")]
#[case("aes_frame_client_v2", "200000", 0, "length", "cut short: 4 bytes expected, 3 left")]
fn the_innermost_field_that_is_wrong_is_named(
    #[case] type_name: &str,
    #[case] hex: &str,
    #[case] at: usize,
    #[case] path: &str,
    #[case] reason: &str,
) {
    assert_malformed(type_name, hex, at, false, path, reason);
}

#[rstest]
#[case("handshake_v1", PROTOCOL_ID, 16, "version")]
#[case("handshake_v1", "4ed2eb6cf74a134ab9af81d3dfc644be e8030000 0000", 20, "session")]
#[case("handshake_v2", "4ed2eb6cf74a134ab9af81d3dfc644be e80300", 16, "min")]
#[case("handshake_v2", "4ed2eb6cf74a134ab9af81d3dfc644be e8030000", 20, "max")]
#[case("handshake_v2", "4ed2eb6cf74a134ab9af81d3dfc644", 0, "protocol_id")]
#[case("handshake_v1", "", 0, "protocol_id")]
fn a_handshake_cut_short_is_malformed_at_the_field(
    #[case] type_name: &str,
    #[case] hex: &str,
    #[case] at: usize,
    #[case] path: &str,
) {
    let error = undecodable(type_name, hex, None);
    assert_eq!((error.wrong, error.path.as_str()), (Wrong::Malformed { at, or_later: false }, path));
}

#[rstest]
#[case::big_endian("6cebd24e4af74a13b9af81d3dfc644be", "4ed2eb6c-f74a-134a-b9af-81d3dfc644be")]
#[case::last_bit("4ed2eb6cf74a134ab9af81d3dfc644bf", "6cebd24e-4af7-4a13-b9af-81d3dfc644bf")]
fn another_protocol_id_is_malformed_at_0(#[case] id: &str, #[case] read_as: &str) {
    let reason = format!("\"{read_as}\" instead of 6cebd24e-4af7-4a13-b9af-81d3dfc644be");
    for type_name in ["handshake_v1", "handshake_v2"] {
        assert_malformed(type_name, &format!("{id} e8030000 00000000"), 0, false, "protocol_id", &reason);
    }
}

/// A .NET runtime encrypted the plaintext `030a1118…` cut to the number of bytes in the name.
const SEALED_15: &str = "52d52c06b6e471b53b83b98deb9784c0";
const SEALED_17: &str = "29c99ea986fa95edf1f01a6a9ba4b1f9600b45c22cd0fa5e3fcfa165c2dfe8c2";
const SEALED_20: &str = "29c99ea986fa95edf1f01a6a9ba4b1f999dd6a684f407a73841a3d65ee0255e4";
const ZEROS_16: &str = "29c99ea986fa95edf1f01a6a9ba4b1f9";
/// Zeros padding leaves the last byte 73, which PKCS7 cannot have.
const ZEROS_20: &str = "29c99ea986fa95edf1f01a6a9ba4b1f9ec9f949a4fa1a69a2890c150f9943095";

#[rstest]
#[case::no_bytes("aes_frame_agent", "00000000".to_owned(), Padding::Pkcs7, "length", "a length of 0 is not a positive multiple of 16")]
#[case::negative("aes_frame_agent", "f0ffffff".to_owned(), Padding::Pkcs7, "length", "a length of -16 is not a positive multiple of 16")]
#[case::half_a_block("aes_frame_agent", format!("18000000{SEALED_20}"), Padding::Zeros, "length", "a length of 24 is not a positive multiple of 16")]
// Judged before the bytes left are counted.
#[case::half_a_block_and_too_long("aes_frame_agent", "ffffff7f".to_owned(), Padding::Pkcs7, "length", "a length of 2147483647 is not a positive multiple of 16")]
#[case::shorter_than_the_iv("aes_frame_agent", format!("10000000{SEALED_15}"), Padding::Pkcs7, "next_iv", "the plaintext of 15 bytes: cut short: 16 bytes expected, 15 left")]
#[case::shorter_than_the_command("aes_frame_agent", format!("20000000{SEALED_17}"), Padding::Pkcs7, "command", "the plaintext of 17 bytes: cut short: 4 bytes expected, 1 left")]
#[case::v1_needs_a_byte_more("aes_frame_client_v1", format!("20000000{SEALED_20}"), Padding::Pkcs7, "command", "the plaintext of 20 bytes: cut short: 4 bytes expected, 3 left")]
#[case::zeros_shorter_than_the_command("aes_frame_client_v2", format!("10000000{ZEROS_16}"), Padding::Zeros, "command", "the plaintext of 16 bytes: cut short: 4 bytes expected, 0 left")]
#[case::zeros_are_no_pkcs7("aes_frame_agent", format!("20000000{ZEROS_20}"), Padding::Pkcs7, "encrypted", "the last byte, 00, is no PKCS7 padding")]
fn a_frame_that_does_not_decrypt_is_a_matter_of_crypto(
    #[case] type_name: &str,
    #[case] hex: String,
    #[case] padding: Padding,
    #[case] path: &str,
    #[case] reason: &str,
) {
    let error = undecodable(type_name, &hex, Some(&secrets(padding)));
    assert_eq!(error.wrong, Wrong::Crypto);
    assert_eq!((error.path.as_str(), error.reason.as_str()), (path, reason));
}

/// CBC: a bit flipped in one block flips the same bit in the plaintext of the next.
#[rstest]
#[case::first_of_the_padding(4, "the last 12 bytes, 0d0c0c0c0c0c0c0c0c0c0c0c, are no PKCS7 padding")]
#[case::last_byte(15, "the last 13 bytes, 880c0c0c0c0c0c0c0c0c0c0c0d, are no PKCS7 padding")]
fn damaged_padding_is_seen(#[case] flipped: usize, #[case] reason: &str) {
    let mut frame = bytes(&format!("20000000{SEALED_20}"));
    frame[4 + flipped] ^= 1;
    let error =
        FORMATS.decode("aes_frame_agent", &frame, Some(&secrets(Padding::Pkcs7))).expect_err("damaged");
    assert_eq!(
        (error.wrong, error.path.as_str(), error.reason.as_str()),
        (Wrong::Crypto, "encrypted", reason)
    );
}

#[test]
fn a_padding_of_17_is_none() {
    let mut frame = bytes(&format!("20000000{SEALED_20}"));
    frame[4 + 15] ^= 0x0c ^ 17;
    let error =
        FORMATS.decode("aes_frame_agent", &frame, Some(&secrets(Padding::Pkcs7))).expect_err("damaged");
    assert_eq!(error.reason, "the last byte, 11, is no PKCS7 padding");
}

#[rstest]
#[case::no_such_type("uint9", "no format has a type `uint9`")]
#[case::no_key("aes_frame_agent", "there is no key to open it")]
fn a_question_that_cannot_be_answered_is_no_verdict_about_the_bytes(
    #[case] type_name: &str,
    #[case] reason: &str,
) {
    let error = undecodable(type_name, &format!("20000000{SEALED_20}"), None);
    assert_eq!((error.wrong, error.reason.as_str()), (Wrong::Unknown, reason));
}

#[test]
fn the_fields_before_the_wrong_one_are_told() {
    let error = undecodable("update_file", "0161 ff*8", None);
    let fields: Vec<_> =
        error.fields.iter().map(|field| (field.path.as_str(), field.range.clone())).collect();
    assert_eq!(fields, [("name length", 0..1), ("name", 1..2)]);
}
