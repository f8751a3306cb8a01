//! Addresses without an agent, with something else, and with agents that do not behave.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rstest::rstest;
use serde_json::Value;

use crate::process::{OTTER, bytes};
use crate::support::{Ran, iaspec, run};

/// Serves connections one after the other, each by a function; gives the port.
fn serve(mut each: impl FnMut(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(&mut each));
    port
}

fn probe(port: u16, arguments: &[&str]) -> Ran {
    run(&[&["probe", &format!("127.0.0.1:{port}")], arguments].concat())
}

fn a_port_without_listener() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn nothing_listens() {
    let port = a_port_without_listener();
    let ran = probe(port, &[]);
    let expected =
        format!("iaspec: 127.0.0.1:{port}: it cannot be connected to: Connection refused (os error 111)\n");
    assert_eq!((ran.code, ran.stderr.as_str(), ran.stdout.as_str()), (Some(3), expected.as_str(), ""));
    let ran = probe(port, &["--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((ran.code, &told["error"]), (Some(3), &"unreachable".into()));
}

#[test]
fn a_name_that_is_none() {
    let ran = run(&["probe", "no.such.host.invalid:46336"]);
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.stderr.starts_with("iaspec: no.such.host.invalid:46336: the address cannot be resolved: "),
        "{ran:?}"
    );
}

/// What it sends at once, and why it is no agent.
#[rstest]
#[case(b"SSH-2.0-OpenSSH_9.6\r\n", "53 is no mode of encryption: 53 53 48 2d 32 2e 30")]
#[case(b"HTTP/1.1 400 Bad Request\r\n\r\n", "48 is no mode of encryption: 48 54 54 50")]
#[case(b"\x15\x03\x03\x00\x02\x02\x32", "15 is no mode of encryption: 15 03 03 00 02 02 32")]
fn something_else_answers(#[case] words: &'static [u8], #[case] why: &str) {
    let port = serve(move |mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(words);
        let _ = stream.read(&mut [0; 64]);
    });
    let ran = probe(port, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let expected =
        format!("iaspec: 127.0.0.1:{port}: no Inedo agent: what came is no acknowledgement, because {why}");
    assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    let told: Value = serde_json::from_str(&probe(port, &["--json"]).stdout).expect("JSON");
    assert_eq!(told["error"], "foreign");
    assert!(told["came"].as_str().unwrap().starts_with(&format!("{:02x}", words[0])));
}

#[test]
fn silence() {
    let mut held = Vec::new();
    let port = serve(move |stream| held.push(stream));
    let ran = probe(port, &["--timeout", "300ms"]);
    let expected = format!("iaspec: 127.0.0.1:{port}: a good handshake was not acknowledged within 300ms\n");
    assert_eq!((ran.code, ran.stderr), (Some(1), expected));
}

#[test]
fn ends_every_connection() {
    let port = serve(|mut stream| {
        let _ = stream.read_exact(&mut [0; 24]);
    });
    let ran = probe(port, &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("it ended 7 connections without an acknowledgement"), "{}", ran.stderr);
}

#[test]
fn cuts_its_acknowledgement() {
    let port = serve(|mut stream| {
        let _ = stream.read_exact(&mut [0; 24]);
        let _ = stream.write_all(&[0, 0xd0, 7]);
    });
    let ran = probe(port, &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("within the acknowledgement, after 00 d0 07"), "{}", ran.stderr);
}

/// Acknowledges, and then does something else than to answer.
#[rstest]
#[case::silent(&[], false, "Get Agent Root Path was not answered within 300ms")]
#[case::ends(&[], true, "the connection was closed (FIN) instead of an answer to Get Agent Root Path")]
#[case::nonsense(&[0xee; 40], false, "neither 4 nor 16 bytes behind the number of the acknowledgement")]
fn an_agent_that_does_not_answer(#[case] words: &'static [u8], #[case] ends: bool, #[case] why: &str) {
    let port = serve(move |mut stream| {
        let _ = stream.read_exact(&mut [0; 24]);
        let _ = stream.write_all(&bytes("00 d0070000 07000000"));
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(words);
        while !ends && matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
    });
    let ran = probe(port, &["--timeout", "300ms"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains(&format!("root path       unknown: {why}")), "{}", ran.stdout);
    let head =
        format!("127.0.0.1:{port} acknowledges handshakes as an Inedo agent does, and answers no request\n");
    assert!(ran.stdout.starts_with(&head) && ran.stdout.contains("encryption      none"), "{}", ran.stdout);
}

#[test]
fn a_flood_ends_the_look_and_not_the_machine() {
    let port = serve(|mut stream| {
        let _ = stream.read_exact(&mut [0; 24]);
        let _ = stream.write_all(&bytes("00 d0070000"));
        while stream.write_all(&[0; 65536]).is_ok() {}
    });
    let ran = probe(port, &["--timeout", "2s"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("neither 4 nor 16 bytes"), "{}", ran.stdout);
}

/// What each connection brought, up to its end, and whether that was a FIN.
///
/// `answers` gives the number that acknowledges an offer, and the size of the request that then comes.
fn recording_agent(
    answers: impl Fn(i32, i32) -> Option<(i32, usize)> + Send + 'static,
) -> (u16, Receiver<(Vec<u8>, bool)>) {
    let (sender, receiver) = channel();
    let port = serve(move |mut stream| {
        let mut handshake = [0; 24];
        let mut came = Vec::new();
        if stream.read_exact(&mut handshake).is_ok() {
            came.extend(handshake);
            let number = |at: usize| i32::from_le_bytes(handshake[at..at + 4].try_into().unwrap());
            if let Some((value, size)) = answers(number(16), number(20)) {
                let head = [&[0][..], &value.to_le_bytes(), &bytes("33000000")].concat();
                let _ = stream.write_all(&head);
                let mut request = vec![0; size];
                if stream.read_exact(&mut request).is_ok() {
                    came.extend(request);
                    let _ = stream.write_all(&bytes("0b000000 03000000 0a2f6f70742f6f74746572"));
                }
            } else {
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
        let ended = stream.read(&mut [0; 64]);
        let _ = sender.send((came, matches!(ended, Ok(0))));
    });
    (port, receiver)
}

const PROTOCOL: &str = "4ed2eb6c f74a134a b9af81d3 dfc644be";

#[test]
fn nothing_is_sent_but_handshakes_and_requests_and_each_connection_is_ended() {
    let answers = |min: i32, max: i32| match (min, max) {
        (1000, 0) => Some((7, 10)),
        (min, max) => {
            let highest = [3000, 2000].into_iter().find(|version| (min..=max).contains(version));
            highest.map(|version| (version, 9))
        }
    };
    let (port, seen) = recording_agent(answers);
    let ran = probe(port, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("versions        1000, 2000, 3000\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("version 3000 is later than this iaspec"), "{}", ran.stdout);
    let expected = [
        ("e8030000 00000000", "01000000 00 03000000 01"),
        ("e8030000 e8030000", ""),
        ("d0070000 d0070000", OTTER),
        ("d1070000 ffffff7f", OTTER),
        ("e8030000 d0070000", OTTER),
        ("e8030000 ffffff7f", OTTER),
        ("e9030000 cf070000", ""),
    ];
    for (offer, request) in expected {
        let (came, fin) = seen.recv().unwrap();
        assert_eq!(came, bytes(&format!("{PROTOCOL} {offer} {request}")));
        assert!(fin, "{offer}");
    }
    assert!(seen.recv_timeout(Duration::from_millis(200)).is_err(), "five times were measured");
}

/// A v1 agent that gives back what it takes for a session (NEG-H2).
#[test]
fn an_agent_that_echoes_a_range_is_found_out() {
    let (port, seen) = recording_agent(|version, session| (version == 1000).then_some((session, 10)));
    let ran = probe(port, &["--timeout", "2s"]);
    assert!(ran.stdout.contains("versions        1000\n"), "{}", ran.stdout);
    for told in [
        "it answers the offer of 1000 to 2000 with 2000,",
        "  1000 to 2000         session 2000, version 1000\n",
    ] {
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
    }
    let v1 = "01000000 00 03000000 01";
    // Seven offers, of which one is acknowledged once more to be measured a fifth time. The agent tells of a connection
    // when it has seen its end, which may be after the probe's own.
    for (offer, expected) in [v1, v1, "", "", v1, v1, "", v1].into_iter().enumerate() {
        let (came, _) = seen.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(came[24..], bytes(expected), "connection {offer}");
    }
    assert!(seen.recv_timeout(Duration::from_millis(200)).is_err(), "five times were measured");
}

#[rstest]
#[case(&["probe"])]
#[case(&["probe", "127.0.0.1"])]
#[case(&["probe", "127.0.0.1:0"])]
#[case(&["probe", "::1:46336"])]
#[case(&["probe", "127.0.0.1:1", "--aes-key", "0011"])]
#[case(&["probe", "127.0.0.1:1", "--timeout", "0s"])]
#[case(&["probe", "127.0.0.1:1", "--ca", "no-such-file.pem"])]
#[case(&["probe", "127.0.0.1:1", "--ca", "/dev/null"])]
fn a_wrong_command_line(#[case] arguments: &[&str]) {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(!ran.stderr.contains("0011"), "no key is shown: {}", ran.stderr);
}

#[test]
fn a_wrong_key_from_the_environment_is_named_by_its_variable_and_not_shown() {
    let mut command = iaspec();
    command.args(["probe", "127.0.0.1:1"]).env("IASPEC_PROBE_AES_KEY", "secret");
    let ran = Ran::from(command.output().expect("iaspec"));
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("that of the environment variable IASPEC_PROBE_AES_KEY"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}
