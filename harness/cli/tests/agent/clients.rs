//! What clients see, well-behaved and not.

use std::io::{ErrorKind, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use rstest::rstest;
use tempfile::TempDir;

use crate::process::{Agent, Client, Ended, OFFER, OTTER, PATIENCE, V1_NEW_SESSION, bytes};
use crate::support::iaspec;

#[test]
fn good_clients_are_served() {
    Agent::start(&[]).serves();
}

#[rstest]
#[case::wrong_protocol("00000000 00000000 00000000 00000000 e8030000 d0070000")]
#[case::wrong_first_bytes("474554")]
#[case::no_common_version("4ed2eb6c f74a134a b9af81d3 dfc644be b80b0000 b80b0000")]
fn a_refused_handshake_is_closed_without_a_byte(#[case] handshake: &str) {
    let agent = Agent::start(&[]);
    assert_eq!(agent.client(handshake).end(), Ended::Closed(Vec::new()));
    agent.serves();
}

#[test]
fn a_client_byte_by_byte_is_served() {
    let agent = Agent::start(&[]);
    let mut client = Client::connect(agent.address);
    for byte in bytes(&format!("{OFFER} {OTTER}")) {
        client.0.write_all(&[byte]).unwrap();
    }
    client.read(9);
    assert!(client.root_path().ends_with("/otter"));
}

#[test]
fn silent_and_slow_clients_are_cut_off_by_the_timeout_and_idle_ones_are_not() {
    let agent = Agent::start(&["--handshake-timeout-ms", "400"]);
    let mut idle = agent.client(OFFER);
    idle.read(9);
    let began = Instant::now();
    let silent = Client::connect(agent.address);
    let mut slow = Client::connect(agent.address);
    let dripping = std::thread::spawn(move || {
        for byte in bytes(OFFER) {
            if slow.0.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        slow.end()
    });
    assert_eq!(silent.end(), Ended::Closed(Vec::new()));
    assert!(began.elapsed() >= Duration::from_millis(280), "{:?}", began.elapsed());
    assert!(dripping.join().unwrap().without_a_byte());
    agent.logged("ended: no handshake within 0.400 s");
    agent.logged("ended: no handshake within 0.400 s");
    idle.send(OTTER);
    assert!(idle.root_path().ends_with("/otter"));
}

#[test]
fn a_full_house_answers_nobody_until_somebody_leaves() {
    let agent = Agent::start(&["--max-concurrent-handshakes", "2"]);
    let first = agent.client("4ed2");
    let mut second = agent.client("4ed2");
    let mut waiting = agent.client(OFFER);
    let vanished = agent.client(OFFER);
    drop(vanished);
    let mut last = agent.client(OFFER);
    assert!(waiting.is_quiet(Duration::from_millis(300)));
    drop(first);
    assert_eq!(waiting.read(5), bytes("00 d0070000"));
    assert_eq!(last.read(5), bytes("00 d0070000"));
    // The other slot is still taken, and its client has missed nothing.
    second.send(&OFFER.replace("4ed2eb6c", "eb6c"));
    assert_eq!(second.read(5), bytes("00 d0070000"));
    agent.serves();
}

#[test]
fn a_client_from_elsewhere_is_dropped() {
    let agent = Agent::start(&["--allowed-addresses", "127.0.0.2;::1"]);
    let client = Client::connect(agent.address);
    assert_eq!(client.end(), Ended::Closed(Vec::new()));
    agent.logged("refused: not among AllowedAddresses");
    let agent = Agent::start(&["--allowed-addresses", "127.0.0.2;127.0.0.1"]);
    agent.serves();
}

/// The bytes behind the bad length must not make the end a reset, which would discard the answers.
#[test]
fn answers_come_before_the_end_that_a_bad_frame_brings() {
    let agent = Agent::start(&[]);
    let noise = "00".repeat(100_000);
    let mut client = agent.client(&format!("{OFFER} {OTTER} ffffffff {noise}"));
    std::thread::sleep(Duration::from_millis(200));
    client.read(9);
    assert!(client.root_path().ends_with("/otter"));
    assert_eq!(client.end(), Ended::Closed(Vec::new()));
    agent.serves();
}

#[test]
fn a_v1_message_to_a_product_ends_the_connection() {
    let agent = Agent::start(&[]);
    let mut client = agent.client(&format!("{V1_NEW_SESSION} 00000000 01 65000000"));
    client.read(9);
    assert_eq!(client.end(), Ended::Closed(Vec::new()));
    agent.logged("ended: no host can be started for otter");
}

#[test]
fn a_client_that_half_closes_gets_its_answers() {
    let agent = Agent::start(&[]);
    let mut client = agent.client(&format!("{OFFER} {OTTER} {OTTER} 01000000"));
    client.half_close();
    client.read(9);
    let paths = [client.root_path(), client.root_path()];
    assert!(paths.iter().all(|path| path.ends_with("/otter")));
    assert_eq!(client.end(), Ended::Closed(Vec::new()));
}

#[test]
fn a_length_alone_takes_no_memory() {
    let agent = Agent::start(&[]);
    agent.serves();
    let before = agent.memory("VmHWM");
    let mut clients: Vec<_> =
        (0..20).map(|_| agent.client(&format!("{OFFER} 00000004 03000000 01"))).collect();
    for client in &mut clients {
        client.read(9);
    }
    let above = agent.client(&format!("{OFFER} 01000004"));
    assert!(matches!(above.end(), Ended::Closed(answer) if answer.len() == 9));
    let grown = agent.memory("VmHWM") - before;
    assert!(grown < 16 << 10, "{grown} KiB for 20 messages of 64 MiB that have not come");
}

/// Requests without end from a client that reads nothing: the agent stops listening to it, and answers all
/// once it reads.
#[test]
fn a_client_that_does_not_read_is_served_in_bounded_memory() {
    let agent = Agent::start(&[]);
    agent.serves();
    let before = agent.memory("VmHWM");
    let mut client = agent.client(OFFER);
    let requests = bytes(OTTER).repeat(1000);
    client.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    let stopped = loop {
        match client.0.write(&requests[sent % 9..]) {
            Ok(count) => sent += count,
            Err(error) => break error.kind(),
        }
        assert!(sent < 512 << 20, "the agent goes on reading");
    };
    assert_eq!(stopped, ErrorKind::WouldBlock);
    let grown = agent.memory("VmHWM") - before;
    assert!(grown < 64 << 10, "{grown} KiB");
    agent.serves();

    // The rest of a request that was cut.
    let rest = bytes(OTTER)[sent % 9..].to_vec();
    let writer = client.0.try_clone().unwrap();
    let finishing = std::thread::spawn(move || {
        writer.set_write_timeout(Some(PATIENCE)).unwrap();
        if rest.len() < 9 {
            (&writer).write_all(&rest).unwrap();
        }
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    client.read(9);
    let answer = 8 + 1 + agent.folder.path().join("otter").to_str().unwrap().len();
    let Ended::Closed(answers) = client.end() else { panic!("reset") };
    finishing.join().unwrap();
    assert_eq!(answers.len(), sent.div_ceil(9) * answer);
}

/// With no file left to open, the agent waits for one and lives.
#[test]
fn a_lack_of_open_files_passes() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 24; exec \"$@\"", "sh"]).arg(iaspec().get_program()).arg("agent");
    let agent = Agent::from_command(TempDir::new().unwrap(), command);
    let many: Vec<_> = (0..40).map(|_| agent.client(OFFER)).collect();
    agent.logged("nobody can be accepted for now: Too many open files (os error 24)");
    drop(many);
    agent.serves();
}

#[test]
fn a_client_that_resets_within_its_handshake_disturbs_nobody() {
    let agent = Agent::start(&["--max-concurrent-handshakes", "1"]);
    for _ in 0..20 {
        let mut client = agent.client("4ed2eb6c");
        client.0.write_all(&[0xf7]).unwrap();
        drop(client);
    }
    agent.serves();
}
