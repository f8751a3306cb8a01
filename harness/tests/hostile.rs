//! Subjects that misbehave: each is named as what it is, costs bounded memory and time, fails no case that
//! it did not break, and leaves no process behind.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use iaspec_harness::engine::{self, Conversations, Plan, RunOptions, Selection};
use iaspec_harness::event::{CaseResult, Event, Notice, Tally};
use iaspec_harness::subject::{Manifest, become_subreaper};
use iaspec_harness::vectors::Corpus;
use iaspec_harness::verdict::Outcome;
use iaspec_harness::yaml::Source;
use rstest::rstest;
use support::agents::processes_marked;
use support::files_with;

/// How long the silent ones may be silent: long enough for a good one on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Forty good cases, and one that the subjects take amiss.
fn corpus() -> Corpus {
    let mut text = String::from("format: 1\ncodec:\n");
    for number in 0..40 {
        let line = format!(
            "  - {{id: n-{number}, clauses: [DAT-1], type: int32, value: {number}, bytes: \"{number:02x}000000\"}}\n"
        );
        text.push_str(&line);
        if number == 20 {
            text.push_str(
                "  - {id: poison, clauses: [DAT-5], type: int32, value: 666, bytes: \"9a020000\"}\n",
            );
        }
    }
    let (corpus, findings) = Corpus::load(&files_with("codec/numbers.yaml", &text));
    assert!(findings.is_empty(), "{findings:?}");
    corpus
}

struct Seen {
    tally: Tally,
    cases: BTreeMap<String, CaseResult>,
    notices: Vec<Notice>,
    /// A text that every process of the subject carries in its environment.
    mark: String,
}

impl Seen {
    fn case(&self, id: &str) -> &CaseResult {
        &self.cases[&format!("codec/numbers/{id}")]
    }

    fn reason(&self, id: &str) -> &str {
        self.case(id).reason.as_deref().unwrap_or_default()
    }

    fn warnings(&self) -> Vec<&str> {
        self.notices.iter().filter(|notice| notice.warning).map(|notice| notice.message.as_str()).collect()
    }
}

fn manifest(command: &str, mark: &str) -> Manifest {
    let text = format!(
        "name: hostile\nrole: codec\ncommand: [{command}]\nenv: {{HOSTILE_MARK: \"{mark}\"}}\nstop: {{within: 2s}}\n"
    );
    Manifest::parse(&Source::new("hostile.yaml", text), Path::new("/")).expect("a good manifest")
}

/// Runs the corpus against the hostile subject, or against a shell command.
fn run(behaviour: &str) -> Seen {
    run_with(&format!("{:?}, {behaviour}", env!("CARGO_BIN_EXE_hostile-codec")), 64)
}

fn run_with(command: &str, jobs: usize) -> Seen {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    become_subreaper();
    let mark = format!("hostile-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (corpus, manifest) = (corpus(), manifest(command, &mark));
    let plan = Plan::new(&corpus, &manifest, &Selection::default()).expect("cases");
    let options = RunOptions {
        jobs,
        repeat: 1,
        seed: None,
        fail_fast: false,
        strict: false,
        answer_within: ANSWER_WITHIN,
        longest_wait: None,
        conversations: Conversations::Failed,
        rerun: "iaspec run hostile.yaml".to_owned(),
    };
    let (_interrupter, mut interrupt) = engine::interruption();
    let (mut cases, mut notices) = (BTreeMap::new(), Vec::new());
    let mut emit = |event| match event {
        Event::CaseFinished(result) => {
            assert!(cases.insert(result.case.clone(), *result).is_none(), "a case ended twice");
        }
        Event::Notice(notice) => notices.push(notice),
        _ => {}
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ran =
        runtime.block_on(engine::run_subject(&corpus, &manifest, &plan, &options, &mut interrupt, &mut emit));
    assert_eq!(ran.not_run, 0, "every case has a result");
    assert_eq!(cases.len(), 41);
    let seen = Seen { tally: ran.tally, cases, notices, mark };
    assert_eq!(processes_marked(&seen.mark), Vec::<String>::new(), "processes left behind");
    seen
}

#[rstest]
#[case::a_good_one("none")]
#[case::answers_in_another_order("backwards")]
#[case::takes_its_time("slow")]
#[case::pads_its_lines_with_megabytes_of_blanks("blanks")]
#[case::logs_a_gigabyte("logs-gigabytes")]
fn a_subject_that_is_only_unusual_passes(#[case] behaviour: &str) {
    let seen = run(behaviour);
    assert_eq!(seen.tally, Tally { passed: 41, ..Tally::default() });
    assert_eq!(seen.warnings(), Vec::<&str>::new());
}

#[rstest]
#[case("exits-on-poison", "the subject exited with status 7, with only this case under way")]
#[case("aborts-on-poison", "the subject was ended by signal 6, with only this case under way")]
#[case("hangs-on-poison", "the subject owed an answer and gave none for 4s, with only this case under way")]
#[case(
    "garbage-on-poison",
    "the subject printed a line that is not JSON: `not JSON at all`, with only this case under way"
)]
#[case(
    "half-a-line-on-poison",
    "the subject exited with status 0 in the middle of the line `{\"id\":`, with only this case under way"
)]
fn the_case_that_breaks_a_subject_fails_by_name_and_no_other(#[case] behaviour: &str, #[case] reason: &str) {
    let seen = run(behaviour);
    assert_eq!(seen.reason("poison"), reason);
    // Breaking the subject is a failure, whatever tier the case has.
    assert_eq!(seen.case("poison").outcome, Outcome::Fail);
    assert_eq!(seen.tally, Tally { passed: 40, failed: 1, ..Tally::default() });
    let rerun = "iaspec run hostile.yaml --filter 'codec/numbers/poison'";
    assert_eq!(seen.case("poison").rerun.as_deref(), Some(rerun));
}

