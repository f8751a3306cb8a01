//! `iaspec vectors check`: every mistake of a vector file is a finding at its place.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::finding::Finding;
use iaspec_harness::vectors::check::check;
use iaspec_harness::vectors::codec::{CodecCheck, DecodeExpectation};
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use rstest::rstest;
use support::files_with;

fn checked(text: &str) -> (Corpus, Vec<Finding>) {
    check(&files_with("codec/x.yaml", text))
}

fn rendered(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.render(false)).collect::<Vec<_>>().join("\n\n")
}

/// A file with one case, given by its members.
fn case(members: &str) -> String {
    let members = members.trim().replace('\n', "\n    ");
    format!("format: 1\ncodec:\n  - {members}\n")
}

#[test]
fn the_vectors_of_this_project_have_no_mistakes() {
    let (corpus, findings) = check(&CorpusFiles::embedded());
    assert!(findings.is_empty(), "{}", rendered(&findings));
    assert!(corpus.codec.len() > 300, "{} cases", corpus.codec.len());
}

#[rstest]
#[case("id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000 ffff\"\nrest: 2")]
#[case("id: a\nclauses: [DAT-6]\ntype: string\nvalue: x\nbytes: \"8100 78\"\nonly: decode")]
#[case("id: a\nclauses: [DAT-5]\ntype: int32\nbytes: \"01\"\nmalformed: {at: 0}")]
#[case("id: a\nclauses: [DAT-1]\ntype: int8\nvalue: 128\nfails: usage")]
#[case("id: a\nclauses: [DAT-1]\ntype: uint9\nvalue: 128\nfails: unsupported")]
#[case("id: a\nclauses: [DAT-1]\ntype: uint9\nbytes: \"00\"\nfails: unsupported")]
#[case(
    "id: a\nclauses: [DAT-2]\ntype: string\nvalue: {repeat: ab, count: 64}\nbytes: \"8001 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162 6162\""
)]
#[case(
    "id: a\nclauses: [DAT-3]\ntype: bytes\nvalue: {repeat: \"00ff\", count: 2}\nbytes: \"04000000 00ff00ff\""
)]
#[case(
    "id: a\nclauses: [FRM-2]\ntype: frame_agent\nvalue: {command: 1, data: {repeat: \"aa\", count: 300}}\nbytes: \"2c010000 01000000 aa*300\""
)]
fn a_good_case_gives_no_finding(#[case] members: &str) {
    let (corpus, findings) = checked(&case(members));
    assert!(findings.is_empty(), "{}", rendered(&findings));
    assert_eq!(corpus.codec.len(), 1);
}

const AES: &str = "key: \"000102030405060708090a0b0c0d0e0f\"\niv: \"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\"";
/// The .NET runtime encrypted 20 bytes: this next IV, command -2004780429, no data.
const AES_VALUE: &str =
    "value: {next_iv: 030a11181f262d343b424950575e656c, command: -2004780429, data: \"\"}";
const AES_BYTES: &str =
    "bytes: \"20000000 29c99ea986fa95edf1f01a6a9ba4b1f999dd6a684f407a73841a3d65ee0255e4\"";

