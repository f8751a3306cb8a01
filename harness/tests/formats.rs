//! The interpreter of format files: values to bytes and back, against bytes worked out by hand or taken from
//! a .NET runtime.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::format::{Formats, Layer, Padding, Secrets, Wrong};
use rstest::rstest;
use serde_json::{Value as Json, json};
use support::{FORMATS, bytes};

const PROTOCOL_ID: &str = "4ed2eb6cf74a134ab9af81d3dfc644be";
const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The next IV in the plaintexts that the .NET runtime encrypted: their first 16 bytes.
const NEXT_IV: &str = "030a11181f262d343b424950575e656c";

fn secrets(key: &str, padding: Padding) -> Secrets {
    let iv = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().expect("16 bytes");
    Secrets { key: bytes(key), iv, padding }
}

fn both_ways(type_name: &str, value: &Json, expected: &[u8], secrets: Option<&Secrets>) {
    let encoded = FORMATS.encode(type_name, value, secrets).expect("a value that can be encoded");
    assert_eq!(hex::encode(&encoded), hex::encode(expected), "encoding {value}");
    let decoded = FORMATS.decode(type_name, expected, secrets).expect("bytes that can be decoded");
    assert_eq!(decoded.value, *value, "decoding {}", hex::encode(expected));
    assert_eq!(decoded.used, expected.len());
}

#[rstest]
#[case::smallest("int8", json!(-128), "80")]
#[case::minus_one("int8", json!(-1), "ff")]
#[case::largest("int8", json!(127), "7f")]
#[case::byte_has_no_sign("byte", json!(255), "ff")]
#[case::byte_zero("byte", json!(0), "00")]
#[case::low_byte_first("int32", json!(256), "00010000")]
#[case::int32_1000("int32", json!(1000), "e8030000")]
#[case::int32_minus_one("int32", json!(-1), "ffffffff")]
#[case::int32_smallest("int32", json!(i32::MIN), "00000080")]
#[case::int32_largest("int32", json!(i32::MAX), "ffffff7f")]
#[case::int64_is_text("int64", json!("4294967296"), "0000000001000000")]
#[case::int64_minus_one("int64", json!("-1"), "ffffffffffffffff")]
#[case::int64_smallest("int64", json!("-9223372036854775808"), "0000000000000080")]
#[case::int64_largest("int64", json!("9223372036854775807"), "ffffffffffffff7f")]
#[case::year_1("datetime", json!("0"), "0000000000000000")]
#[case::year_1970("datetime", json!("621355968000000000"), "0080b5f7f57f9f08")]
#[case::leap_day_with_milliseconds("datetime", json!("630874244967890000"), "50fc4085c850c108")]
#[case::last_tick("datetime", json!("3155378975999999999"), "ff3f37f47528ca2b")]
#[case::no_text("string", json!(""), "00")]
#[case::prefix_of_one_byte("string", json!("x".repeat(127)), "7f 78*127")]
#[case::prefix_of_two_bytes("string", json!("x".repeat(128)), "8001 78*128")]
#[case::three_hundred("string", json!("x".repeat(300)), "ac02 78*300")]
#[case::prefix_of_three_bytes("string", json!("x".repeat(16384)), "808001 78*16384")]
#[case::prefix_of_four_bytes("string", json!("x".repeat(2_097_152)), "80808001 78*2097152")]
#[case::length_counts_bytes("string", json!("日本語"), "09e697a5e69cace8aa9e")]
#[case::beyond_the_basic_plane("string", json!("🚀 launch"), "0bf09f9a80206c61756e6368")]
#[case::bom_is_a_character("string", json!("\u{feff}bom"), "06efbbbf626f6d")]
#[case::nul("string", json!("nul\0inside"), "0a6e756c00696e73696465")]
#[case::not_normalized("string", json!("e\u{301} is not é"), "0d65cc81206973206e6f7420c3a9")]
#[case::guid_order("guid", json!("00112233-4455-6677-8899-aabbccddeeff"), "33221100554477668899aabbccddeeff")]
#[case::no_bytes("bytes", json!(""), "00000000")]
#[case::two_bytes("bytes", json!("00ff"), "02000000 00ff")]
#[case::root_path("root_path", json!("/var/otter"), "0a 2f7661722f6f74746572")]
#[case::update_file(
    "update_file",
    json!({"name": "a.dll", "modified_ticks": "636636672000000000", "contents": "00ff"}),
    "05612e646c6c 00008c1daec9d508 02000000 00ff"
)]
#[case::update_agent(
    "update_agent",
    json!({
        "agent_type": 2,
        "assemblies": [{"name": "", "modified_ticks": "0", "contents": ""}],
        "extensions": [
            {"name": "x", "modified_ticks": "1", "contents": "aa"},
            {"name": "y", "modified_ticks": "2", "contents": "bb"},
        ],
    }),
    "02 01000000 00 00*8 00000000 02000000 0178 01000000 00000000 01000000 aa 0179 02000000 00000000 01000000 bb"
)]
#[case::update_agent_without_files(
    "update_agent",
    json!({"agent_type": 0, "assemblies": [], "extensions": []}),
    "00 00000000 00000000"
)]
#[case::agent_type_outside_the_list("get_root_path", json!({"agent_type": 200}), "c8")]
#[case::open_session("open_session", json!({"agent_type": 3, "session": -2}), "03 feffffff")]
fn values_and_bytes_agree_both_ways(#[case] type_name: &str, #[case] value: Json, #[case] hex: &str) {
    both_ways(type_name, &value, &bytes(hex), None);
}

