//! Every check of the segment and the options: code 3, one line, nothing changed.

use std::os::unix::process::CommandExt;
use std::process::Command;

use iaspec_shm::raw::{Forgery, Raw};
use iaspec_shm::{Place, Segment, layout};
use rstest::rstest;

use crate::agent::{Host, NONCE_HEX, command, options, output, plan};
use crate::support::iaspec;

/// All of the segment that a host could change.
fn everything(segment: &Segment) -> Vec<u8> {
    Raw::of(segment).bytes(0, 4096 + 2 * 64).expect("header and rings")
}

/// The line with which a host refused.
fn refused(command: &mut Command) -> String {
    let output = output(command);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!((output.stdout.as_slice(), said.lines().count()), (&b""[..], 1), "{said}");
    let line = said.trim_end().strip_prefix("iaspec: not attached: ");
    line.unwrap_or_else(|| panic!("it said: {said}")).to_owned()
}

#[rstest]
#[case::magic(layout::offset::MAGIC, b"IASHMEM2", "magic: expected \"IASHMEM1\", found \"IASHMEM2\"")]
#[case::layout(0x8, &[2, 0, 0, 0], "layout version: expected 1, found 2")]
#[case::nonce(
    0x28,
    &[1],
    "nonce: expected 00112233445566778899aabbccddeeff, found 01112233445566778899aabbccddeeff"
)]
#[case::header_size(0xc, &[0, 8, 0, 0], "header size: expected 4096, found 2048")]
#[case::capacity_no_power(
    0x10,
    &[65, 0, 0, 0],
    "ring capacity: expected a power of two from 64 to 1073741824, found 65"
)]
#[case::capacity_too_small(
    0x10,
    &[32, 0, 0, 0],
    "ring capacity: expected a power of two from 64 to 1073741824, found 32"
)]
#[case::capacity_of_another_size(0x10, &[128, 0, 0, 0], "size of the segment: expected 4352, found 4224")]
#[case::attached_before(0x1c, &[1, 0, 0, 0], "state: expected 0, found 1")]
#[case::closing_already(0x1c, &[2, 0, 0, 0], "state: expected 0, found 2")]
#[case::host_pid(0x18, &[1, 0, 0, 0], "host pid: expected 0, found 1")]
#[case::session(0x20, &[8, 0, 0, 0], "session: expected 7, found 8")]
#[case::agent_type(0x24, &[2], "agent type: expected 1, found 2")]
fn a_field_that_is_wrong(#[case] offset: usize, #[case] value: &[u8], #[case] expected: &str) {
    let segment = Segment::create(&plan(64)).expect("a segment");
    Raw::of(&segment).set_bytes(offset, value);
    let before = everything(&segment);
    assert_eq!(refused(&mut command(&segment)), expected);
    assert!(everything(&segment) == before, "nothing is changed");
}

#[test]
fn another_process_as_the_agent() {
    let segment = Segment::create(&plan(64)).expect("a segment");
    // Process 1 is not this one.
    Raw::of(&segment).set_bytes(0x14, &[1, 0, 0, 0]);
    let before = everything(&segment);
    let expected = format!("agent pid: expected {}, found 1", std::process::id());
    assert_eq!(refused(&mut command(&segment)), expected);
    assert!(everything(&segment) == before);
}

#[test]
fn what_is_no_segment() {
    let memory = |contents: &[u8]| Forgery::create(&Place::Memory, contents).expect("a forgery");
    let real = everything(&Segment::create(&plan(64)).expect("a segment"));
    let (empty, short, long) = (memory(b""), memory(&real[..4223]), memory(&[&real[..], &[0]].concat()));
    let folder = tempfile::TempDir::new().expect("a folder");
    let missing = folder.path().join("missing");
    for (path, expected) in [
        (empty.path(), "file: "),
        (short.path(), "size of the segment: expected 4224, found 4223"),
        (long.path(), "size of the segment: expected 4224, found 4225"),
        (missing.as_path(), "cannot open the segment "),
        (folder.path(), "cannot open the segment "),
        (std::path::Path::new("/dev/null"), "file: "),
    ] {
        let mut command = iaspec();
        command.arg("host").arg("--shared-memory").arg(path);
        command.args(["--nonce", NONCE_HEX, "--session", "7", "--agent-type", "1"]);
        let line = refused(&mut command);
        assert!(line.starts_with(expected), "{line}");
    }
}

