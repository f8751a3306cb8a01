//! The codec driver, line by line: every type both ways, every kind of error, and the reading of lines.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use std::io::{self, BufRead, BufReader, Read, Write};

use iaspec_reference::codec_driver::{MAX_LINE, answer, run};
use rstest::rstest;
use serde_json::{Value, json};

const KEY: &str = "000102030405060708090a0b0c0d0e0f";
const IV: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
const NEXT_IV: &str = "030a11181f262d343b424950575e656c";
const ID: &str = "4ed2eb6cf74a134ab9af81d3dfc644be";

fn ask(request: &Value) -> Value {
    serde_json::from_str(&answer(&request.to_string())).expect("an answer is JSON")
}

fn run_on(input: &[u8]) -> Vec<Value> {
    let mut output = Vec::new();
    run(input, &mut output).expect("a slice and a vector do not fail");
    let output = String::from_utf8(output).expect("answers are UTF-8");
    assert!(output.is_empty() || output.ends_with('\n'));
    output.lines().map(|line| serde_json::from_str(line).expect("an answer is JSON")).collect()
}

#[track_caller]
fn assert_error(answer: &Value, id: &Value, kind: &str, offset: Option<u64>) {
    assert_eq!(&answer["id"], id, "{answer}");
    assert_eq!(answer["error"]["kind"], kind, "{answer}");
    assert_eq!(answer["error"].get("offset").and_then(Value::as_u64), offset, "{answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    assert_eq!(answer.get("ok"), None, "{answer}");
}

#[rstest]
#[case("int8", json!(-128), "80")]
#[case("int8", json!(127), "7f")]
#[case("byte", json!(255), "ff")]
#[case("int32", json!(-2), "feffffff")]
#[case("int32", json!(46336), "00b50000")]
#[case("int64", json!("-9223372036854775808"), "0000000000000080")]
#[case("int64", json!("9223372036854775807"), "ffffffffffffff7f")]
#[case("datetime", json!("0"), "0000000000000000")]
#[case("datetime", json!("3155378975999999999"), "ff3f37f47528ca2b")]
#[case("string", json!("\u{e9}"), "02c3a9")]
#[case("string", json!("nul\u{0}in\"side\u{1f680}\u{feff}"), "126e756c00696e2273696465f09f9a80efbbbf")]
#[case("root_path", json!("/var/otter"), "0a2f7661722f6f74746572")]
#[case("guid", json!("6cebd24e-4af7-4a13-b9af-81d3dfc644be"), "4ed2eb6cf74a134ab9af81d3dfc644be")]
#[case("bytes", json!(""), "00000000")]
#[case("bytes", json!("00ff"), "0200000000ff")]
#[case("update_file", json!({"name": "a", "modified_ticks": "1", "contents": "ff"}),
    "0161010000000000000001000000ff")]
#[case("update_agent", json!({"agent_type": 1, "assemblies": [], "extensions": [
    {"name": "", "modified_ticks": "0", "contents": ""}]}),
    "01000000000100000000000000000000000000000000")]
#[case("get_root_path", json!({"agent_type": 9}), "09")]
#[case("open_session", json!({"agent_type": 3, "session": -1}), "03ffffffff")]
#[case("handshake_v1", json!({"version": 1000, "session": 7}), &format!("{ID}e803000007000000"))]
#[case("handshake_v2", json!({"min": 1000, "max": 2000}), &format!("{ID}e8030000d0070000"))]
#[case("ack", json!({"encryption": 0, "iv": null, "value": 2000, "server_version": [51]}),
    "00d007000033000000")]
#[case("ack", json!({"encryption": 2, "iv": IV, "value": 1, "server_version": [51, 1, 2, 3]}),
    "02f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff0100000033000000010000000200000003000000")]
#[case("frame_client_v1", json!({"target": 1, "command": 101, "data": "aa"}), "010000000165000000aa")]
#[case("frame_client_v2", json!({"command": 3, "data": "01"}), "010000000300000001")]
#[case("frame_agent", json!({"command": -1, "data": ""}), "00000000ffffffff")]
fn encodes_and_decodes(#[case] kind: &str, #[case] value: Value, #[case] hex: &str) {
    let encoded = ask(&json!({"id": 1, "op": "encode", "type": kind, "value": value}));
    assert_eq!(encoded, json!({"id": 1, "ok": {"hex": hex}}));
    let decoded = ask(&json!({"id": 2, "op": "decode", "type": kind, "hex": hex}));
    assert_eq!(decoded, json!({"id": 2, "ok": {"value": value, "rest": 0}}));
}

