//! Bytes of a conversation against what a transcript expects of them: what fits, what does not, and which field is
//! named. The bytes are worked out from HS-4, FRM-3 and DAT-1 to DAT-3.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::matching::{Bindings, Cut, Matching, Mismatch, good_length};
use iaspec_harness::vectors::transcript::Party;
use iaspec_harness::vectors::transcript::data::{Data, Frame};
use iaspec_harness::vectors::transcript::op::Expected;
use iaspec_harness::vectors::transcript::play::{AckDefaults, Framing, Player};
use iaspec_harness::vectors::transcript::value::{Known, SettingName};
use iaspec_harness::yaml::{Source, Spot, from_node, parse};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value as Json, json};
use support::{FORMATS, bytes, update_of_300_files};

/// A run whose Otter root path is `/o`, and in which 7 was bound to `seven`.
struct Run;

impl Known for Run {
    fn setting(&self, name: SettingName) -> Option<Json> {
        (name == SettingName::OtterRoot).then(|| json!("/o"))
    }

    fn binding(&self, name: &str) -> Option<Json> {
        (name == "seven").then(|| json!(7))
    }
}

fn with_matching<T>(call: impl FnOnce(Matching<'_>) -> T) -> T {
    with_readings(false, false, call)
}

/// The same for a subject whose responses may carry any command, or whose AES pads with zeros.
fn with_readings<T>(any_command: bool, zero_padded: bool, call: impl FnOnce(Matching<'_>) -> T) -> T {
    let ack = AckDefaults { encryption: 0, iv: None, server_version: vec![0] };
    let player = Player { formats: &FORMATS, known: &Run, ack: &ack };
    call(Matching { player, any_command, zero_padded })
}

fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> T {
    from_node(&parse(&Source::new("test.yaml", yaml)).expect("YAML")).expect("what it should be")
}

fn framing() -> Framing<'static> {
    Framing::new(&FORMATS, Party::Agent, 2000).expect("a framing")
}

fn handshake_bytes(expected: &str, actual: &str) -> Result<Bindings, Box<Mismatch>> {
    let expected: Data = read(expected);
    with_matching(|matching| matching.data(&expected, &bytes(actual), Some("ack")))
}

fn message(expected: &str, actual: &str) -> Result<Bindings, Box<Mismatch>> {
    let expected: Spot<Frame> = read(expected);
    with_matching(|matching| matching.frame(&expected, framing(), &bytes(actual)))
}

#[rstest]
#[case::version_named("[{ack: {value: 2000}}]", "00 d0070000 33000000")]
#[case::any_server_version("[{ack: {value: 2000}}]", "00 d0070000 ffffffff")]
#[case::all_named("[{ack: {encryption: 0, value: 1, server_version: [51]}}]", "00 01000000 33000000")]
#[case::literal("\"00 d0070000 33000000\"", "00 d0070000 33000000")]
#[case::one_of("[{ack: {value: {one_of: [1, 2]}}}]", "00 02000000 00000000")]
#[case::range("[{ack: {value: {range: {from: -5, to: 999}}}}]", "00 fbffffff 00000000")]
#[case::range_upper_end("[{ack: {value: {range: {from: -5, to: 999}}}}]", "00 e7030000 00000000")]
#[case::reference("[{ack: {value: {ref: seven}}}]", "00 07000000 00000000")]
#[case::anything("[{ack: {value: {any: {play: 5}}}}]", "00 12345678 00000000")]
#[case::server_version_of_four_numbers(
    "[{ack: {value: 2000}}]",
    "00 d0070000 01000000 02000000 03000000 04000000"
)]
#[case::bytes_behind_it("[{ack: {value: 2000}}, aabb]", "00 d0070000 33000000 aabb")]
fn an_acknowledgement_that_fits(#[case] expected: &str, #[case] actual: &str) {
    assert_eq!(handshake_bytes(expected, actual), Ok(Vec::new()));
}

