//! The JUnit report: what it makes of each outcome, and that it keeps the rules of the JUnit schema.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::collections::BTreeSet;

use iaspec_harness::event::{Event, Notice};
use iaspec_harness::verdict::Outcome;
use iaspec_reports::Document;
use roxmltree::Node;
use rstest::rstest;
use support::{below_the_floor, events, every_kind, play, result, wrong_length};

fn junit(events: &[Event]) -> String {
    let mut out = Vec::new();
    play(&mut Document::junit(&mut out), events);
    String::from_utf8(out).expect("UTF-8")
}

fn whole(strict: bool) -> Vec<Event> {
    let notice =
        Notice { subject: "acme".into(), warning: true, error: false, message: "it ignored <eof>".into() };
    events(every_kind(), &[notice], strict)
}

/// The events of a run that was killed after so many results.
fn cut_off(results: usize) -> Vec<Event> {
    let mut events = whole(false);
    events.truncate(2 + results);
    events
}

/// The testcase of a name.
fn case<'a, 'input>(document: &'a roxmltree::Document<'input>, name: &str) -> Node<'a, 'input> {
    let mut found = document.descendants().filter(|node| node.attribute("name") == Some(name));
    let node = found.next().unwrap_or_else(|| panic!("no testcase {name}"));
    assert!(node.has_tag_name("testcase") && found.next().is_none(), "{name} is not one testcase");
    node
}

/// Its one child element, with the message.
fn verdict<'a>(node: Node<'a, '_>) -> (&'a str, &'a str) {
    let child = node.first_element_child().expect("a child");
    (child.tag_name().name(), child.attribute("message").unwrap_or_default())
}

#[test]
fn each_outcome_has_its_element() {
    insta::assert_snapshot!("junit", junit(&whole(false)));
}

#[rstest]
#[case::whole(whole(false))]
#[case::strict(whole(true))]
#[case::below_the_floor(below_the_floor(whole(false)))]
#[case::cut_off(cut_off(3))]
#[case::cut_off_before_the_first_result(cut_off(0))]
fn the_document_keeps_the_rules_of_the_schema(#[case] events: Vec<Event>) {
    let text = junit(&events);
    let document = roxmltree::Document::parse(&text).expect("XML");
    check_element(document.root_element());
    for suite in document.root_element().children().filter(Node::is_element) {
        check_suite(suite);
    }
    check_sums(document.root_element());
}

#[test]
fn differences_and_warnings_pass_visibly_and_fail_when_strict() {
    let text = junit(&whole(false));
    let document = roxmltree::Document::parse(&text).expect("XML");
    for (name, outcome) in [("other", "difference"), ("lax", "warning")] {
        let node = case(&document, name);
        let children: Vec<_> =
            node.children().filter(Node::is_element).map(|n| n.tag_name().name()).collect();
        assert_eq!(children, ["system-out"]);
        let text = node.first_element_child().and_then(|node| node.text()).unwrap_or_default();
        assert!(text.starts_with(&format!("{outcome} ")), "{text}");
    }
    let text = junit(&whole(true));
    let document = roxmltree::Document::parse(&text).expect("XML");
    for name in ["other", "lax"] {
        let expected = ("failure", "decode: the value is read as <b> & \"c\"");
        assert_eq!(verdict(case(&document, name)), expected);
    }
}

#[test]
fn the_body_of_a_failure_is_the_text_report_without_colours() {
    let text = junit(&events(vec![wrong_length()], &[], false));
    let document = roxmltree::Document::parse(&text).expect("XML");
    let body = case(&document, "accent").first_element_child().and_then(|node| node.text()).expect("a body");
    let text_report = include_str!("snapshots/text__failure_at_100_columns.snap");
    assert!(text_report.contains(&format!("\n\n{body}\n")), "{body}");
}

#[test]
fn repetitions_have_names_of_their_own() {
    let text = junit(&whole(false));
    let document = roxmltree::Document::parse(&text).expect("XML");
    for name in ["accent", "accent (repetition 2)"] {
        assert_eq!(case(&document, name).attribute("classname"), Some("codec/strings"));
    }
}

#[test]
fn characters_that_xml_forbids_are_shown_by_their_symbols() {
    let text = junit(&whole(false));
    let document = roxmltree::Document::parse(&text).expect("XML");
    let body = case(&document, "dies").first_element_child().and_then(|node| node.text()).expect("a body");
    assert!(body.contains("    | \u{241b}[31m]]> ```` </details>\u{2400}\n"), "{body}");
}

#[test]
fn a_run_below_its_floor_holds_a_failure_for_each_case_that_is_missing() {
    let passed = vec![result(0, "codec/guid/one", Outcome::Pass)];
    let text = junit(&below_the_floor(events(passed, &[], false)));
    let document = roxmltree::Document::parse(&text).expect("XML");
    let node = case(&document, "codec/aes/long of acme (role codec) runs");
    let expected = "codec/aes/long (acme, role codec): skipped: needs AES | see `supports`";
    assert_eq!(verdict(node), ("failure", expected));
    assert_eq!(node.attribute("classname"), Some("iaspec floor"));
    let root = document.root_element();
    assert_eq!((root.attribute("tests"), root.attribute("failures")), (Some("3"), Some("2")));
}

