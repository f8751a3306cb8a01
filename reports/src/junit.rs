//! The JUnit report, for CI systems: a `testsuite` for each subject, a `testcase` for each result.
//!
//! | result | testcase |
//! |---|---|
//! | pass | nothing in it |
//! | failure; difference and warning under `--strict`, or other than expected; unexpected pass | `failure` |
//! | difference, warning | passes, with the text in `system-out`, which begins with the outcome |
//! | error | `error` |
//! | skip; expected failure | `skipped` with the reason |
//!
//! A run that was cut off or interrupted has a `testsuite` named `iaspec` besides, with an `error`: a gate
//! that reads nothing else does not take part of a run for the whole. So has one that fell below its floor a
//! `testsuite` named `iaspec floor`, with a `failure` for each case that is missing.

use std::io::{self, Write};
use std::time::Duration;

use iaspec_harness::event::{CaseResult, Expected, Gravity, Notice};
use iaspec_harness::floor::FloorReport;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::characters::visible;
use crate::failure::{self, Clauses};
use crate::record::{Record, Standing, SubjectRecord};

/// Writes the document.
pub(crate) fn render(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let clauses = record.clause_texts();
    let mut report = Report::new("iaspec");
    if let Some(finished) = &record.finished {
        report.set_time(Duration::from_millis(finished.millis));
    }
    for subject in &record.subjects {
        report.add_test_suite(suite(record, subject, &clauses));
    }
    let cut_short = record.finished.as_ref().is_none_or(|finished| finished.interrupted.is_some());
    if let Some(gap) = record.gap().filter(|_| cut_short) {
        report.add_test_suite(incomplete(&gap));
    }
    if let Some(floor) =
        record.finished.as_ref().and_then(|run| run.floor.as_ref()).filter(|floor| floor.is_broken())
    {
        report.add_test_suite(below_the_floor(floor));
    }
    if let Some(too_few) = record.finished.as_ref().and_then(|run| run.too_few) {
        report.add_test_suite(single(
            "enough cases run",
            NonSuccessKind::Failure,
            "too few",
            &too_few.to_string(),
        ));
    }
    // By way of memory: the error of a writer has to keep its kind, so that a reader that went away is known.
    let document = report.to_string().map_err(io::Error::other)?;
    out.write_all(without_skipped(&document).as_bytes())
}

/// The document without an attribute that the writer gives the root, and the common schema does not know there.
fn without_skipped(document: &str) -> String {
    let start = document.find("<testsuites").unwrap_or(0);
    let (before, root) = document.split_at(start);
    let (root, behind) = root.split_at(root.find('>').unwrap_or(0));
    let kept: Vec<&str> = root.split(' ').filter(|word| !word.starts_with("skipped=")).collect();
    format!("{before}{}{behind}", kept.join(" "))
}

fn suite(record: &Record, subject: &SubjectRecord, clauses: &Clauses) -> TestSuite {
    let mut suite = TestSuite::new(text(&subject.started.subject));
    let micros = subject.results.iter().map(|result| result.micros).fold(0, u64::saturating_add);
    suite.set_time(Duration::from_micros(micros));
    let mut property = |name: &str, value: &str| {
        suite.add_property(Property::new(name, text(value)));
    };
    property("role", &subject.started.role.to_string());
    property("manifest", &subject.started.manifest);
    property("iaspec", &record.run.iaspec);
    property("vectors", &record.run.vectors);
    property("digest", &record.run.digest);
    for knob in &subject.knobs {
        let how = if knob.detected { "found out" } else { "assumed" };
        property(&format!("dialect.{}", knob.knob), &format!("{} ({how}: {})", knob.reading, knob.how));
    }
    if let Some(gap) = record.gap() {
        property("incomplete", &gap);
    }
    for result in &subject.results {
        suite.add_test_case(case(result, record.standing(result), clauses));
    }
    // What no case is about, and still keeps the run from being conformant.
    for notice in subject.notices.iter().filter(|notice| notice.gravity() == Gravity::Error) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type(notice.gravity().name()).set_message(one_line(&notice.message));
        let mut case = TestCase::new("the subject can be judged", status);
        case.set_classname("iaspec").set_time(Duration::ZERO);
        suite.add_test_case(case);
    }
    if !subject.notices.is_empty() {
        let line = |notice: &Notice| format!("{}: {}\n", notice.gravity().name(), notice.message);
        let lines = subject.notices.iter().map(line);
        suite.set_system_out(text(&lines.collect::<String>()));
    }
    suite
}

