//! Floors: recorded by one run, compared with the next, and what is told of cases that are missing.

use crate::desk::Desk;

const GUIDS: &str = "format: 1
codec:
  - {id: zero, clauses: [HS-2], type: guid, value: \"00000000-0000-0000-0000-000000000000\", bytes: \"00*16\"}
  - {id: ones, clauses: [HS-2], type: guid, value: \"ffffffff-ffff-ffff-ffff-ffffffffffff\", bytes: \"ff*16\"}
";

/// A case that needs what a manifest may leave out.
const SEALED: &str = "format: 1
codec:
  - {id: sealed, clauses: [AES-2], type: aes_frame_agent, bytes: \"00\", malformed: {at: 0}, key: \"00112233445566778899aabbccddeeff\", iv: \"00112233445566778899aabbccddeeff\", padding: pkcs7}
";

const CODEC: &str = "name: mine\nrole: codec\ncommand: [iaspec, codec]\n";

/// A desk with few vectors, and a codec that does everything.
fn desk() -> Desk {
    let desk = Desk::with_vectors(&[("codec/guids.yaml", GUIDS), ("codec/sealed.yaml", SEALED)]);
    desk.file("codec.yaml", format!("{CODEC}supports: {{encryption: [aes]}}\n"));
    desk
}

#[test]
fn a_floor_that_holds() {
    let mut desk = desk();
    desk.types("run codec.yaml --floor floor.yaml")
        .tells("floor.yaml")
        .types("run codec.yaml --floor floor.yaml")
        .types_under(("IASPEC_FLOOR", "floor.yaml"), "run codec.yaml --repeat 2 --seed 7");
    desk.assert("a_floor_that_holds");
}

#[test]
fn cases_below_the_floor() {
    let mut desk = desk();
    desk.runs("run codec.yaml --floor floor.yaml");
    desk.file("codec.yaml", CODEC);
    desk.vector("codec/guids.yaml", &GUIDS.replace("id: ones", "id: all-ones"));
    desk.types("run codec.yaml --floor floor.yaml --report markdown=run.md --report ndjson=run.ndjson")
        .tells("run.md")
        .types("report run.ndjson")
        .types("run codec.yaml --floor floor.yaml --update-floor")
        .tells("floor.yaml");
    desk.assert("cases_below_the_floor");
}

#[test]
fn cases_that_are_renamed_or_new() {
    let mut desk = desk();
    desk.runs("run codec.yaml --floor floor.yaml");
    let renamed =
        GUIDS.replace("{id: ones", "{id: all-ones, was: ones").replace("{id: zero", "{id: nil, was: zero");
    let new = renamed.lines().last().expect("a case").replace("id: all-ones, was: ones", "id: another");
    desk.vector("codec/guids.yaml", &format!("{renamed}{new}\n"));
    desk.types("run codec.yaml --floor floor.yaml")
        .types("list --filter codec/guids/ones")
        .types("show codec/guids/zero")
        .types("run codec.yaml --filter codec/guids/ones")
        .types("run codec.yaml --floor floor.yaml --update-floor")
        .tells("floor.yaml");
    desk.assert("cases_that_are_renamed_or_new");
}

#[test]
fn a_file_that_moved_says_what_its_cases_were() {
    let mut desk = desk();
    desk.runs("run codec.yaml --floor floor.yaml");
    let moved = GUIDS.replace("id: ones", "id: ones, was: codec/guids/ones");
    desk.vector("codec/guids.yaml", &moved.replace("id: zero", "id: zero, was: old/guid/zero"));
    desk.moves("codec/guids.yaml", "types/guids.yaml");
    desk.types("run codec.yaml --floor floor.yaml")
        .types("run codec.yaml --list --filter 'codec/guids/*' --filter 'old/**'");
    desk.file(
        "waived.yaml",
        format!("{CODEC}expect:\n  - {{case: codec/guids/ones, outcome: fail, reason: r}}\n"),
    );
    desk.types("run waived.yaml --filter codec/guids/ones");
    desk.assert("a_file_that_moved_says_what_its_cases_were");
}

#[test]
fn runs_that_end_early_leave_the_floor_alone() {
    let mut desk = desk();
    desk.vector("codec/guids.yaml", &GUIDS.replace("\"00*16\"", "\"01*16\""));
    desk.types("run codec.yaml --floor floor.yaml --fail-fast --jobs 1").tells("floor.yaml");
    desk.runs("run codec.yaml --floor floor.yaml");
    desk.types("run codec.yaml --floor floor.yaml --fail-fast --jobs 1 --update-floor");
    desk.file("codec.yaml", CODEC);
    // A failure weighs more than what is missing.
    desk.types("run codec.yaml --floor floor.yaml");
    desk.assert("runs_that_end_early_leave_the_floor_alone");
}

#[test]
fn floors_that_cannot_be_used() {
    let mut desk = desk();
    desk.file("manifest-as-floor.yaml", CODEC)
        .file("latin-1.yaml", [b'n', 0xe9])
        .file("broken.yaml", "format: 1\nsubjects: [{name: mine, role: codec, cases: [a/b/c, a/b/c]}]\n")
        .file("other.yaml", "format: 1\nsubjects:\n  - {name: yours, role: codec, cases: [a/b/c]}\n")
        .file("folder/file", "");
    for floor in [
        "manifest-as-floor.yaml",
        "latin-1.yaml",
        "broken.yaml",
        "other.yaml",
        "folder",
        "none/floor.yaml",
        "-",
    ] {
        desk.types(&format!("run codec.yaml --floor {floor}"));
    }
    for option in
        ["--filter codec/guids/zero", "--clause HS", "--tier D", "--encryption none", "--role codec"]
    {
        desk.types(&format!("run codec.yaml --floor floor.yaml {option}"));
    }
    desk.types("run codec.yaml --update-floor").tells("floor.yaml");
    desk.runs("run codec.yaml --floor floor.yaml");
    desk.types("run codec.yaml --floor floor.yaml --report json=floor.yaml");
    desk.types("run codec.yaml --floor other.yaml --update-floor").tells("other.yaml");
    desk.assert("floors_that_cannot_be_used");
}
