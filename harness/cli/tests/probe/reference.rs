//! The reference agent: what is told of it in every mode, version and dialect.

use rcgen::generate_simple_self_signed;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Agent;
use crate::support::{Ran, iaspec, run};

/// A path that has the same length everywhere.
const ROOT: [&str; 2] = ["--otter-root", "/srv/otter"];

const KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// The options of an agent in mode ssl, and the folder of its certificate.
fn certificate() -> (TempDir, [String; 3]) {
    let made = generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("made");
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(path("cert.pem"), made.cert.pem()).expect("written");
    std::fs::write(path("both.pem"), made.cert.pem() + &made.signing_key.serialize_pem()).expect("written");
    let options =
        ["--encryption=ssl".to_owned(), format!("--certificate={}", path("both.pem")), path("cert.pem")];
    (folder, options)
}

fn probe(agent: &Agent, arguments: &[&str]) -> Ran {
    run(&[&["probe", &agent.address.to_string()], arguments].concat())
}

fn json_of(agent: &Agent, arguments: &[&str]) -> Value {
    let ran = probe(agent, &[&["--json"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// Compares what was printed with a snapshot, all times and places taken out.
fn assert_told(name: &str, agent: &Agent, ran: &Ran) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&format!("127\\.0\\.0\\.1:{}", agent.address.port()), "127.0.0.1:{port}");
    settings.add_filter(r"\b\d+\.\d+\.\d+\.0\b", "{version of the reference}");
    settings.add_filter(r" +\d+\.\d\d ms", " {time} ms");
    settings.add_filter(r#"_micros": \d+"#, r#"_micros": "{time}""#);
    let code = ran.code.map_or("none".to_owned(), |code| code.to_string());
    settings.bind(|| insta::assert_snapshot!(name, format!("{}{}[{code}]", ran.stdout, ran.stderr)));
}

#[rstest]
#[case("in_clear", &[], &[])]
#[case("v1_only", &["--versions", "1000"], &[])]
#[case("v2_only_with_four_numbers", &["--versions", "2000", "--server-version", "int32x4"], &[])]
#[case("aes", &["--encryption", "aes", "--aes-key", KEY], &["--aes-key", KEY])]
#[case(
    "aes_padded_with_zeros",
    &["--encryption", "aes", "--aes-key", KEY, "--aes-padding", "zeros", "--server-version", "int32x4"],
    &["--aes-key", KEY]
)]
#[case("aes_without_key", &["--encryption", "aes", "--aes-key", KEY], &[])]
#[case("as_json", &[], &["--json"])]
fn what_is_told_of_the_reference_agent(
    #[case] name: &str,
    #[case] options: &[&str],
    #[case] arguments: &[&str],
) {
    let agent = Agent::start(&[options, &ROOT].concat());
    assert_told(name, &agent, &probe(&agent, arguments));
}

#[rstest]
#[case("ssl", "127.0.0.1", true)]
#[case("ssl_with_the_root", "localhost", true)]
#[case("ssl_with_another_root", "127.0.0.1", false)]
fn what_is_told_of_the_reference_agent_under_tls(#[case] name: &str, #[case] host: &str, #[case] own: bool) {
    let (_folder, [mode, both, root]) = certificate();
    let agent = Agent::start(&[&[mode.as_str(), &both, "--server-version", "int32x4"], &ROOT[..]].concat());
    let address = format!("{host}:{}", agent.address.port());
    let (_other_folder, [_, _, other]) = certificate();
    let root = if own { root } else { other };
    let ca = if name == "ssl" { vec![] } else { vec!["--ca", &root] };
    let ran = run(&[&["probe", &address], &ca[..]].concat());
    let shown = Ran { stdout: ran.stdout.replace("localhost:", "127.0.0.1:"), ..ran };
    assert_told(name, &agent, &shown);
}

#[rstest]
fn every_dialect_is_told_in_every_mode(
    #[values("int32", "int32x4")] form: &str,
    #[values("none", "ssl", "pkcs7", "zeros")] mode: &str,
    #[values("1000", "2000", "1000,2000")] versions: &str,
) {
    let (_folder, [ssl, both, _]) = certificate();
    let common = ["--server-version", form, "--versions", versions];
    let (options, arguments): (Vec<&str>, Vec<&str>) = match mode {
        "none" => (vec![], vec![]),
        "ssl" => (vec![&ssl, &both], vec![]),
        padding => {
            (vec!["--encryption", "aes", "--aes-key", KEY, "--aes-padding", padding], vec!["--aes-key", KEY])
        }
    };
    let agent = Agent::start(&[&common[..], &options[..]].concat());
    let told = json_of(&agent, &arguments);
    assert_eq!(told["server_version_form"]["reading"], form, "{told:#}");
    let spoken: Vec<i32> = versions.split(',').map(|version| version.parse().unwrap()).collect();
    assert_eq!(told["versions"], json!(spoken));
    assert_eq!(told["root_path"], json!(agent.otter()));
    let padding = &told["aes_padding"];
    assert!(
        if ["none", "ssl"].contains(&mode) { padding.is_null() } else { padding["reading"] == mode },
        "{told:#}"
    );
    assert_eq!(told["tls"].is_null(), mode != "ssl");
    let samples = &told["times"]["answer"]["samples"];
    assert_eq!(samples, 5, "{told:#}");
    assert!(told["connections"].as_u64().unwrap() <= 12, "{told:#}");
}

/// Each connection came to its own end: none ran into the timeout, and none was cut within a message.
#[test]
fn the_agent_sees_nothing_but_good_clients_and_refusals() {
    let agent = Agent::start(&["--handshake-timeout-ms", "300"]);
    assert_eq!(probe(&agent, &[]).code, Some(0));
    agent.serves();
    std::thread::sleep(std::time::Duration::from_millis(500));
    for _ in 0..2 {
        let line = agent.logged("ended: ");
        assert!(line.contains("are offered, and the agent speaks 1000,2000"), "{line}");
    }
    // The next that it logs is the end of this one.
    agent.client("00000000000000000000000000000000").end();
    let line = agent.logged("ended: ");
    assert!(!line.contains("no handshake within") && !line.contains("offered"), "{line}");
}

/// A wrong key passes for good padding about once in 256 messages (hazard AES-H2); then the agent is silent.
#[test]
fn another_key_is_told_as_such() {
    let agent = Agent::start(&["--encryption", "aes", "--aes-key", KEY]);
    let ran = probe(&agent, &["--aes-key", &"f".repeat(64), "--timeout", "2s"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for told in [
        "written as    int32: the agent sent 4 bytes of it before it ended a connection without a message",
        "AES padding     unknown: ",
        "root path       unknown: ",
        "an agent in mode aes does not answer who has another key than its own",
    ] {
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
    }
}

#[test]
fn options_come_from_the_environment_too() {
    let agent = Agent::start(&["--encryption", "aes", "--aes-key", KEY]);
    let mut command = iaspec();
    command.args(["probe", &agent.address.to_string()]).env("IASPEC_PROBE_AES_KEY", KEY);
    let ran = Ran::from(command.env("IASPEC_PROBE_JSON", "true").output().expect("iaspec"));
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((ran.code, &told["aes_padding"]["reading"]), (Some(0), &json!("pkcs7")));
}
