//! Values and bytes side by side: which field differs first, and where.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::format::{Padding, Secrets};
use rstest::rstest;
use serde_json::{Value as Json, json};
use support::{FORMATS, bytes, update_of_300_files};

fn secrets(padding: Padding) -> Secrets {
    let iv = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().expect("16 bytes");
    Secrets { key: bytes("000102030405060708090a0b0c0d0e0f"), iv, padding }
}

fn file(name: &str) -> Json {
    json!({"name": name, "modified_ticks": "7", "contents": "00ff"})
}

#[rstest]
#[case::number("int32", json!(1), json!(1))]
#[case::number_with_a_point("int32", json!(1), json!(1.0))]
#[case::hex_in_either_case("bytes", json!("00ffab"), json!("00FFaB"))]
#[case::unknown_members("get_root_path", json!({"agent_type": 1}), json!({"agent_type": 1, "name": "otter"}))]
#[case::frame_data_in_either_case("frame_agent", json!({"command": 3, "data": "ab"}), json!({"data": "AB", "command": 3, "length": 9}))]
#[case::iv_in_either_case(
    "ack",
    json!({"encryption": 2, "iv": "aa".repeat(16), "value": 1, "server_version": [1]}),
    json!({"encryption": 2, "iv": "AA".repeat(16), "value": 1, "server_version": [1.0]})
)]
#[case::nested("update_agent", json!({"agent_type": 1, "assemblies": [file("a")], "extensions": []}), json!({"agent_type": 1, "assemblies": [file("a")], "extensions": []}))]
fn values_of_the_same_meaning_do_not_differ(
    #[case] name: &str,
    #[case] expected: Json,
    #[case] actual: Json,
) {
    assert_eq!(FORMATS.value_difference(name, &expected, &actual, None), None);
}

#[rstest]
#[case::number("int32", json!(1), json!(2), "int32", Some(json!(1)), Some(json!(2)))]
#[case::number_as_text("int32", json!(1), json!("1"), "int32", Some(json!(1)), Some(json!("1")))]
#[case::not_quite_whole("int32", json!(1), json!(1.5), "int32", Some(json!(1)), Some(json!(1.5)))]
#[case::text_as_number("int64", json!("1"), json!(1), "int64", Some(json!("1")), Some(json!(1)))]
#[case::leading_zero("int64", json!("1"), json!("01"), "int64", Some(json!("1")), Some(json!("01")))]
#[case::upper_case_guid("guid", json!("00000000-0000-0000-0000-00000000000a"), json!("00000000-0000-0000-0000-00000000000A"), "guid", Some(json!("00000000-0000-0000-0000-00000000000a")), Some(json!("00000000-0000-0000-0000-00000000000A")))]
#[case::text_has_a_case("string", json!("ab"), json!("AB"), "string", Some(json!("ab")), Some(json!("AB")))]
#[case::one_byte_more("bytes", json!("ab"), json!("ab00"), "bytes", Some(json!("ab")), Some(json!("ab00")))]
#[case::no_object("get_root_path", json!({"agent_type": 1}), json!(1), "get_root_path", Some(json!({"agent_type": 1})), Some(json!(1)))]
#[case::member_missing("open_session", json!({"agent_type": 1, "session": 2}), json!({"agent_type": 1}), "session", Some(json!(2)), None)]
#[case::null_is_not_missing(
    "ack",
    json!({"encryption": 0, "iv": null, "value": 1, "server_version": [1]}),
    json!({"encryption": 0, "value": 1, "server_version": [1]}),
    "iv", Some(json!(null)), None
)]
#[case::null_instead_of_text("update_file", file("a"), json!({"name": null, "modified_ticks": "7", "contents": "00ff"}), "name", Some(json!("a")), Some(json!(null)))]
#[case::in_a_list(
    "ack",
    json!({"encryption": 0, "iv": null, "value": 1, "server_version": [1, 2, 3, 4]}),
    json!({"encryption": 0, "iv": null, "value": 1, "server_version": [1, 2, 4, 3]}),
    "server_version[2]", Some(json!(3)), Some(json!(4))
)]
#[case::list_too_short(
    "ack",
    json!({"encryption": 0, "iv": null, "value": 1, "server_version": [1, 2, 3, 4]}),
    json!({"encryption": 0, "iv": null, "value": 1, "server_version": [1]}),
    "server_version[1]", Some(json!(2)), None
)]
#[case::list_too_long(
    "update_agent",
    json!({"agent_type": 1, "assemblies": [file("a")], "extensions": []}),
    json!({"agent_type": 1, "assemblies": [file("a"), file("b")], "extensions": []}),
    "assemblies[1]", None, Some(file("b"))
)]
#[case::deep(
    "update_agent",
    json!({"agent_type": 1, "assemblies": [file("a")], "extensions": [file("b"), file("c")]}),
    json!({"agent_type": 1, "assemblies": [file("a")], "extensions": [file("b"), file("d")]}),
    "extensions[1].name", Some(json!("c")), Some(json!("d"))
)]
#[case::list_is_none(
    "update_agent",
    json!({"agent_type": 1, "assemblies": [], "extensions": []}),
    json!({"agent_type": 1, "assemblies": {}, "extensions": []}),
    "assemblies", Some(json!([])), Some(json!({}))
)]
fn the_first_field_that_differs_is_named(
    #[case] type_name: &str,
    #[case] expected: Json,
    #[case] actual: Json,
    #[case] path: &str,
    #[case] wanted: Option<Json>,
    #[case] found: Option<Json>,
) {
    let difference = FORMATS.value_difference(type_name, &expected, &actual, None).expect("a difference");
    assert_eq!((difference.path.as_str(), difference.expected, difference.actual), (path, wanted, found));
}

