//! Reports that cannot be written, and recordings that cannot be read.

use crate::desk::Desk;

#[test]
fn reports_that_cannot_be_asked_for() {
    let mut desk = Desk::new();
    desk.file("taken/file", "");
    desk.types("run --report xml=run.xml")
        .types("run --report ndjson")
        .types("run --report ndjson=")
        .types("run --report junit=-")
        .types("run --filter codec/strings/empty --report json=none/run.json")
        .types("run --filter codec/strings/empty --report json=taken")
        .types("run --filter codec/strings/empty --report json=one --report ndjson=./one")
        .types("run --filter codec/strings/empty --report json=/dev/full");
    desk.assert("reports_that_cannot_be_asked_for");
}

#[test]
fn recordings_that_cannot_be_reported() {
    let mut desk = Desk::new();
    desk.types("run --filter codec/strings/empty --report ndjson=run.ndjson")
        .types("report none.ndjson")
        .types("report run.ndjson --to json=run.ndjson")
        .types("report run.ndjson --to json=- --to junit=-")
        .types("report run.ndjson --to xml=-")
        .types("report run.ndjson --to json=none/run.json")
        .types("report run.ndjson --to json=/dev/full")
        .types("report .");
    desk.assert("recordings_that_cannot_be_reported");
}

#[test]
fn recordings_that_are_none() {
    let run = r#"{"event":"run_started","schema":1,"iaspec":"1.0.0","vectors":"v","digest":"00","strict":false,"repeat":1,"clauses":[]}"#;
    let subject = r#"{"event":"subject_started","subject":"a","role":"codec","manifest":"a.yaml","cases":1}"#;
    let case = r#"{"event":"case_finished","subject":"b","index":0,"repetition":1,"case":"codec/x/y","title":"t","outcome":"pass","tier":"D","clauses":[],"micros":1}"#;
    let mut desk = Desk::new();
    desk.types_into("report -", "")
        .types_into("report -", "hello\n")
        .types_into("report -", "{\"event\":\"case_finished\"}\n")
        .types_into("report -", &format!("{}\n", run.replace("\"schema\":1", "\"schema\":2")))
        .types_into("report -", &format!("{run}\n{{\"event\":\"surprise\"}}\n"))
        .types_into("report -", &format!("{run}\n{{\"event\":\"notice\"}}\n"))
        .types_into("report -", &format!("{run}\nnonsense\n"))
        .types_into("report -", &format!("{run}\n{run}\n"))
        .types_into("report -", &format!("{run}\n{case}\n"))
        .types_into("report -", &format!("{run}\n{subject}\n{case}\n"))
        .types_into("report -", &format!("{run}\n{subject}\n{}", &case[..40]))
        .types_into("report -", &run[..30]);
    desk.assert("recordings_that_are_none");
}