#[rstest]
#[case::v1("handshake_v1", json!({"version": 1000, "session": 7}), "e8030000 07000000")]
#[case::v2("handshake_v2", json!({"min": 1000, "max": 2000}), "e8030000 d0070000")]
#[case::min_above_max("handshake_v2", json!({"min": 2000, "max": -1}), "d0070000 ffffffff")]
fn a_handshake_begins_with_the_protocol_id(#[case] type_name: &str, #[case] value: Json, #[case] rest: &str) {
    both_ways(type_name, &value, &bytes(&format!("{PROTOCOL_ID}{rest}")), None);
}

#[rstest]
#[case::no_encryption(
    json!({"encryption": 0, "iv": null, "value": 2000, "server_version": [51]}),
    "00 d0070000 33000000"
)]
#[case::ssl_and_four_numbers(
    json!({"encryption": 1, "iv": null, "value": 7, "server_version": [1, 2, 3, -1]}),
    "01 07000000 01000000 02000000 03000000 ffffffff"
)]
#[case::aes(
    json!({"encryption": 2, "iv": "000102030405060708090a0b0c0d0e0f", "value": -1, "server_version": [0]}),
    "02 000102030405060708090a0b0c0d0e0f ffffffff 00000000"
)]
fn an_acknowledgement_has_an_iv_only_for_aes(#[case] value: Json, #[case] hex: &str) {
    both_ways("ack", &value, &bytes(hex), None);
}

#[rstest]
#[case::v1_has_a_target("frame_client_v1", json!({"target": 1, "command": 3, "data": "01"}), "01000000 01 03000000 01")]
#[case::v2_has_none("frame_client_v2", json!({"command": 3, "data": "01"}), "01000000 03000000 01")]
#[case::agent("frame_agent", json!({"command": -1, "data": "0203"}), "02000000 ffffffff 0203")]
#[case::length_counts_the_data_alone("frame_client_v1", json!({"target": 0, "command": 0, "data": ""}), "00000000 00 00000000")]
fn a_frame_counts_its_data(#[case] type_name: &str, #[case] value: Json, #[case] hex: &str) {
    both_ways(type_name, &value, &bytes(hex), None);
}

/// Bytes that a .NET runtime encrypted, with the plaintext `030a1118…` cut to a length and read as a frame.
#[rstest]
#[case::v2_20_bytes(
    "aes_frame_client_v2", KEY_128, Padding::Pkcs7,
    json!({"next_iv": NEXT_IV, "command": -2_004_780_429, "data": ""}),
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f999dd6a684f407a73841a3d65ee0255e4"
)]
#[case::agent_31_bytes(
    "aes_frame_agent", KEY_128, Padding::Pkcs7,
    json!({"next_iv": NEXT_IV, "command": -2_004_780_429, "data": "8f969da4abb2b9c0c7ced5"}),
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9ebcea34152b6e22a4fc2e16cc96cb9fc"
)]
#[case::whole_blocks_get_a_block_of_padding(
    "aes_frame_agent", KEY_128, Padding::Pkcs7,
    json!({"next_iv": NEXT_IV, "command": -2_004_780_429, "data": "8f969da4abb2b9c0c7ced5dc"}),
    "30000000 29c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde0747e066643459c2c56a27d77c3141f864"
)]
#[case::v1_21_bytes(
    "aes_frame_client_v1", KEY_128, Padding::Pkcs7,
    json!({"next_iv": NEXT_IV, "target": 0x73, "command": -1_886_879_366, "data": ""}),
    "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9038dbf1c07b30fe46f3c78f7e8e4b0bd"
)]
#[case::v1_33_bytes_and_a_long_key(
    "aes_frame_client_v1", KEY_256, Padding::Pkcs7,
    json!({"next_iv": NEXT_IV, "target": 0x73, "command": -1_886_879_366, "data": "969da4abb2b9c0c7ced5dce3"}),
    "30000000 9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04af6b22c324c1b55143beb52582ce57ce"
)]
#[case::zeros_add_nothing_to_whole_blocks(
    "aes_frame_client_v2", KEY_256, Padding::Zeros,
    json!({"next_iv": NEXT_IV, "command": -2_004_780_429, "data": "8f969da4abb2b9c0c7ced5dc"}),
    "20000000 9bc5af02a51b5fc458a4423e83c18f184d25a5d1ab658c4bec672003e50ddf04"
)]
fn sealed_frames_agree_with_the_dotnet_runtime(
    #[case] type_name: &str,
    #[case] key: &str,
    #[case] padding: Padding,
    #[case] value: Json,
    #[case] hex: &str,
) {
    both_ways(type_name, &value, &bytes(hex), Some(&secrets(key, padding)));
}

