//! Entries under `expect`: what is told of those that hold, of those that do not, and of those that are written.

use crate::desk::Desk;

/// A codec that knows no accents, so that its strings lack a byte.
const BROKEN: &str = "command: [./no-accents]";

/// The reference.
const SOUND: &str = "command: [iaspec, codec]";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.script("no-accents", &format!("sed -u 's/é/e/g' | '{}' codec", env!("CARGO_BIN_EXE_iaspec")));
    desk
}

/// A manifest with entries, a line each.
fn manifest(members: &str, entries: &[&str]) -> String {
    let entries: String = entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect();
    format!("name: mine\nrole: codec\n{members}\nexpect:\n{entries}")
}

/// Types a run of a manifest with entries, and shows them.
fn runs(desk: &mut Desk, members: &str, entries: &[&str], filter: &str) {
    desk.file("codec.yaml", manifest(members, entries));
    desk.shows(&entries.join("\n")).types(format!("run codec.yaml {filter}").trim_end());
}

#[test]
fn failures_that_are_expected() {
    let mut desk = desk();
    let filter = "--filter codec/strings/accents";
    let entry = "case: codec/strings/accents, outcome: fail, reason: \"ACME-12: ASCII only\"";
    runs(&mut desk, BROKEN, &[entry], filter);
    let more = format!("{entry}, owner: Jane, until: 9999-12-31, failure: \"field `string length` differs\"");
    runs(&mut desk, BROKEN, &[&more], filter);
    runs(&mut desk, BROKEN, &["case: \"codec/strings/acc*\", outcome: fail, reason: ACME-12"], filter);
    desk.assert("failures_that_are_expected");
}

#[test]
fn failures_that_are_expected_no_longer_or_otherwise() {
    let mut desk = desk();
    let filter = "--filter codec/strings/accents --width 100";
    let case = "case: codec/strings/accents";
    for rest in [
        "outcome: fail, reason: ACME-12, owner: Jane, until: 2020-01-31",
        "outcome: fail, reason: ACME-12, failure: \"another number of bytes\"",
        "outcome: warning, reason: ACME-12",
    ] {
        runs(&mut desk, BROKEN, &[&format!("{case}, {rest}")], filter);
    }
    desk.assert("failures_that_are_expected_no_longer_or_otherwise");
}

#[test]
fn cases_that_pass_though_they_are_expected_to_fail() {
    let mut desk = desk();
    let filter = "--filter codec/strings/accents --filter codec/guid/zero";
    let entries = [
        "case: codec/strings/accents, outcome: fail, reason: ACME-12",
        "case: codec/guid/zero, outcome: fail, reason: ACME-13, owner: Jane, until: 2020-01-31",
    ];
    runs(&mut desk, SOUND, &entries, filter);
    // A pattern hides nothing: one of the two fails, the other does not.
    runs(&mut desk, BROKEN, &["case: \"codec/**\", outcome: fail, reason: ACME-12"], filter);
    desk.assert("cases_that_pass_though_they_are_expected_to_fail");
}

#[test]
fn entries_that_cannot_be_used() {
    let mut desk = desk();
    let good = "case: \"codec/strings/*\", outcome: fail, reason: r";
    for entries in [
        &["case: codec/strings/accents, outcome: fail, reason: \"\""][..],
        &["case: codec/strings/accents, outcome: fail"],
        &["case: codec/strings/accents, outcome: fail, reason: r, until: tomorrow"],
        &["case: codec/strings/accents, outcome: fail, reason: r, failure: \"\""],
        &["case: codec/strings/accent, outcome: fail, reason: r"],
        &[good, "case: codec/strings/accents, outcome: warning, reason: r"],
    ] {
        runs(&mut desk, SOUND, entries, "");
    }
    desk.assert("entries_that_cannot_be_used");
}

#[test]
fn entries_that_were_not_put_to_the_test() {
    let mut desk = desk();
    let supports = "supports: {versions: [2000], encryption: [none]}";
    let text = format!(
        "name: mine\nrole: agent\ncommand: [./none]\n{supports}\nexpect:\n  - {{case: \"handshake/acknowledgement/v1-*\", \
         outcome: fail, reason: ACME-12}}\n  - {{case: handshake/acknowledgement/v2-only, outcome: fail, reason: ACME-13}}\n"
    );
    desk.file("agent.yaml", &text);
    desk.shows(&text).types("run agent.yaml --filter 'handshake/acknowledgement/v1-*'");
    desk.assert("entries_that_were_not_put_to_the_test");
}

#[test]
fn entries_that_are_written() {
    let mut desk = desk();
    desk.file("broken.yaml", format!("name: mine\nrole: codec\n{BROKEN}\n"))
        .file("sound.yaml", format!("name: mine\nrole: codec\n{SOUND}\n"));
    let filter = "--filter 'codec/strings/accents*' --filter codec/guid/zero";
    desk.types(&format!("run broken.yaml {filter} --write-expect expect.yaml"))
        .tells("expect.yaml")
        .types(&format!("run broken.yaml {filter} --write-expect expect.yaml"))
        .types_under(("IASPEC_WRITE_EXPECT", "expect.yaml"), "run broken.yaml")
        .types("run broken.yaml --write-expect none/expect.yaml")
        .types("run broken.yaml --write-expect -")
        .types(&format!("run broken.yaml {filter} --write-expect new.yaml --report json=new.yaml"))
        .tells("new.yaml")
        .types(&format!("run sound.yaml {filter} --write-expect none.yaml"))
        .tells("none.yaml");
    desk.assert("entries_that_are_written");
}

#[test]
fn written_entries_with_reasons_make_the_same_run_conformant() {
    let desk = desk();
    let broken = format!("name: mine\nrole: codec\n{BROKEN}\n");
    desk.file("broken.yaml", &broken);
    let filter = "--filter 'codec/**'";
    assert_eq!(desk.runs(&format!("run broken.yaml {filter} --write-expect expect.yaml")).code, Some(1));
    let entries = desk.reads("expect.yaml").expect("entries");
    desk.file("incomplete.yaml", format!("{broken}expect:\n{entries}"));
    assert_eq!(desk.runs(&format!("run incomplete.yaml {filter}")).code, Some(2));
    let complete = entries.replace("reason: ''", "reason: \"ACME-12: ASCII only\"");
    desk.file("complete.yaml", format!("{broken}expect:\n{complete}"));
    let ran = desk.runs(&format!("run complete.yaml {filter}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let count = entries.matches("- case: ").count();
    assert!(count > 1 && ran.stdout.contains(&format!("expected failures: {count}\n")), "{ran:?}");
    // Another codec that makes none of the mistakes must not keep their entries.
    desk.file("sound.yaml", format!("name: mine\nrole: codec\n{SOUND}\nexpect:\n{complete}"));
    let ran = desk.runs(&format!("run sound.yaml {filter}"));
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains(&format!("unexpected passes: {count}\n")), "{ran:?}");
}
