//! Stable names: what a renamed case, row, file or folder was called before, and that old patterns go on meaning it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the verdict")]

use std::path::Path;

use iaspec_harness::engine::{Plan, Selection};
use iaspec_harness::finding::Finding;
use iaspec_harness::select::Pattern;
use iaspec_harness::subject::Manifest;
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use iaspec_harness::yaml::Source;
use rstest::rstest;

/// A corpus of texts, and what is wrong with it but that there are no clauses to cite.
fn load(files: &[(&str, &str)]) -> (Corpus, Vec<String>) {
    let (corpus, findings) = Corpus::load(&CorpusFiles::from_texts(files.iter().copied()));
    let told = findings.iter().filter(|finding| !finding.message().starts_with("there is no clause"));
    let told = told.map(Finding::line).collect();
    (corpus, told)
}

/// Every case with the name it had before.
fn names(corpus: &Corpus) -> Vec<(String, String)> {
    let codec = corpus.codec.iter().map(|case| (&case.name, &case.was));
    let transcripts = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
    let all = codec.chain(transcripts.map(|case| (&case.name, &case.was)));
    all.map(|(name, was)| (name.clone(), was.clone().unwrap_or_default())).collect()
}

/// A codec case with an id and further members.
fn codec(cases: &[(&str, &str)]) -> String {
    let case = |(id, members): &(&str, &str)| {
        format!("  - {{id: {id}, clauses: [DAT-1], type: byte, value: 1, bytes: \"01\"{members}}}\n")
    };
    format!("format: 1\ncodec:\n{}", cases.iter().map(case).collect::<String>())
}

/// A transcript with further members at its head.
fn transcript(id: &str, members: &str) -> String {
    let steps = "    roles: [agent]\n    steps: [{client: a, bytes: \"00\"}, {agent: a, closes: {}}]\n";
    let title = if members.contains("rows:") { "{row: title}" } else { "one" };
    format!("  - id: {id}\n    title: {title}\n    clauses: [HS-1]\n{members}{steps}")
}

fn transcripts(entries: &[String]) -> String {
    format!("format: 1\ntranscripts:\n{}", entries.concat())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, was)| ((*name).to_owned(), (*was).to_owned())).collect()
}

#[test]
fn a_codec_case_may_have_had_another_id_file_or_folder() {
    let text =
        codec(&[("a", ""), ("b", ", was: old-b"), ("c", ", was: codec/y/c"), ("d", ", was: old/y_z/d")]);
    let (corpus, told) = load(&[("codec/x.yaml", &text)]);
    assert_eq!(told, [""; 0]);
    let expected = [
        ("codec/x/a", ""),
        ("codec/x/b", "codec/x/old-b"),
        ("codec/x/c", "codec/y/c"),
        ("codec/x/d", "old/y_z/d"),
    ];
    assert_eq!(names(&corpus), pairs(&expected));
}

#[test]
fn a_transcript_may_have_been_another_one_or_a_row() {
    let text = transcripts(&[
        transcript("a", "    was: old-a\n"),
        transcript("b", "    was: t/old/b\n"),
        transcript("c", "    was: table:c\n"),
        transcript("d", "    was: t/old/table:d\n"),
    ]);
    let (corpus, told) = load(&[("t/t.yaml", &text)]);
    assert_eq!(told, [""; 0]);
    let expected =
        [("t/t/a", "t/t/old-a"), ("t/t/b", "t/old/b"), ("t/t/c", "t/t/table:c"), ("t/t/d", "t/old/table:d")];
    assert_eq!(names(&corpus), pairs(&expected));
}

#[test]
fn a_row_was_what_its_table_was_unless_it_says_otherwise() {
    let rows = "    rows:\n      one: {title: first}\n      two: {title: second, was: old-two}\n      \
                three: {was: t/t/alone, title: third}\n      four: {title: fourth, was: \"other:four\"}\n      \
                five: {title: fifth, was: \"t/old/table:five\"}\n";
    let renamed = transcript("table", &format!("    was: t/old/table-of-old\n{rows}"));
    let (corpus, told) = load(&[("t/t.yaml", &transcripts(&[renamed]))]);
    assert_eq!(told, [""; 0]);
    let expected = [
        ("t/t/table:one", "t/old/table-of-old:one"),
        ("t/t/table:two", "t/old/table-of-old:old-two"),
        ("t/t/table:three", "t/t/alone"),
        ("t/t/table:four", "t/t/other:four"),
        ("t/t/table:five", "t/old/table:five"),
    ];
    assert_eq!(names(&corpus), pairs(&expected));
    let (corpus, told) = load(&[("t/t.yaml", &transcripts(&[transcript("table", rows)]))]);
    assert_eq!(told, [""; 0]);
    let seen = names(&corpus);
    assert_eq!(seen[..2], pairs(&[("t/t/table:one", ""), ("t/t/table:two", "t/t/table:old-two")]));
}

#[test]
fn a_case_that_became_a_table_goes_on_under_its_name_as_one_row() {
    let rows = "    rows:\n      one: {title: first, was: t/t/table}\n      two: {title: second}\n";
    let (corpus, told) = load(&[("t/t.yaml", &transcripts(&[transcript("table", rows)]))]);
    assert_eq!(told, [""; 0]);
    assert_eq!(names(&corpus), pairs(&[("t/t/table:one", "t/t/table"), ("t/t/table:two", "")]));
}

