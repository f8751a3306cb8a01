//! Transcripts: what is read, what is found wrong and where, rows, played values, export.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;

use iaspec_harness::terms::TimeSpan;
use iaspec_harness::vectors::check::check;
use iaspec_harness::vectors::export::Export;
use iaspec_harness::vectors::transcript::data::{Frame, Item};
use iaspec_harness::vectors::transcript::play::{AckDefaults, Framing, Player};
use iaspec_harness::vectors::transcript::step::Part;
use iaspec_harness::vectors::transcript::value::{Known, SettingName};
use iaspec_harness::vectors::transcript::{ExportedTranscript, Party};
use iaspec_harness::vectors::{Corpus, CorpusFiles, TranscriptCase, export, schema};
use iaspec_harness::yaml::Source;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value as Json, json};
use support::files_with;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The cases of a text without mistakes.
fn cases(text: &str) -> (Corpus, Vec<TranscriptCase>) {
    let (corpus, findings) = check(&files_with("t/t.yaml", text));
    let lines: Vec<String> = findings.iter().map(|finding| finding.line()).collect();
    assert!(findings.is_empty(), "{lines:#?}");
    let cases = corpus.transcripts.iter().flat_map(|transcript| transcript.cases.clone()).collect();
    (corpus, cases)
}

#[test]
fn the_corpus_has_no_mistakes() {
    let (corpus, findings) = check(&CorpusFiles::embedded());
    let shown: Vec<String> = findings.iter().map(|finding| finding.render(false)).collect();
    assert!(findings.is_empty(), "{}", shown.join("\n\n"));
    let listed: Vec<String> = corpus
        .transcripts
        .iter()
        .flat_map(|transcript| &transcript.cases)
        .map(|case| format!("{} {:?}", case.name, case.roles))
        .collect();
    insta::assert_snapshot!("corpus", listed.join("\n"));
}

#[rstest]
#[case("schema")]
#[case("cited")]
#[case("bytes")]
#[case("roles")]
#[case("matchers")]
#[case("scope")]
#[case("rows")]
#[case("form")]
#[case("needs")]
#[case("shapes")]
fn mistakes_are_found_where_they_are(#[case] name: &str) {
    let file = format!("{name}.yaml");
    let (_, findings) = check(&files_with(&file, &fixture(&file)));
    let shown: Vec<String> = findings.iter().map(|finding| finding.render(false)).collect();
    insta::assert_snapshot!(name, shown.join("\n\n"));
}

#[test]
fn a_transcript_without_clauses_or_with_a_known_name_is_told() {
    let one =
        "  - {id: a, title: t, clauses: [], steps: [{client: a, bytes: \"00\"}, {agent: a, closes: {}}]}\n";
    let (_, findings) = check(&files_with("t/t.yaml", &format!("format: 1\ntranscripts:\n{one}{one}")));
    let lines: Vec<String> = findings.iter().map(|finding| finding.line()).collect();
    assert!(lines[0].ends_with("t/t.yaml:3:10: a case cites at least one clause"), "{lines:?}");
    assert!(lines[2].ends_with("a second case of the name t/t/a"), "{lines:?}");
}

/// A case with rows whose cells are a number, hexadecimal text, and an item.
const ROWS: &str = r#"
format: 1
transcripts:
  - id: rows
    title: {row: title}
    clauses: [HS-1]
    was: before
    roles: [agent]
    needs: {versions: [2000]}
    rows:
      one: {title: first, command: 3, data: "00 01*2", item: {int32: 7}}
      two: {title: second, command: 4, data: "", item: {string: x}}
    steps:
      - {client: a, bytes: "4ed2eb6c f74a134a b9af81d3 dfc644be d0070000 d0070000"}
      - {agent: a, bytes: [{ack: {value: 2000}}]}
      - {client: a, frames: [{command: {row: command}, data: [{row: data}, {row: item}]}]}
  - id: single
    title: no rows
    clauses: [HS-1]
    steps: [{client: a, bytes: "00"}, {agent: a, closes: {}}]
"#;

#[test]
fn rows_make_named_cases() {
    let (corpus, cases) =
        cases(&ROWS.replace("    steps: [{client", "    roles: [agent]\n    steps: [{client"));
    let names: Vec<_> =
        cases.iter().map(|case| (case.name.as_str(), case.was.as_deref(), case.title.as_str())).collect();
    assert_eq!(
        names,
        [
            ("t/t/rows:one", Some("t/t/before:one"), "first"),
            ("t/t/rows:two", Some("t/t/before:two"), "second"),
            ("t/t/single", None, "no rows")
        ]
    );
    assert_eq!(corpus.transcripts.len(), 2);
    let frames: Vec<Json> =
        cases[..2].iter().map(|case| serde_json::to_value(&case.steps()[2].frames).unwrap()).collect();
    assert_eq!(frames[0], json!([{"command": 3, "data": ["000101", {"int32": 7}]}]));
    assert_eq!(frames[1], json!([{"command": 4, "data": ["", {"string": "x"}]}]));
}