#[test]
fn a_run_that_was_cut_off_holds_an_error() {
    let text = junit(&cut_off(3));
    let document = roxmltree::Document::parse(&text).expect("XML");
    let node = case(&document, "the run is told to its end");
    assert_eq!(verdict(node), ("error", "incomplete: the run was cut off after 3 results"));
}

#[test]
fn an_interrupted_run_holds_an_error_too() {
    let mut events = events(vec![result(0, "codec/guid/one", Outcome::Pass)], &[], false);
    if let Some(Event::RunFinished(run)) = events.last_mut() {
        (run.interrupted, run.not_run) = (Some("SIGTERM".to_owned()), 7);
    }
    let text = junit(&events);
    let document = roxmltree::Document::parse(&text).expect("XML");
    let expected = "incomplete: the run was interrupted by SIGTERM; 7 results are missing";
    assert_eq!(verdict(case(&document, "the run is told to its end")), ("error", expected));
}

#[test]
fn the_document_is_written_though_nobody_finished_it() {
    let mut out = Vec::new();
    let mut report = Document::junit(&mut out);
    for event in cut_off(2) {
        iaspec_reports::Reporter::event(&mut report, &event).expect("written");
    }
    drop(report);
    assert_eq!(String::from_utf8(out).expect("UTF-8"), junit(&cut_off(2)));
}

/// An element: its attributes (`!`: required) and its children in their order (`*`: several).
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

/// The elements of the schema that Jenkins publishes for JUnit (`junit-10.xsd`), as far as they are written.
const RULES: [Rule; 9] = [
    ("testsuites", &["name", "time", "tests", "failures", "errors"], &["testsuite*"]),
    (
        "testsuite",
        &["name!", "tests!", "failures!", "errors!", "skipped", "time", "timestamp"],
        &["properties", "testcase*", "system-out", "system-err"],
    ),
    ("properties", &[], &["property*"]),
    ("property", &["name!", "value!"], &[]),
    (
        "testcase",
        &["name!", "classname!", "time"],
        &["skipped", "error", "failure", "system-out", "system-err"],
    ),
    ("skipped", &["message", "type"], &[]),
    ("error", &["message", "type"], &[]),
    ("failure", &["message", "type"], &[]),
    ("system-out", &[], &[]),
];

fn check_element(node: Node<'_, '_>) {
    let name = node.tag_name().name();
    let (_, attributes, children) =
        RULES.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| panic!("element {name}"));
    for attribute in node.attributes() {
        let known = attributes.iter().any(|known| known.trim_end_matches('!') == attribute.name());
        assert!(known, "{name} has no attribute {}", attribute.name());
    }
    for required in attributes.iter().filter_map(|attribute| attribute.strip_suffix('!')) {
        assert!(node.has_attribute(required), "{name} lacks {required}");
    }
    if let Some(time) = node.attribute("time") {
        assert!(time.parse::<f64>().is_ok_and(|time| time >= 0.0), "{name} has the time {time}");
    }
    let mut next = 0;
    for child in node.children().filter(Node::is_element) {
        let child_name = child.tag_name().name();
        let at = children.iter().skip(next).position(|known| known.trim_end_matches('*') == child_name);
        let at = next + at.unwrap_or_else(|| panic!("{child_name} may not stand here in {name}"));
        next = if children[at].ends_with('*') { at } else { at + 1 };
        check_element(child);
    }
    let verdicts = node.children().filter(|n| ["skipped", "error", "failure"].contains(&n.tag_name().name()));
    assert!(verdicts.count() <= 1, "{name} has several verdicts");
}

fn check_suite(suite: Node<'_, '_>) {
    let cases: Vec<Node<'_, '_>> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let with =
        |tag: &str| cases.iter().filter(|case| case.children().any(|child| child.has_tag_name(tag))).count();
    assert_eq!(count(suite, "tests"), cases.len());
    assert_eq!(count(suite, "failures"), with("failure"));
    assert_eq!(count(suite, "errors"), with("error"));
    assert_eq!(count(suite, "skipped"), with("skipped"));
    let names: BTreeSet<_> =
        cases.iter().map(|case| (case.attribute("classname"), case.attribute("name"))).collect();
    assert_eq!(names.len(), cases.len(), "two testcases have one name");
}

fn check_sums(root: Node<'_, '_>) {
    for attribute in ["tests", "failures", "errors"] {
        let sum: usize = root.children().filter(Node::is_element).map(|suite| count(suite, attribute)).sum();
        assert_eq!(count(root, attribute), sum, "{attribute}");
    }
}

fn count(node: Node<'_, '_>, attribute: &str) -> usize {
    node.attribute(attribute).and_then(|text| text.parse().ok()).expect("a count")
}