#[rstest]
#[case::capitals("Old")]
#[case::an_empty_row("old:")]
#[case::a_folder_alone("folder/")]
#[case::a_leading_slash("/file/old")]
#[case::an_empty_folder("a//old")]
#[case::a_pattern("a/*/old")]
#[case::a_mode("a/b/old@aes")]
#[case::two_rows("a/b/old:x:y")]
#[case::blanks("a b/c/old")]
fn what_is_no_name_is_told(#[case] was: &str) {
    let message = format!(
        "`{was}` is no name of a case: write the id that it had, or folder/file/id where it stood in another file, with \
         :row behind it if it was a row"
    );
    let (_, told) = load(&[("codec/x.yaml", &codec(&[("a", &format!(", was: \"{was}\""))]))]);
    assert_eq!(told, [format!("codec/x.yaml:3:71: {message}")]);
    let (_, told) = load(&[("t/t.yaml", &transcripts(&[transcript("a", &format!("    was: \"{was}\"\n"))]))]);
    assert_eq!(told, [format!("t/t.yaml:6:10: {message}")]);
    let rows = format!("    rows:\n      one: {{title: first, was: \"{was}\"}}\n");
    let (_, told) = load(&[("t/t.yaml", &transcripts(&[transcript("a", &rows)]))]);
    assert_eq!(told, [format!("t/t.yaml:7:32: {message}")]);
}

#[test]
fn a_former_name_is_of_one_case_only() {
    let x = codec(&[
        ("a", ""),
        ("b", ", was: b"),
        ("c", ", was: a"),
        ("d", ", was: old"),
        ("e", ", was: codec/x/old"),
        ("f", ", was: \"t/t/table:one\""),
    ]);
    let rows = "    rows:\n      one: {title: first}\n      two: {title: second, was: one}\n      three: {title: third}\n";
    let t = transcripts(&[
        transcript("table", rows),
        transcript("single", "    was: codec/x/old\n"),
        transcript("again", &format!("    was: table\n{rows}").replace(", was: one", "")),
    ]);
    let (_, told) = load(&[("codec/x.yaml", &x), ("t/t.yaml", &t)]);
    let expected = [
        "codec/x.yaml:4:71: codec/x/b is the name that the case has",
        "codec/x.yaml:5:71: codec/x/a is the name of another case, now or before",
        "codec/x.yaml:7:71: codec/x/old is the name of another case, now or before",
        "codec/x.yaml:8:71: t/t/table:one is the name of another case, now or before",
        "t/t.yaml:8:33: t/t/table:one is the name of another case, now or before",
        "t/t.yaml:15:10: codec/x/old is the name of another case, now or before",
        "t/t.yaml:21:10: t/t/table:one is the name of another case, now or before",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_a_row_was_stands_in_the_row() {
    let rows = "    was: t/t/old:one\n    rows:\n      one: {title: first}\n      two: {title: second}\n";
    let (_, told) = load(&[("t/t.yaml", &transcripts(&[transcript("table", rows)]))]);
    let message = "with `rows`, this names all of them: what one row was, it says itself";
    assert_eq!(told, [format!("t/t.yaml:6:10: {message}")]);
}

#[test]
fn what_a_row_was_is_no_column() {
    let rows = "    rows:\n      one: {title: first}\n      two: {title: second, was: old}\n";
    let text = transcripts(&[transcript("table", rows)]).replace("{row: title}", "{row: was}");
    let (_, told) = load(&[("t/t.yaml", &text)]);
    let expected = [
        "t/t.yaml:4:18: row `one` has no column `was`",
        "t/t.yaml:4:18: row `two` has no column `was`",
        "t/t.yaml:7:13: nothing uses the column `title`; a step does with `{row: title}`",
    ];
    assert_eq!(told, expected);
}

#[rstest]
#[case::a_name("t/old/table:one", &["t/t/table:one"])]
#[case::a_name_with_its_mode("t/old/table:one@aes", &["t/t/table:one@aes"])]
#[case::a_file("t/old/*", &["t/t/table:one", "t/t/table:one@aes", "t/t/table:two", "t/t/table:two@aes"])]
#[case::a_file_in_a_mode("t/old/*@aes", &["t/t/table:one@aes", "t/t/table:two@aes"])]
#[case::a_row("**:uno", &["t/t/table:two"])]
#[case::a_new_name("t/t/table:two", &["t/t/table:two"])]
fn old_patterns_mean_renamed_cases(#[case] pattern: &str, #[case] expected: &[&str]) {
    let rows =
        "    was: t/old/table\n    rows:\n      one: {title: first}\n      two: {title: second, was: uno}\n";
    let (corpus, _) = load(&[("t/t.yaml", &transcripts(&[transcript("table", rows)]))]);
    let head = "name: acme\nrole: agent\ncommand: [agent]\nsupports: {encryption: [none, aes]}\n";
    let entries = format!("expect:\n  - {{case: \"{pattern}\", outcome: fail, reason: r}}\n");
    let manifest = |text: String| Manifest::parse(&Source::new("acme.yaml", text), Path::new("/")).unwrap();
    let filters = vec![Pattern::new(pattern).unwrap()];
    let selection = Selection { filters, ..Selection::default() };
    let plan = Plan::new(&corpus, &manifest(head.to_owned()), &selection).expect("cases");
    let chosen: Vec<&str> = plan.cases.iter().map(|planned| planned.name.as_str()).collect();
    let plan =
        Plan::new(&corpus, &manifest(format!("{head}{entries}")), &Selection::default()).expect("cases");
    let expecting = plan.cases.iter().filter(|planned| planned.expected.is_some());
    let expecting: Vec<&str> = expecting.map(|planned| planned.name.as_str()).collect();
    assert_eq!(chosen, expecting, "a filter and an expectation mean the same");
    assert_eq!(chosen, expected);
}