#[rstest]
#[case("unknown_member", "id: a\nclauses: [DAT-1]\ntype: int32\nvlaue: 1\nbytes: \"01000000\"")]
#[case("id_missing", "clauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("clauses_missing", "id: a\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("clauses_empty", "id: a\nclauses: []\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("clause_misspelt", "id: a\nclauses: [DAT-1, dat_22]\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("clause_far_from_any", "id: a\nclauses: [WEATHER-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("id_with_capitals", "id: One-Byte\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("id_with_two_dashes", "id: one--byte\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"")]
#[case("id_is_a_number", "id: 127\nclauses: [DAT-1]\ntype: int32\nvalue: 127\nbytes: \"7f000000\"")]
#[case("unknown_type", "id: a\nclauses: [DAT-1]\ntype: int33\nvalue: 1\nbytes: \"01000000\"")]
#[case("known_type_called_unsupported", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nfails: unsupported")]
#[case(
    "hex_disagrees_in_a_plain_value",
    "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1000\nbytes: \"e8040000\""
)]
#[case(
    "hex_disagrees_in_a_field",
    "id: a\nclauses: [MTA-1]\ntype: update_file\nvalue: {name: ab, modified_ticks: \"1\", contents: \"ff\"}\nbytes: \"02 6162 01*1 00*6 01 01000000 ff\""
)]
#[case(
    "hex_disagrees_in_a_frame_length",
    "id: a\nclauses: [FRM-4]\ntype: frame_agent\nvalue: {command: 3, data: aabb}\nbytes: \"03000000 03000000 aabb\""
)]
#[case(
    "value_disagrees_one_way",
    "id: a\nclauses: [DAT-6]\ntype: string\nvalue: \"y\"\nbytes: \"8100 78\"\nonly: decode"
)]
#[case(
    "overlong_prefix_both_ways",
    "id: a\nclauses: [DAT-6]\ntype: string\nvalue: \"x\"\nbytes: \"8100 78\""
)]
#[case("bad_hex_digit", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01 00 0g 00\"")]
#[case("half_a_byte", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01 00 00 0\"")]
#[case("repetition_of_nothing", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 0\nbytes: \"*4\"")]
#[case("repetition_without_a_number", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 0\nbytes: \"00*\"")]
#[case("repetition_of_0", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 0\nbytes: \"00*0\"")]
#[case("repetition_without_end", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 0\nbytes: \"00*99999999\"")]
#[case(
    "repetition_beyond_any_number",
    "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 0\nbytes: \"00*99999999999999999999\""
)]
#[case("unquoted_hex", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 16\nbytes: 10000000")]
#[case("unquoted_hex_that_is_text", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 255\nbytes: 1e3")]
#[case(
    "malformed_elsewhere",
    "id: a\nclauses: [DAT-5]\ntype: update_file\nbytes: \"0161 00*7\"\nmalformed: {at: 3}"
)]
#[case("not_malformed", "id: a\nclauses: [DAT-5]\ntype: string\nbytes: \"0161\"\nmalformed: {at: 0}")]
#[case("malformed_without_a_place", "id: a\nclauses: [DAT-5]\ntype: string\nbytes: \"02\"\nmalformed: {}")]
#[case("malformed_without_bytes", "id: a\nclauses: [DAT-5]\ntype: string\nmalformed: {at: 0}")]
#[case(
    "malformed_beside_a_value",
    "id: a\nclauses: [DAT-5]\ntype: string\nvalue: a\nbytes: \"02\"\nmalformed: {at: 0}"
)]
#[case(
    "malformed_beside_fails",
    "id: a\nclauses: [DAT-5]\ntype: string\nbytes: \"02\"\nmalformed: {at: 0}\nfails: usage"
)]
#[case(
    "malformed_beside_rest",
    "id: a\nclauses: [DAT-5]\ntype: string\nbytes: \"02\"\nmalformed: {at: 0}\nrest: 1"
)]
#[case(
    "fails_crypto_in_plain_bytes",
    "id: a\nclauses: [AES-6]\ntype: int32\nbytes: \"01000000\"\nfails: crypto"
)]
#[case(
    "fails_crypto_for_malformed_bytes",
    "id: a\nclauses: [AES-6]\ntype: int32\nbytes: \"01\"\nfails: crypto"
)]
#[case("fails_crypto_when_encoding", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nfails: crypto")]
#[case("fails_usage_of_a_good_value", "id: a\nclauses: [DAT-1]\ntype: int8\nvalue: 127\nfails: usage")]
#[case("fails_usage_of_malformed_bytes", "id: a\nclauses: [DAT-1]\ntype: int32\nbytes: \"01\"\nfails: usage")]
#[case("unknown_failure", "id: a\nclauses: [DAT-1]\ntype: int8\nvalue: 128\nfails: malformed")]
#[case(
    "value_that_cannot_be_encoded",
    "id: a\nclauses: [MTA-1]\ntype: update_file\nvalue: {name: a, modified_ticks: 5, contents: \"\"}\nbytes: \"0161 05 00*7 00000000\""
)]
#[case(
    "rest_too_small",
    "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000 ffff\"\nrest: 1\nonly: decode"
)]
#[case("rest_missing", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000 ff\"")]
#[case(
    "rest_longer_than_the_bytes",
    "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"\nrest: 5"
)]
#[case("rest_negative", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"\nrest: -1")]
#[case("only_decode_without_bytes", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nonly: decode")]
#[case("nothing_to_test", "id: a\nclauses: [DAT-1]\ntype: int32")]
#[case("value_alone", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1")]
#[case("bytes_alone", "id: a\nclauses: [DAT-1]\ntype: int32\nbytes: \"01000000\"")]
#[case("only_neither", "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: 1\nbytes: \"01000000\"\nonly: both")]
#[case(
    "only_encode_without_a_value",
    "id: a\nclauses: [DAT-5]\ntype: int32\nbytes: \"01\"\nmalformed: {at: 0}\nonly: encode"
)]
#[case("repeat_without_count", "id: a\nclauses: [DAT-2]\ntype: string\nvalue: {repeat: x}\nbytes: \"0178\"")]
#[case(
    "repeat_beside_more",
    "id: a\nclauses: [DAT-2]\ntype: string\nvalue: {repeat: x, count: 1, times: 1}\nbytes: \"0178\""
)]
#[case(
    "repeat_a_negative_count",
    "id: a\nclauses: [DAT-2]\ntype: string\nvalue: {repeat: x, count: -1}\nbytes: \"00\""
)]
#[case(
    "repeat_of_half_a_byte",
    "id: a\nclauses: [DAT-3]\ntype: bytes\nvalue: {repeat: f, count: 2}\nbytes: \"01000000 ff\""
)]
#[case(
    "repeat_without_end",
    "id: a\nclauses: [DAT-2]\ntype: string\nvalue: {repeat: abcdef, count: 100000000}\nbytes: \"00\""
)]
#[case(
    "repeat_for_a_number",
    "id: a\nclauses: [DAT-1]\ntype: int32\nvalue: {repeat: \"1\", count: 2}\nbytes: \"0b000000\""
)]
fn a_mistake_in_a_case_is_shown_at_its_place(#[case] name: &str, #[case] members: &str) {
    let (_, findings) = checked(&case(members));
    insta::assert_snapshot!(name, rendered(&findings));
}