#[rstest]
#[case::none(&[], "the following required arguments were not provided")]
#[case::nonce_too_short(
    &["--shared-memory", "/x", "--nonce", "0011", "--session", "7", "--agent-type", "1"],
    "invalid value '0011' for '--nonce <HEX32>': expected 32 hexadecimal digits"
)]
#[case::nonce_no_hexadecimal(
    &["--shared-memory", "/x", "--nonce", "zz112233445566778899aabbccddeeff", "--session", "7", "--agent-type", "1"],
    "invalid value 'zz112233445566778899aabbccddeeff' for '--nonce <HEX32>'"
)]
#[case::session_too_large(
    &["--shared-memory", "/x", "--nonce", NONCE_HEX, "--session", "2147483648", "--agent-type", "1"],
    "invalid value '2147483648' for '--session <N>'"
)]
#[case::agent_type_too_large(
    &["--shared-memory", "/x", "--nonce", NONCE_HEX, "--session", "7", "--agent-type", "256"],
    "invalid value '256' for '--agent-type <N>'"
)]
#[case::without_agent_type(
    &["--shared-memory", "/x", "--nonce", NONCE_HEX, "--session", "7"],
    "the following required arguments were not provided: --agent-type <N>"
)]
#[case::one_too_many(
    &["--shared-memory", "/x", "--nonce", NONCE_HEX, "--session", "7", "--agent-type", "1", "--verbose"],
    "unexpected argument '--verbose' found"
)]
#[case::a_word_too_many(
    &["--shared-memory", "/x", "--nonce", NONCE_HEX, "--session", "7", "--agent-type", "1", "more"],
    "unexpected argument 'more' found"
)]
#[case::twice(
    &["--shared-memory", "/x", "--nonce", NONCE_HEX, "--session", "7", "--session", "7", "--agent-type", "1"],
    "the argument '--session <N>' cannot be used multiple times"
)]
fn options_that_are_wrong(#[case] options: &[&str], #[case] expected: &str) {
    let line = refused(iaspec().arg("host").args(options));
    assert!(line.starts_with(expected), "{line}");
}

#[test]
fn options_in_another_order_and_negative_sessions_are_good() {
    let mut plan = plan(64);
    plan.session = i32::MIN;
    let mut host = Host::start_as(&plan, |command| {
        let path = command.get_args().nth(2).expect("the path").to_owned();
        let mut again = iaspec();
        again.args(["host", "--agent-type=1", "--session", "-2147483648", "--nonce", NONCE_HEX]);
        again.arg("--shared-memory").arg(path).process_group(0);
        *command = again;
    });
    host.serves();
}

#[test]
fn a_link_named_for_it_takes_the_options_alone() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let link = folder.path().join("iaspec-probe-host");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_iaspec"), &link).expect("a link");
    let mut host = Host::start_as(&plan(64), |command| {
        let options: Vec<_> = command.get_args().skip(1).map(ToOwned::to_owned).collect();
        *command = Command::new(&link);
        command.args(options).process_group(0);
    });
    host.serves();
    let line = refused(Command::new(&link).arg("run"));
    assert!(line.starts_with("unexpected argument 'run' found"), "{line}");
}

#[test]
fn a_host_that_an_agent_has_not_started_itself_ends() {
    let segment = Segment::create(&plan(64)).expect("a segment");
    let before = everything(&segment);
    let mut wrapped = Command::new("sh");
    wrapped.arg("-c").arg("\"$@\"; exit $?").arg("sh").arg(env!("CARGO_BIN_EXE_iaspec"));
    let line = refused(wrapped.arg("host").args(options(&segment)));
    let end = format!(", found {}", std::process::id());
    assert!(line.starts_with("agent pid: expected ") && line.ends_with(&end), "{line}");
    assert!(everything(&segment) == before);
}

#[test]
fn help_is_no_refusal() {
    let output = output(iaspec().args(["host", "--help"]));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0));
    assert!(said.contains("--shared-memory <PATH>") && said.contains("iaspec-probe-host"), "{said}");
}
