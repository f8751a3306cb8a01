//! Floors: how they are written and read, what a run lacks by them, and that they never shrink.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the verdict")]

use iaspec_harness::finding::Finding;
use iaspec_harness::floor::{Comparison, Floor, FloorAction, FloorReport, MissingCase, Ran, RanCase};
use iaspec_harness::subject::Role;
use iaspec_harness::yaml::Source;
use proptest::prelude::*;
use rstest::rstest;

/// Cases of a subject: `name`, `name < former name`, with `: why` behind it where it did not run.
fn ran(subject: &str, role: Role, cases: &[&str]) -> Ran {
    let case = |text: &&str| {
        let (names, idle) = text.split_once(": ").map_or((*text, None), |(names, why)| (names, Some(why)));
        let (name, was) = names.split_once(" < ").map_or((names, None), |(name, was)| (name, Some(was)));
        RanCase { name: name.to_owned(), was: was.map(str::to_owned), idle: idle.map(str::to_owned) }
    };
    Ran { subject: subject.to_owned(), role, cases: cases.iter().map(case).collect() }
}

fn acme(cases: &[&str]) -> Ran {
    ran("acme", Role::Agent, cases)
}

/// The floor that a run records.
fn recorded(runs: &[Ran]) -> Floor {
    let mut floor = Floor::default();
    floor.raise(runs);
    floor
}

fn parse(text: &str) -> Result<Floor, Vec<String>> {
    Floor::parse(&Source::new("floor.yaml", text)).map_err(|found| found.iter().map(Finding::line).collect())
}

fn text(floor: &Floor) -> String {
    floor.render().expect("YAML")
}

/// The lines below the head.
fn body(floor: &Floor) -> String {
    text(floor).split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

fn missing(found: &Comparison) -> Vec<String> {
    found.missing.iter().map(MissingCase::line).collect()
}

#[test]
fn a_floor_is_a_line_for_each_case_in_an_order_of_its_own() {
    let floor = recorded(&[
        ran("zebra", Role::Codec, &["codec/x/b", "codec/x/a", "codec/x/c: skipped: no AES"]),
        ran("a: \"b\" # c", Role::Host, &[]),
        acme(&["t/t/rows:two@aes", "t/t/rows:two", "odd name/x/a"]),
        ran("acme", Role::Client, &["t/t/rows:two"]),
    ]);
    let expected = r#"format: 1
subjects:
- name: 'a: "b" # c'
  role: host
  cases: []
- name: acme
  role: agent
  cases:
  - odd name/x/a
  - t/t/rows:two
  - t/t/rows:two@aes
- name: acme
  role: client
  cases:
  - t/t/rows:two
- name: zebra
  role: codec
  cases:
  - codec/x/a
  - codec/x/b
"#;
    assert_eq!(body(&floor), expected);
    assert_eq!(parse(&text(&floor)).map(|floor| text(&floor)), Ok(text(&floor)));
    assert_eq!(body(&parse("{format: 1, subjects: []}").unwrap()), "format: 1\nsubjects: []\n");
}

#[test]
fn cases_that_do_not_run_any_more_are_missing_with_the_reason() {
    let floor =
        recorded(&[acme(&["a/b/1", "a/b/2", "a/b/2@aes", "a/b/3", "a/b/4", "old/b/5", "old/b/6@aes"])]);
    let now = acme(&[
        "a/b/1",
        "a/b/2",
        "a/b/3: skipped: slow; --slow runs it",
        "a/b/4: it did not run",
        "a/b/5 < old/b/5: skipped: no SSL",
        "a/b/6 < old/b/6",
        "a/b/7",
    ]);
    let found = floor.compare(std::slice::from_ref(&now));
    let expected = [
        "a/b/2@aes (acme, role agent): not run in mode aes: the manifest does not list it under supports.encryption",
        "a/b/3 (acme, role agent): skipped: slow; --slow runs it",
        "a/b/4 (acme, role agent): it did not run",
        "old/b/5 (acme, role agent): as `a/b/5`, skipped: no SSL",
        "old/b/6@aes (acme, role agent): not run in mode aes: the manifest does not list it under supports.encryption",
    ];
    assert_eq!(missing(&found), expected);
    assert_eq!((found.cases, found.more), (7, 2));
    let found = floor.compare(&[acme(&[])]);
    assert_eq!(missing(&found).len(), 7);
    assert_eq!(missing(&found)[0], "a/b/1 (acme, role agent): there is no such case of role agent");
}

#[test]
fn a_renamed_case_counts_under_either_name() {
    let floor = recorded(&[acme(&["t/old/a", "t/old/rows:one@aes"])]);
    let now = [acme(&["t/new/a < t/old/a", "t/new/rows:uno@aes < t/old/rows:one@aes"])];
    assert_eq!(floor.compare(&now), Comparison { cases: 2, ..Comparison::default() });
    let mut raised = floor;
    raised.raise(&now);
    assert!(body(&raised).ends_with("cases:\n  - t/new/a\n  - t/new/rows:uno@aes\n"), "{}", body(&raised));
}

#[test]
fn a_case_is_not_taken_for_one_that_was_called_so_before() {
    let floor = recorded(&[acme(&["t/t/a"])]);
    let now = acme(&["t/t/a", "t/t/b < t/t/a: skipped: r"]);
    assert_eq!(missing(&floor.compare(&[now])), [""; 0]);
}

#[test]
fn subjects_are_told_apart_by_name_and_role_and_others_left_alone() {
    let floor = recorded(&[
        acme(&["a/b/1"]),
        ran("acme", Role::Client, &["a/b/1", "a/b/2"]),
        ran("other", Role::Agent, &["a/b/3"]),
    ]);
    let found = floor.compare(&[acme(&["a/b/2"])]);
    assert_eq!(missing(&found), ["a/b/1 (acme, role agent): there is no such case of role agent"]);
    assert_eq!((found.cases, found.more), (1, 1));
}

#[test]
fn a_floor_of_another_subject_is_none_of_this_one() {
    let text = "format: 1\nsubjects:\n  - {name: acme, role: agent, cases: []}\n  - {name: b, role: host, cases: []}\n";
    let floor = parse(text).expect("a floor");
    assert!(floor.lacks("acme", Role::Agent).is_none());
    let finding = floor.lacks("acme", Role::Client).expect("a finding");
    assert_eq!(finding.line(), "floor.yaml:3:5: this floor holds no cases of `acme`, role client");
    assert!(
        finding
            .render(false)
            .contains("it is one of `acme`, role agent; `b`, role host; --update-floor adds")
    );
}

#[rstest]
#[case::no_yaml("format: [1\n", "floor.yaml:1:9: not readable as YAML: ")]
#[case::empty("", "floor.yaml:1:1: expected a mapping, found nothing")]
#[case::a_manifest(
    "name: acme\nrole: agent\n",
    "floor.yaml:1:1: unknown member `name`; expected one of `format`, `subjects`"
)]
#[case::another_format(
    "format: 2\nsubjects: []\n",
    "floor.yaml:1:9: this release reads floors of `format: 1`"
)]
#[case::another_role(
    "format: 1\nsubjects: [{name: a, role: server, cases: []}]\n",
    "floor.yaml:2:28: `server` is not known here; expected one of `agent`, `client`, `host`, `codec`"
)]
#[case::a_number(
    "format: 1\nsubjects: [{name: a, role: host, cases: [1]}]\n",
    "floor.yaml:2:42: expected text, found the number 1"
)]
#[case::a_case_twice(
    "format: 1\nsubjects: [{name: a, role: host, cases: [x/y/z, x/y/z]}]\n",
    "floor.yaml:2:49: `x/y/z` a second time"
)]
#[case::a_subject_twice(
    "format: 1\nsubjects:\n  - {name: a, role: host, cases: []}\n  - {name: a, role: host, cases: []}\n",
    "floor.yaml:4:12: a second list of cases of `a`, role host"
)]
fn what_is_no_floor_is_told_with_its_place(#[case] text: &str, #[case] expected: &str) {
    let found = parse(text).expect_err("no floor");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(expected), "{found:?}");
}