#[rstest]
#[case::another_version(
    "[{ack: {value: 2000}}]",
    "00 e8030000 33000000",
    "field `value` differs",
    "2000",
    "1000"
)]
#[case::encryption_of_the_run(
    "[{ack: {value: 1}}]",
    "01 01000000 00000000",
    "field `encryption` differs",
    "0",
    "1"
)]
#[case::no_mode_at_all(
    "[{ack: {value: 1}}]",
    "03 01000000 00000000",
    "field `encryption` cannot be read: 3 is not one of 0 (none), 1 (ssl), 2 (aes)",
    "value: 1",
    "9 bytes"
)]
#[case::none_of_these(
    "[{ack: {value: {one_of: [1, 2]}}}]",
    "00 03000000 00000000",
    "field `value` differs",
    "one of 1, 2",
    "3"
)]
#[case::below_the_range(
    "[{ack: {value: {range: {from: 0, to: 999}}}}]",
    "00 ffffffff 00000000",
    "field `value` differs",
    "0 to 999",
    "-1"
)]
#[case::above_the_range(
    "[{ack: {value: {range: {from: 0, to: 999}}}}]",
    "00 e8030000 00000000",
    "field `value` differs",
    "0 to 999",
    "1000"
)]
#[case::not_what_was_bound(
    "[{ack: {value: {ref: seven}}}]",
    "00 08000000 00000000",
    "field `value` differs",
    "7 (`seven` from before)",
    "8"
)]
#[case::literal(
    "\"00 d0070000 33000000\"",
    "00 d0070001 33000000",
    "field `value` differs, first at offset 4",
    "9 bytes",
    "9 bytes"
)]
fn an_acknowledgement_that_does_not_fit(
    #[case] expected: &str,
    #[case] actual: &str,
    #[case] summary: &str,
    #[case] wanted: &str,
    #[case] found: &str,
) {
    let mismatch = handshake_bytes(expected, actual).expect_err("a mismatch");
    assert_eq!(
        (mismatch.summary.as_str(), mismatch.expected.as_str(), mismatch.actual.as_str()),
        (summary, wanted, found)
    );
    let rows = &mismatch.bytes.as_ref().expect("both side by side").rows;
    let differs = rows.iter().find(|row| row.differs).expect("a row that differs");
    assert!(summary.contains(&format!("`{}`", differs.field)), "{rows:?}");
}

#[rstest]
#[case::literal("\"03000000 03000000 022f6f\"", "03000000 03000000 022f6f")]
#[case::setting("{command: 3, data: [{string: {setting: otter_root}}]}", "03000000 03000000 02 2f6f")]
#[case::any_string("{command: 3, data: [{string: {any: {play: x}}}]}", "06000000 03000000 05 6162636465")]
#[case::no_data("{command: 7}", "00000000 07000000")]
#[case::any_command("{command: {any: {play: 1}}}", "00000000 ffffffff")]
#[case::several_items("{command: 1, data: [{int32: 7}, {string: é}]}", "07000000 01000000 07000000 02c3a9")]
#[case::all_bytes_left(
    "{command: 1, data: [{int32: 7}, {any: {play: \"00\"}}]}",
    "06000000 01000000 07000000 beef"
)]
#[case::literal_then_typed(
    "{command: 1, data: [\"ff\", {int32: {any: {play: 1}}}]}",
    "05000000 01000000 ff 78563412"
)]
#[case::any_string_then_literal(
    "{command: 1, data: [{string: {any: {play: x}}}, \"ff\"]}",
    "05000000 01000000 03 616263 ff"
)]
#[case::string_that_lacks("{command: 1, data: [{string: {lacks: [key]}}]}", "04000000 01000000 03 616263")]
fn a_message_that_fits(#[case] expected: &str, #[case] actual: &str) {
    assert_eq!(message(expected, actual), Ok(Vec::new()));
}

#[rstest]
#[case::another_command("{command: 3}", "00000000 04000000", "field `command` differs, first at offset 4")]
#[case::data_where_none_is(
    "{command: 7}",
    "01000000 07000000 00",
    "field `length` differs, first at offset 0"
)]
#[case::another_path(
    "{command: 3, data: [{string: {setting: otter_root}}]}",
    "03000000 03000000 02 2f70",
    "field `root_path` differs, first at offset 10"
)]
#[case::bytes_behind_the_last_field(
    "{command: {any: {play: 3}}, data: [{int32: 7}]}",
    "05000000 03000000 07000000 00",
    "field `rest` differs, first at offset 4"
)]
#[case::not_the_type(
    "{command: {any: {play: 3}}, data: [{string: {any: {play: x}}}]}",
    "01000000 03000000 05",
    "field `string` cannot be read"
)]
#[case::string_that_does_not_lack(
    "{command: 1, data: [{string: {lacks: [bc, key]}}]}",
    "04000000 01000000 03 616263",
    "field `string` differs"
)]
fn a_message_that_does_not_fit(#[case] expected: &str, #[case] actual: &str, #[case] summary: &str) {
    let mismatch = message(expected, actual).expect_err("a mismatch");
    assert!(mismatch.summary.starts_with(summary), "{}", mismatch.summary);
}