#[test]
fn zeros_padding_comes_back_as_part_of_the_data() {
    let sealed = bytes("20000000 29c99ea986fa95edf1f01a6a9ba4b1f9a173602d2b09e830735e85ef94287f2c");
    let secrets = secrets(KEY_128, Padding::Zeros);
    let value = json!({"next_iv": NEXT_IV, "command": -2_004_780_429, "data": "8f"});
    assert_eq!(FORMATS.encode("aes_frame_agent", &value, Some(&secrets)).unwrap(), sealed);
    let decoded = FORMATS.decode("aes_frame_agent", &sealed, Some(&secrets)).unwrap();
    assert_eq!(decoded.value["data"], json!("8f0000000000000000000000"));
    assert_eq!(
        FORMATS.value_difference("aes_frame_agent", &value, &decoded.value, Some(Padding::Zeros)),
        None
    );
}

#[test]
fn bytes_behind_a_value_are_left_alone() {
    let decoded = FORMATS.decode("frame_agent", &bytes("01000000 03000000 aa bbcc"), None).unwrap();
    assert_eq!((decoded.used, decoded.value), (9, json!({"command": 3, "data": "aa"})));
    let overlong = FORMATS.decode("string", &bytes("8180808000 61 62"), None).unwrap();
    assert_eq!((overlong.used, overlong.value), (6, json!("a")));
}

#[test]
fn every_field_is_annotated_with_its_place_and_meaning() {
    let hex = "01 01000000 0161 0080b5f7f57f9f08 02000000 cafe 00000000";
    let decoded = FORMATS.decode("update_agent", &bytes(hex), None).unwrap();
    let fields: Vec<_> = decoded
        .fields
        .iter()
        .map(|field| (field.path.as_str(), field.range.clone(), field.text.as_str()))
        .collect();
    let expected = [
        ("agent_type", 0..1, "1 (otter)"),
        ("assemblies count", 1..5, "1"),
        ("assemblies[0].name length", 5..6, "1"),
        ("assemblies[0].name", 6..7, "\"a\""),
        ("assemblies[0].modified_ticks", 7..15, "621355968000000000"),
        ("assemblies[0].contents count", 15..19, "2"),
        ("assemblies[0].contents", 19..21, "2 bytes"),
        ("extensions count", 21..25, "0"),
    ];
    assert_eq!(fields, expected);
    assert!(decoded.fields.iter().all(|field| field.layer == Layer::Wire));
}

#[test]
fn fields_of_an_encrypted_part_stand_in_its_plaintext() {
    let hex = "20000000 29c99ea986fa95edf1f01a6a9ba4b1f9ebcea34152b6e22a4fc2e16cc96cb9fc";
    let secrets = secrets(KEY_128, Padding::Pkcs7);
    let decoded = FORMATS.decode("aes_frame_agent", &bytes(hex), Some(&secrets)).unwrap();
    let fields: Vec<_> =
        decoded.fields.iter().map(|field| (field.path.as_str(), field.layer, field.range.clone())).collect();
    let expected = [
        ("length", Layer::Wire, 0..4),
        ("next_iv", Layer::Plain, 0..16),
        ("command", Layer::Plain, 16..20),
        ("data", Layer::Plain, 20..31),
        ("padding", Layer::Plain, 31..32),
    ];
    assert_eq!(fields, expected);
    let plain = decoded.plain.expect("the plaintext with its padding");
    assert_eq!(hex::encode(plain), "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced501");
}