#[test]
fn what_a_dying_subject_logged_stands_with_the_failure() {
    assert_eq!(run("exits-on-poison").case("poison").log.as_deref(), Some("fatal: cannot encode"));
}

#[test]
fn the_culprit_is_found_with_one_case_at_a_time_too() {
    let seen = run_with(&format!("{:?}, exits-on-poison", env!("CARGO_BIN_EXE_hostile-codec")), 1);
    assert_eq!(seen.tally, Tally { passed: 40, failed: 1, ..Tally::default() });
}

#[test]
fn a_death_that_no_case_reproduces_fails_all_cases_that_were_under_way() {
    let seen = run("exits-after-20");
    let failed: Vec<_> = seen.cases.values().filter(|result| result.outcome == Outcome::Fail).collect();
    assert!(!failed.is_empty());
    for result in &failed {
        let reason = result.reason.as_deref().unwrap_or_default();
        assert!(reason.starts_with("the subject exited with status 0"), "{reason}");
        assert!(reason.ends_with("and did not do so again when each ran alone"), "{reason}");
    }
    assert_eq!(seen.tally.passed + failed.len(), 41);
    assert!(seen.tally.passed >= 5, "what was answered before counts");
}

#[rstest]
#[case("dies-at-once", "asked a first question, the subject exited with status 9")]
#[case("silent", "asked a first question, the subject owed an answer and gave none for 4s")]
#[case("never-reads", "asked a first question, the subject owed an answer and gave none for 4s")]
#[case(
    "banner",
    "asked a first question, the subject printed a line that is not JSON: `Hello, I am a codec.`"
)]
#[case("floods-garbage", "asked a first question, the subject printed a line that is not JSON: `garbage`")]
#[case(
    "floods-answers",
    "asked a first question, the subject answered id 7, which was not asked or is answered already"
)]
fn a_subject_that_cannot_answer_at_all_is_an_error(#[case] behaviour: &str, #[case] reason: &str) {
    let seen = run(behaviour);
    assert_eq!(seen.tally, Tally { errors: 41, ..Tally::default() });
    assert_eq!(seen.reason("n-0"), reason);
}

#[test]
fn a_codec_that_stands_still_once_is_one_error_and_fails_no_case() {
    let seen = run("pauses-once");
    let _ = std::fs::remove_file(std::env::temp_dir().join(&seen.mark));
    assert_eq!(seen.tally, Tally { passed: 41, errors: 1, ..Tally::default() });
    let notice = seen.notices.iter().find(|notice| notice.error).expect("an error of the subject");
    assert!(notice.message.starts_with("the subject was silent from "), "{}", notice.message);
    let again = seen.cases.values().filter(|case| case.reason.is_some()).count();
    assert!((1..=41).contains(&again), "{again} tried again");
}

#[test]
fn a_line_without_end_is_cut_off() {
    let seen = run("floods-without-line-end");
    let reason = seen.reason("n-0");
    let start = "asked a first question, the subject printed a line of more than 16 MiB, beginning `xxxx";
    assert!(reason.starts_with(start), "{reason}");
    assert!(reason.len() < 500, "{} bytes of reason", reason.len());
}

#[rstest]
#[case("wrong-id", "the subject answered id 4000000, which was not asked or is answered already")]
#[case("twice", "which was not asked or is answered already")]
#[case("no-answer-object", "the subject printed a line that is no answer (it has neither `ok` nor `error`)")]
fn answers_to_nothing_fail_the_cases_they_came_in(#[case] behaviour: &str, #[case] words: &str) {
    let seen = run(behaviour);
    let failed: Vec<_> = seen.cases.values().filter(|result| result.outcome == Outcome::Fail).collect();
    assert!(failed.len() >= 20, "{} failed", failed.len());
    for result in failed {
        let reason = result.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(words), "{reason}");
    }
    assert_eq!(seen.tally.errors, 0);
}