#[test]
fn bytes_that_follow_the_last_field_are_told() {
    let mismatch = message(
        "{command: {any: {play: 3}}, data: [{int32: {any: {play: 7}}}]}",
        "05000000 03000000 07000000 00",
    );
    // The data are one value of a type, which takes no more than it needs.
    assert_eq!(mismatch.expect_err("a byte more").summary, "1 byte left over behind the last field");
}

#[test]
fn what_is_bound_comes_back() {
    let bound =
        handshake_bytes("[{ack: {value: {bind: session, play: 1}}}]", "00 09000000 00000000").unwrap();
    assert_eq!(bound, [("session".to_owned(), json!(9))]);
    let bound =
        message("{command: 1, data: [{bind: rest, play: \"00\"}]}", "02000000 01000000 beef").unwrap();
    assert_eq!(bound, [("rest".to_owned(), json!("beef"))]);
    let is = "{command: 1, data: [{int32: {bind: n, is: {range: {from: 1, to: 2}}}}]}";
    assert_eq!(message(is, "04000000 01000000 02000000").unwrap(), [("n".to_owned(), json!(2))]);
    assert_eq!(message(is, "04000000 01000000 03000000").unwrap_err().expected, "1 to 2");
}

#[test]
fn any_command_will_do_where_the_subject_reads_it_so() {
    let expected: Spot<Frame> = read("{command: 3, data: [{int32: 7}]}");
    let fits =
        |actual| with_readings(true, false, |any| any.frame(&expected, framing(), &bytes(actual)).is_ok());
    assert!(fits("04000000 09000000 07000000"));
    assert!(!fits("04000000 09000000 08000000"));
}

#[rstest]
#[case("", Cut::Incomplete(8))]
#[case("000000", Cut::Incomplete(8))]
#[case("00000000 030000", Cut::Incomplete(8))]
#[case("00000000 03000000", Cut::Whole(8))]
#[case("02000000 03000000 61", Cut::Incomplete(10))]
// 80 MiB, and a byte more than any case can expect
#[case("00000005", Cut::Incomplete(83_886_088))]
#[case("01000005", Cut::BadLength(83_886_081))]
#[case("02000000 03000000 6162 63", Cut::Whole(10))]
#[case("ffffffff", Cut::BadLength(-1))]
#[case("ffffff7f", Cut::BadLength(i32::MAX))]
fn a_stream_is_cut_into_messages(#[case] stream: &str, #[case] cut: Cut) {
    assert_eq!(framing().cut(&bytes(stream)), cut);
}

#[rstest]
#[case("[{ack: {value: 2000}}]", 9)]
#[case("[{ack: {value: {any: {}}}}]", 9)]
#[case("\"0011\"", 2)]
fn the_length_of_an_acknowledgement_is_known_before(#[case] data: &str, #[case] length: usize) {
    let data: Data = read(data);
    assert_eq!(with_matching(|matching| matching.length(&data)), Ok(length));
}

proptest! {
    /// Of two messages only the one that was expected fits, and the place of the first difference is told.
    #[test]
    fn one_changed_byte_never_fits(place in 0_usize..20, change in 1_u8..=255) {
        let good = bytes("0c000000 03000000 0b 2f7661722f6f74746572 21");
        let mut changed = good.clone();
        changed[place] ^= change;
        let expected: Spot<Frame> = read("{command: 3, data: [{string: \"/var/otter!\"}]}");
        with_matching(|matching| {
            prop_assert!(matching.frame(&expected, framing(), &good).is_ok());
            let mismatch = matching.frame(&expected, framing(), &changed).expect_err("it differs");
            let bytes = mismatch.bytes.expect("both side by side");
            let field = match place {
                0..4 => "length",
                4..8 => "command",
                8 => "root_path length",
                _ => "root_path",
            };
            prop_assert!(bytes.rows.iter().any(|row| row.differs && row.field == field), "{place}: {:?}", bytes.rows);
            Ok(())
        })?;
    }
}