fn case(result: &CaseResult, standing: Standing, clauses: &Clauses) -> TestCase {
    let (file, id) = result.case.rsplit_once('/').unwrap_or(("", &result.case));
    let mut case = TestCase::new(
        text(&format!("{id}{}", failure::repetition(result))),
        status(result, standing, clauses),
    );
    case.set_classname(text(file)).set_time(Duration::from_micros(result.micros));
    if standing == Standing::Remarked {
        case.set_system_out(text(&failure::plain(result, clauses)));
    }
    case
}

fn status(result: &CaseResult, standing: Standing, clauses: &Clauses) -> TestCaseStatus {
    match standing {
        Standing::Passed | Standing::Remarked => TestCaseStatus::success(),
        Standing::Failed => non_success(NonSuccessKind::Failure, result, clauses),
        Standing::Error => non_success(NonSuccessKind::Error, result, clauses),
        Standing::Skipped => skipped(&failure::summary(result)),
        Standing::ExpectedFailure => skipped(&expected_failure(result)),
        Standing::UnexpectedPass => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let remark = result.remark().unwrap_or_default();
            status.set_type("unexpected pass").set_message(one_line(&format!("unexpected pass: {remark}")));
            status
        }
    }
}

/// That a failure was expected, and why.
fn expected_failure(result: &CaseResult) -> String {
    let grounds = result.expected.as_ref().map(Expected::grounds).unwrap_or_default();
    format!("expected failure: {grounds}")
}

fn non_success(kind: NonSuccessKind, result: &CaseResult, clauses: &Clauses) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(result.outcome.name())
        .set_message(one_line(&failure::summary(result)))
        .set_description(text(&failure::plain(result, clauses)));
    status
}

fn skipped(reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(one_line(reason));
    status
}

/// A failure for each case of the floor that did not run: it has no result of its own, or one that says skipped.
fn below_the_floor(floor: &FloorReport) -> TestSuite {
    let mut suite = TestSuite::new("iaspec floor");
    suite.set_time(Duration::ZERO);
    for missing in &floor.missing {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("below the floor").set_message(one_line(&missing.line()));
        let name = format!("{} of {} (role {}) runs", missing.case, missing.subject, missing.role);
        let mut case = TestCase::new(text(&name), status);
        case.set_classname("iaspec floor").set_time(Duration::ZERO);
        suite.add_test_case(case);
    }
    suite
}

fn incomplete(gap: &str) -> TestSuite {
    single("the run is told to its end", NonSuccessKind::Error, "incomplete", gap)
}

/// A suite of one case, which did not succeed.
fn single(name: &str, kind: NonSuccessKind, kind_name: &str, message: &str) -> TestSuite {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(kind_name).set_message(message);
    let mut case = TestCase::new(name, status);
    case.set_classname("iaspec").set_time(Duration::ZERO);
    let mut suite = TestSuite::new("iaspec");
    suite.set_time(Duration::ZERO).add_test_case(case);
    suite
}

/// A text as XML can hold it; a tab becomes a space, because the writer drops tabs.
fn text(text: &str) -> String {
    visible(text).replace('\t', " ")
}

/// A text for an attribute, whose line ends readers would turn into spaces anyway.
fn one_line(line: &str) -> String {
    text(line).replace('\n', " ")
}
