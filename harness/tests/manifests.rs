//! Manifests: what they say, what is wrong with them, and what becomes of a command.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use iaspec_harness::subject::Manifest;
use iaspec_harness::subject::manifest::Launch;
use iaspec_harness::verdict::Outcome;
use iaspec_harness::yaml::Source;
use rstest::rstest;

/// The example of the contracts.
const CONTRACT: &str = r#"name: acme-agent
role: agent                       # agent | client | host | codec
command: [python3, agent.py, --port, "{port}", --versions, "{versions}", --encryption, "{encryption}"]
workdir: .                        # relative to the manifest; default: its folder; a program with a slash is relative to it
env: {ACME_LOG: debug}
config_template: InedoAgent.config.tmpl   # optional: rendered to {config} before each start
ready: {within: 10s}              # an agent is ready when its port accepts; others at once
stop: {signal: term, within: 5s}  # then killed, with every process it started, found by descent
supports:
  versions: [1000, 2000]
  encryption: [none, ssl, aes]
  targets: [meta, otter, buildmaster, hedgehog]
  features: [shared_memory, open_session, session_resume, update_files, config_file]
  settings: [handshake_timeout, session_timeout, max_concurrent_handshakes, allowed_addresses, root_paths, ring_capacity]
dialect: {server_version: auto}   # knobs of protocol.md; auto = detect before the run
expect:                           # known deviations; see section 5
  - {case: "handshake/timeout/*", outcome: fail, reason: "ACME-12: timer not armed"}
"#;

fn manifest(text: &str) -> Manifest {
    parse(text).expect("a good manifest")
}

/// Reads a manifest; its configuration template says where the port goes.
fn parse(text: &str) -> Result<Manifest, Vec<iaspec_harness::finding::Finding>> {
    Manifest::parse_with(&Source::new("acme.yaml", text), Path::new("/subjects/acme"), &|path| {
        if path == Path::new("/subjects/acme/InedoAgent.config.tmpl") {
            Ok("<Port>{port}</Port>".to_owned())
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::NotFound))
        }
    })
}