/// Command 105, token 9, status 0, and the text `{"pid":7,"argv":["a","--key=1"]}`.
const REPORT: &str =
    "26000000 69000000 09000000 00 20 7b22706964223a372c2261726776223a5b2261222c222d2d6b65793d31225d7d";

fn report(members: &str) -> Result<Bindings, Box<Mismatch>> {
    message(&format!("{{command: 105, data: [{{int32: 9}}, {{byte: 0}}, {{json: {{{members}}}}}]}}"), REPORT)
}

#[rstest]
#[case::one_member("pid: 7")]
#[case::no_member("")]
#[case::a_list("argv: [{any: {}}, \"--key=1\"]")]
#[case::what_was_bound("pid: {ref: seven}")]
#[case::a_list_that_lacks("argv: {lacks: [secret, pass]}")]
fn a_report_that_fits(#[case] members: &str) {
    assert_eq!(report(members), Ok(Vec::new()));
}

#[rstest]
#[case::another_value("pid: 8", "field `pid` differs", "8", "7")]
#[case::a_member_that_is_missing("ppid: 7", "field `ppid` differs", "7", "null")]
#[case::a_list_too_short("argv: [a]", "field `argv` differs", "1 items", "[\"a\",\"--key=1\"]")]
#[case::a_list_too_long("argv: [a, {any: {}}, b]", "field `argv` differs", "3 items", "[\"a\",\"--key=1\"]")]
#[case::another_item("argv: [b, {any: {}}]", "field `argv[0]` differs", "\"b\"", "\"a\"")]
#[case::no_list("pid: []", "field `pid` differs", "0 items", "7")]
#[case::a_list_that_does_not_lack(
    "argv: {lacks: [secret, key]}",
    "field `argv` differs",
    "nothing with `secret` or `key`",
    "[\"a\",\"--key=1\"]"
)]
#[case::a_number_lacks_nothing("pid: {lacks: [a]}", "field `pid` differs", "nothing with `a`", "7")]
fn a_report_that_does_not_fit(
    #[case] members: &str,
    #[case] summary: &str,
    #[case] expected: &str,
    #[case] actual: &str,
) {
    let mismatch = report(members).unwrap_err();
    let told = (mismatch.summary.as_str(), mismatch.expected.as_str(), mismatch.actual.as_str());
    assert_eq!(told, (summary, expected, actual));
}

#[test]
fn what_a_report_binds_is_told() {
    assert_eq!(report("pid: {bind: host}"), Ok(vec![("host".to_owned(), json!(7))]));
}

#[test]
fn a_message_among_several_is_told_by_its_number() {
    let frame: Spot<Frame> = read("{command: 103, data: [{int32: {number: 5}}], times: 3}");
    // The first of them; a run tells the number of the others.
    assert_eq!(frame.times(), 3);
    let fits =
        with_matching(|matching| matching.frame(&frame, framing(), &bytes("04000000 67000000 05000000")));
    assert_eq!(fits, Ok(Vec::new()));
}

#[test]
fn an_acknowledgement_that_is_cut_short_is_shown_beside_all_of_it() {
    let mismatch = handshake_bytes("[{ack: {value: 2000}}]", "00 d007").expect_err("it is cut short");
    assert_eq!(mismatch.summary, "field `value` cannot be read: cut short: 4 bytes expected, 2 left");
    let bytes = mismatch.bytes.expect("both side by side");
    assert_eq!((bytes.field.as_str(), bytes.offset), ("value", 3));
    assert_eq!((bytes.expected_length, bytes.actual_length), (9, 3));
}

#[test]
fn bytes_behind_what_no_message_holds_are_counted() {
    let data: Data = read("[{int32: {any: {play: 7}}}]");
    let found = with_matching(|matching| matching.data(&data, &bytes("07000000 0000"), None));
    let mismatch = found.expect_err("two bytes more");
    assert_eq!(
        (mismatch.summary.as_str(), mismatch.expected.as_str(), mismatch.actual.as_str()),
        ("2 bytes left over behind the last field", "4 bytes", "6 bytes")
    );
}

#[test]
fn bytes_of_no_type_differ_at_an_offset() {
    let data: Data = read("\"001122\"");
    let found = with_matching(|matching| matching.data(&data, &bytes("001222"), None));
    assert_eq!(found.expect_err("another byte").summary, "the bytes differ, first at offset 1");
}

