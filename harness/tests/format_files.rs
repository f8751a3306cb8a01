//! Mistakes in format files: each is a finding at its place.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use iaspec_harness::format::Formats;
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use rstest::rstest;
use serde_json::json;

/// A format file with some lines of `types:` added.
fn format(types: &str) -> String {
    format!(
        "format: 1
protocol: 1
title: test
types:
  int32: {{integer: {{bytes: 4, signed: true}}}}
  byte: {{integer: {{bytes: 1, signed: false}}}}
  text: {{text: {{prefix_bytes: 5, prefix_bits: 32}}}}
{types}
conversation:
  handshake: int32
  acknowledgement: int32
  client_frame: int32
  agent_frame: int32
  client_aes_frame: int32
  agent_aes_frame: int32
meta: []
"
    )
}

fn findings(text: &str) -> String {
    let files = CorpusFiles::from_texts([("formats/1.yaml", text)]);
    let findings = Formats::read(&files).expect_err("a mistake");
    findings.iter().map(|finding| finding.render(false)).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn the_file_that_the_mistakes_are_put_into_has_none() {
    let files = CorpusFiles::from_texts([("formats/1.yaml", &*format(""))]);
    assert_eq!(Formats::read(&files).expect("no mistake").type_names(), ["int32", "byte", "text"]);
}

#[rstest]
#[case("unknown_type_of_a_field", "  t: {fields: [{name: a, type: int33}]}")]
#[case("unknown_item_type", "  t: {array: {count: int32, of: int33}}")]
#[case("count_is_no_integer", "  t: {array: {count: text, of: byte}}")]
#[case("hex_of_wide_items", "  t: {array: {count: int32, of: int32, hex: true}}")]
#[case("list_of_text", "  t: {fields: [{name: a, type: {list: {of: text, items: [1]}}}]}")]
#[case("same_as_nothing", "  t: {same_as: int33}")]
#[case("same_as_itself", "  t: {same_as: t}")]
#[case("circle_of_two", "  a: {fields: [{name: x, type: b}]}\n  b: {array: {count: int32, of: a}}")]
#[case("measures_a_missing_field", "  t: {fields: [{name: length, type: int32, measures: data}]}")]
#[case(
    "measures_an_earlier_field",
    "  t: {fields: [{name: data, type: {raw: {bytes: 1}}}, {name: length, type: int32, measures: data}]}"
)]
#[case("measures_itself", "  t: {fields: [{name: length, type: int32, measures: length}]}")]
#[case(
    "text_measures",
    "  t: {fields: [{name: length, type: text, measures: data}, {name: data, type: {raw: {bytes: 1}}}]}"
)]
#[case("measured_by_a_missing_field", "  t: {fields: [{name: data, type: {raw: {measured_by: length}}}]}")]
#[case(
    "measured_by_a_later_field",
    "  t: {fields: [{name: data, type: {raw: {measured_by: length}}}, {name: length, type: int32}]}"
)]
#[case(
    "measured_by_text",
    "  t: {fields: [{name: length, type: text}, {name: data, type: {raw: {measured_by: length}}}]}"
)]
#[case("when_of_a_missing_field", "  t: {fields: [{name: iv, type: byte, when: {field: mode, is: 2}}]}")]
#[case(
    "measured_outside_the_encrypted_part",
    "  t:
    fields:
      - {name: length, type: int32, measures: sealed}
      - {name: sealed, type: {sealed: {measured_by: length, fields: [{name: a, type: {raw: {measured_by: length}}}]}}}"
)]
#[case("two_fields_of_a_name", "  t: {fields: [{name: a, type: byte}, {name: a, type: int32}]}")]
#[case("two_shapes", "  t: {guid: {}, integer: {bytes: 1, signed: true}}")]
#[case("no_shape", "  t: {clauses: [DAT-1]}")]
#[case("integer_of_no_bytes", "  t: {integer: {bytes: 0, signed: true}}")]
#[case("integer_of_nine_bytes", "  t: {integer: {bytes: 9, signed: false}}")]
#[case("prefix_of_ten_bytes", "  t: {text: {prefix_bytes: 10, prefix_bits: 32}}")]
#[case("prefix_of_64_bits", "  t: {text: {prefix_bytes: 5, prefix_bits: 64}}")]
#[case("unknown_member_of_a_field", "  t: {fields: [{name: a, type: byte, length: 4}]}")]
#[case("unknown_inline_type", "  t: {fields: [{name: a, type: {blob: {}}}]}")]
#[case("type_is_a_number", "  t: {fields: [{name: a, type: 4}]}")]
#[case("raw_of_two_kinds", "  t: {fields: [{name: a, type: {raw: {bytes: 1, measured_by: b}}}]}")]
#[case("type_described_twice", "  byte: {guid: {}}")]
fn a_mistake_in_a_format_is_shown_at_its_place(#[case] name: &str, #[case] types: &str) {
    insta::assert_snapshot!(name, findings(&format(types)));
}