fn values(pairs: &[(&'static str, &str)]) -> std::collections::BTreeMap<&'static str, String> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn the_example_of_the_contracts_is_read() {
    let manifest = manifest(CONTRACT);
    assert_eq!(manifest.name, "acme-agent");
    assert_eq!(manifest.role.to_string(), "agent");
    let config = manifest.config_template.as_ref().expect("a template");
    assert_eq!(config.render(&values(&[("port", "40001")])), Ok("<Port>40001</Port>".to_owned()));
    assert!(manifest.mentions("encryption") && !manifest.mentions("aes_key"));
    assert_eq!(
        (manifest.ready_within, manifest.stop_within),
        (Duration::from_secs(10), Duration::from_secs(5))
    );
    assert_eq!(manifest.supports.versions, [1000, 2000]);
    assert_eq!((manifest.supports.encryption.len(), manifest.supports.targets.len()), (3, 4));
    assert_eq!((manifest.supports.features.len(), manifest.supports.settings.len()), (5, 6));
    assert_eq!(manifest.dialect.server_version.0, ["auto"]);
    let [(pattern, expect)] = manifest.expect.as_slice() else { panic!("one expectation") };
    assert!(pattern.matches("handshake/timeout/silent"));
    assert_eq!(expect.outcome.value, Outcome::Fail);
    assert_eq!(expect.reason.value, "ACME-12: timer not armed");
    let given = values(&[("port", "40001"), ("versions", "1000,2000"), ("encryption", "aes")]);
    let (program, arguments) = manifest.command(&given).expect("a command");
    assert_eq!(program, PathBuf::from("python3"));
    assert_eq!(arguments, ["agent.py", "--port", "40001", "--versions", "1000,2000", "--encryption", "aes"]);
    assert_eq!(manifest.environment(&given), Ok(vec![("ACME_LOG".to_owned(), "debug".to_owned())]));
}

#[test]
fn a_running_agent_is_named_by_its_address() {
    let text =
        "name: live\nrole: agent\naddress: \"10.0.0.7:46336\"\nassume: {encryption: aes, aes_key: \"00\"}\n";
    let manifest = manifest(text);
    let Launch::Address { address, assume } = &manifest.launch else { panic!("an address") };
    assert_eq!((address.as_str(), assume["encryption"].as_str()), ("10.0.0.7:46336", Some("aes")));
    let error = manifest.command(&values(&[])).expect_err("no command");
    assert_eq!(error, "acme.yaml: has no command to be started by");
}

#[test]
fn an_expectation_may_have_an_owner_a_last_day_and_a_text() {
    let text = "{name: a, role: codec, command: [a], expect: [{case: a/b/c, outcome: error, reason: r, \
                owner: Jane, until: 2027-01-31, failure: \"field `x`\"}]}";
    let manifest = manifest(text);
    let expect = &manifest.expect[0].1;
    assert_eq!(expect.owner.as_deref(), Some("Jane"));
    assert_eq!(expect.until.map(|day| day.to_string()).as_deref(), Some("2027-01-31"));
    assert_eq!(expect.failure.as_ref().map(|failure| failure.value.as_str()), Some("field `x`"));
}

#[test]
fn what_a_manifest_leaves_out_has_a_default() {
    let manifest = manifest("{name: a, role: codec, command: [codec]}");
    assert_eq!(manifest.workdir, PathBuf::from("/subjects/acme"));
    assert_eq!(
        (manifest.ready_within, manifest.stop_within),
        (Duration::from_secs(10), Duration::from_secs(5))
    );
    assert!(manifest.env.is_empty() && manifest.expect.is_empty() && manifest.config_template.is_none());
    assert!(manifest.supports.encryption.is_empty() && manifest.dialect.aes_padding.0.is_empty());
}

#[rstest]
#[case::found_by_the_path("codec", ".", "codec")]
#[case::beside_the_manifest("./codec", ".", "/subjects/acme/././codec")]
#[case::a_slash_anywhere("bin/codec", ".", "/subjects/acme/./bin/codec")]
#[case::below_the_workdir("bin/codec", "build", "/subjects/acme/build/bin/codec")]
#[case::absolute("/usr/bin/codec", "build", "/usr/bin/codec")]
#[case::absolute_workdir("./codec", "/srv", "/srv/./codec")]
fn a_program_with_a_slash_is_relative_to_the_workdir(
    #[case] program: &str,
    #[case] workdir: &str,
    #[case] expected: &str,
) {
    let manifest = manifest(&format!("{{name: a, role: codec, command: [{program}], workdir: {workdir}}}"));
    let (found, arguments) = manifest.command(&values(&[])).expect("a command");
    assert_eq!(found.to_str(), Some(expected));
    assert!(arguments.is_empty());
}

#[rstest]
#[case::all_given("[a, --key, \"{aes_key}\", \"{port}\"]", &[("aes_key", "00ff"), ("port", "1")], &["--key", "00ff", "1"])]
#[case::optional_missing("[a, --key, \"{aes_key}\", \"{port}\"]", &[("port", "1")], &["1"])]
#[case::optional_empty("[a, --allow, \"{allowed_addresses}\", x]", &[("allowed_addresses", "")], &["x"])]
#[case::the_word_before_is_no_option("[a, key, \"{aes_key}\", x]", &[], &["key", "x"])]
#[case::only_the_placeholder_alone_is_dropped("[a, \"--key={aes_key}\"]", &[], &["--key="])]
#[case::two_in_a_word("[a, \"{host}:{port}\"]", &[("host", "::1"), ("port", "9")], &["::1:9"])]
#[case::braces("[a, \"{{port}}\", \"}}{{\"]", &[], &["{port}", "}{"])]
#[case::values_are_not_read_again("[a, \"{otter_root}\"]", &[("otter_root", "{port}")], &["{port}"])]
#[case::json("[a, \"{otter_root|json}\"]", &[("otter_root", "C:\\\"x")], &["C:\\\\\\\"x"])]
#[case::xml("[a, \"{otter_root|xml}\"]", &[("otter_root", "<&>'\"")], &["&lt;&amp;&gt;&apos;&quot;"])]
fn placeholders_get_their_values(
    #[case] command: &str,
    #[case] given: &[(&'static str, &str)],
    #[case] expected: &[&str],
) {
    let manifest = manifest(&format!("{{name: a, role: agent, command: {command}}}"));
    assert_eq!(manifest.command(&values(given)).expect("a command").1, expected);
}

#[test]
fn a_placeholder_without_a_value_is_named() {
    let manifest = manifest("{name: a, role: codec, command: [a, \"{port}\"], env: {P: \"{host}\"}}");
    let message = |name| format!("acme.yaml: `{{{name}}}` has no value for a subject of role codec");
    assert_eq!(manifest.command(&values(&[])), Err(message("port")));
    assert_eq!(manifest.environment(&values(&[])), Err(message("host")));
}

#[test]
fn the_program_of_the_reference_is_the_running_one() {
    let ours = |text: &str| {
        let manifest = manifest(text).with_program("iaspec", Path::new("/opt/{x}/iaspec"));
        manifest.command(&values(&[])).expect("a command").0
    };
    assert_eq!(ours("{name: a, role: codec, command: [iaspec, codec]}"), PathBuf::from("/opt/{x}/iaspec"));
    assert_eq!(ours("{name: a, role: codec, command: [iaspec2, codec]}"), PathBuf::from("iaspec2"));
    assert_eq!(
        ours("{name: a, role: codec, command: [./iaspec, codec]}"),
        PathBuf::from("/subjects/acme/./iaspec")
    );
}

#[rstest]
#[case("500ms", 500)]
#[case("10s", 10_000)]
#[case("30m", 1_800_000)]
#[case("0s", 0)]
#[case("1440m", 86_400_000)]
fn a_span_of_time_has_a_unit(#[case] text: &str, #[case] millis: u64) {
    let manifest = manifest(&format!("{{name: a, role: agent, command: [a], ready: {{within: {text}}}}}"));
    assert_eq!(manifest.ready_within, Duration::from_millis(millis));
}

#[rstest]
#[case("unknown_member", "name: a\nrole: codec\ncomand: [a]\n")]
#[case("name_missing", "role: codec\ncommand: [a]\n")]
#[case("role_missing", "name: a\ncommand: [a]\n")]
#[case("unknown_role", "name: a\nrole: server\ncommand: [a]\n")]
#[case("neither_command_nor_address", "name: a\nrole: codec\n")]
#[case("command_and_address", "name: a\nrole: agent\ncommand: [a]\naddress: host:1\n")]
#[case("command_empty", "name: a\nrole: codec\ncommand: []\n")]
#[case("command_is_text", "name: a\nrole: codec\ncommand: codec --fast\n")]
#[case("command_with_a_number", "name: a\nrole: codec\ncommand: [a, 5]\n")]
#[case("address_of_a_codec", "name: a\nrole: codec\naddress: host:1\n")]
#[case("address_without_port", "name: a\nrole: agent\naddress: somewhere\n")]
#[case("address_with_a_name_for_a_port", "name: a\nrole: agent\naddress: somewhere:http\n")]
#[case("env_with_a_number", "name: a\nrole: codec\ncommand: [a]\nenv: {P: 5}\n")]
#[case("workdir_is_a_list", "name: a\nrole: codec\ncommand: [a]\nworkdir: [b]\n")]
#[case("unknown_target", "name: a\nrole: agent\ncommand: [a]\nsupports: {targets: [otto]}\n")]
#[case("unknown_setting", "name: a\nrole: agent\ncommand: [a]\nsupports: {settings: [colour]}\n")]
#[case("knob_is_a_number", "name: a\nrole: agent\ncommand: [a]\ndialect: {aes_padding: 7}\n")]
#[case("ready_without_within", "name: a\nrole: agent\ncommand: [a]\nready: {}\n")]
#[case("stop_with_unknown_member", "name: a\nrole: agent\ncommand: [a]\nstop: {after: 5s}\n")]
#[case("name_twice", "name: a\nrole: codec\nname: b\n")]
#[case("assume_with_command", "name: a\nrole: agent\ncommand: [a]\nassume: {encryption: aes}\n")]
#[case("span_without_unit", "name: a\nrole: agent\ncommand: [a]\nready: {within: 10}\n")]
#[case("span_of_another_unit", "name: a\nrole: agent\ncommand: [a]\nready: {within: 10h}\n")]
#[case("span_over_a_day", "name: a\nrole: agent\ncommand: [a]\nstop: {within: 1441m}\n")]
#[case("span_beyond_numbers", "name: a\nrole: agent\ncommand: [a]\nstop: {within: 99999999999999999999s}\n")]
#[case("unknown_signal", "name: a\nrole: agent\ncommand: [a]\nstop: {signal: usr1}\n")]
#[case("unknown_placeholder", "name: a\nrole: agent\ncommand: [a, \"{prot}\"]\n")]
#[case("unknown_placeholder_in_env", "name: a\nrole: agent\ncommand: [a]\nenv: {P: \"{prot}\"}\n")]
#[case("unknown_escape", "name: a\nrole: agent\ncommand: [a, \"{port|html}\"]\n")]
#[case("single_brace", "name: a\nrole: agent\ncommand: [a, \"{port\"]\n")]
#[case("unknown_feature", "name: a\nrole: agent\ncommand: [a]\nsupports: {features: [telepathy]}\n")]
#[case("unknown_encryption", "name: a\nrole: agent\ncommand: [a]\nsupports: {encryption: [tls]}\n")]
#[case("version_as_text", "name: a\nrole: agent\ncommand: [a]\nsupports: {versions: [\"1000\"]}\n")]
#[case("unknown_knob", "name: a\nrole: agent\ncommand: [a]\ndialect: {padding: zeros}\n")]
#[case("unknown_knob_value", "name: a\nrole: agent\ncommand: [a]\ndialect: {aes_padding: pkcs5}\n")]
#[case("several_knob_values", "name: a\nrole: agent\ncommand: [a]\ndialect: {aes_padding: [pkcs7, zeros]}\n")]
#[case(
    "expect_pass",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: \"codec/**\", outcome: pass, reason: r}\n"
)]
#[case(
    "expect_skip",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: \"codec/**\", outcome: skip, reason: r}\n"
)]
#[case(
    "expect_unknown_outcome",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: \"codec/**\", outcome: failure, reason: r}\n"
)]
#[case(
    "expect_nothing",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: \"\", outcome: fail, reason: r}\n"
)]
#[case(
    "expect_without_reason",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: \"codec/**\", outcome: fail}\n"
)]
#[case(
    "expect_with_empty_texts",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: \"codec/**\", outcome: fail, reason: \" \", failure: \"\"}\n"
)]
#[case(
    "expect_until_no_day",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: a/b/c, outcome: fail, reason: r, until: 2027-02-29}\n"
)]
#[case(
    "expect_until_a_number",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: a/b/c, outcome: fail, reason: r, until: 20270101}\n"
)]
#[case(
    "expect_without_outcome",
    "name: a\nrole: codec\ncommand: [a]\nexpect:\n  - {case: \"codec/**\", reason: r}\n"
)]
#[case("not_yaml", "name: [a\n")]
#[case("empty", "")]
#[case(
    "several_mistakes",
    "name: a\nrole: codec\ncommand: [\"{x}\"]\nenv: {P: \"{y}\"}\ndialect: {aes_padding: z}\nexpect: [{case: \"\", outcome: pass, reason: \"\"}]\n"
)]
fn a_mistake_in_a_manifest_is_shown_at_its_place(#[case] name: &str, #[case] text: &str) {
    let findings =
        Manifest::parse(&Source::new("acme.yaml", text), Path::new("/subjects")).expect_err("a mistake");
    let shown: Vec<_> = findings.iter().map(|finding| finding.render(false)).collect();
    insta::assert_snapshot!(name, shown.join("\n\n"));
}