/// With AES and padding by zeros, up to 15 of them may stand behind the data of a message (AES-3).
#[rstest]
#[case::literal("\"aabb\"", "aabb", true)]
#[case::one_zero("\"aabb\"", "aabb 00", true)]
#[case::fifteen_zeros("\"aabb\"", "aabb 00*15", true)]
#[case::sixteen_zeros("\"aabb\"", "aabb 00*16", false)]
#[case::no_zero("\"aabb\"", "aabb 01", false)]
#[case::a_zero_and_more("\"aabb\"", "aabb 0001", false)]
#[case::open_data("[{int32: {any: {play: 7}}}]", "09000000 00*15", true)]
#[case::open_data_and_sixteen("[{int32: {any: {play: 7}}}]", "09000000 00*16", false)]
#[case::open_data_and_no_zero("[{int32: {any: {play: 7}}}]", "09000000 01", false)]
fn zeros_may_stand_behind_data(#[case] expected: &str, #[case] actual: &str, #[case] fits: bool) {
    let expected: Data = read(expected);
    let taken = |zero_padded| {
        with_readings(false, zero_padded, |matching| matching.data(&expected, &bytes(actual), None).is_ok())
    };
    assert_eq!((taken(true), taken(false)), (fits, actual == "aabb"));
}

fn result(expected: &str, actual: Json) -> Result<Bindings, Box<Mismatch>> {
    let expected: Expected = read(expected);
    let members = actual.as_object().expect("an object").clone();
    with_matching(|matching| matching.members(&expected, &members))
}

#[rstest]
#[case::what_is_named("{speaks: 2000}", json!({"speaks": 2000, "session": 7}))]
#[case::what_was_bound("{session: {ref: seven}}", json!({"session": 7}))]
#[case::data_in_either_case("{command: 3, data: \"00ff\"}", json!({"command": 3, "data": "00FF"}))]
#[case::data_of_a_type("{data: [{string: {setting: otter_root}}]}", json!({"data": "022f6f"}))]
#[case::nothing_named("{}", json!({"speaks": 1}))]
fn a_result_that_fits(#[case] expected: &str, #[case] actual: Json) {
    assert_eq!(result(expected, actual), Ok(Vec::new()));
}

#[rstest]
#[case::another_value("{speaks: 2000}", json!({"speaks": 1000}), "speaks", "2000", "1000")]
#[case::missing("{speaks: 2000}", json!({}), "speaks", "2000", "null")]
#[case::number_as_text("{speaks: 2000}", json!({"speaks": "2000"}), "speaks", "2000", "\"2000\"")]
#[case::data_missing("{data: \"00ff\"}", json!({}), "data", "hexadecimal digits", "null")]
#[case::data_not_hexadecimal("{data: \"00ff\"}", json!({"data": "0x"}), "data", "hexadecimal digits", "\"0x\"")]
fn a_result_that_does_not_fit(
    #[case] expected: &str,
    #[case] actual: Json,
    #[case] field: &str,
    #[case] wanted: &str,
    #[case] found: &str,
) {
    let mismatch = result(expected, actual).expect_err("a mismatch");
    assert_eq!(
        (mismatch.summary, mismatch.expected.as_str(), mismatch.actual.as_str()),
        (format!("field `{field}` differs"), wanted, found)
    );
}

#[test]
fn other_data_of_a_result_and_what_it_binds_are_told() {
    let mismatch = result("{data: \"00ff\"}", json!({"data": "00fe"})).expect_err("another byte");
    assert_eq!(mismatch.summary, "the bytes differ, first at offset 1");
    let bound = result(
        "{session: {bind: own}, data: [{int32: {bind: n}}]}",
        json!({"session": 5, "data": "07000000"}),
    );
    assert_eq!(bound, Ok(vec![("own".to_owned(), json!(5)), ("n".to_owned(), json!(7))]));
}

