//! The reference implementation: options and configurations with which the agent does not start, and requests that
//! the codec cannot answer.

use rstest::rstest;

use crate::desk::Desk;

#[test]
fn agent_options_with_wrong_values() {
    Desk::new()
        .types("agent --host localhost")
        .types("agent --port 65536")
        .types("agent --versions 3000")
        .types("agent --encryption AES")
        .types("agent --aes-key 00112233")
        .types("agent --aes-key 0011223344556677889900112233445g")
        .types("agent --handshake-timeout-ms 0")
        .types("agent --session-timeout-ms 30s")
        .types("agent --max-concurrent-handshakes -1")
        .types("agent --allowed-addresses '127.0.0.1; ::1'")
        .types("agent --otter-root ''")
        .types("agent --update-dir ''")
        .types("agent --ring-capacity 100")
        .types("agent --ring-capacity 32")
        .types("agent --server-version int64")
        .types("agent --max-message 2147483647")
        .types_under(("IASPEC_AGENT_PORT", "any"), "agent")
        .types_under(("IASPEC_AGENT_AES_KEY", "secret"), "agent")
        .assert("agent_options_with_wrong_values");
}

#[test]
fn agents_that_cannot_start() {
    let mut desk = Desk::new();
    desk.file("file", "");
    desk.types("agent --config none.config")
        .types("agent --encryption aes")
        .types("agent --encryption ssl")
        .types("agent --host 127.0.0.1 --port 0 --log-file none/agent.log")
        .types("agent --host 127.0.0.1 --port 0 --update-dir file/updates")
        .types("agent --host 192.0.2.1 --port 40000 --state-dir state");
    desk.assert("agents_that_cannot_start");
}

#[test]
fn an_agent_whose_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let mut desk = Desk::new();
    desk.hides(port.to_string(), "{port}");
    desk.types(&format!("agent --host 127.0.0.1 --port {port} --state-dir state"));
    desk.assert("an_agent_whose_port_is_taken");
}

#[rstest]
#[case("xml", &["", "text", "<InedoAgentConfig>", "<a></b>", "<InedoAgentConfig/><InedoAgentConfig/>"])]
#[case("elements", &[
    "<Other/>",
    "<InedoAgentConfig xmlns='urn:other'/>",
    "<InedoAgentConfig>\n  <Prot>1</Prot>\n</InedoAgentConfig>",
    "<InedoAgentConfig><Listener><Port>1</Port>\n<Port>2</Port></Listener></InedoAgentConfig>",
    "<InedoAgentConfig>words</InedoAgentConfig>",
    "<InedoAgentConfig Enabled='true'/>",
    "<InedoAgentConfig><Listener><Port><b/></Port></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Connections><Server Key=''/></Connections></InedoAgentConfig>",
    "<InedoAgentConfig><Connections><Peer/></Connections></InedoAgentConfig>",
])]
#[case("values", &[
    "<InedoAgentConfig><Listener Enabled='no'/></InedoAgentConfig>",
    "<InedoAgentConfig><Listener Enabled='false'/></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><Port>0</Port></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><Address>localhost</Address></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><HandshakeTimeout>30s</HandshakeTimeout></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><MaxConcurrentHandshakes/></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><AllowedAddresses>127.0.0.1, ::1</AllowedAddresses></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Versions>1000;2000</Versions></InedoAgentConfig>",
    "<InedoAgentConfig><OtterRootPath/></InedoAgentConfig>",
    "<InedoAgentConfig><SessionTimeout>4294967296</SessionTimeout></InedoAgentConfig>",
])]
#[case("encryption", &[
    "<InedoAgentConfig><Listener><Encryption Mode='tls'/></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><Encryption Mode='aes'/></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><Encryption Mode='ssl'/></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><Encryption><Key>00112233445566778899aabbccddeeff</Key></Encryption></Listener></InedoAgentConfig>",
    "<InedoAgentConfig><Listener><Encryption Mode='aes'><Key>0011</Key></Encryption></Listener></InedoAgentConfig>",
])]
fn configuration_files_with_mistakes(#[case] name: &str, #[case] texts: &[&str]) {
    let mut desk = Desk::new();
    for text in texts {
        desk.file("InedoAgent.config", text);
        desk.shows(text).types("agent --config InedoAgent.config --state-dir state");
    }
    desk.assert(&format!("configuration_{name}"));
}

#[test]
fn requests_that_the_codec_cannot_answer() {
    let lines = [
        "hello",
        "[]",
        "{}",
        r#"{"id":1}"#,
        r#"{"id":2,"op":"recode","type":"string","value":"x"}"#,
        r#"{"id":3,"op":"encode","type":"strin","value":"x"}"#,
        r#"{"id":4,"op":"encode","type":"string"}"#,
        r#"{"id":5,"op":"encode","type":"string","value":5}"#,
        r#"{"id":6,"op":"encode","type":"int8","value":128}"#,
        r#"{"id":7,"op":"encode","type":"int64","value":5}"#,
        r#"{"id":8,"op":"encode","type":"bytes","value":"0g"}"#,
        r#"{"id":9,"op":"encode","type":"guid","value":"x"}"#,
        r#"{"id":10,"op":"encode","type":"update_file","value":{"name":"a"}}"#,
        r#"{"id":11,"op":"decode","type":"string"}"#,
        r#"{"id":12,"op":"decode","type":"string","hex":"0"}"#,
        r#"{"id":13,"op":"decode","type":"string","hex":"05c3"}"#,
        r#"{"id":14,"op":"decode","type":"string","hex":"02c328"}"#,
        r#"{"id":15,"op":"decode","type":"bytes","hex":"ffffffff"}"#,
        r#"{"id":16,"op":"decode","type":"datetime","hex":"ffffffffffffffff"}"#,
        r#"{"id":17,"op":"decode","type":"handshake_v1","hex":"00"}"#,
        r#"{"id":18,"op":"decode","type":"ack","hex":"09"}"#,
        r#"{"id":19,"op":"decode","type":"frame_agent","hex":"ffffffff00000000"}"#,
        r#"{"id":20,"op":"decode","type":"aes_frame_agent","hex":"00"}"#,
        r#"{"id":21,"op":"decode","type":"aes_frame_agent","hex":"00","key":"00","iv":"00","padding":"pkcs5"}"#,
    ];
    Desk::new().types_into("codec", &lines.join("\n")).assert("requests_that_the_codec_cannot_answer");
}
