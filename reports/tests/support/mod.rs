//! Events made by hand, as the tests of the reports share them.

#![allow(dead_code, reason = "each test program uses a part of it")]

use iaspec_harness::clauses::Tier;
use iaspec_harness::event::{
    CaseResult, ClauseText, Event, Expected, Notice, RunFinished, RunStarted, SubjectFinished,
    SubjectStarted, Tally,
};
use iaspec_harness::floor::{FloorAction, FloorReport, MissingCase};
use iaspec_harness::format::{ByteDifference, Row};
use iaspec_harness::subject::Role;
use iaspec_harness::subject::manifest::{Claims, Readings};
use iaspec_harness::verdict::{Outcome, Problem};
use iaspec_reports::Reporter;

/// A result without anything special.
pub(crate) fn result(index: usize, case: &str, outcome: Outcome) -> CaseResult {
    CaseResult {
        subject: "acme".to_owned(),
        index,
        repetition: 1,
        case: case.to_owned(),
        title: "a title (string)".to_owned(),
        outcome,
        tier: Tier::D,
        clauses: vec!["DAT-2".to_owned()],
        expected: None,
        reason: None,
        problems: Vec::new(),
        conversation: Vec::new(),
        log: None,
        rerun: None,
        micros: 1,
    }
}

fn row(offset: usize, field: &str, expected: (&str, &str), actual: (&str, &str)) -> Row {
    Row {
        offset,
        decrypted: false,
        field: field.to_owned(),
        expected: expected.0.to_owned(),
        expected_text: expected.1.to_owned(),
        actual: actual.0.to_owned(),
        actual_text: actual.1.to_owned(),
        differs: expected != actual,
    }
}

/// A case that fails, with bytes.
pub(crate) fn wrong_length() -> CaseResult {
    let bytes = ByteDifference {
        offset: 0,
        field: "string length".to_owned(),
        expected_length: 3,
        actual_length: 3,
        rows_before: 0,
        rows_after: 0,
        clauses: Vec::new(),
        whole: Vec::new(),
        rows: vec![
            row(0, "string length", ("02", "2"), ("01", "1")),
            row(1, "string", ("c3 a9", "\"é\""), ("c3 a9", "\"é\"")),
        ],
    };
    let problem = Problem {
        clause: None,
        step: "encode".to_owned(),
        summary: "field `string length` differs, first at offset 0".to_owned(),
        expected: "3 bytes".to_owned(),
        actual: "3 bytes".to_owned(),
        bytes: Some(bytes),
    };
    CaseResult {
        problems: vec![problem],
        log: Some("starting\nencoding é".to_owned()),
        rerun: Some("iaspec run acme.yaml --filter 'codec/strings/accent'".to_owned()),
        ..result(7, "codec/strings/accent", Outcome::Fail)
    }
}

/// The events of a run of one subject, whole.
pub(crate) fn events(results: Vec<CaseResult>, notices: &[Notice], strict: bool) -> Vec<Event> {
    let clause = ClauseText {
        id: "DAT-2".to_owned(),
        tier: Tier::D,
        title: "Strings".to_owned(),
        text: "A string is its UTF-8 bytes behind a prefix that counts those bytes, in groups of 7 bits."
            .to_owned(),
    };
    let started = RunStarted {
        schema: 1,
        iaspec: "1.2.3".to_owned(),
        vectors: "somewhere".to_owned(),
        digest: "01234567".to_owned(),
        strict,
        repeat: 1,
        slow: false,
        seed: Some(7),
        clauses: vec![clause],
    };
    let mut tally = Tally::default();
    let mut events = vec![
        Event::RunStarted(started),
        Event::SubjectStarted(SubjectStarted {
            subject: "acme".to_owned(),
            role: Role::Codec,
            manifest: "acme.yaml".to_owned(),
            launch: "codec.py".to_owned(),
            supports: Claims { encryption: vec!["aes".to_owned()], ..Claims::default() },
            dialect: Readings { server_version: vec!["int32".to_owned()], ..Readings::default() },
            cases: results.len(),
        }),
    ];
    for result in results {
        tally.count(&result);
        events.push(Event::CaseFinished(Box::new(result)));
    }
    events.extend(notices.iter().cloned().map(Event::Notice));
    events.push(Event::SubjectFinished(SubjectFinished { subject: "acme".to_owned() }));
    let exit_code = tally.exit_code(strict);
    events.push(Event::RunFinished(RunFinished {
        too_few: None,
        tally,
        interrupted: None,
        not_run: 0,
        floor: None,
        exit_code,
        millis: 5,
    }));
    events
}