#[rstest]
#[case::as_encoded(Padding::Zeros, "ab", true)]
#[case::one_zero(Padding::Zeros, "ab00", true)]
#[case::fifteen_zeros(Padding::Zeros, "ab000000000000000000000000000000", true)]
#[case::sixteen_zeros(Padding::Zeros, "ab00000000000000000000000000000000", false)]
#[case::half_a_zero(Padding::Zeros, "ab0", false)]
#[case::not_zeros(Padding::Zeros, "ab0001", false)]
#[case::other_data(Padding::Zeros, "ac", false)]
#[case::shorter(Padding::Zeros, "", false)]
#[case::pkcs7_takes_none(Padding::Pkcs7, "ab00", false)]
fn zeros_may_stand_behind_data_that_was_padded_with_zeros(
    #[case] padding: Padding,
    #[case] data: &str,
    #[case] same: bool,
) {
    let value = |data: &str| json!({"next_iv": "00".repeat(16), "command": 1, "data": data});
    let difference = FORMATS.value_difference("aes_frame_agent", &value("ab"), &value(data), Some(padding));
    assert_eq!(difference.map(|difference| difference.path), (!same).then(|| "data".to_owned()));
}

#[test]
fn zeros_are_taken_behind_the_data_alone() {
    let value = |iv: &str| json!({"next_iv": iv, "command": 1, "data": ""});
    let (short, long) = (value(&"01".repeat(16)), value(&format!("{}00", "01".repeat(16))));
    let difference = FORMATS.value_difference("aes_frame_agent", &short, &long, Some(Padding::Zeros));
    assert_eq!(difference.map(|difference| difference.path), Some("next_iv".to_owned()));
}

