//! What each report tells of readings that a manifest left to be found out.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the verdict")]

mod support;

use iaspec_harness::event::{DialectFound, Event, KnobReading};
use iaspec_harness::verdict::Outcome;
use iaspec_reports::{Document, Ndjson, Recording, Reporter, Text};
use serde_json::{Value, json};
use support::{events, play, result};

fn with_dialect() -> Vec<Event> {
    let knob = |knob: &str, reading: &str, detected, how: &str| KnobReading {
        knob: knob.to_owned(),
        reading: reading.to_owned(),
        detected,
        failed: false,
        how: how.to_owned(),
    };
    let knobs = vec![
        knob("server_version", "int32x4", true, "it begins <16> bytes behind"),
        knob("aes_padding", "pkcs7", false, "no case runs in mode aes"),
    ];
    let mut events = events(vec![result(0, "codec/strings/empty", Outcome::Pass)], &[], false);
    events.insert(2, Event::DialectFound(DialectFound { subject: "acme".to_owned(), knobs }));
    events
}

fn written<'a>(report: impl FnOnce(&'a mut Vec<u8>) -> Box<dyn Reporter + 'a>, out: &'a mut Vec<u8>) {
    play(report(out).as_mut(), &with_dialect());
}

fn text(report: fn(&mut Vec<u8>) -> Box<dyn Reporter + '_>) -> String {
    let mut out = Vec::new();
    written(report, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn the_text_tells_them_before_the_cases() {
    let text = text(|out| Box::new(Text::new(out, 100)));
    let line = "acme: dialect: server_version int32x4 (found out), aes_padding pkcs7 (assumed)";
    assert_eq!(text.lines().nth(2), Some(line), "{text}");
}

#[test]
fn the_json_document_has_them_beside_the_manifests() {
    let document: Value = serde_json::from_str(&text(|out| Box::new(Document::json(out)))).expect("JSON");
    let subject = &document["subjects"][0];
    assert_eq!(subject["dialect"]["server_version"], json!(["int32"]));
    let first = json!({
        "knob": "server_version", "reading": "int32x4", "detected": true, "failed": false,
        "how": "it begins <16> bytes behind"
    });
    assert_eq!((&subject["found"][0], &subject["found"][1]["reading"]), (&first, &json!("pkcs7")));
}

#[test]
fn junit_has_them_as_properties() {
    let text = text(|out| Box::new(Document::junit(out)));
    for property in [
        r#"<property name="dialect.server_version" value="int32x4 (found out: it begins &lt;16&gt; bytes behind)"/>"#,
        r#"<property name="dialect.aes_padding" value="pkcs7 (assumed: no case runs in mode aes)"/>"#,
    ] {
        assert!(text.contains(property), "{text}");
    }
}

#[test]
fn markdown_has_a_line_of_them() {
    let text = text(|out| Box::new(Document::markdown(out)));
    let line =
        "Dialect of <code>acme</code>: server\\_version int32x4 (found out), aes\\_padding pkcs7 (assumed)";
    assert!(text.lines().any(|told| told == line), "{text}");
}

#[test]
fn a_recording_gives_them_back() {
    let recorded = text(|out| Box::new(Ndjson::new(out)));
    assert!(
        recorded.contains(r#"{"event":"dialect_found","subject":"acme","knobs":[{"knob":"server_version","#)
    );
    let back: Vec<Event> =
        Recording::new(recorded.as_bytes()).map(|event| event.expect("an event")).collect();
    assert_eq!(back, with_dialect());
}

#[test]
fn they_belong_to_the_subject_that_is_under_way() {
    let recorded = text(|out| Box::new(Ndjson::new(out))).replacen(
        "found\",\"subject\":\"acme",
        "found\",\"subject\":\"other",
        1,
    );
    let error = Recording::new(recorded.as_bytes()).find_map(Result::err).expect("a mistake");
    assert_eq!(error.message, "the event `dialect_found` cannot come here: the subject `acme` is under way");
}
