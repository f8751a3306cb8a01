//! Every kind of error, and what it leaves.

use std::net::Shutdown;

use rstest::rstest;
use rustix::net::sockopt::set_socket_linger;
use serde_json::{Value, json};

use crate::support::*;

#[rstest]
#[case::nothing_listens("127.0.0.1")]
#[case::no_name("")]
fn no_connection_is_refused(#[case] host: &str) {
    let mut driver = Driver::start();
    let port = Listener::new().0.local_addr().unwrap().port();
    let connect = json!({"id": 1, "op": "connect", "host": host, "port": port,
        "protocol": {"version": 1, "session": 0}});
    assert_eq!(driver.fails(&connect), "refused");
    assert_eq!(driver.fails(&json!({"id": 2, "op": "receive", "conn": 1})), "refused");
}

#[rstest]
#[case::end_before_the_acknowledgement("", json!({}), "closed")]
#[case::end_inside_the_acknowledgement("00 d00700", json!({}), "closed")]
#[case::unknown_mode("03 d0070000 33000000", json!({}), "protocol")]
#[case::version_outside("00 d1070000 33000000", json!({}), "protocol")]
#[case::version_unknown("00 dc050000 33000000", json!({}), "unsupported")]
#[case::no_key("02 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff d0070000 33000000", json!({}), "crypto")]
#[case::no_aes(PICKED_2000, json!({"require": "aes"}), "protocol")]
#[case::no_ssl(PICKED_2000, json!({"require": "ssl"}), "protocol")]
#[case::no_tls("01 d0070000 33000000 0000000000", json!({"tls": {"verify": false}}), "tls")]
#[case::tls_alert("01 d0070000 33000000 1503030002 0228", json!({"tls": {"verify": false}}), "tls")]
#[case::short_server_version(PICKED_2000, json!({"dialect": {"server_version": "int32x4"}}), "closed")]
fn connect_fails(#[case] acknowledgement: &str, #[case] more: Value, #[case] kind: &str) {
    let mut driver = Driver::start();
    let listener = Listener::new();
    let mut connect = listener.connect();
    connect.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    driver.gives(&connect);
    let mut peer = listener.accept();
    peer.says(acknowledgement);
    peer.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(driver.failed(&json!(0)), kind);
    for request in [
        json!({"id": 1, "op": "get_root_path", "conn": 1, "agent_type": "otter"}),
        json!({"id": 1, "op": "receive", "conn": 1}),
        json!({"id": 1, "op": "close", "conn": 1}),
    ] {
        assert_eq!(driver.fails(&request), kind);
    }
    // Bytes of TLS may come, and then an end.
    let _ = std::io::copy(&mut peer.0, &mut std::io::sink());
}

#[test]
fn silence_times_out() {
    let mut driver = Driver::start();
    let listener = Listener::new();
    let mut connect = listener.connect();
    connect["timeout_ms"] = json!(100);
    assert_eq!(driver.fails(&connect), "timeout");
    listener.accept().is_left();
}

#[test]
fn a_reset_is_an_end() {
    let mut driver = Driver::start();
    let peer = driver.connected(PICKED_2000);
    driver.gives(&json!({"id": 1, "op": "receive", "conn": 1}));
    set_socket_linger(&peer.0, Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(driver.failed(&json!(1)), "closed");
    assert_eq!(driver.fails(&json!({"id": 2, "op": "send", "conn": 1, "command": 1, "data": ""})), "closed");
}

#[rstest]
#[case::between_frames("", "closed")]
#[case::inside_a_frame("03000000 03000000 02", "closed")]
#[case::negative_length("ffffffff", "protocol")]
#[case::length_above_64_mib("01000004", "protocol")]
fn what_came_whole_comes_before_the_end(#[case] end: &str, #[case] kind: &str) {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    peer.says(&format!("{UNSOLICITED} {end}"));
    if kind == "closed" {
        peer.0.shutdown(Shutdown::Write).unwrap();
    } else {
        peer.is_left();
    }
    let receive = json!({"id": 1, "op": "receive", "conn": 1});
    assert_eq!(driver.succeeds(&receive), json!({"command": 200, "data": "aabb"}));
    assert_eq!(driver.fails(&receive), kind);
    assert_eq!(
        driver.fails(&json!({"id": 2, "op": "open_session", "conn": 1, "agent_type": "otter",
        "session": 0})),
        kind
    );
}

#[test]
fn a_frame_that_does_not_decrypt_is_crypto() {
    let mut driver = Driver::start();
    let listener = Listener::new();
    let mut connect = listener.connect();
    connect["aes_key"] = json!("000102030405060708090a0b0c0d0e0f");
    driver.gives(&connect);
    let mut peer = listener.accept();
    peer.says("02 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff d0070000 33000000");
    assert_eq!(driver.answer(&json!(0))["ok"]["encryption"], 2);
    // Vector, command 3 and a path as data, the padding of zeros.
    peer.says("20000000 d0099fe42960cdaf5d403bda2c731e2af5672cd1f64194dfdbe4c4ae97e7a801");
    assert_eq!(driver.fails(&json!({"id": 1, "op": "receive", "conn": 1})), "crypto");
    peer.is_left();
    assert_eq!(driver.fails(&json!({"id": 2, "op": "close", "conn": 1})), "crypto");
}

#[test]
fn a_malformed_response_and_a_timeout_leave_the_connection() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    let ask = json!({"id": 1, "op": "get_root_path", "conn": 1, "agent_type": "otter"});
    driver.gives(&ask);
    peer.hears(OTTER);
    peer.says("02000000 03000000 052f");
    assert_eq!(driver.failed(&json!(1)), "protocol");
    let hurried =
        json!({"id": 2, "op": "get_root_path", "conn": 1, "agent_type": "buildmaster", "timeout_ms": 50});
    assert_eq!(driver.fails(&hurried), "timeout");
    assert_eq!(driver.fails(&json!({"id": 3, "op": "receive", "conn": 1, "timeout_ms": 50})), "timeout");
    peer.hears("01000000 03000000 02");
    driver.gives(&ask);
    peer.hears(OTTER);
    // The first of them comes too late.
    peer.says(&format!("{BUILDMASTER_ROOT} {OTTER_ROOT}"));
    assert_eq!(driver.answer(&json!(1))["ok"], json!({"path": "/o"}));
}