#[rstest]
#[case("aes_field_disagrees", AES_VALUE.replace("-2004780429", "-2004780428"), AES_BYTES.to_owned(), AES.to_owned())]
#[case("aes_wrong_iv", AES_VALUE.to_owned(), AES_BYTES.to_owned(), AES.replace("f0f1", "f0f2"))]
#[case("aes_wrong_key", AES_VALUE.to_owned(), AES_BYTES.to_owned(), AES.replace("0e0f", "0e0e"))]
#[case("aes_wrong_padding", AES_VALUE.to_owned(), AES_BYTES.to_owned(), format!("{AES}\npadding: zeros"))]
#[case("aes_without_a_key", AES_VALUE.to_owned(), AES_BYTES.to_owned(), String::new())]
#[case("aes_not_damaged", "fails: crypto".to_owned(), AES_BYTES.to_owned(), AES.to_owned())]
#[case("aes_damaged_elsewhere", "malformed: {at: 0}".to_owned(), AES_BYTES.replace("ee0255e4", "ee0255e5"), AES.to_owned())]
#[case("aes_settings_are_good", "fails: usage".to_owned(), AES_BYTES.to_owned(), AES.to_owned())]
fn a_mistake_in_an_encrypted_case_is_shown_at_its_place(
    #[case] name: &str,
    #[case] value: String,
    #[case] bytes: String,
    #[case] settings: String,
) {
    let text = case(&format!("id: a\nclauses: [AES-1]\ntype: aes_frame_agent\n{value}\n{bytes}\n{settings}"));
    insta::assert_snapshot!(name, rendered(&checked(&text).1));
}

