//! Every mode of encryption with both versions.

use std::os::unix::fs::MetadataExt;

use rstest::rstest;
use serde_json::{Value, json};

use crate::client::{Client, connect, update};
use crate::process::{Agent, files};
use crate::trust::Certificate;

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// How an agent is started, and what a client comes with.
struct Mode {
    number: u8,
    options: Vec<String>,
    client: Value,
}

fn none() -> Mode {
    Mode { number: 0, options: Vec::new(), client: json!({}) }
}

fn ssl(certificate: &Certificate) -> Mode {
    let tls = json!({"ca_pem": certificate.certificate(), "name": "localhost"});
    Mode { number: 1, options: certificate.options(), client: json!({"tls": tls, "require": "ssl"}) }
}

fn aes(key: &str, padding: &str) -> Mode {
    let options = ["--encryption", "aes", "--aes-key", key, "--aes-padding", padding];
    let client = json!({"aes_key": key, "require": "aes", "dialect": {"aes_padding": padding}});
    Mode { number: 2, options: options.map(str::to_owned).to_vec(), client }
}

#[rstest]
fn everything_works_in_every_mode(
    #[values("none", "ssl", "aes-128", "aes-256", "aes-zeros")] mode: &str,
    #[values(1, 2)] version: i32,
) {
    let certificate = Certificate::new();
    let Mode { number, options, client: mut more } = match mode {
        "none" => none(),
        "ssl" => ssl(&certificate),
        "aes-128" => aes(KEY_128, "pkcs7"),
        "aes-256" => aes(KEY_256, "pkcs7"),
        _ => aes(KEY_128, "zeros"),
    };
    if version == 1 {
        more["protocol"] = json!({"version": 1, "session": 7});
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let agent = Agent::start(&options);
    let mut client = Client::start();
    let connected = client.succeeds(&connect(agent.address, &more));
    let (speaks, session) = if version == 1 { (json!(1000), json!(7)) } else { (json!(2000), Value::Null) };
    assert_eq!(connected["encryption"], number);
    assert_eq!((&connected["speaks"], &connected["session"]), (&speaks, &session));
    assert_eq!(connected["server_version"], concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".0.0.0"));
    converse(&mut client, &agent, version);
    assert_eq!(client.succeeds(&json!({"id": 9, "op": "close", "conn": 1})), json!({}));
    assert_eq!(client.fails(&json!({"id": 10, "op": "receive", "conn": 1})), "usage");
    let (status, rest) = client.ends();
    assert_eq!((status.code(), rest), (Some(0), Vec::new()));
}

fn converse(client: &mut Client, agent: &Agent, version: i32) {
    for product in ["otter", "buildmaster", "hedgehog"] {
        assert_eq!(client.root_path(1, product), agent.folder.path().join(product).to_str().unwrap());
    }
    assert_eq!(client.succeeds(&update(1, "hedgehog", "00ff")), json!({}));
    // It is complete before a later message is answered.
    client.root_path(1, "otter");
    assert_eq!(files(&agent.updates()), [("hedgehog/assemblies/a.dll".to_owned(), vec![0x00, 0xff])]);
    let metadata = std::fs::metadata(agent.updates().join("hedgehog/assemblies/a.dll")).unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_528_070_400, 0));

    let open = json!({"id": 1, "op": "open_session", "conn": 1, "agent_type": "otter", "session": 0});
    if version == 1 {
        assert_eq!(client.fails(&open), "unsupported");
    } else {
        assert_eq!(client.succeeds(&open), json!({"session": 0}));
    }
    let send = json!({"id": 2, "op": "send", "conn": 1, "target": "meta", "command": 3, "data": "02"});
    client.succeeds(&send);
    let path = agent.folder.path().join("buildmaster").to_str().unwrap().to_owned();
    let expected = format!("{:02x}{}", path.len(), hex(path.as_bytes()));
    let received = client.succeeds(&json!({"id": 3, "op": "receive", "conn": 1}));
    assert_eq!(received["command"], 3);
    // With padding of zeros, that is a part of the data.
    let data = received["data"].as_str().unwrap();
    assert!(
        data.strip_prefix(&expected).is_some_and(|rest| rest.len() < 32 && rest.trim_matches('0').is_empty())
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_server_version_of_four_parts() {
    let agent = Agent::start(&["--server-version", "int32x4"]);
    let mut client = Client::start();
    let connected =
        client.succeeds(&connect(agent.address, &json!({"dialect": {"server_version": "int32x4"}})));
    assert_eq!(connected["server_version"], concat!(env!("CARGO_PKG_VERSION"), ".0"));
    assert_eq!(client.root_path(1, "otter"), agent.otter());
}

/// Keys and trust that no agent asks for are no hindrance, unless they have to be used.
#[test]
fn an_agent_in_clear_is_taken_or_refused() {
    let agent = Agent::start(&[]);
    let mut client = Client::start();
    let with_key = json!({"aes_key": KEY_128});
    assert_eq!(client.succeeds(&connect(agent.address, &with_key))["encryption"], 0);
    assert_eq!(client.root_path(1, "otter"), agent.otter());
    for required in ["aes", "ssl"] {
        let refused = json!({"aes_key": KEY_128, "require": required});
        assert_eq!(client.fails(&connect(agent.address, &refused)), "protocol");
    }
    let agent = Agent::start(&["--encryption", "aes", "--aes-key", KEY_128]);
    assert_eq!(client.fails(&connect(agent.address, &json!({}))), "crypto");
}