#[rstest]
#[case("int8", json!(128), "`int8`: 128 is outside -128 to 127")]
#[case("byte", json!(-1), "`byte`: -1 is outside 0 to 255")]
#[case("int32", json!(2_147_483_648_u64), "`int32`: 2147483648 is outside -2147483648 to 2147483647")]
#[case("int32", json!(1.5), "`int32`: 1.5 is not a whole number in range")]
#[case("int32", json!("1"), "`int32`: a number expected, found text")]
#[case("int64", json!(1), "`int64`: a decimal number as text expected, found the number 1")]
#[case("int64", json!("9223372036854775808"), "`int64`: 9223372036854775808 is outside -9223372036854775808 to 9223372036854775807")]
#[case("int64", json!("+1"), "`int64`: `+1` is not a decimal number")]
#[case("int64", json!(""), "`int64`: `` is not a decimal number")]
#[case("datetime", json!("-1"), "`datetime`: -1 is outside 0 to 3155378975999999999")]
#[case("datetime", json!("3155378976000000000"), "`datetime`: 3155378976000000000 is outside 0 to 3155378975999999999")]
#[case("string", json!(7), "`string`: text expected, found the number 7")]
#[case("string", json!(null), "`string`: text expected, found null")]
#[case("guid", json!("00112233445566778899aabbccddeeff"), "`guid`: `00112233445566778899aabbccddeeff` is not a GUID with dashes")]
#[case("guid", json!("00112233-4455-6677-8899-aabbccddeefg"), "`guid`: `00112233-4455-6677-8899-aabbccddeefg` is not a GUID with dashes")]
#[case("bytes", json!("abc"), "`bytes`: not hexadecimal: Odd number of digits")]
#[case("bytes", json!("0g"), "`bytes`: not hexadecimal: Invalid character 'g' at position 1")]
#[case("update_file", json!([]), "`update_file`: an object expected, found a list")]
#[case("update_file", json!({"name": "a", "modified_ticks": "0"}), "`contents`: is missing")]
#[case("update_agent", json!({"agent_type": 1, "assemblies": [{"name": true}], "extensions": []}), "`assemblies[0].name`: text expected, found true")]
#[case("update_agent", json!({"agent_type": 256, "assemblies": [], "extensions": []}), "`agent_type`: 256 is outside 0 to 255")]
#[case("update_agent", json!({"agent_type": 1, "assemblies": {}, "extensions": []}), "`assemblies`: a list expected, found an object")]
#[case("ack", json!({"encryption": 3, "iv": null, "value": 0, "server_version": [1]}), "`encryption`: 3 is not a known value")]
#[case("ack", json!({"encryption": 2, "iv": null, "value": 0, "server_version": [1]}), "`iv`: is missing, as `encryption` is 2")]
#[case("ack", json!({"encryption": 1, "iv": NEXT_IV, "value": 0, "server_version": [1]}), "`iv`: stands there only when `encryption` is 2")]
#[case("ack", json!({"encryption": 2, "iv": "00", "value": 0, "server_version": [1]}), "`iv`: 1 byte instead of 16")]
#[case("ack", json!({"encryption": 0, "iv": null, "value": 0, "server_version": [1, 2]}), "`server_version`: 2 items; there may be [1, 4]")]
#[case("ack", json!({"encryption": 0, "iv": null, "value": 0, "server_version": [1, 2, 3, "4"]}), "`server_version[3]`: a number expected, found text")]
#[case("frame_agent", json!({"command": 1}), "`data`: is missing")]
#[case("aes_frame_agent", json!({"next_iv": NEXT_IV, "command": 1, "data": ""}), "`encrypted`: there is no key to seal it with")]
#[case("uint9", json!(0), "no format has a type `uint9`")]
fn a_value_that_cannot_be_encoded_is_named(
    #[case] type_name: &str,
    #[case] value: Json,
    #[case] message: &str,
) {
    let error = FORMATS.encode(type_name, &value, None).expect_err("no bytes");
    assert_eq!(error.to_string(), message);
}

#[rstest]
#[case::next_iv(json!({"next_iv": "00", "command": 1, "data": ""}), "`next_iv`: 1 byte instead of 16")]
#[case::command(json!({"next_iv": NEXT_IV, "data": ""}), "`command`: is missing")]
fn a_mistake_inside_an_encrypted_part_is_named(#[case] value: Json, #[case] message: &str) {
    let secrets = secrets(KEY_128, Padding::Pkcs7);
    let error = FORMATS.encode("aes_frame_agent", &value, Some(&secrets)).expect_err("no bytes");
    assert_eq!(error.to_string(), message);
}