/// The same events of a run that fell below its floor.
pub(crate) fn below_the_floor(mut events: Vec<Event>) -> Vec<Event> {
    let missing = |case: &str, why: &str| MissingCase {
        subject: "acme".to_owned(),
        role: Role::Codec,
        case: case.to_owned(),
        why: why.to_owned(),
    };
    let floor = FloorReport {
        path: "floor.yaml".to_owned(),
        action: FloorAction::Compared,
        cases: 12,
        more: 1,
        missing: vec![
            missing("codec/aes/long", "skipped: needs AES | see `supports`"),
            missing("codec/<gone>/a", "there is no such case of role codec"),
        ],
    };
    if let Some(Event::RunFinished(run)) = events.last_mut() {
        run.floor = Some(floor);
    }
    events
}

/// Gives all events to a report and completes it.
pub(crate) fn play(report: &mut dyn Reporter, events: &[Event]) {
    for event in events {
        report.event(event).expect("written");
    }
    report.finish().expect("written");
}

/// One result of every kind, out of order, with everything that a format could trip over.
pub(crate) fn every_kind() -> Vec<CaseResult> {
    let expected = Some(Expected {
        owner: Some("Jane".to_owned()),
        until: "2027-01-31".parse().ok(),
        entry: Some("acme.yaml:12:12".to_owned()),
        ..Expected::new(Outcome::Fail, "ACME-12 <soon>")
    });
    let over = expected.clone().map(|expected| Expected { expired: true, ..expected });
    let pinned = expected.clone().map(|expected| Expected { failure: Some("a | b".to_owned()), ..expected });
    let because = |index, name: &str, outcome, reason: &str| CaseResult {
        reason: Some(reason.to_owned()),
        micros: 2500,
        ..result(index, name, outcome)
    };
    let difference = CaseResult { tier: Tier::I, ..with_problem(3, "codec/guid/other", Outcome::Difference) };
    let warning = CaseResult { tier: Tier::H, ..with_problem(4, "codec/guid/lax", Outcome::Warning) };
    vec![
        wrong_length(),
        CaseResult { repetition: 2, ..wrong_length() },
        result(0, "codec/strings/empty", Outcome::Pass),
        because(2, "codec/aes/long", Outcome::Skip, "needs AES | see `supports`"),
        because(1, "codec/aes/short", Outcome::Skip, "needs AES | see `supports`"),
        difference,
        warning,
        CaseResult {
            log: Some("\u{1b}[31m]]> ```` </details>\0".to_owned()),
            ..because(5, "codec/guid/dies", Outcome::Error, "the subject exited\nwith *status* 5")
        },
        CaseResult { expected: expected.clone(), ..with_problem(6, "codec/guid/known", Outcome::Fail) },
        CaseResult { expected, ..result(8, "codec/guid/mended", Outcome::Pass) },
        CaseResult { expected: over, ..with_problem(9, "codec/guid/over", Outcome::Fail) },
        CaseResult { expected: pinned.clone(), ..with_problem(10, "codec/guid/unlike", Outcome::Fail) },
        CaseResult { expected: pinned, ..with_problem(11, "codec/guid/milder", Outcome::Warning) },
    ]
}

fn with_problem(index: usize, name: &str, outcome: Outcome) -> CaseResult {
    let problem = Problem {
        clause: None,
        step: "decode".to_owned(),
        summary: "the value is read as <b> & \"c\"".to_owned(),
        expected: "1".to_owned(),
        actual: "2".to_owned(),
        bytes: None,
    };
    CaseResult { problems: vec![problem], ..result(index, name, outcome) }
}