#[rstest]
#[case("aes_frame_client_v1", "pkcs7", json!({"next_iv": NEXT_IV, "target": 115, "command": -1886879366, "data": ""}),
    "2000000029c99ea986fa95edf1f01a6a9ba4b1f9038dbf1c07b30fe46f3c78f7e8e4b0bd")]
#[case("aes_frame_client_v2", "pkcs7", json!({"next_iv": NEXT_IV, "command": -2004780429, "data": "8f"}),
    "2000000029c99ea986fa95edf1f01a6a9ba4b1f9038dbf1c07b30fe46f3c78f7e8e4b0bd")]
#[case("aes_frame_agent", "zeros", json!({"next_iv": NEXT_IV, "command": -2004780429, "data": "8f969da4abb2b9c0c7ced5dc"}),
    "2000000029c99ea986fa95edf1f01a6a9ba4b1f9990e43bb4c151b5afb7146d2756cde07")]
fn encrypts_and_decrypts(#[case] kind: &str, #[case] padding: &str, #[case] value: Value, #[case] hex: &str) {
    let mut request = json!({"id": 1, "type": kind, "key": KEY, "iv": IV, "padding": padding});
    request["op"] = json!("encode");
    request["value"] = value.clone();
    assert_eq!(ask(&request), json!({"id": 1, "ok": {"hex": hex}}));
    request["op"] = json!("decode");
    request["hex"] = json!(format!("{hex}ff"));
    assert_eq!(ask(&request), json!({"id": 1, "ok": {"value": value, "rest": 1}}));
    // The same again, `pkcs7` being what a request without padding means.
    if padding == "pkcs7" {
        request.as_object_mut().expect("an object").remove("padding");
        assert_eq!(ask(&request), json!({"id": 1, "ok": {"value": value, "rest": 1}}));
    }
}

#[rstest]
#[case("string", "02c3a9ff", json!("\u{e9}"), 1)]
#[case("string", "810061", json!("a"), 0)]
#[case("byte", "FF00", json!(255), 1)]
#[case("frame_agent", "0100000003000000010200", json!({"command": 3, "data": "01"}), 2)]
fn decodes_what_no_encoder_makes(
    #[case] kind: &str,
    #[case] hex: &str,
    #[case] value: Value,
    #[case] rest: usize,
) {
    let decoded = ask(&json!({"id": 1, "op": "decode", "type": kind, "hex": hex}));
    assert_eq!(decoded, json!({"id": 1, "ok": {"value": value, "rest": rest}}));
}

#[rstest]
#[case("int8", "", 0)]
#[case("byte", "", 0)]
#[case("int32", "000000", 0)]
#[case("int64", "00000000000000", 0)]
#[case("datetime", "ffffffffffffffff", 0)]
#[case("string", "ffffffffff01", 0)]
#[case("root_path", "01", 0)]
#[case("guid", "00", 0)]
#[case("bytes", "ffffffff", 0)]
#[case("update_file", "0000000000000000", 1)]
#[case("update_agent", "010000000000000080", 5)]
#[case("get_root_path", "", 0)]
#[case("open_session", "01000000", 1)]
#[case("handshake_v1", "4ed2eb6cf74a134ab9af81d3dfc644bee8030000", 20)]
#[case("handshake_v2", "4ed2eb6cf74a134ab9af81d3dfc644bf00000000", 0)]
#[case("ack", "03d007000033000000", 0)]
#[case("ack", "00d0070000330000", 5)]
#[case("frame_client_v1", "0000000001650000", 5)]
#[case("frame_client_v2", "ffffffff03000000", 0)]
#[case("frame_agent", "0200000003000000ff", 0)]
fn malformed_bytes_are_told_with_their_offset(#[case] kind: &str, #[case] hex: &str, #[case] offset: u64) {
    let answer = ask(&json!({"id": 5, "op": "decode", "type": kind, "hex": hex}));
    assert_error(&answer, &json!(5), "malformed", Some(offset));
}

