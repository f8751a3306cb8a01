//! The published schemas: what they accept and what they refuse.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use std::path::Path;

use iaspec_harness::vectors::export::{Export, document_schema};
use iaspec_harness::vectors::{Corpus, CorpusFiles, schema};
use iaspec_harness::yaml::{Source, from_node, parse};
use jsonschema::Validator;
use rstest::rstest;
use serde_json::{Value as Json, json};

fn validator(schema: &str) -> Validator {
    let schema: Json = serde_json::from_str(schema).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a valid schema");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn json_of(text: &str) -> Json {
    from_node(&parse(&Source::new("t.yaml", text)).expect("YAML")).expect("as JSON")
}

fn errors(validator: &Validator, document: &Json) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_file_is_the_one_of_this_release() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/schema.json");
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == schema::vector_file(),
        "vectors/schema.json is out of date; write it anew by `iaspec vectors schema > vectors/schema.json`"
    );
}

#[test]
fn every_vector_file_follows_the_schema() {
    let validator = validator(&schema::vector_file());
    let files = CorpusFiles::embedded();
    let mut count = 0;
    for (path, source) in files.vectors() {
        let found = errors(&validator, &json_of(&source.text));
        assert!(found.is_empty(), "{path}: {found:#?}");
        count += 1;
    }
    assert!(count >= 15, "{count} files");
}