/// Agent types may be written by name, and hexadecimal digits in either case; other text has a case.
#[rstest]
#[case::agent_type_by_name(
    "[{open_session: {agent_type: otter, session: {any: {play: 1}}}}]",
    "01 05000000",
    true
)]
#[case::another_agent_type(
    "[{open_session: {agent_type: otter, session: {any: {play: 1}}}}]",
    "02 05000000",
    false
)]
#[case::digits_in_the_other_case(
    "[{update_file: {name: {any: {}}, modified_ticks: \"1\", contents: 0AFF}}]",
    "00 01 00*7 02000000 0aff",
    true
)]
#[case::other_digits(
    "[{update_file: {name: {any: {}}, modified_ticks: \"1\", contents: 0AFE}}]",
    "00 01 00*7 02000000 0aff",
    false
)]
#[case::fewer_digits(
    "[{update_file: {name: {any: {}}, modified_ticks: \"1\", contents: 0A}}]",
    "00 01 00*7 02000000 0aff",
    false
)]
#[case::text_in_the_other_case(
    "[{update_file: {name: Xy, modified_ticks: {any: {}}, contents: ff}}]",
    "02 7859 01 00*7 01000000 ff",
    false
)]
#[case::text_that_is_no_digits(
    "[{update_file: {name: ab, modified_ticks: {any: {}}, contents: ff}}]",
    "02 7a7a 01 00*7 01000000 ff",
    false
)]
#[case::the_same_text(
    "[{update_file: {name: Xy, modified_ticks: {any: {}}, contents: ff}}]",
    "02 5879 01 00*7 01000000 ff",
    true
)]
fn what_is_written_in_two_ways_is_the_same(#[case] expected: &str, #[case] actual: &str, #[case] fits: bool) {
    let expected: Data = read(expected);
    assert_eq!(with_matching(|matching| matching.data(&expected, &bytes(actual), None)).is_ok(), fits);
}

/// A message of the agent in mode aes with padding by zeros: its plaintext has the next vector in place of the length, and
/// the zeros behind it count as data (AES-3).
#[rstest]
// 16 + 4 + 2 bytes of plaintext and 10 zeros
#[case("{command: 3, data: [\"aabb\"]}", Party::Agent, "0c000000 03000000 aabb 00*10")]
// 16 + 4 + 12 bytes, which is a multiple of 16
#[case("{command: 3, data: [\"bb*12\"]}", Party::Agent, "0c000000 03000000 bb*12")]
// 16 + 5 + 2 bytes and 9 zeros
#[case("{target: otter, command: 3, data: [\"aabb\"]}", Party::Client, "0b000000 01 03000000 aabb 00*9")]
fn a_message_is_padded_with_zeros(#[case] frame: &str, #[case] party: Party, #[case] expected: &str) {
    let frame: Spot<Frame> = read(frame);
    let framing = Framing::new(&FORMATS, party, 1000).expect("a framing");
    with_readings(false, true, |padded| {
        assert_eq!(padded.exact_frame(&frame, framing).unwrap(), Some(bytes(expected)));
        assert_eq!(padded.frame(&frame, framing, &bytes(expected)), Ok(Vec::new()));
    });
}

#[test]
fn the_lengths_that_are_taken_are_told() {
    // 80 MiB, as the cuts above have it.
    assert_eq!(good_length(), "0 to 83886080");
}

fn client_framing() -> Framing<'static> {
    Framing::new(&FORMATS, Party::Client, 1000).expect("a framing")
}

fn from_client(expected: &str, actual: &str) -> Result<Bindings, Box<Mismatch>> {
    let expected: Spot<Frame> = read(expected);
    with_matching(|matching| matching.frame(&expected, client_framing(), &bytes(actual)))
}

/// A literal message of a subject whose responses may carry any command: everything else has to be as it stands.
#[rstest]
#[case::the_same("04000000 03000000 07000000", true)]
#[case::another_command("04000000 09000000 07000000", true)]
#[case::other_data("04000000 03000000 08000000", false)]
#[case::other_data_and_command("04000000 09000000 08000000", false)]
#[case::another_length("05000000 03000000 07000000", false)]
#[case::a_byte_more("04000000 03000000 07000000 00", false)]
#[case::a_byte_less("04000000 03000000 070000", false)]
fn of_a_literal_message_only_the_command_may_be_another(#[case] actual: &str, #[case] fits: bool) {
    let expected: Spot<Frame> = read("\"04000000 03000000 07000000\"");
    let found = with_readings(true, false, |any| any.frame(&expected, framing(), &bytes(actual)));
    assert_eq!(found.is_ok(), fits);
}