#[rstest]
#[case::cut_short("10000000", "malformed", Some(0))]
#[case::no_length("100000", "malformed", Some(0))]
#[case::length_0("00000000", "crypto", None)]
#[case::padding("1000000029c99ea986fa95edf1f01a6a9ba4b1f9", "crypto", None)]
#[case::too_short("100000002a00818636b8a6fa2497c95cddefdcfe", "crypto", None)]
fn what_does_not_decrypt_has_no_offset(#[case] hex: &str, #[case] kind: &str, #[case] offset: Option<u64>) {
    for frame in ["aes_frame_client_v1", "aes_frame_client_v2", "aes_frame_agent"] {
        let request = json!({"id": 1, "op": "decode", "type": frame, "key": KEY, "iv": IV, "hex": hex});
        assert_error(&ask(&request), &json!(1), kind, offset);
    }
}

#[rstest]
#[case::above("int8", json!(128))]
#[case::below("int8", json!(-129))]
#[case::negative("byte", json!(-1))]
#[case::above("byte", json!(256))]
#[case::above("int32", json!(2_147_483_648_u32))]
#[case::not_an_integer("int32", json!(1.5))]
#[case::a_string("int32", json!("1"))]
#[case::a_number("int64", json!(1))]
#[case::above("int64", json!("9223372036854775808"))]
#[case::plus("int64", json!("+1"))]
#[case::blank("int64", json!(" 1"))]
#[case::hexadecimal("int64", json!("0x1"))]
#[case::empty("int64", json!(""))]
#[case::a_number("datetime", json!(1))]
#[case::below("datetime", json!("-1"))]
#[case::above("datetime", json!("3155378976000000000"))]
#[case::a_number("string", json!(1))]
#[case::null("string", json!(null))]
#[case::a_list("root_path", json!(["a"]))]
#[case::without_dashes("guid", json!("6cebd24e4af74a13b9af81d3dfc644be"))]
#[case::braces("guid", json!("{6cebd24e-4af7-4a13-b9af-81d3dfc644be}"))]
#[case::dash_elsewhere("guid", json!("6cebd24e4-af7-4a13-b9af-81d3dfc644be"))]
#[case::bad_digit("guid", json!("6cebd24g-4af7-4a13-b9af-81d3dfc644be"))]
#[case::odd("bytes", json!("0"))]
#[case::bad_digit("bytes", json!("0g"))]
#[case::blank("bytes", json!("00 00"))]
#[case::member_missing("update_file", json!({"name": "a", "contents": ""}))]
#[case::ticks_are_a_number("update_file", json!({"name": "a", "modified_ticks": 1, "contents": ""}))]
#[case::a_list("update_file", json!(["a", "1", ""]))]
#[case::member_missing("update_agent", json!({"agent_type": 1, "assemblies": []}))]
#[case::item_wrong("update_agent", json!({"agent_type": 1, "assemblies": [7], "extensions": []}))]
#[case::an_object("update_agent", json!({"agent_type": 1, "assemblies": {}, "extensions": []}))]
#[case::above("get_root_path", json!({"agent_type": 256}))]
#[case::a_name("get_root_path", json!({"agent_type": "otter"}))]
#[case::a_number("get_root_path", json!(1))]
#[case::a_list("open_session", json!([1, 2]))]
#[case::member_missing("handshake_v1", json!({"version": 1000}))]
#[case::of_v1("handshake_v2", json!({"version": 1000, "session": 0}))]
#[case::unknown_mode("ack", json!({"encryption": 3, "iv": null, "value": 1, "server_version": [1]}))]
#[case::mode_above_int8("ack", json!({"encryption": 256, "iv": null, "value": 1, "server_version": [1]}))]
#[case::iv_with_mode_0("ack", json!({"encryption": 0, "iv": IV, "value": 1, "server_version": [1]}))]
#[case::iv_with_mode_1("ack", json!({"encryption": 1, "iv": IV, "value": 1, "server_version": [1]}))]
#[case::no_iv_with_mode_2("ack", json!({"encryption": 2, "iv": null, "value": 1, "server_version": [1]}))]
#[case::iv_short("ack", json!({"encryption": 2, "iv": "00", "value": 1, "server_version": [1]}))]
#[case::two_parts("ack", json!({"encryption": 0, "iv": null, "value": 1, "server_version": [1, 2]}))]
#[case::no_parts("ack", json!({"encryption": 0, "iv": null, "value": 1, "server_version": []}))]
#[case::a_number("ack", json!({"encryption": 0, "iv": null, "value": 1, "server_version": 51}))]
#[case::no_target("frame_client_v1", json!({"command": 1, "data": ""}))]
#[case::no_data("frame_client_v2", json!({"command": 1}))]
#[case::data_odd("frame_agent", json!({"command": 1, "data": "000"}))]
#[case::command_above("frame_agent", json!({"command": 4_294_967_295_u32, "data": ""}))]
#[case::no_next_iv("aes_frame_agent", json!({"command": 1, "data": ""}))]
#[case::next_iv_short("aes_frame_client_v2", json!({"next_iv": "00", "command": 1, "data": ""}))]
#[case::no_target("aes_frame_client_v1", json!({"next_iv": IV, "command": 1, "data": ""}))]
fn a_value_that_cannot_be_encoded_is_usage(#[case] kind: &str, #[case] value: Value) {
    let request = json!({"id": 6, "op": "encode", "type": kind, "value": value, "key": KEY, "iv": IV});
    assert_error(&ask(&request), &json!(6), "usage", None);
}

