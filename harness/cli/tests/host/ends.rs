//! How a host ends: as asked, with its agent, and when what it reads makes no sense.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use iaspec_shm::raw::{Flag, HeaderField, Raw};
use iaspec_shm::{Direction, Role, Side, State};
use rstest::rstest;

use crate::agent::{Host, Process, bytes, ended, lives, plan, until, wait};

/// It finished as the contract says, and the segment tells so.
fn finished(host: Host) {
    let raw = Raw::of(&host.segment);
    assert_eq!(host.ended(), (Some(0), String::new()));
    assert_eq!(raw.header().state, State::Closed as u32);
    for (direction, side) in
        [(Direction::HostToAgent, Side::Producer), (Direction::AgentToHost, Side::Consumer)]
    {
        assert_eq!(raw.flag(direction, side, Flag::Closed), 1, "{direction:?}");
    }
}

#[test]
fn an_idle_host_finishes() {
    let host = Host::start(64);
    host.segment.link().request_close();
    finished(host);
}

#[test]
fn it_serves_what_is_in_the_ring_and_drops_what_is_delayed() {
    let mut host = Host::start(4096);
    host.send("08000000 66000000 01000000 40420f00  09000000 71000000 02000000 40420f00 0b");
    host.expect("05000000 71000000 02000000 00");
    host.send("08000000 6c000000 03000000 c8000000  04000000 65000000 04000000");
    host.segment.link().request_close();
    host.expect("09000000 6c000000 03000000 00 c8000000  05000000 65000000 04000000 00");
    assert_eq!(host.from_host.read(&mut [0], &wait()).expect("an end"), 0, "and nothing more");
    finished(host);
}

#[test]
fn half_a_message_is_dropped() {
    let mut host = Host::start(4096);
    host.serves();
    host.send("05000000 65000000 01000000");
    host.segment.link().request_close();
    assert_eq!(host.from_host.read(&mut [0], &wait()).expect("an end"), 0);
    finished(host);
}

#[test]
fn nobody_has_to_read_its_answers() {
    let mut host = Host::start(64);
    // A burst without end in sight.
    host.send("0c000000 67000000 01000000 ffffff7f e8030000");
    let raw = Raw::of(&host.segment);
    until(|| (raw.counter(Direction::HostToAgent, Side::Producer) == 64).then_some(()));
    host.segment.link().request_close();
    finished(host);
}

#[test]
fn an_agent_that_reads_no_more_is_still_served() {
    let Host { mut process, segment, mut to_host, from_host } = Host::start(64);
    from_host.close();
    let requests = bytes("04000000 65000000 01000000  08000000 6a000000 02000000 2a000000");
    to_host.write_all(&requests, &wait()).expect("room");
    assert_eq!(ended(&mut process.0), Some(42));
    drop(segment);
}

#[test]
fn an_agent_that_writes_no_more_gets_its_answers_and_the_end() {
    let mut host = Host::start(4096);
    host.send("04000000 65000000 01000000");
    let Host { process, segment, to_host, mut from_host } = host;
    to_host.close();
    let (mut all, mut buffer) = (Vec::new(), [0; 64]);
    while let read @ 1.. = from_host.read(&mut buffer, &wait()).expect("bytes or the end") {
        all.extend_from_slice(&buffer[..read]);
    }
    assert_eq!(all, bytes("05000000 65000000 01000000 00"));
    let mut process = process;
    assert_eq!(ended(&mut process.0), Some(0));
    assert_eq!(segment.link().state().expect("a state"), State::Closed);
}

/// How an agent breaks its segment.
type Break = fn(&Raw);

#[test]
fn a_state_that_is_none_and_counts_that_make_no_sense_end_it() {
    let state: Break = |raw| raw.set_header(HeaderField::State, 9);
    let excess: Break = |raw| raw.publish(Direction::AgentToHost, 1000);
    let backwards: Break = |raw| raw.publish(Direction::AgentToHost, 3);
    let breaks = [
        (state, "the state is 9, expected 0 to 3"),
        (excess, "1000 bytes written and 30 read do not fit a ring of 64"),
        (backwards, "the count of the producer of the ring agent to host ran backwards, from 30 to 3"),
    ];
    for (break_it, expected) in breaks {
        let mut host = Host::start(64);
        host.serves();
        let child = host.launches();
        let raw = Raw::of(&host.segment);
        // An echo of 14 bytes and a launch of 16.
        assert_eq!(raw.counter(Direction::AgentToHost, Side::Producer), 30);
        break_it(&raw);
        raw.ring_both(Role::Agent);
        let (code, said) = host.ended();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with("iaspec: the session is over: ") && said.contains(expected), "{said}");
        assert!(!lives(child));
    }
}

#[test]
fn what_is_no_message_ends_it() {
    for length in ["ffffffff", "41000004"] {
        let mut host = Host::start(64);
        host.send(&format!("04000000 65000000 01000000 {length}"));
        host.expect("05000000 65000000 01000000 00");
        let (code, said) = host.ended();
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.starts_with("iaspec: the session is over: the agent sent what is no message: length"),
            "{said}"
        );
    }
}

/// The environment variable that makes a test an agent, which another test kills.
const AGENT: &str = "IASPEC_TEST_PLAYS_AGENT";

/// An agent that has a host with requests, tells the two process IDs, and waits for its death.
#[test]
fn plays_an_agent() {
    let Ok(requests) = std::env::var(AGENT) else { return };
    let mut host = Host::start_as(&plan(4096), |command| {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    });
    let child = host.launches();
    host.send(&requests);
    println!("host {} child {child}", host.process.0.id());
    std::thread::sleep(crate::agent::PATIENCE);
}

/// The process IDs of a host and its child whose agent was just killed.
fn orphans(requests: &str) -> (u32, u32) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "ends::plays_an_agent", "--nocapture"]).env(AGENT, requests);
    let mut agent = Process(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let stdout = agent.0.stdout.take().expect("a pipe");
    let told = BufReader::new(stdout).lines().map_while(Result::ok).find(|line| line.contains("host "));
    let told = told.expect("a line");
    let number = |word: &str| {
        let mut words = told.split_whitespace().skip_while(|found| *found != word);
        words.nth(1).expect("a number").parse().expect("a number")
    };
    let pids = (number("host"), number("child"));
    drop(agent);
    pids
}

#[rstest]
#[case::idle("")]
#[case::in_the_middle_of_a_message("05000000 65000000")]
#[case::with_answers_that_nobody_reads("0c000000 67000000 01000000 ffffff7f e8030000")]
#[case::with_answers_that_are_not_due("08000000 66000000 01000000 40420f00")]
fn a_host_whose_agent_was_killed_ends_with_what_it_launched(#[case] requests: &str) {
    let (host, child) = orphans(requests);
    until(|| (!lives(host) && !lives(child)).then_some(()));
}