#[test]
fn the_encrypted_case_without_a_mistake_has_no_finding() {
    let text =
        case(&format!("id: a\nclauses: [AES-1]\ntype: aes_frame_agent\n{AES_VALUE}\n{AES_BYTES}\n{AES}"));
    assert_eq!(rendered(&checked(&text).1), "");
}

#[rstest]
#[case(
    "format_missing",
    "codec:\n  - {id: a, clauses: [DAT-1], type: int32, value: 1, bytes: \"01000000\"}\n"
)]
#[case(
    "format_of_the_future",
    "format: 2\ncodec:\n  - {id: a, clauses: [DAT-1], type: int32, value: 1, bytes: \"01000000\"}\n"
)]
#[case(
    "format_as_text",
    "format: \"1\"\ncodec:\n  - {id: a, clauses: [DAT-1], type: int32, value: 1, bytes: \"01000000\"}\n"
)]
#[case("list_empty", "format: 1\ncodec: []\n")]
#[case("list_is_null", "format: 1\ncodec:\n")]
#[case("list_is_a_mapping", "format: 1\ncodec: {a: {type: int32}}\n")]
#[case("unknown_kind_of_cases", "format: 1\ncodecs: []\n")]
#[case("file_is_a_list", "- {id: a}\n")]
#[case("file_is_empty", "")]
#[case("case_is_text", "format: 1\ncodec:\n  - a\n")]
#[case(
    "id_twice",
    "format: 1\ncodec:\n  - {id: a, clauses: [DAT-1], type: byte, value: 1, bytes: \"01\"}\n  - {id: a, clauses: [DAT-1], type: byte, value: 2, bytes: \"02\"}\n"
)]
#[case("not_yaml", "format: 1\ncodec:\n  - {id: a, clauses: [DAT-1\n")]
fn a_mistake_in_a_file_is_shown_at_its_place(#[case] name: &str, #[case] text: &str) {
    insta::assert_snapshot!(name, rendered(&checked(text).1));
}