const GOOD: &str = "format: 1
codec:
  - {id: a-1, clauses: [DAT-1], type: int32, value: 1, bytes: \"01 00*3\"}
  - {id: b, clauses: [DAT-5], type: int32, bytes: \"01\", malformed: {at: 0}}
  - {id: c, clauses: [AES-6], type: aes_frame_agent, bytes: \"00*4\", fails: crypto, key: k, iv: i, padding: zeros, was: old}
  - {id: d, clauses: [DAT-1], type: int32, value: 1, bytes: \"01000000FF\", only: decode, rest: 1}
";

#[rstest]
#[case::nothing_changed("a-1", "a-1", true)]
#[case::format_missing("format: 1", "codec: []", false)]
#[case::format_of_the_future("format: 1", "format: 2", false)]
#[case::unknown_member("value: 1", "vlaue: 1", false)]
#[case::id_missing("id: a-1, ", "", false)]
#[case::id_with_capitals("a-1", "A-1", false)]
#[case::id_ends_in_a_dash("a-1", "a-", false)]
#[case::clauses_missing("clauses: [DAT-1], ", "", false)]
#[case::clauses_are_text("[DAT-1]", "DAT-1", false)]
#[case::type_missing("type: int32, ", "", false)]
#[case::unquoted_hex("\"01 00*3\"", "1000000", false)]
#[case::no_hex("\"01 00*3\"", "\"01 0g\"", false)]
#[case::repetition_without_a_number("\"01 00*3\"", "\"01 00*\"", false)]
#[case::no_place("{at: 0}", "{}", false)]
#[case::negative_place("{at: 0}", "{at: -1}", false)]
#[case::place_and_more("{at: 0}", "{at: 0, or: 1}", false)]
#[case::unknown_failure("fails: crypto", "fails: malformed", false)]
#[case::unknown_direction("only: decode", "only: both", false)]
#[case::negative_rest("rest: 1", "rest: -1", false)]
#[case::key_is_a_number("key: k", "key: 1", false)]
fn the_schema_tells_good_files_from_bad_ones(#[case] from: &str, #[case] to: &str, #[case] good: bool) {
    assert!(GOOD.contains(from));
    let document = json_of(&GOOD.replace(from, to).replace("codec: []\ncodec", "codec"));
    let found = errors(&validator(&schema::vector_file()), &document);
    assert_eq!(found.is_empty(), good, "{found:?}");
}

fn export() -> Json {
    let (corpus, findings) = Corpus::load(&CorpusFiles::embedded());
    assert!(findings.is_empty());
    serde_json::to_value(Export::new(&corpus)).expect("JSON")
}

#[test]
fn the_export_follows_its_schema() {
    let validator = validator(&document_schema());
    let mut document = export();
    assert_eq!(errors(&validator, &document), Vec::<String>::new());
    document["codec"][0]["checks"][0]["expected"] = json!({"bytes": "00"});
    assert!(!errors(&validator, &document).is_empty(), "a broken one does not");
}

#[test]
fn the_export_holds_every_case_with_its_literals_written_out() {
    let (corpus, _) = Corpus::load(&CorpusFiles::embedded());
    let document = export();
    let cases = document["codec"].as_array().expect("a list");
    assert_eq!(cases.len(), corpus.codec.len());
    let mut hexes = 0;
    for case in cases {
        for check in case["checks"].as_array().expect("checks") {
            for hex in [&check["hex"], &check["expected"]["hex"]].into_iter().filter_map(Json::as_str) {
                hexes += 1;
                let plain = hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
                assert!(plain && hex.len() % 2 == 0, "{}", case["name"]);
            }
            let supported = check["expected"]["fails"] == Json::Null;
            for value in [&check["value"], &check["expected"]["decoded"]["value"]] {
                assert!(!supported || !holds_repeat(value), "{}", case["name"]);
            }
        }
    }
    assert!(hexes > cases.len());
}

fn holds_repeat(value: &Json) -> bool {
    match value {
        Json::Object(members) => members.contains_key("repeat") || members.values().any(holds_repeat),
        Json::Array(items) => items.iter().any(holds_repeat),
        _ => false,
    }
}

#[test]
fn an_exported_case_reads_like_this() {
    let text = "format: 1
codec:
  - {id: a, clauses: [DAT-2, DAT-6], type: string, value: {repeat: ab, count: 2}, bytes: \"04 6162*1 6162 FF\", rest: 1}
  - {id: b, clauses: [DAT-5], type: bytes, bytes: \"05000000 00*2\", malformed: {at: 0}, was: bb}
  - {id: c, clauses: [AES-5], type: aes_frame_agent, value: 1, fails: usage, key: \"00\", iv: zz, padding: none}
";
    let embedded = CorpusFiles::embedded();
    let keep = ["clauses.yaml", "formats/1000.yaml", "formats/2000.yaml"];
    let kept = keep.map(|path| (path, embedded.get(path).expect("part of the corpus").text.as_str()));
    let files = CorpusFiles::from_texts(kept).with("codec/x.yaml", text);
    let (corpus, findings) = Corpus::load(&files);
    assert!(findings.is_empty(), "{findings:?}");
    let document = serde_json::to_value(Export::new(&corpus)).expect("JSON");
    let expected = json!([
        {
            "name": "codec/x/a", "clauses": ["DAT-2", "DAT-6"], "tier": "D", "type": "string",
            "checks": [
                {"op": "encode", "value": "abab", "expected": {"hex": "0461626162"}},
                {"op": "decode", "hex": "0461626162ff", "expected": {"decoded": {"value": "abab", "rest": 1}}},
            ],
        },
        {
            "name": "codec/x/b", "was": "codec/x/bb", "clauses": ["DAT-5"], "tier": "H", "type": "bytes",
            "checks": [
                {"op": "decode", "hex": "050000000000", "expected": {"malformed": {"at": 0, "or_later": true, "or_crypto": false}}},
            ],
        },
        {
            "name": "codec/x/c", "clauses": ["AES-5"], "tier": "D", "type": "aes_frame_agent",
            "key": "00", "iv": "zz", "padding": "none",
            "checks": [{"op": "encode", "value": 1, "expected": {"fails": "usage"}}],
        },
    ]);
    assert_eq!(document["codec"], expected);
    assert_eq!(document["clauses"].as_array().map(Vec::len), Some(140));
    assert_eq!(document["clauses"][0]["id"], "HS-1");
}