#[rstest]
#[case("conversation_of_an_unknown_type", "agent_frame: int32", "agent_frame: int33")]
#[case("conversation_incomplete", "  agent_frame: int32\n", "")]
#[case(
    "meta_of_an_unknown_type",
    "meta: []",
    "meta: [{command: 1, name: a, request: int33, response: int34, clauses: []}]"
)]
#[case("another_format_version", "format: 1", "format: 2")]
#[case("protocol_missing", "protocol: 1\n", "")]
fn a_mistake_outside_the_types_is_shown_at_its_place(
    #[case] name: &str,
    #[case] from: &str,
    #[case] to: &str,
) {
    let text = format("");
    assert!(text.contains(from));
    insta::assert_snapshot!(name, findings(&text.replacen(from, to, 1)));
}

#[test]
fn several_mistakes_of_one_file_are_all_found() {
    let text = format("  a: {same_as: int33}\n  b: {array: {count: text, of: int34}}");
    let files = CorpusFiles::from_texts([("formats/1.yaml", &*text)]);
    let lines: Vec<_> =
        Formats::read(&files).expect_err("mistakes").iter().map(|found| found.line()).collect();
    let expected = [
        "formats/1.yaml:8:6: type `a` is the same as `int33`, which does not exist",
        "formats/1.yaml:9:22: `text` is not an integer type",
        "formats/1.yaml:9:32: type `int34` does not exist",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn one_version_is_described_once() {
    let text = format("");
    let files = CorpusFiles::from_texts([("formats/1.yaml", &*text), ("formats/again.yaml", &*text)]);
    let lines: Vec<_> =
        Formats::read(&files).expect_err("a mistake").iter().map(|found| found.line()).collect();
    assert_eq!(lines, ["formats/again.yaml:2:11: protocol 1 is described twice"]);
}

fn formats(types: &str) -> Formats {
    Formats::read(&CorpusFiles::from_texts([("formats/1.yaml", &*format(types))])).expect("no mistake")
}

#[test]
fn items_of_a_named_array_are_compared_one_by_one() {
    let formats = formats("  numbers: {array: {count: int32, of: byte}}");
    assert_eq!(formats.value_difference("numbers", &json!([1, 2]), &json!([1, 2.0]), None), None);
    let difference = formats.value_difference("numbers", &json!([1, 2]), &json!([1, 3]), None).expect("one");
    assert_eq!((difference.path.as_str(), difference.actual), ("numbers[1]", Some(json!(3))));
}

#[test]
fn the_smallest_list_is_what_a_count_is_judged_by() {
    // Two or four numbers of 4 bytes: two items take 16 bytes at least.
    let formats = formats(
        "  item: {fields: [{name: a, type: {list: {of: int32, items: [4, 2]}}}]}\n  items: {array: {count: int32, of: item}}",
    );
    let bytes = [&2_i32.to_le_bytes()[..], &[0; 15]].concat();
    let error = formats.decode("items", &bytes, None).expect_err("it cannot fit");
    assert_eq!(
        (error.path.as_str(), error.reason.as_str()),
        ("items", "a count of 2, each at least 8 bytes, with 15 bytes left")
    );
}

#[test]
fn a_clause_that_a_format_cites_has_to_exist() {
    let files = CorpusFiles::embedded();
    let text = files.get("formats/2000.yaml").expect("part of the corpus").text.replace("MTA-3]", "MTA-33]");
    let (_, findings) = Corpus::load(&files.with("formats/2000.yaml", &text));
    let lines: Vec<_> = findings.iter().map(|found| found.line()).collect();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.starts_with("formats/2000.yaml:")),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| line.contains("MTA-33")), "{lines:?}");
}
