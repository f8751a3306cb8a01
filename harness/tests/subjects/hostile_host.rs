//! A product host that serves or misbehaves as its first argument says; the options of a host follow it.
//!
//! It serves echoes (command 101) alone: int32 length, int32 command, int32 token and bytes are answered by length + 1,
//! command, token, status 0 and the same bytes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a subject for tests: its panics are part of what is tested"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use iaspec_shm::raw::{HeaderField, Raw};
use iaspec_shm::{Attached, Direction, Expected, Receiver, Role, Sender, Side, Wait};

/// A while in which a harness that waits for ever would be noticed.
const LONG: Duration = Duration::from_secs(3600);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let behaviour = words.get(1).expect("a behaviour").clone();
    match behaviour.as_str() {
        "ends-at-once" => std::process::exit(7),
        "never-attaches" => thread::sleep(LONG),
        "crashes-at-once" => panic!("it crashed"),
        "writes-gigabytes-to-its-log" => spew_log(),
        _ => {}
    }
    let option = |name: &str| {
        let at = words.iter().position(|word| word == name).expect("the option");
        words.get(at + 1).expect("its value").clone()
    };
    let path = option("--shared-memory");
    if behaviour == "attaches-to-everything" {
        return attach_blindly(&path);
    }
    if behaviour == "spoils-before-it-refuses" {
        Raw::open(Path::new(&path)).expect("a segment").set_header(HeaderField::HostPid, std::process::id());
    }
    let nonce = option("--nonce");
    let digits = |at: usize| u8::from_str_radix(&nonce[at..at + 2], 16).expect("hexadecimal");
    let expected = Expected {
        nonce: std::array::from_fn(|at| digits(2 * at)),
        agent_pid: iaspec_shm::parent_pid(),
        session: option("--session").parse().expect("a number"),
        agent_type: option("--agent-type").parse().expect("a number"),
    };
    match Attached::open(Path::new(&path), &expected, true) {
        Ok(attached) => live(&behaviour, &attached),
        // A host that refuses with another code than it has to.
        Err(_) if behaviour == "refuses-with-another-code" => std::process::exit(1),
        Err(_) => std::process::exit(3),
    }
}

fn live(behaviour: &str, attached: &Attached) {
    let raw = Raw::of_attached(attached);
    let (mut to_agent, mut from_agent) = attached.take_ends().expect("both ends");
    let back = Direction::HostToAgent;
    // The harness shall have taken up its ends, whatever comes then.
    if !matches!(behaviour, "good" | "dies-once-attached") {
        thread::sleep(Duration::from_millis(300));
    }
    match behaviour {
        "mute" => thread::sleep(LONG),
        "dies-once-attached" => std::process::exit(9),
        "spews" => loop {
            if to_agent.write_all(&[0x5a; 65536], &Wait::forever()).is_err() {
                thread::sleep(LONG);
            }
        },
        "huge-length" => {
            to_agent.write_all(&[0xff, 0xff, 0xff, 0x7f, 101, 0, 0, 0], &Wait::forever()).expect("room");
            thread::sleep(LONG);
        }
        "negative-length" => {
            to_agent.write_all(&[0xff; 8], &Wait::forever()).expect("room");
            thread::sleep(LONG);
        }
        "written-excess" => {
            raw.publish(back, 1 << 40);
            thread::sleep(LONG);
        }
        "written-backwards" => {
            to_agent.write_all(&[6, 0, 0, 0, 101, 0, 0, 0], &Wait::forever()).expect("room");
            thread::sleep(Duration::from_millis(300));
            raw.publish(back, 1);
            thread::sleep(LONG);
        }
        "read-excess" => {
            raw.set_counter(Direction::AgentToHost, Side::Consumer, 1 << 40);
            raw.ring_both(Role::Host);
            thread::sleep(LONG);
        }
        "state-that-is-none" => {
            raw.set_header(HeaderField::State, 77);
            raw.ring_both(Role::Host);
            thread::sleep(LONG);
        }
        _ => {}
    }
    serve(behaviour, &mut to_agent, &mut from_agent);
    match behaviour {
        "ignores-closing" => thread::sleep(LONG),
        "says-closed-and-lives-on" => {
            close(attached, to_agent, from_agent);
            thread::sleep(LONG);
        }
        "never-says-closed" => {
            to_agent.close();
            from_agent.close();
        }
        "closes-nothing" => attached.link().set_closed(),
        "ends-with-another-code" => {
            close(attached, to_agent, from_agent);
            std::process::exit(5);
        }
        "leaves-a-child" => {
            let mut child = Command::new("sleep");
            child.arg("3600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // It is left behind on purpose.
            #[allow(clippy::zombie_processes, reason = "that is what is tested")]
            child.spawn().expect("sleep");
            close(attached, to_agent, from_agent);
        }
        _ => close(attached, to_agent, from_agent),
    }
    std::process::exit(0);
}

fn close(attached: &Attached, to_agent: Sender, from_agent: Receiver) {
    to_agent.close();
    from_agent.close();
    attached.link().set_closed();
}

/// Answers echoes until there is nothing more to be read.
fn serve(behaviour: &str, to_agent: &mut Sender, from_agent: &mut Receiver) {
    loop {
        let mut head = [0; 8];
        if !fill(from_agent, &mut head) {
            return;
        }
        let length = usize::try_from(i32::from_le_bytes(head[..4].try_into().unwrap())).expect("a length");
        let mut data = vec![0; length];
        if !fill(from_agent, &mut data) {
            return;
        }
        let mut answer = i32::try_from(length + 1).unwrap().to_le_bytes().to_vec();
        answer.extend(&head[4..]);
        answer.extend(&data[..4]);
        answer.push(u8::from(behaviour == "wrong-status"));
        answer.extend(&data[4..]);
        if behaviour == "cuts-answers-short" {
            answer.pop();
        }
        let times = if behaviour == "answers-twice" { 2 } else { 1 };
        for _ in 0..times {
            to_agent.write_all(&answer, &Wait::forever()).expect("room");
        }
        if behaviour == "dies-after-an-answer" {
            std::process::exit(0);
        }
    }
}

fn fill(from_agent: &mut Receiver, buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    while filled < buffer.len() {
        match from_agent.read(&mut buffer[filled..], &Wait::forever()) {
            Ok(0) | Err(_) => return false,
            Ok(read) => filled += read,
        }
    }
    true
}

/// Says that it is attached, whatever the segment is.
fn attach_blindly(path: &str) {
    let raw = Raw::open(Path::new(path)).expect("a segment");
    raw.set_header(HeaderField::HostPid, std::process::id());
    raw.set_header(HeaderField::State, 1);
    thread::sleep(LONG);
}

fn spew_log() -> ! {
    let line = "noise ".repeat(1000);
    loop {
        eprintln!("{line}");
    }
}
