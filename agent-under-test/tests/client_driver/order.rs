//! Operations given without waiting: the order in which they go out, and that none holds another up.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn operations_go_out_in_the_order_given_and_close_after_them() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    driver.gives(&json!({"id": 1, "op": "receive", "conn": 1}));
    for number in 0..1000_u32 {
        let data = hex::encode(number.to_le_bytes());
        driver.gives(&json!({"id": 100 + number, "op": "send", "conn": 1, "command": 7, "data": data}));
    }
    driver.gives(&json!({"id": 2, "op": "get_root_path", "conn": 1, "agent_type": "otter"}));
    driver.gives(&json!({"id": 3, "op": "update_agent", "conn": 1, "agent_type": "otter",
        "assemblies": [{"name": "a.dll", "modified_ticks": "636636672000000000", "contents": "00ff"}],
        "extensions": []}));
    driver.gives(&json!({"id": 4, "op": "open_session", "conn": 1, "agent_type": "hedgehog", "session": -1}));
    driver.gives(&json!({"id": 5, "op": "close", "conn": 1}));
    driver.gives(&json!({"id": 6, "op": "send", "conn": 1, "command": 7, "data": ""}));
    let sends: String = (0..1000_u32)
        .map(|number| format!("04000000 07000000 {}", hex::encode(number.to_le_bytes())))
        .collect();
    let update = "1d000000 02000000 01 01000000 05612e646c6c 00008c1daec9d508 02000000 00ff 00000000";
    let expected = format!("{sends} {OTTER} {update} 05000000 01000000 03 ffffffff");
    assert_eq!(hex::encode(peer.hears_the_rest()), hex::encode(bytes(&expected)));
    for id in [100, 1099, 3, 5] {
        assert_eq!(driver.answer(&json!(id))["ok"], json!({}));
    }
    assert_eq!(driver.failed(&json!(6)), "usage");
    // The client has only half-closed, for the sake of these.
    peer.says(&format!("04000000 01000000 00000000 {OTTER_ROOT} {UNSOLICITED}"));
    assert_eq!(driver.answer(&json!(2))["ok"], json!({"path": "/o"}));
    assert_eq!(driver.answer(&json!(4))["ok"], json!({"session": 0}));
    assert_eq!(driver.answer(&json!(1))["ok"], json!({"command": 200, "data": "aabb"}));
    assert_eq!(driver.fails(&json!({"id": 7, "op": "close", "conn": 1})), "usage");
}

#[test]
fn what_is_given_with_its_connect_waits_for_that() {
    let mut driver = Driver::start();
    let listener = Listener::new();
    driver.gives(&listener.connect());
    driver.gives(&json!({"id": 1, "op": "get_root_path", "conn": 1, "agent_type": 1}));
    let mut peer = listener.accept();
    for byte in bytes(PICKED_2000) {
        peer.0.write_all(&[byte]).unwrap();
    }
    peer.hears(OTTER);
    peer.says(OTTER_ROOT);
    assert_eq!(driver.answer(&json!(1))["ok"], json!({"path": "/o"}));
    let connected = json!({"conn": 1, "encryption": 0, "speaks": 2000, "session": null,
        "server_version": "51.0.0.0"});
    assert_eq!(driver.answer(&json!(0))["ok"], connected);
}

#[test]
fn connections_are_numbered_and_do_not_wait_for_each_other() {
    let mut driver = Driver::start();
    let (first, second) = (Listener::new(), Listener::new());
    driver.gives(&first.connect());
    let mut connect = second.connect();
    connect["id"] = json!(1);
    connect["dialect"] = json!({"server_version": "int32x4", "response_code": "any"});
    driver.gives(&connect);
    let mut second = second.accept();
    second.says("00 01000000 33000000 01000000 02000000 03000000");
    let connected = json!({"conn": 2, "encryption": 0, "speaks": 1000, "session": 1,
        "server_version": "51.1.2.3"});
    assert_eq!(driver.answer(&json!(1))["ok"], connected);
    driver.gives(&json!({"id": 2, "op": "get_root_path", "conn": 2, "agent_type": "otter"}));
    second.hears("01000000 00 03000000 01");
    second.says("03000000 ffffffff 02 2f6f");
    assert_eq!(driver.answer(&json!(2))["ok"], json!({"path": "/o"}));
    let mut first = first.accept();
    first.says(PICKED_2000);
    assert_eq!(driver.answer(&json!(0))["ok"]["conn"], 1);
}

/// What nobody receives is bounded: the agent cannot get rid of more than that and what sockets hold.
#[test]
fn an_agent_that_sends_without_end_is_held_up() {
    const LIMIT: usize = 64 << 20;
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    peer.0.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let message = [&bytes("f8ff0000 c8000000")[..], &[7; 0xfff8]].concat();
    let mut sent = 0;
    let stopped = loop {
        match peer.0.write(&message[sent % message.len()..]) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
        assert!(sent < 2 * LIMIT, "{sent} bytes were taken");
    };
    assert_eq!(stopped.kind(), ErrorKind::WouldBlock);
    assert!(sent > LIMIT / 2, "{sent} bytes were taken");
    let expected = json!({"command": 200, "data": "07".repeat(0xfff8)});
    for _ in 0..sent / message.len() {
        assert!(driver.succeeds(&json!({"id": 1, "op": "receive", "conn": 1})) == expected);
    }
}

/// An agent that does not read costs the operations their time, not the driver its service.
#[test]
fn an_agent_that_does_not_read_holds_nobody_else_up() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    let large = "00".repeat(4 << 20);
    let send = |id: u32| {
        json!({"id": id, "op": "send", "conn": 1, "command": 7, "data": large, "timeout_ms": 500}).to_string()
    };
    for id in 100..120 {
        driver.says(send(id).as_bytes());
    }
    let kinds: Vec<Value> = (100..120)
        .map(|id| driver.answer(&json!(id)))
        .map(|answer| answer["error"]["kind"].clone())
        .collect();
    assert!(kinds.iter().any(|kind| kind == "timeout"), "{kinds:?}");
    // Whole frames alone came: those that were sent, and one that had begun.
    driver.gives(&json!({"id": 1, "op": "close", "conn": 1}));
    let mut frames = 0;
    let mut frame = vec![0; 8 + (4 << 20)];
    while peer.0.read(&mut frame[..1]).unwrap() == 1 {
        peer.0.read_exact(&mut frame[1..]).unwrap();
        assert_eq!(frame[..8], bytes("00004000 07000000"));
        frames += 1;
    }
    let done = kinds.iter().filter(|kind| kind.is_null()).count();
    assert!(frames == done || frames == done + 1, "{frames} frames, {done} done");
    assert_eq!(driver.answer(&json!(1))["ok"], json!({}));
}
