//! The reading of lines, and the end of input.

use std::io::{BufReader, Write};

use iaspec_reference::client::driver;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::*;

const MAX_LINE: usize = 16 << 20;

#[rstest]
#[case::nothing(b"")]
#[case::garbage(b"nonsense")]
#[case::a_list(b"[1]")]
#[case::cut_short(b"{\"id\":1")]
#[case::not_utf8(b"{\"id\":1,\"op\":\"\xff\"}")]
#[case::no_id(b"{\"op\":\"close\"}")]
#[case::id_of_text(b"{\"id\":\"1\",\"op\":\"close\"}")]
fn what_is_no_request_is_answered_without_an_id(#[case] line: &[u8]) {
    let mut driver = Driver::start();
    driver.says(line);
    assert_eq!(driver.failed(&Value::Null), "usage");
    assert_eq!(driver.fails(&json!({"id": 1, "op": "close", "conn": 1})), "usage");
    let (result, rest) = driver.ends();
    assert!(result.is_ok() && rest.is_empty());
}

#[test]
fn a_line_of_16_mib_is_done_and_one_byte_more_is_not() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    let request = |filler: usize, length: usize| {
        let data = "a5".repeat(length);
        format!(
            "{{\"id\":1,\"op\":\"send\",\"conn\":1,\"command\":7,\"filler\":\"{}\",\"data\":\"{data}\"}}",
            "x".repeat(filler)
        )
    };
    let rest = MAX_LINE - request(0, 0).len();
    driver.says(request(rest % 2 + 1, rest / 2).as_bytes());
    assert_eq!(driver.failed(&Value::Null), "usage");
    let line = request(rest % 2, rest / 2);
    assert_eq!(line.len(), MAX_LINE);
    driver.says(line.as_bytes());
    let length = u32::try_from(rest / 2).unwrap();
    peer.hears(&format!("{} 07000000 {}", hex::encode(length.to_le_bytes()), "a5".repeat(rest / 2)));
    assert_eq!(driver.answer(&json!(1))["ok"], json!({}));
}

#[test]
fn a_message_that_does_not_fit_a_line_is_told_as_such() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    driver.gives(&json!({"id": 1, "op": "receive", "conn": 1}));
    // 8 MiB: in hexadecimal as long as a line may be, without the rest of it.
    peer.says("00008000 c8000000");
    peer.0.write_all(&vec![7; 8 << 20]).unwrap();
    assert_eq!(driver.failed(&json!(1)), "usage");
    peer.says(UNSOLICITED);
    let receive = json!({"id": 2, "op": "receive", "conn": 1});
    assert_eq!(driver.succeeds(&receive), json!({"command": 200, "data": "aabb"}));
}

#[test]
fn members_come_in_any_order_and_unknown_ones_are_ignored() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    driver.says(br#"{"data":"AABB","later":{"x":[1]},"conn":1,"command":200,"op":"send","id":1.5}"#);
    peer.hears(UNSOLICITED);
    assert_eq!(driver.answer(&json!(1.5))["ok"], json!({}));
}

#[test]
fn the_end_of_input_closes_connections_and_waits_for_no_timeout() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    let silent = Listener::new();
    let mut connect = silent.connect();
    connect["id"] = json!(1);
    driver.gives(&connect);
    driver.gives(&json!({"id": 2, "op": "receive", "conn": 1, "timeout_ms": 3_600_000}));
    driver.gives(&json!({"id": 3, "op": "send", "conn": 1, "command": 7, "data": ""}));
    let (result, rest) = driver.ends();
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(rest, [json!({"id": 3, "ok": {}})]);
    assert_eq!(peer.hears_the_rest(), bytes("00000000 07000000"));
}

#[test]
fn the_last_answers_come_after_the_end_of_input() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    driver.gives(&json!({"id": 1, "op": "get_root_path", "conn": 1, "agent_type": "otter"}));
    peer.hears(OTTER);
    let answering = std::thread::spawn(move || {
        assert_eq!(peer.hears_the_rest(), Vec::<u8>::new());
        peer.says(OTTER_ROOT);
    });
    let (result, rest) = driver.ends();
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(rest, [json!({"id": 1, "ok": {"path": "/o"}})]);
    answering.join().unwrap();
}

#[test]
fn a_last_line_needs_no_line_feed() {
    let mut driver = Driver::start();
    driver.input.write_all(br#"{"id":1,"op":"close","conn":7}"#).unwrap();
    let (result, rest) = driver.ends();
    assert!(result.is_ok());
    assert_eq!((rest.len(), &rest[0]["error"]["kind"]), (1, &json!("usage")));
}

#[test]
fn when_nobody_reads_the_answers_it_ends() {
    let (requests, mut input) = std::io::pipe().unwrap();
    let (output, writer) = std::io::pipe().unwrap();
    drop(output);
    let running = std::thread::spawn(move || driver::run(BufReader::new(requests), writer));
    input.write_all(b"nonsense\n").unwrap();
    let error = running.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}
