//! The end of a client's input, lines that are none, and the end of its agent.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::{Client, connect, update};
use crate::process::{Agent, files};

#[test]
fn it_ends_with_its_input_whatever_is_under_way() {
    let agent = Agent::start(&[]);
    let mut client = Client::start();
    client.succeeds(&connect(agent.address, &json!({})));
    client.gives(&json!({"id": 1, "op": "receive", "conn": 1, "timeout_ms": 3_600_000}));
    client.gives(&json!({"id": 2, "op": "get_root_path", "conn": 1, "agent_type": "otter"}));
    let (status, rest) = client.ends();
    assert_eq!(status.code(), Some(0));
    assert!(rest.contains(&json!({"id": 2, "ok": {"path": agent.otter()}})), "{rest:?}");
    agent.serves();
}

#[test]
fn it_ends_at_once_without_any_input() {
    let (status, rest) = Client::start().ends();
    assert_eq!((status.code(), rest), (Some(0), Vec::new()));
}

#[test]
fn garbage_is_answered_and_nothing_else_suffers() {
    let agent = Agent::start(&[]);
    let mut client = Client::start();
    client.succeeds(&connect(agent.address, &json!({})));
    for garbage in [&b"nonsense"[..], b"{\"id\":1,", b"\xff\xfe", b"null", &[b'x'; (16 << 20) + 1]] {
        client.says(garbage);
        let answer = client.answer(&Value::Null);
        assert_eq!(answer["error"]["kind"], "usage", "{answer}");
    }
    assert_eq!(client.root_path(1, "otter"), agent.otter());
    assert_eq!(client.ends().0.code(), Some(0));
}

#[test]
fn a_line_of_16_mib_updates_a_file_of_8() {
    let agent = Agent::start(&[]);
    let mut client = Client::start();
    client.succeeds(&connect(agent.address, &json!({})));
    let size = (16 << 20) - update(1, "otter", "").to_string().len();
    let line = update(1, "otter", &"a5".repeat(size / 2));
    assert!((16 << 20) - line.to_string().len() < 2);
    assert_eq!(client.succeeds(&line), json!({}));
    client.root_path(1, "otter");
    assert!(files(&agent.updates()) == [("otter/assemblies/a.dll".to_owned(), vec![0xa5; size / 2])]);
}

#[test]
fn a_killed_agent_is_noticed() {
    let agent = Agent::start(&[]);
    let mut client = Client::start();
    client.succeeds(&connect(agent.address, &json!({})));
    client.root_path(1, "otter");
    client.gives(&json!({"id": 1, "op": "receive", "conn": 1}));
    agent.signal(Signal::KILL);
    assert_eq!(client.answer(&json!(1))["error"]["kind"], "closed");
    for request in [
        json!({"id": 2, "op": "get_root_path", "conn": 1, "agent_type": "otter"}),
        json!({"id": 3, "op": "receive", "conn": 1}),
        json!({"id": 4, "op": "close", "conn": 1}),
    ] {
        assert_eq!(client.fails(&request), "closed");
    }
    let address = agent.address;
    agent.ended();
    assert_eq!(client.fails(&connect(address, &json!({}))), "refused");
    let another = Agent::start(&[]);
    assert_eq!(client.succeeds(&connect(another.address, &json!({})))["conn"], 3);
    assert_eq!(client.root_path(3, "otter"), another.otter());
}
