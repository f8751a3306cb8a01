//! Subjects that do not start, do not answer, or do not end.

use rstest::rstest;

use crate::desk::Desk;

/// An agent's case and a codec's.
const AGENT: &str = "--filter handshake/acknowledgement/v2-only";
const CODEC: &str = "--filter codec/strings/empty";

#[rstest]
#[case("program_missing", "command: [./none]")]
#[case("program_not_on_the_path", "command: [no-such-program-anywhere]")]
#[case("program_not_executable", "command: [./plain]")]
#[case("program_is_a_folder", "command: [./folder]")]
#[case("workdir_missing", "command: [sh, -c, 'sleep 9'], workdir: none")]
#[case("ends_at_once", "command: [./ends]")]
#[case("ends_well_at_once", "command: ['true']")]
#[case("killed_at_once", "command: [./killed]")]
#[case("never_accepts", "command: [./waits], ready: {within: 300ms}")]
#[case("nobody_at_the_address", "address: \"127.0.0.1:1\"")]
#[case("address_without_port", "address: somewhere")]
#[case("address_that_is_no_name", "address: \"no.such.host.invalid:1\"")]
fn an_agent_that_does_not_start(#[case] name: &str, #[case] members: &str) {
    let mut desk = desk();
    desk.file(
        "agent.yaml",
        format!("{{name: mine, role: agent, supports: {{versions: [2000], encryption: [none], targets: [meta]}}, {members}}}\n"),
    );
    desk.types(&format!("run agent.yaml {AGENT}"));
    desk.assert(&format!("agent_{name}"));
}

#[rstest]
#[case("program_missing", "command: [./none]")]
#[case("ends_at_once", "command: [./ends]")]
#[case("placeholder_without_value", "command: [./waits, \"{port}\"]")]
#[case("says_nothing", "command: [./waits]")]
#[case("says_what_is_no_json", "command: [./chatters]")]
#[case("answers_another_question", "command: [./confuses]")]
#[case("closes_its_output", "command: [sh, -c, 'exec >&-; sleep 9']")]
fn a_codec_that_does_not_answer(#[case] name: &str, #[case] members: &str) {
    let mut desk = desk();
    desk.file("codec.yaml", format!("{{name: mine, role: codec, stop: {{within: 300ms}}, {members}}}\n"));
    desk.types(&format!("run codec.yaml --answer-within 300ms {CODEC}"));
    desk.assert(&format!("codec_{name}"));
}

/// Programs that a manifest may name.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("plain", "not a program").file("folder/file", "");
    desk.script("ends", "echo 'agent: no licence' >&2; exit 7")
        .script("killed", "kill -9 $$")
        .script("waits", "exec sleep 9")
        .script("chatters", "while read -r line; do echo hello; done")
        .script("confuses", "while read -r line; do echo '{\"id\":77,\"ok\":{\"hex\":\"\"}}'; done");
    desk
}