#[test]
fn too_many_rows_and_values_are_refused() {
    let rows: String = (0..1001).map(|n| format!("      r{n}: {{command: {n}}}\n")).collect();
    let text = format!(
        "format: 1\ntranscripts:\n  - id: a\n    title: t\n    clauses: [HS-1]\n    rows:\n{rows}    steps: [{{client: a, does: close}}]\n"
    );
    let (_, findings) = check(&files_with("t.yaml", &text));
    assert_eq!(findings[0].message(), "`rows` has 1 to 1000 rows, not 1001");
    let rows: String = (0..900).map(|n| format!("      r{n}: {{command: {n}}}\n")).collect();
    let frames = "{command: {row: command}},".repeat(200);
    let text = format!(
        "format: 1\ntranscripts:\n  - id: a\n    title: t\n    clauses: [HS-1]\n    rows:\n{rows}    steps: [{{client: a, frames: [{frames}]}}]\n"
    );
    let (_, findings) = check(&files_with("t.yaml", &text));
    let messages: Vec<_> = findings.iter().map(|finding| finding.message()).collect();
    let wanted = "with its rows filled in, the transcript has more than 200000 values";
    assert!(messages.contains(&wanted), "{:?}", &messages[..3]);
}

/// A run that knows two settings and one binding.
struct Run;

impl Known for Run {
    fn setting(&self, name: SettingName) -> Option<Json> {
        (name == SettingName::OtterRoot).then(|| json!("/o"))
    }

    fn binding(&self, name: &str) -> Option<Json> {
        (name == "s").then(|| json!(9))
    }
}

const PLAYED: &str = r#"
format: 1
transcripts:
  - id: played
    title: each symbol
    clauses: [HS-1]
    needs: {versions: [1000]}
    steps:
      - {client: a, does: {connect: {session: 0}}, as: hello,
         bytes: "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 00000000"}
      - agent: a
        bytes: [{ack: {value: {bind: s, is: {range: {from: -2, to: 999}}}}}]
      - {result: hello, is: {session: {ref: s}}}
      - {client: a, does: {send: {target: otter, command: 7}}, frames: [{target: otter, command: 7}]}
      - agent: a
        frames:
          - command: {one_of: [3, 4]}
            data:
              - {int32: {any: {play: 5}}}
              - {string: {setting: otter_root}}
              - {int32: {ref: s}}
              - {datetime: {range: {from: "1", to: "2"}}}
              - {bytes: {repeat: "ab", count: 3}}
              - {bind: rest, play: "00ff"}
      - {client: a, does: close}
"#;

#[test]
fn each_role_plays_one_side_and_checks_the_other() {
    let (_, cases) = cases(PLAYED);
    assert_eq!(cases[0].roles, [Party::Agent, Party::Client]);
    let parts = |role| cases[0].parts(role).into_iter().map(|(_, part)| part).collect::<Vec<_>>();
    use Part::{Checks, Plays, Skips};
    assert_eq!(parts(Party::Agent), [Plays, Checks, Skips, Plays, Checks, Plays]);
    assert_eq!(parts(Party::Client), [Checks, Plays, Checks, Checks, Plays, Checks]);
}

#[test]
fn symbols_have_played_values() {
    let (corpus, cases) = cases(PLAYED);
    let ack = AckDefaults { encryption: 2, iv: Some([0xaa; 16]), server_version: vec![51] };
    let player = Player { formats: &corpus.formats, known: &Run, ack: &ack };
    let steps = cases[0].steps();
    let bytes = player.data(steps[1].bytes.as_ref().unwrap()).unwrap();
    assert_eq!(hex::encode(bytes), format!("02{}feffffff33000000", "aa".repeat(16)));
    let v1 = |party| Framing::new(&corpus.formats, party, 1000).unwrap();
    let client = player.frame(&steps[3].frames.as_ref().unwrap()[0], v1(Party::Client)).unwrap();
    assert_eq!(hex::encode(client), "000000000107000000");
    let agent = player.frame(&steps[4].frames.as_ref().unwrap()[0], v1(Party::Agent)).unwrap();
    let data = "05000000 022f6f 09000000 0100000000000000 03000000ababab 00ff".replace(' ', "");
    assert_eq!(hex::encode(agent), format!("1c00000003000000{data}"));
}