/// For each type: bytes, and their fields with the number of bytes of each.
#[rstest]
#[case("int8", "05", &[("int8", 1)])]
#[case("byte", "05", &[("byte", 1)])]
#[case("int32", "01020304", &[("int32", 4)])]
#[case("int64", "0102030405060708", &[("int64", 8)])]
#[case("datetime", "0102030405060708", &[("datetime", 8)])]
#[case("string", "03616263", &[("string length", 1), ("string", 3)])]
#[case("string", "810061", &[("string length", 2), ("string", 1)])]
#[case("root_path", "022f61", &[("root_path length", 1), ("root_path", 2)])]
#[case("guid", "33221100554477668899aabbccddeeff", &[("guid", 16)])]
#[case("bytes", "020000000aff", &[("bytes count", 4), ("bytes", 2)])]
#[case("update_file", "0161 0102030405060708 01000000 aa", &[("name length", 1), ("name", 1), ("modified_ticks", 8), ("contents count", 4), ("contents", 1)])]
#[case(
    "update_agent",
    "01 01000000 0161 0102030405060708 01000000 aa 01000000 00 0102030405060708 00000000",
    &[
        ("agent_type", 1), ("assemblies count", 4), ("assemblies[0].name length", 1), ("assemblies[0].name", 1),
        ("assemblies[0].modified_ticks", 8), ("assemblies[0].contents count", 4), ("assemblies[0].contents", 1),
        ("extensions count", 4), ("extensions[0].name length", 1), ("extensions[0].modified_ticks", 8),
        ("extensions[0].contents count", 4),
    ]
)]
#[case("get_root_path", "01", &[("agent_type", 1)])]
#[case("open_session", "0102030405", &[("agent_type", 1), ("session", 4)])]
#[case("handshake_v1", "4ed2eb6cf74a134ab9af81d3dfc644be e803000007000000", &[("protocol_id", 16), ("version", 4), ("session", 4)])]
#[case("handshake_v2", "4ed2eb6cf74a134ab9af81d3dfc644be e8030000d0070000", &[("protocol_id", 16), ("min", 4), ("max", 4)])]
#[case("ack", "00 d0070000 33000000", &[("encryption", 1), ("value", 4), ("server_version[0]", 4)])]
#[case(
    "ack", "02 00*16 d0070000 01000000 02000000 03000000 04000000",
    &[
        ("encryption", 1), ("iv", 16), ("value", 4), ("server_version[0]", 4), ("server_version[1]", 4),
        ("server_version[2]", 4), ("server_version[3]", 4),
    ]
)]
#[case("frame_client_v1", "02000000 01 03000000 aabb", &[("length", 4), ("target", 1), ("command", 4), ("data", 2)])]
#[case("frame_client_v2", "02000000 03000000 aabb", &[("length", 4), ("command", 4), ("data", 2)])]
#[case("frame_agent", "00000000 03000000", &[("length", 4), ("command", 4)])]
fn any_byte_that_is_flipped_names_its_field(
    #[case] type_name: &str,
    #[case] hex: &str,
    #[case] layout: &[(&str, usize)],
) {
    let good = bytes(hex);
    let owners: Vec<&str> = layout.iter().flat_map(|(name, count)| vec![*name; *count]).collect();
    assert_eq!(owners.len(), good.len(), "the layout covers the bytes");
    for (offset, owner) in owners.iter().enumerate() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[offset] ^= flip;
            let difference = FORMATS.byte_difference(type_name, &good, &bad, None).expect("they differ");
            assert_eq!(
                (difference.field.as_str(), difference.offset),
                (*owner, offset),
                "{}",
                hex::encode(&bad)
            );
            assert!(difference.rows.iter().any(|row| row.field == *owner && row.differs), "{difference:?}");
        }
    }
    assert_eq!(FORMATS.byte_difference(type_name, &good, &good, None), None);
}

/// Each way of cutting names the field that is cut, or the first that is missing.
#[rstest]
#[case("frame_agent", "02000000 03000000 aabb", &["length"; 4], 0)]
#[case("frame_agent", "02000000 03000000 aabb", &["command"; 4], 4)]
#[case("frame_agent", "02000000 03000000 aabb", &["data"; 2], 8)]
fn bytes_that_end_early_differ_where_they_end(
    #[case] type_name: &str,
    #[case] hex: &str,
    #[case] fields: &[&str],
    #[case] from: usize,
) {
    let good = bytes(hex);
    for (index, field) in fields.iter().enumerate() {
        let end = from + index;
        let difference = FORMATS.byte_difference(type_name, &good, &good[..end], None).expect("they differ");
        assert_eq!((difference.field.as_str(), difference.offset), (*field, end));
        assert_eq!((difference.expected_length, difference.actual_length), (good.len(), end));
    }
}

#[rstest]
#[case("int32", "01000000", "00", "rest", 4)]
#[case("string", "0161", "62", "rest", 2)]
#[case("frame_agent", "00000000 03000000", "ff", "rest", 8)]
// An acknowledgement has no end of its own: one with a byte more is none at all.
#[case("ack", "00 d0070000 33000000", "00", "server_version", 9)]
fn a_byte_too_many_is_no_field(
    #[case] type_name: &str,
    #[case] hex: &str,
    #[case] more: &str,
    #[case] field: &str,
    #[case] offset: usize,
) {
    let (good, long) = (bytes(hex), bytes(&format!("{hex}{more}")));
    let difference = FORMATS.byte_difference(type_name, &good, &long, None).expect("they differ");
    assert_eq!((difference.field.as_str(), difference.offset), (field, offset));
}

fn sealed(padding: Padding, change: impl Fn(&mut Json)) -> Vec<u8> {
    let mut value = json!({
        "next_iv": "000102030405060708090a0b0c0d0e0f", "target": 1, "command": 3, "data": "aabbccddeeff",
    });
    change(&mut value);
    FORMATS.encode("aes_frame_client_v1", &value, Some(&secrets(padding))).expect("a frame")
}

#[rstest]
#[case::next_iv("next_iv", json!("000102030405060708090a0b0c0d0e1f"))]
#[case::target("target", json!(2))]
#[case::command("command", json!(4))]
#[case::data("data", json!("aabbccddee00"))]
#[case::longer_data("padding", json!("aabbccddeeff00"))]
fn a_difference_inside_an_encrypted_part_names_the_field_of_its_plaintext(
    #[case] field: &str,
    #[case] value: Json,
) {
    let member = if field == "padding" { "data" } else { field };
    let good = sealed(Padding::Pkcs7, |_| {});
    let bad = sealed(Padding::Pkcs7, |frame| frame[member] = value.clone());
    let difference =
        FORMATS.byte_difference("aes_frame_client_v1", &good, &bad, Some(&secrets(Padding::Pkcs7)));
    let difference = difference.expect("they differ");
    assert_eq!(difference.field, field);
    assert!(difference.offset >= 4, "the offset is that of the bytes on the network");
    let row = difference.rows.iter().find(|row| row.field == field).expect("a row");
    assert!(row.decrypted && row.differs);
}