#[rstest]
#[case::no_key(json!({"key": null}))]
#[case::key_of_24_bytes(json!({"key": "000102030405060708090a0b0c0d0e0f1011121314151617"}))]
#[case::key_not_hexadecimal(json!({"key": "x00102030405060708090a0b0c0d0e0f"}))]
#[case::key_a_number(json!({"key": 1}))]
#[case::no_iv(json!({"iv": null}))]
#[case::iv_of_15_bytes(json!({"iv": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfe"}))]
#[case::unknown_padding(json!({"padding": "PKCS7"}))]
#[case::padding_a_number(json!({"padding": 7}))]
fn bad_settings_of_an_encrypted_frame_are_usage(#[case] change: Value) {
    let mut request = json!({"id": 1, "type": "aes_frame_agent", "key": KEY, "iv": IV, "hex": "00000000",
        "value": {"next_iv": NEXT_IV, "command": 1, "data": ""}});
    for (member, value) in change.as_object().expect("an object") {
        request[member] = value.clone();
    }
    for operation in ["encode", "decode"] {
        request["op"] = json!(operation);
        assert_error(&ask(&request), &json!(1), "usage", None);
    }
}

#[rstest]
#[case::empty("")]
#[case::blank("  ")]
#[case::text("hello")]
#[case::cut(r#"{"id":1"#)]
#[case::two_objects(r#"{"id":1}{"id":2}"#)]
#[case::a_list(r#"[1,"encode","byte",5]"#)]
#[case::a_number("1")]
#[case::no_id(r#"{"op":"encode","type":"byte","value":1}"#)]
#[case::id_a_string(r#"{"id":"1","op":"encode","type":"byte","value":1}"#)]
#[case::id_null(r#"{"id":null,"op":"encode","type":"byte","value":1}"#)]
#[case::id_a_list(r#"{"id":[1],"op":"encode","type":"byte","value":1}"#)]
#[case::id_with_a_leading_zero(r#"{"id":01,"op":"encode","type":"byte","value":1}"#)]
fn a_line_without_a_usable_id_is_answered_with_null(#[case] line: &str) {
    let answer = serde_json::from_str(&answer(line)).unwrap();
    assert_error(&answer, &Value::Null, "usage", None);
}

#[rstest]
#[case::nothing_else(r#"{"id":9}"#, "usage")]
#[case::op_a_number(r#"{"id":9,"op":1,"type":"byte","value":1}"#, "usage")]
#[case::no_type(r#"{"id":9,"op":"encode","value":1}"#, "usage")]
#[case::type_null(r#"{"id":9,"op":"encode","type":null,"value":1}"#, "usage")]
#[case::no_value(r#"{"id":9,"op":"encode","type":"byte"}"#, "usage")]
#[case::no_hex(r#"{"id":9,"op":"decode","type":"byte"}"#, "usage")]
#[case::hex_odd(r#"{"id":9,"op":"decode","type":"byte","hex":"0"}"#, "usage")]
#[case::hex_not_hexadecimal(r#"{"id":9,"op":"decode","type":"byte","hex":"0x"}"#, "usage")]
#[case::hex_a_number(r#"{"id":9,"op":"decode","type":"byte","hex":10}"#, "usage")]
#[case::lone_surrogate(r#"{"id":9,"op":"encode","type":"string","value":"\ud800"}"#, "usage")]
#[case::deep(&format!(r#"{{"id":9,"op":"encode","type":"byte","value":{}{}}}"#, "[".repeat(5000), "]".repeat(5000)), "usage")]
#[case::unknown_op(r#"{"id":9,"op":"explode","type":"byte","value":1}"#, "unsupported")]
#[case::op_in_capitals(r#"{"id":9,"op":"ENCODE","type":"byte","value":1}"#, "unsupported")]
#[case::unknown_op_and_type(r#"{"id":9,"op":"explode"}"#, "unsupported")]
#[case::unknown_type(r#"{"id":9,"op":"encode","type":"int128","value":1}"#, "unsupported")]
#[case::unknown_type_and_bad_hex(r#"{"id":9,"op":"decode","type":"","hex":"0"}"#, "unsupported")]
#[case::unknown_type_without_value(r#"{"id":9,"op":"encode","type":"ints"}"#, "unsupported")]
fn a_request_that_makes_no_sense_keeps_its_id(#[case] line: &str, #[case] kind: &str) {
    let answer = serde_json::from_str(&answer(line)).unwrap();
    assert_error(&answer, &json!(9), kind, None);
}