#[rstest]
#[case::inside("closes: {within: 2s, not_before: 1s}", Some(1), Some(2))]
#[case::of_the_step("closes: {}, within: 2s, not_before: 1s", Some(1), Some(2))]
#[case::of_the_bytes("bytes: [{ack: {value: 2000}}], within: 2s, closes: {how: fin}", None, None)]
#[case::none("closes: {how: rst}", None, None)]
fn the_times_of_an_end_stand_in_it_or_in_a_step_without_bytes(
    #[case] members: &str,
    #[case] not_before: Option<u64>,
    #[case] within: Option<u64>,
) {
    let connect = "{client: a, bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000\"}";
    let text = format!(
        "format: 1
transcripts:
  - id: a
    title: an end
    clauses: [HS-3]
    roles: [agent]
    needs: {{versions: [2000]}}
    steps:
      - {connect}
      - {{agent: a, {members}}}
"
    );
    let (_, cases) = cases(&text);
    let seconds = |time: Option<u64>| time.map(|time| TimeSpan(std::time::Duration::from_secs(time)));
    assert_eq!(cases[0].steps()[1].end_times(), (seconds(not_before), seconds(within)));
}

#[test]
fn later_versions_are_framed_like_the_newest_known() {
    let corpus = Corpus::load(&CorpusFiles::embedded()).0;
    let of = |party, version| Framing::new(&corpus.formats, party, version).unwrap().type_name;
    assert_eq!(of(Party::Client, 999), "frame_client_v1");
    assert_eq!(of(Party::Client, 1999), "frame_client_v1");
    assert_eq!(of(Party::Client, 3000), "frame_client_v2");
    assert_eq!(of(Party::Agent, 3000), "frame_agent");
}