#[test]
fn a_client_may_list_several_values_of_a_knob() {
    let manifest =
        manifest("{name: a, role: client, command: [a], dialect: {server_version: [int32, int32x4]}}");
    assert_eq!(manifest.dialect.server_version.0, ["int32", "int32x4"]);
}

#[test]
fn a_manifest_file_is_read_with_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("subject.yaml");
    std::fs::write(&path, "{name: a, role: codec, command: [./codec]}").expect("written");
    let manifest = Manifest::read(&path).expect("a manifest");
    let (program, _) = manifest.command(&values(&[])).expect("a command");
    assert_eq!(program, folder.path().join("./codec"));
    std::fs::write(&path, [0xff]).expect("written");
    let shown = path.display();
    assert_eq!(
        Manifest::read(&path).expect_err("no text"),
        [format!("the manifest {shown} is not UTF-8 text from byte 0 on")]
    );
    let missing = folder.path().join("none.yaml");
    let errors = Manifest::read(&missing).expect_err("no file");
    let expected = format!("the manifest {} cannot be read: ", missing.display());
    assert!(errors[0].starts_with(&expected), "{errors:?}");
}

#[test]
fn a_configuration_template_that_is_missing_or_wrong_is_told_where_it_is_named() {
    let text = CONTRACT.replace("InedoAgent.config.tmpl", "other.tmpl");
    let message = parse(&text).expect_err("no such template").remove(0).render(true);
    let expected = "the configuration template /subjects/acme/other.tmpl cannot be read: entity not found";
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("acme.yaml:6:18"), "{message}");
    let wrong = Manifest::parse_with(&Source::new("acme.yaml", CONTRACT), Path::new("/s"), &|_| {
        Ok("<a>{port}</a>\n<b>{</b>\n".to_owned())
    });
    let message = wrong.expect_err("a brace that is not closed").remove(0).render(true);
    let expected = "InedoAgent.config.tmpl: a single `{` in `<b>{</b>`; write `{{` for a brace";
    assert!(message.contains(expected), "{message}");
}