#[test]
fn two_mistakes_in_two_cases_are_both_found() {
    let text = "format: 1
codec:
  - {id: a, clauses: [DAT-1], type: int32, value: 1, bytes: \"02000000\"}
  - {id: good, clauses: [DAT-1], type: int32, value: 1, bytes: \"01000000\"}
  - {id: b, clauses: [DAT-99], type: int32, value: 1, bytes: \"01000000\"}
  - {id: c, clauses: [DAT-1], type: int32, value: 1, bites: \"01000000\"}
  - {id: d, clauses: [DAT-5], type: int32, bytes: \"0100\", malformed: {at: 2}}
";
    let (corpus, findings) = checked(text);
    let places: Vec<_> = findings.iter().map(|finding| finding.place().1).collect();
    assert_eq!(places, [3, 5, 6, 7], "{}", rendered(&findings));
    let names: Vec<_> = corpus.codec.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["codec/x/a", "codec/x/good", "codec/x/b", "codec/x/d"]);
}

#[test]
fn one_name_in_two_files_is_two_names() {
    let text = "format: 1\ncodec:\n  - {id: a, clauses: [DAT-1], type: byte, value: 1, bytes: \"01\"}\n";
    let (corpus, findings) = check(&files_with("codec/x.yaml", text).with("codec/y.yaml", text));
    assert_eq!((corpus.codec.len(), findings.len()), (2, 0));
}

#[test]
fn a_former_name_must_not_be_the_name_of_another_case() {
    let text = "format: 1
codec:
  - {id: a, clauses: [DAT-1], type: byte, value: 1, bytes: \"01\"}
  - {id: b, clauses: [DAT-1], type: byte, value: 2, bytes: \"02\", was: a}
  - {id: c, clauses: [DAT-1], type: byte, value: 3, bytes: \"03\", was: old}
  - {id: d, clauses: [DAT-1], type: byte, value: 4, bytes: \"04\", was: old}
";
    let lines: Vec<_> = checked(text).1.iter().map(Finding::line).collect();
    let expected = [
        "codec/x.yaml:4:71: codec/x/a is the name of another case, now or before",
        "codec/x.yaml:6:71: codec/x/old is the name of another case, now or before",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_format_that_cites_an_unknown_clause_is_found() {
    let embedded = CorpusFiles::embedded();
    let text = embedded.get("formats/1000.yaml").expect("part of the corpus").text.clone();
    let spoiled = text.replacen("clauses: [DAT-4]", "clauses: [DAT-44]", 1);
    let findings = check(&embedded.with("formats/1000.yaml", &spoiled)).1;
    let lines: Vec<_> = findings.iter().map(Finding::message).collect();
    assert_eq!(lines, ["there is no clause DAT-44"]);
}

#[test]
fn a_mistake_in_the_clauses_is_not_repeated_for_every_case() {
    let files = CorpusFiles::embedded().with("clauses.yaml", "format: 1\n");
    let lines: Vec<_> = check(&files).1.iter().take(3).map(Finding::line).collect();
    assert_eq!(lines, ["clauses.yaml:1:1: `sources` is missing"]);
}

#[test]
fn a_mistake_in_a_format_is_not_repeated_for_every_case() {
    let files = CorpusFiles::embedded().with("formats/2000.yaml", "format: 1\n");
    let lines: Vec<_> = check(&files).1.iter().take(3).map(Finding::line).collect();
    assert_eq!(lines, ["formats/2000.yaml:1:1: `protocol` is missing"]);
}

/// Places to flip: all of a short text, the ends and a sample of a long one.
fn places(length: usize) -> Vec<usize> {
    if length <= 200 {
        return (0..length).collect();
    }
    let step = (length / 60).max(1);
    let mut places: Vec<usize> =
        (0..40).chain((40..length).step_by(step)).chain(length - 20..length).collect();
    places.dedup();
    // Long texts cost time at each place.
    if length > 100_000 { places.into_iter().step_by(16).chain([length - 1]).collect() } else { places }
}

#[test]
fn no_byte_of_a_vector_is_dead() {
    let (corpus, _) = check(&CorpusFiles::embedded());
    let mut flipped = 0;
    for case in &corpus.codec {
        let good = case.checks.iter().find_map(|check| match check {
            CodecCheck::Decode { bytes, expected: DecodeExpectation::Value { value, rest: 0 } } => {
                Some((bytes, value))
            }
            _ => None,
        });
        let Some((bytes, value)) = good else { continue };
        for place in places(bytes.len()) {
            let mut bad = bytes.clone();
            bad[place] ^= 1;
            flipped += 1;
            let Ok(decoded) = corpus.formats.decode(&case.type_name, &bad, case.secrets.as_ref()) else {
                continue;
            };
            let padding = case.secrets.as_ref().map(|secrets| secrets.padding);
            let difference = corpus.formats.value_difference(&case.type_name, value, &decoded.value, padding);
            assert!(
                decoded.used != bytes.len() || difference.is_some(),
                "{}: byte {place} is dead",
                case.name
            );
        }
    }
    assert!(flipped > 3000, "{flipped} bytes");
}

#[test]
fn a_flipped_byte_of_a_vector_is_found() {
    let embedded = CorpusFiles::embedded();
    let text = &embedded.get("codec/handshake.yaml").expect("part of the corpus").text;
    let protocol_id = text.find("4ed2eb6c").expect("the protocol ID");
    let mut changed = text.clone();
    changed.replace_range(protocol_id..protocol_id + 2, "4f");
    let (_, findings) = check(&embedded.clone().with("codec/handshake.yaml", &changed));
    assert_eq!(findings.len(), 1, "{}", rendered(&findings));
    assert!(
        findings[0].message().contains("field `protocol_id`, first at offset 0"),
        "{}",
        findings[0].line()
    );
}