#[rstest]
#[case::order_and_unknown_members(
    r#" {"value":1, "x":[{}], "type":"byte", "op":"encode", "id":7} "#,
    r#"{"id":7,"ok":{"hex":"01"}}"#
)]
#[case::escaped_names(
    r#"{"\u0069d":7,"op":"\u0065ncode","type":"byte","value":1}"#,
    r#"{"id":7,"ok":{"hex":"01"}}"#
)]
#[case::escaped_value(
    r#"{"id":7,"op":"encode","type":"string","value":"\ud83d\ude80\n"}"#,
    r#"{"id":7,"ok":{"hex":"05f09f9a800a"}}"#
)]
#[case::escaped_hex(
    r#"{"id":7,"op":"decode","type":"byte","hex":"\u0030\u0031"}"#,
    r#"{"id":7,"ok":{"value":1,"rest":0}}"#
)]
#[case::unknown_members_of_a_value(
    r#"{"id":7,"op":"encode","type":"get_root_path","value":{"x":null,"agent_type":1,"y":2}}"#,
    r#"{"id":7,"ok":{"hex":"01"}}"#
)]
#[case::id_0(r#"{"id":0,"op":"encode","type":"byte","value":1}"#, r#"{"id":0,"ok":{"hex":"01"}}"#)]
#[case::id_negative(r#"{"id":-7,"op":"encode","type":"byte","value":1}"#, r#"{"id":-7,"ok":{"hex":"01"}}"#)]
#[case::id_beyond_64_bits(
    r#"{"id":18446744073709551616,"op":"encode","type":"byte","value":1}"#,
    r#"{"id":18446744073709551616,"ok":{"hex":"01"}}"#
)]
#[case::null_padding_is_none(
    r#"{"id":7,"op":"encode","type":"byte","value":1,"padding":null}"#,
    r#"{"id":7,"ok":{"hex":"01"}}"#
)]
#[case::guid_in_capitals(
    r#"{"id":7,"op":"encode","type":"guid","value":"6CEBD24E-4AF7-4A13-B9AF-81D3DFC644BE"}"#,
    r#"{"id":7,"ok":{"hex":"4ed2eb6cf74a134ab9af81d3dfc644be"}}"#
)]
fn answers_exactly(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(answer(line), expected);
}

#[test]
fn a_complaint_names_the_member_by_its_path() {
    let value = json!({"agent_type": 1, "assemblies": [{"name": "a", "modified_ticks": "-1", "contents": ""}],
        "extensions": []});
    let answer = ask(&json!({"id": 1, "op": "encode", "type": "update_agent", "value": value}));
    assert_eq!(answer["error"]["message"], "value.assemblies[0].modified_ticks: ticks out of range: -1");
}