const OPEN: &str = "{command: 3, data: [{int32: {any: {play: 1}}}]}";
const OPEN_TO_OTTER: &str = "{target: otter, command: 3, data: [{int32: {any: {play: 1}}}]}";

#[rstest]
#[case::right("04000000 01 03000000 07000000", None)]
#[case::another_target("04000000 02 03000000 07000000", Some(("target", 4)))]
#[case::another_command("04000000 01 04000000 07000000", Some(("command", 5)))]
fn a_message_with_open_data_is_for_somebody(#[case] actual: &str, #[case] wrong: Option<(&str, usize)>) {
    let found = from_client(OPEN_TO_OTTER, actual);
    assert_eq!(found.is_ok(), wrong.is_none());
    let Some((field, offset)) = wrong else { return };
    let mismatch = found.expect_err("a mismatch");
    assert_eq!(mismatch.summary, format!("field `{field}` differs"));
    let bytes = mismatch.bytes.expect("both side by side");
    assert_eq!((bytes.field.as_str(), bytes.offset), (field, offset));
    assert_eq!((bytes.expected_length, bytes.actual_length), (13, 13));
}

#[test]
fn a_message_with_open_data_has_a_command_and_a_length() {
    let mismatch = message(OPEN, "04000000 04000000 07000000").expect_err("another command");
    assert_eq!((mismatch.expected.as_str(), mismatch.actual.as_str()), ("3", "4"));
    let bytes = mismatch.bytes.expect("both side by side");
    assert_eq!((bytes.field.as_str(), bytes.offset, bytes.expected_length), ("command", 4, 12));
    let mismatch = message(OPEN, "04000000 03000000 07000000 00").expect_err("a byte behind the message");
    assert_eq!(mismatch.summary, "field `length` does not fit the message");
    assert_eq!((mismatch.expected.as_str(), mismatch.actual.as_str()), ("5 bytes", "13 bytes"));
    assert!(message("{command: {any: {play: 1}}}", "00000000 07000000").is_ok());
    let mismatch = message("{command: {any: {play: 1}}}", "01000000 07000000 00").expect_err("data");
    assert_eq!(
        (mismatch.summary.as_str(), mismatch.expected.as_str(), mismatch.actual.as_str()),
        ("the message has data", "no data", "1 byte")
    );
}

/// Data are shown by the type that a meta message of that command has; what goes to a product means nothing here.
#[rstest]
#[case::meta("01000000 00 03000000 01", "01000000 00 03000000 02", "agent_type")]
#[case::product("01000000 01 03000000 01", "01000000 01 03000000 02", "data")]
#[case::unknown_command("01000000 00 63000000 01", "01000000 00 63000000 02", "data")]
fn data_are_shown_by_their_type(#[case] expected: &str, #[case] actual: &str, #[case] field: &str) {
    let mismatch = from_client(&format!("\"{expected}\""), actual).expect_err("other data");
    assert_eq!(mismatch.summary, format!("field `{field}` differs, first at offset 9"));
    let rows = mismatch.bytes.expect("both side by side").rows;
    let places: Vec<_> = rows.iter().map(|row| (row.offset, row.field.as_str(), row.differs)).collect();
    assert_eq!(places, [(0, "length", false), (4, "target", false), (5, "command", false), (9, field, true)]);
}

#[test]
fn of_long_data_the_fields_around_the_difference_are_shown_and_the_others_counted() {
    let message =
        |names: &[u8; 300]| [&bytes("71100000 00 02000000")[..], &update_of_300_files(names)].concat();
    let mut names = [b'a'; 300];
    let expected = message(&names);
    names[150] = b'b';
    let expected: Spot<Frame> = read(&format!("\"{}\"", hex::encode(expected)));
    let found = with_matching(|matching| matching.frame(&expected, client_framing(), &message(&names)));
    let difference = found.expect_err("another name").bytes.expect("both side by side");
    assert_eq!(
        (difference.field.as_str(), difference.offset),
        ("assemblies[150].name", 9 + 5 + 150 * 14 + 1)
    );
    // Length, target, command, agent type, count, 150 files and one length stand before; 1206 fields in all.
    assert_eq!((difference.rows_before, difference.rows.len()), (606 - 32, 64));
    assert_eq!(difference.rows_after, 1206 - (606 - 32) - 64);
    assert_eq!((difference.rows[32].offset, difference.rows[32].differs), (9 + 5 + 150 * 14 + 1, true));
}