#[rstest]
#[case::a_version_that_is_agreed_on(
    "{min: 1000, max: 3000}",
    "b80b0000",
    3000,
    "is: {speaks: 3000}",
    "",
    Some(3000)
)]
#[case::a_version_that_is_refused("{min: 1000, max: 3000}", "b80b0000", 3000, "fails: protocol", "", None)]
#[case::a_session_like_a_version(
    "{session: 3000}",
    "b80b0000",
    3000,
    "is: {session: 3000}",
    "{client: a, does: {get_root_path: {agent_type: otter}}, frames: [\"01000000 00 03000000 01\"]}",
    None
)]
fn a_version_is_needed_where_it_is_spoken(
    #[case] connect: &str,
    #[case] second: &str,
    #[case] value: i32,
    #[case] result: &str,
    #[case] more: &str,
    #[case] lacking: Option<i32>,
) {
    let more = if more.is_empty() { String::new() } else { format!("      - {more}\n") };
    let text = format!(
        "format: 1
transcripts:
  - id: a
    title: an acknowledgement
    clauses: [NEG-6]
    needs: {{versions: [1000]}}
    steps:
      - {{client: a, does: {{connect: {connect}}}, as: hello,
         bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 {second}\"}}
      - {{agent: a, bytes: [{{ack: {{value: {value}}}}}]}}
      - {{result: hello, {result}}}
{more}"
    );
    let (_, findings) = check(&files_with("t/t.yaml", &text));
    let found: Vec<&str> = findings.iter().map(|finding| finding.message()).collect();
    let wanted = lacking.map(|version| {
        format!("version {version} is spoken here, so the case needs `versions: [{version}]`")
    });
    assert_eq!(found, wanted.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Every form that the format has, in one case.
const EVERYTHING: &str = include_str!("transcripts/everything.yaml");

#[test]
fn everything_can_be_said() {
    let (_, cases) = cases(EVERYTHING);
    let exported: Vec<_> = cases.iter().map(ExportedTranscript::new).collect();
    insta::assert_snapshot!("everything", serde_json::to_string_pretty(&exported).unwrap());
}

#[test]
fn exported_steps_read_as_the_same_steps() {
    for text in [EVERYTHING, PLAYED] {
        let (_, cases) = cases(text);
        for case in &cases {
            // JSON is YAML: the export, read again, is exported as the same.
            let exported = serde_json::to_value(&ExportedTranscript::new(case).steps).unwrap();
            let source = Source::new("steps", exported.to_string());
            let node = iaspec_harness::yaml::parse(&source).unwrap();
            let steps: Vec<iaspec_harness::vectors::transcript::Step> =
                iaspec_harness::yaml::from_node(&node)
                    .unwrap_or_else(|error| panic!("{error} in {exported}"));
            assert_eq!(serde_json::to_value(&steps).unwrap(), exported);
        }
    }
}

#[test]
fn long_literals_keep_their_repetitions_in_the_export() {
    let text = ROWS.replace("00 01*2", "00 FF * 1").replace("FF * 1", "FF*70000");
    let text = text.replace("    steps: [{client", "    roles: [agent]\n    steps: [{client");
    let (_, cases) = cases(&text);
    let frames = serde_json::to_value(&cases[0].steps()[2].frames).unwrap();
    assert_eq!(frames[0]["data"][0], "00ff*70000");
}

#[test]
fn vector_files_and_export_meet_their_schemas() {
    let of_files: Json = serde_json::from_str(&schema::vector_file()).unwrap();
    let of_files = jsonschema::validator_for(&of_files).unwrap();
    let embedded = CorpusFiles::embedded();
    let mut texts: Vec<(String, String)> =
        embedded.vectors().map(|(path, source)| (path.to_owned(), source.text.clone())).collect();
    texts.extend(
        [("everything", EVERYTHING), ("rows", ROWS), ("played", PLAYED)].map(|(a, b)| (a.into(), b.into())),
    );
    for (path, text) in texts {
        let node = iaspec_harness::yaml::parse(&Source::new(path.clone(), text)).unwrap();
        let errors: Vec<_> = of_files
            .iter_errors(&json_of(&node))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:#?}");
    }
    let of_export: Json = serde_json::from_str(&export::document_schema()).unwrap();
    let of_export = jsonschema::validator_for(&of_export).unwrap();
    for files in [CorpusFiles::embedded(), files_with("t/everything.yaml", EVERYTHING)] {
        let corpus = Corpus::load(&files).0;
        let document = serde_json::to_value(Export::new(&corpus)).unwrap();
        let errors: Vec<_> = of_export
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let of_files: Json = serde_json::from_str(&schema::vector_file()).unwrap();
    let of_files = jsonschema::validator_for(&of_files).unwrap();
    let step = |step: &str| {
        let text =
            format!("format: 1\ntranscripts: [{{id: a, title: t, clauses: [HS-1], steps: [{step}]}}]\n");
        json_of(&iaspec_harness::yaml::parse(&Source::new("t", text)).unwrap())
    };
    for good in ["{client: a, does: close}", "{agent: a, frames: [\"00\"], within: {row: time}}"] {
        assert!(of_files.is_valid(&step(good)), "{good}");
    }
    for bad in [
        "{agnet: a}",
        "{client: a, does: {fly: {}}}",
        "{agent: a, closes: {how: fine}}",
        "{agent: a, within: soon}",
        "{agent: a, frames: [{data: []}]}",
        "{agent: a, frames: [\"0g\"]}",
        "{result: a, fails: [closd]}",
    ] {
        assert!(!of_files.is_valid(&step(bad)), "{bad}");
    }
}

fn json_of(node: &iaspec_harness::yaml::Node) -> Json {
    iaspec_harness::yaml::from_node::<Json>(node).unwrap()
}

#[test]
fn hex_and_symbolic_frames_are_told_apart() {
    let (_, cases) = cases(PLAYED);
    let frame = &cases[0].steps()[3].frames.as_ref().unwrap()[0].value;
    assert!(matches!(frame, Frame::Fields(fields) if fields.length.is_none()));
    let data = &cases[0].steps()[0].bytes.as_ref().unwrap().0;
    assert!(matches!(&data[0].value, Item::Hex(hex) if hex.len() == 24));
}

/// Texts that change a valid file: what they replace, and by what.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "- ",
    "\n",
    " ",
    "0",
    "a",
    "row",
    "bind",
    "ref",
    "any",
    "play",
    "range",
    "from",
    "steps",
    "each",
    "count",
    "frames",
    "bytes",
    "wire",
    "does",
    "-1",
    "99999999999999999999",
    "00*99999999",
    "null",
    "true",
    "é",
    "{row: x}",
    "{ref: x}",
    "{any: {}}",
    "[]",
    "{}",
    "1.5",
    "ack",
    "int32",
    "parallel",
    "either",
    "rows",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_brings_the_reader_down(
        which in 0..4_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(WORDS)), 1..6),
    ) {
        let form = fixture("form.yaml");
        let mut text = [ROWS, PLAYED, EVERYTHING, form.as_str()][which].to_owned();
        for (at, length, word) in edits {
            let mut start = at.index(text.len());
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + length).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(start..end, word);
        }
        // A short list of clauses keeps this fast.
        let clauses = "format: 1\nsources: {}\nclauses: []\nhazards: []\nerrata: []\n";
        let (corpus, findings) = check(&files_with("t/t.yaml", &text).with("clauses.yaml", clauses));
        for finding in &findings {
            finding.render(false);
        }
        let _ = serde_json::to_string(&Export::new(&corpus));
    }
}