#[rstest]
#[case::recorded(FloorAction::Recorded, 2, 0, 0, &["2 cases recorded in f.yaml"])]
#[case::held(FloorAction::Compared, 2, 0, 0, &["all 2 cases of f.yaml ran"])]
#[case::more(
    FloorAction::Compared, 2, 1, 0,
    &["all 2 cases of f.yaml ran", "1 more case ran; --update-floor adds what is new to f.yaml"]
)]
#[case::broken(FloorAction::Compared, 2, 0, 1, &["1 of 2 cases of f.yaml did not run"])]
#[case::updated(
    FloorAction::Updated, 1, 3, 1,
    &["1 of 1 case of f.yaml did not run", "3 more cases ran; f.yaml has what is new now"]
)]
#[case::of_another_subject(FloorAction::Updated, 0, 3, 0, &["3 more cases ran; f.yaml has what is new now"])]
#[case::left(FloorAction::Left, 0, 0, 0, &["the run ended early, so f.yaml was neither compared nor written"])]
fn what_became_of_a_floor_is_told(
    #[case] action: FloorAction,
    #[case] cases: usize,
    #[case] more: usize,
    #[case] lost: usize,
    #[case] expected: &[&str],
) {
    let case = MissingCase {
        subject: "acme".to_owned(),
        role: Role::Codec,
        case: "codec/x/a".to_owned(),
        why: "it did not run".to_owned(),
    };
    let report = FloorReport { path: "f.yaml".to_owned(), action, cases, more, missing: vec![case; lost] };
    assert_eq!(report.lines(), expected);
    assert_eq!(report.is_broken(), lost > 0);
}

proptest! {
    /// Whatever runs, a raised floor holds all that it held, by one of its names, and all that ran.
    #[test]
    fn a_floor_never_shrinks(before in cases(), now in cases()) {
        let mut floor = recorded(&[Ran { subject: "acme".to_owned(), role: Role::Agent, cases: before.clone() }]);
        let run = Ran { subject: "acme".to_owned(), role: Role::Agent, cases: now };
        let old = floor.clone();
        floor.raise(std::slice::from_ref(&run));
        let whole = Ran {
            cases: run.cases.iter().map(|case| RanCase { idle: None, ..case.clone() }).collect(),
            ..run.clone()
        };
        let whole = [whole];
        let (was, is) = (old.compare(&whole), floor.compare(&whole));
        // What no case of the run is called by stays as it was.
        prop_assert_eq!(was.missing, is.missing);
        prop_assert_eq!(floor.compare(&[run]).more, 0);
        prop_assert_eq!(parse(&text(&floor)).map(|floor| text(&floor)), Ok(text(&floor)));
    }
}

/// Some cases of one name each, some of which did not run; a number stands for each name.
fn cases() -> impl Strategy<Value = Vec<RanCase>> {
    let set = proptest::collection::btree_map(0..8_u8, any::<bool>(), 0..8);
    set.prop_map(|cases| {
        let case = |(number, runs): (u8, bool)| RanCase {
            name: format!("a/b/case-{number}"),
            was: (number % 3 == 0).then(|| format!("a/old/case-{number}")),
            idle: (!runs).then(|| "skipped: r".to_owned()),
        };
        cases.into_iter().map(case).collect()
    })
}
