//! Options, filters and names.

use crate::desk::Desk;

#[test]
fn options_with_wrong_values() {
    Desk::new()
        .types("run --jobs 0")
        .types("run --jobs many")
        .types("run --jobs -1")
        .types("run --jobs 70000")
        .types("run --repeat 0")
        .types("run --answer-within 5")
        .types("run --answer-within 0s")
        .types("run --answer-within 2h")
        .types("run --tier X")
        .types("run --conversations some")
        .types_under(("IASPEC_JOBS", "0"), "run")
        .types_under(("IASPEC_JOBS", "0"), "run --jobs=0")
        .types_under(("IASPEC_STRICT", "perhaps"), "run")
        .types_under(("IASPEC_REPORT", "xml=run.xml"), "run")
        .types("show --width 10 codec/strings/empty")
        .types("list --by case")
        .types("vectors schema --of clauses")
        .types("completions tcsh")
        .assert("options_with_wrong_values");
}

#[test]
fn commands_and_options_that_are_not_there() {
    Desk::new()
        .types("rum")
        .types("run --fail-fats")
        .types("run one.yaml two.yaml")
        .types("run --jobs")
        .types("vectors chek")
        .types("show")
        .types("report")
        .types("list --jobs 4")
        .assert("commands_and_options_that_are_not_there");
}

#[test]
fn filters_that_choose_nothing() {
    Desk::new()
        .types("run --filter ''")
        .types("run --filter codec/strings")
        .types("run --filter codec/strings/emtpy")
        .types("run --filter 'nothing/at/all'")
        .types("run --filter codec/strings/empty --filter 'none/**'")
        .types("run --clause DTA-2")
        .types("run --clause QQQ-77")
        .types("run --clause SES --filter 'codec/guid/**'")
        .types("run --clause dat-2")
        .types("run --tier R --filter 'codec/guid/**'")
        .types("list --filter 'nothing/**'")
        .types("list --clause DTA-2")
        .types("list --filter codec/strings/emtpy")
        .types("list --filter codec/strings/empty --tier I")
        .assert("filters_that_choose_nothing");
}

#[test]
fn a_filter_that_is_too_long() {
    let mut desk = Desk::new();
    let long = "x".repeat(2000);
    desk.types(&format!("run --filter {long}"));
    desk.assert("a_filter_that_is_too_long");
}

#[test]
fn names_that_are_not_there() {
    Desk::new()
        .types("explain DTA-2")
        .types("explain nonsense")
        .types("explain ''")
        .types("show codec/strings/emtpy")
        .types("show codec/strings")
        .types("show 'none/**' handshake/acknowledgement/v2-onyl")
        .types("show ''")
        .assert("names_that_are_not_there");
}