#[rstest]
#[case::length("frame_agent", json!({"length": -1, "command": 3, "data": "aa"}), "ffffffff 03000000 aa")]
#[case::protocol_id(
    "handshake_v1",
    json!({"protocol_id": "00000000-0000-0000-0000-000000000001", "version": 1, "session": 2}),
    "00*15 01 01000000 02000000"
)]
fn a_computed_field_can_be_overridden_to_build_wrong_bytes(
    #[case] type_name: &str,
    #[case] value: Json,
    #[case] hex: &str,
) {
    assert_eq!(FORMATS.encode(type_name, &value, None).unwrap(), bytes(hex));
}

#[rstest]
#[case::object(json!({"pid": 7}), "09 7b22706964223a377d")]
#[case::list(json!([]), "02 5b5d")]
fn json_is_text_that_stands_for_a_value(#[case] value: Json, #[case] hex: &str) {
    assert_eq!(FORMATS.encode("json", &value, None).unwrap(), bytes(hex));
    assert_eq!(FORMATS.decode("json", &bytes(hex), None).unwrap().value, value);
}

#[test]
fn text_that_is_no_json_is_malformed_behind_its_length() {
    let error = FORMATS.decode("json", &bytes("01 7b"), None).unwrap_err();
    assert!(error.reason.starts_with("not JSON: "), "{error:?}");
}

#[test]
fn the_newest_format_that_has_a_type_is_found() {
    let version_of = |name| FORMATS.find(name).map(|(format, _)| format.protocol.value);
    assert_eq!(version_of("int32"), Some(2000));
    assert_eq!(version_of("frame_client_v1"), Some(1000));
    assert_eq!(version_of("open_session"), Some(2000));
    assert_eq!(version_of("frame_client_v3"), None);
}

#[test]
fn the_types_are_those_of_the_contract() {
    let mut names = FORMATS.type_names();
    names.sort_unstable();
    // Beside them `json`: the text in which the probe product reports, which no codec is asked for.
    names.retain(|name| *name != "json");
    let expected = [
        "ack",
        "aes_frame_agent",
        "aes_frame_client_v1",
        "aes_frame_client_v2",
        "byte",
        "bytes",
        "datetime",
        "frame_agent",
        "frame_client_v1",
        "frame_client_v2",
        "get_root_path",
        "guid",
        "handshake_v1",
        "handshake_v2",
        "int32",
        "int64",
        "int8",
        "open_session",
        "root_path",
        "string",
        "update_agent",
        "update_file",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_format_is_found_by_its_version() {
    let version = |number| FORMATS.version(number).map(|format| format.protocol.value);
    assert_eq!([999, 1000, 1500, 2000].map(version), [None, Some(1000), None, Some(2000)]);
    assert_eq!((FORMATS.oldest_version(), Formats::default().oldest_version()), (1000, 0));
}

/// Plaintexts that end with something else than 1 to 16 equal bytes (AES-6), made with padding by zeros.
#[rstest]
#[case::a_zero("00*12", "the last byte, 00, is no PKCS7 padding")]
// With the command and the end of the vector, seventeen bytes of 17 in a row.
#[case::seventeen("11*12", "the last byte, 11, is no PKCS7 padding")]
#[case::two_of_three("00*9 010303", "the last 3 bytes, 010303, are no PKCS7 padding")]
fn a_padding_that_is_none_does_not_open(#[case] data: &str, #[case] reason: &str) {
    let next_iv = format!("{}11", "00".repeat(15));
    let value = json!({"next_iv": next_iv, "command": 0x1111_1111, "data": hex::encode(bytes(data))});
    let frame = FORMATS.encode("aes_frame_agent", &value, Some(&secrets(KEY_128, Padding::Zeros))).unwrap();
    let error = FORMATS.decode("aes_frame_agent", &frame, Some(&secrets(KEY_128, Padding::Pkcs7)));
    let error = error.expect_err("it does not open");
    assert_eq!(
        (error.wrong, error.path.as_str(), error.reason.as_str()),
        (Wrong::Crypto, "encrypted", reason)
    );
}

#[rstest]
#[case::nothing("00000000", "a length of 0 is not a positive multiple of 16")]
// With padding by zeros, 21 bytes would hold a vector, a command and a byte of data.
#[case::no_multiple("15000000 00*21", "a length of 21 is not a positive multiple of 16")]
fn what_is_not_whole_blocks_does_not_open(#[case] frame: &str, #[case] reason: &str) {
    let error = FORMATS.decode("aes_frame_agent", &bytes(frame), Some(&secrets(KEY_128, Padding::Zeros)));
    let error = error.expect_err("it does not open");
    assert_eq!((error.wrong, error.path.as_str(), error.reason.as_str()), (Wrong::Crypto, "length", reason));
}