#[test]
fn a_subject_that_speaks_between_cases_fails_the_case_before_and_is_not_used_for_ever() {
    let seen = run_with(&format!("{:?}, speaks-out-of-turn", env!("CARGO_BIN_EXE_hostile-codec")), 1);
    let reason = "the answers were right, but when the case was over and no other was under way, the subject printed a \
         line that is not JSON: `and that was that`";
    assert_eq!(seen.warnings(), Vec::<&str>::new());
    assert_eq!(seen.tally, Tally { failed: 3, errors: 38, ..Tally::default() });
    assert_eq!(seen.reason("n-0"), reason);
    let last = seen.reason("n-39");
    assert_eq!(last, "not tried: the subject broke down 3 times between cases");
}

#[test]
fn a_subject_that_is_gone_behind_the_last_case_fails_that_case() {
    let seen =
        run_with(&format!("{:?}, ends-at-the-second-question", env!("CARGO_BIN_EXE_hostile-codec")), 1);
    assert_eq!(seen.tally, Tally { passed: 40, failed: 1, ..Tally::default() });
    let failed = seen.cases.values().find(|result| result.outcome == Outcome::Fail).expect("a failure");
    let reason = "the answers were right, but when the case was over and no other was under way, the subject exited with \
                  status 5";
    assert_eq!(failed.reason.as_deref(), Some(reason));
}

#[test]
fn a_subject_that_speaks_too_much_fails_the_cases_it_speaks_in() {
    let seen = run("speaks-out-of-turn");
    assert!(seen.tally.failed > 30, "{:?}", seen.tally);
}

#[test]
fn after_three_cases_that_hang_alone_the_rest_is_not_tried() {
    let seen = run("hangs-always");
    let expected = Tally { failed: 3, errors: 38, ..Tally::default() };
    assert_eq!(seen.tally, expected);
    let not_tried = seen.cases.values().find(|result| result.outcome == Outcome::Error).expect("an error");
    let reason = "not tried: the subject hung in 3 cases before, each run alone";
    assert_eq!(not_tried.reason.as_deref(), Some(reason));
}

#[test]
fn a_constant_answer_passes_the_one_case_it_fits() {
    let seen = run("always-one");
    assert_eq!(seen.tally.passed, 1);
    assert_eq!(seen.case("n-1").outcome, Outcome::Pass);
    assert_eq!(seen.case("poison").outcome, Outcome::Warning, "DAT-5 is hardening");
    let problem = &seen.case("n-7").problems[0];
    assert_eq!(
        (problem.step.as_str(), problem.summary.as_str()),
        ("encode", "field `int32` differs, first at offset 0")
    );
}

#[test]
fn processes_that_a_subject_leaves_are_told_and_killed() {
    let seen = run("leaves-children");
    assert_eq!(seen.tally.passed, 41);
    let warnings = seen.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    // Their names are not looked at: one may still be about to become the program it was started for.
    let words = "the subject left 3 processes behind, which were killed: ";
    assert!(warnings[0].starts_with(words), "{warnings:?}");
}

#[rstest]
#[case("status-3-at-the-end", "at end of input the subject exited with status 3; status 0 was expected")]
#[case("stays-after-the-end", "the subject ignored end of input; it took the stop signal to end it")]
fn a_bad_end_is_a_warning(#[case] behaviour: &str, #[case] warning: &str) {
    let seen = run(behaviour);
    assert_eq!(seen.warnings(), [warning]);
    assert_eq!(seen.tally, Tally { passed: 41, warnings: 1, ..Tally::default() });
}

#[test]
fn a_subject_that_ignores_the_stop_signal_is_killed() {
    let program = env!("CARGO_BIN_EXE_hostile-codec");
    let seen = run_with(&format!("sh, -c, \"trap '' TERM; {program} none; while :; do sleep 1; done\""), 64);
    assert_eq!(seen.warnings(), ["the subject ignored end of input and the stop signal; it was killed"]);
}

#[test]
fn a_subject_that_closes_its_output_and_runs_on_is_named_so() {
    let seen = run_with("sh, -c, \"exec 1>&-; sleep 3600\"", 64);
    assert_eq!(seen.reason("n-0"), "asked a first question, the subject closed its output and runs on");
}

#[test]
fn a_program_that_does_not_exist_is_an_error() {
    let seen = run_with("/no/such/program", 64);
    let reason = "`/no/such/program` cannot be started in /: No such file or directory (os error 2)";
    assert_eq!(seen.reason("n-0"), reason);
    assert_eq!(seen.tally, Tally { errors: 41, ..Tally::default() });
}

#[test]
fn no_terminal_obeys_what_a_subject_logs() {
    let program = env!("CARGO_BIN_EXE_hostile-codec");
    let seen =
        run_with(&format!("sh, -c, \"printf '\\\\033[2J\\\\007' >&2; exec {program} exits-on-poison\""), 64);
    let log = seen.case("poison").log.clone().unwrap_or_default();
    assert!(log.starts_with(r"\u{1b}[2J\u{7}"), "{log:?}");
}