#[test]
fn without_a_time_of_its_own_an_operation_has_that_of_its_connect() {
    let mut driver = Driver::start();
    let listener = Listener::new();
    let mut connect = listener.connect();
    connect["timeout_ms"] = json!(3000);
    driver.gives(&connect);
    let mut peer = listener.accept();
    peer.says(PICKED_2000);
    driver.answer(&json!(0));
    assert_eq!(driver.fails(&json!({"id": 1, "op": "receive", "conn": 1})), "timeout");
}

#[test]
fn what_v1_has_not_is_unsupported() {
    let mut driver = Driver::start();
    let mut peer = driver.connected(SESSION_7);
    let open = json!({"id": 1, "op": "open_session", "conn": 1, "agent_type": "otter", "session": 0});
    assert_eq!(driver.fails(&open), "unsupported");
    let send = json!({"id": 2, "op": "send", "conn": 1, "target": "nobody", "command": 1, "data": ""});
    assert_eq!(driver.fails(&send), "usage");
    assert_eq!(driver.fails(&json!({"id": 2, "op": "send", "conn": 1, "command": 1, "data": ""})), "usage");
    driver.gives(
        &json!({"id": 3, "op": "send", "conn": 1, "target": "hedgehog", "command": 101, "data": "aa"}),
    );
    peer.hears("01000000 03 65000000 aa");
}

#[rstest]
#[case::hex(json!({"op": "send", "target": "meta", "command": 1, "data": "0"}))]
#[case::no_data(json!({"op": "send", "target": "meta", "command": 1}))]
#[case::command(json!({"op": "send", "target": "meta", "command": 2_147_483_648_u32, "data": ""}))]
#[case::agent_type(json!({"op": "get_root_path", "agent_type": "apache"}))]
#[case::agent_type_number(json!({"op": "get_root_path", "agent_type": 256}))]
#[case::timeout(json!({"op": "receive", "timeout_ms": -1}))]
#[case::contents(json!({"op": "update_agent", "agent_type": "otter", "extensions": [],
    "assemblies": [{"name": "a", "modified_ticks": "0", "contents": "zz"}]}))]
#[case::ticks(json!({"op": "update_agent", "agent_type": "otter", "extensions": [],
    "assemblies": [{"name": "a", "modified_ticks": "-1", "contents": ""}]}))]
#[case::session(json!({"op": "open_session", "agent_type": "otter", "session": "0"}))]
#[case::conn(json!({"op": "receive", "conn": 2}))]
#[case::conn_0(json!({"op": "close", "conn": 0}))]
#[case::conn_text(json!({"op": "close", "conn": "1"}))]
#[case::conn_missing(json!({"op": "close", "conn": null}))]
fn requests_that_make_no_sense_send_nothing(#[case] mut request: Value) {
    let mut driver = Driver::start();
    let mut peer = driver.connected(PICKED_2000);
    request["id"] = json!(9);
    if request.get("conn").is_none() {
        request["conn"] = json!(1);
    }
    assert_eq!(driver.fails(&request), "usage");
    driver.succeeds(&json!({"id": 10, "op": "close", "conn": 1}));
    assert_eq!(peer.hears_the_rest(), Vec::<u8>::new());
}

#[rstest]
#[case::key_of_15_bytes(json!({"aes_key": "0102030405060708090a0b0c0d0e0f"}))]
#[case::key_of_letters(json!({"aes_key": "gg"}))]
#[case::port(json!({"port": 65536}))]
#[case::host(json!({"host": 7}))]
#[case::no_protocol(json!({"protocol": null}))]
#[case::version_3(json!({"protocol": {"version": 3}}))]
#[case::no_max(json!({"protocol": {"version": 2, "min": 1000}}))]
#[case::min(json!({"protocol": {"version": 2, "min": 2_147_483_648_u32, "max": 2000}}))]
#[case::require(json!({"require": "tls"}))]
#[case::padding(json!({"dialect": {"aes_padding": "ansi"}}))]
#[case::server_version(json!({"dialect": {"server_version": "int64"}}))]
#[case::response_code(json!({"dialect": {"response_code": "all"}}))]
#[case::no_roots(json!({"tls": {"ca_pem": "/nowhere/ca.pem"}}))]
#[case::name(json!({"tls": {"name": "no name"}}))]
#[case::verify(json!({"tls": {"verify": "no"}}))]
fn connects_that_make_no_sense_reach_nobody(#[case] wrong: Value) {
    let mut driver = Driver::start();
    let listener = Listener::new();
    let mut connect = listener.connect();
    connect.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
    assert_eq!(driver.fails(&connect), "usage");
    listener.0.set_nonblocking(true).unwrap();
    assert!(listener.0.accept().is_err());
}

#[test]
fn there_is_no_such_op() {
    let mut driver = Driver::start();
    assert_eq!(driver.fails(&json!({"id": 1, "op": "frobnicate", "conn": 7})), "unsupported");
}