#[test]
fn the_largest_vector_goes_both_ways() {
    const LENGTH: usize = 2 * 1024 * 1024;
    let text = "x".repeat(LENGTH);
    let hex = format!("80808001{}", "78".repeat(LENGTH));
    let encoded = answer(&format!(r#"{{"id":1,"op":"encode","type":"string","value":"{text}"}}"#));
    assert!(encoded == format!(r#"{{"id":1,"ok":{{"hex":"{hex}"}}}}"#));
    let decoded = answer(&format!(r#"{{"id":1,"op":"decode","type":"string","hex":"{hex}"}}"#));
    assert!(decoded == format!(r#"{{"id":1,"ok":{{"value":"{text}","rest":0}}}}"#));
}

#[test]
fn an_answer_above_the_longest_line_is_not_sent() {
    let value = "x".repeat(MAX_LINE / 2 + 1);
    let request = format!(r#"{{"id":1,"op":"encode","type":"string","value":"{value}"}}"#);
    let answer: Value = serde_json::from_str(&answer(&request)).unwrap();
    assert_error(&answer, &json!(1), "usage", None);
}

/// What is wrong may be quoted, but never at length: the answer has to fit a line as well.
#[rstest]
#[case::wrong_type(r#"{"id":1,"op":"encode","type":"int32","value":"LONG"}"#, json!(1), "usage")]
#[case::not_a_guid(r#"{"id":1,"op":"encode","type":"guid","value":"LONG"}"#, json!(1), "usage")]
#[case::unknown_type(r#"{"id":1,"op":"encode","type":"LONG"}"#, json!(1), "unsupported")]
#[case::id(r#"{"id":LONG,"op":"encode","type":"byte","value":300}"#, json!(null), "usage")]
fn complaints_are_short(#[case] line: &str, #[case] id: Value, #[case] kind: &str) {
    let answer = answer(&line.replace("LONG", &"7".repeat(1_000_000)));
    assert!(answer.len() < 2000, "{} bytes", answer.len());
    assert_error(&serde_json::from_str(&answer).unwrap(), &id, kind, None);
}

const GOOD: &[u8] = br#"{"id":1,"op":"encode","type":"byte","value":1}"#;

fn good() -> Value {
    json!({"id": 1, "ok": {"hex": "01"}})
}

#[rstest]
#[case::nothing(&[], 0)]
#[case::line_feed(&[GOOD, b"\n"], 1)]
#[case::carriage_return_too(&[GOOD, b"\r\n", GOOD, b"\r\n"], 2)]
#[case::last_line_unfinished(&[GOOD, b"\n", GOOD], 2)]
fn every_line_is_answered_in_order(#[case] input: &[&[u8]], #[case] count: usize) {
    assert_eq!(run_on(&input.concat()), vec![good(); count]);
}

#[test]
fn what_is_no_request_is_answered_and_the_next_line_is_served() {
    let overlong = vec![b'x'; MAX_LINE + 1];
    for bad in [b"".as_slice(), b"\xff\xfe", b"null", b"{", overlong.as_slice()] {
        let answers = run_on(&[bad, b"\n", GOOD, b"\n"].concat());
        let [error, ok] = answers.as_slice() else { panic!("two lines got {} answers", answers.len()) };
        assert_error(error, &Value::Null, "usage", None);
        assert_eq!(ok, &good());
    }
}

#[test]
fn a_line_of_the_greatest_length_is_served() {
    let mut line = GOOD.to_vec();
    line.resize(MAX_LINE, b' ');
    assert_eq!(run_on(&[&line, b"\n".as_slice()].concat()), [good()]);
    line.push(b' ');
    assert_error(&run_on(&line)[0], &Value::Null, "usage", None);
}

/// Gives one piece a read, as a pipe does.
struct Pieces<'a>(Vec<&'a [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Ok(0) } else { self.0.remove(0).read(buffer) }
    }
}

/// Counts the writes that arrive, each of them a flush while the answers are small.
#[derive(Default)]
struct Writes(Vec<String>);

impl Write for Writes {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.push(String::from_utf8_lossy(buffer).into_owned());
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn answers_are_flushed_when_no_further_request_waits() {
    let two = [GOOD, b"\n", GOOD, b"\n"].concat();
    let (beginning, end) = GOOD.split_at(10);
    let with_a_beginning = [GOOD, b"\n", beginning].concat();
    let rest = [end, b"\n"].concat();
    let input = BufReader::new(Pieces(vec![&two, &with_a_beginning, &rest]));
    let mut output = Writes::default();
    run(input, &mut output).unwrap();
    let lines: Vec<_> = output.0.iter().map(|write| write.lines().count()).collect();
    assert_eq!(lines, [2, 1, 1]);
}

#[test]
fn a_request_may_come_a_byte_at_a_time() {
    let input = [GOOD, b"\n", GOOD, b"\n"].concat();
    let mut output = Vec::new();
    run(BufReader::with_capacity(1, input.as_slice()), &mut output).unwrap();
    assert_eq!(output.lines().count(), 2);
}

#[test]
fn a_failure_to_write_ends_the_run() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(run(GOOD, Closed).map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
}