#[test]
fn another_padding_shows_as_padding() {
    let good = sealed(Padding::Pkcs7, |_| {});
    let mut plain = bytes("000102030405060708090a0b0c0d0e0f 01 03000000 aabbccddeeff");
    plain.extend([0; 4]);
    plain.push(5);
    // The same frame with the padding of ISO 10126 does not open as PKCS7.
    let value = json!({"next_iv": hex::encode(&plain[..16]), "command": 0x0000_0301, "data": hex::encode(&plain[20..])});
    let bad = FORMATS.encode("aes_frame_agent", &value, Some(&secrets(Padding::Zeros))).expect("a frame");
    let difference =
        FORMATS.byte_difference("aes_frame_client_v1", &good, &bad, Some(&secrets(Padding::Pkcs7)));
    let difference = difference.expect("they differ");
    assert_eq!((difference.field.as_str(), difference.offset), ("encrypted", 20));
}

#[test]
fn a_byte_behind_an_encrypted_part_is_the_rest() {
    let good = sealed(Padding::Pkcs7, |_| {});
    let long = [good.as_slice(), &[0]].concat();
    let difference =
        FORMATS.byte_difference("aes_frame_client_v1", &good, &long, Some(&secrets(Padding::Pkcs7)));
    let difference = difference.expect("they differ");
    assert_eq!((difference.field.as_str(), difference.offset), ("rest", good.len()));
}

#[test]
fn a_wrong_length_of_an_encrypted_part_is_named() {
    let good = sealed(Padding::Pkcs7, |_| {});
    for (offset, byte) in [(0, 0x1f), (0, 0x30), (1, 1), (3, 0x80)] {
        let mut bad = good.clone();
        bad[offset] = byte;
        let difference =
            FORMATS.byte_difference("aes_frame_client_v1", &good, &bad, Some(&secrets(Padding::Pkcs7)));
        let difference = difference.expect("they differ");
        assert_eq!((difference.field.as_str(), difference.offset), ("length", offset));
    }
}

#[test]
fn both_sides_are_laid_out_by_field() {
    let good = bytes("03616263");
    let difference = FORMATS.byte_difference("string", &good, &bytes("0361ff63"), None).expect("they differ");
    let rows: Vec<_> = difference
        .rows
        .iter()
        .map(|row| (row.offset, row.field.as_str(), row.expected.as_str(), row.actual.as_str(), row.differs))
        .collect();
    assert_eq!(rows, [(0, "string length", "03", "03", false), (1, "string", "61 62 63", "61 ff 63", true)]);
    assert_eq!(difference.rows[1].expected_text, "\"abc\"");
    assert_eq!(difference.rows[1].actual_text, "not UTF-8 from its byte 1 on");
}

#[test]
fn long_fields_are_shown_around_the_difference() {
    let good = bytes("c801 78*200");
    let mut bad = good.clone();
    bad[2 + 100] = b'y';
    let difference = FORMATS.byte_difference("string", &good, &bad, None).expect("they differ");
    let row = difference.rows.iter().find(|row| row.differs).expect("a row");
    let after = "78 ".repeat(11);
    assert_eq!(row.expected, format!("…96 bytes… 78 78 78 78 78 {} …88 more", after.trim_end()));
    assert_eq!(row.actual, format!("…96 bytes… 78 78 78 78 79 {} …88 more", after.trim_end()));
}

#[test]
fn of_many_fields_only_those_around_the_difference_are_kept() {
    let mut names = [b'a'; 300];
    let expected = update_of_300_files(&names);
    names[150] = b'b';
    let difference =
        FORMATS.byte_difference("update_agent", &expected, &update_of_300_files(&names), None).unwrap();
    assert_eq!((difference.field.as_str(), difference.offset), ("assemblies[150].name", 5 + 150 * 14 + 1));
    // Agent type, count, 150 files and one length stand before; 1203 fields in all.
    assert_eq!((difference.rows_before, difference.rows.len()), (603 - 32, 64));
    assert_eq!(difference.rows_after, 1203 - (603 - 32) - 64);
    assert_eq!(difference.rows[32].field, "assemblies[150].name");
    assert!(difference.rows[32].differs);
}
