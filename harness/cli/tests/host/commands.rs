//! Every command of the probe that reaches out of it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use iaspec_shm::raw::Raw;
use iaspec_shm::{Direction, Side};
use rustix::process::{Signal, getpgid};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agent::{Host, NONCE_HEX, bytes, lives, plan, until};

fn report(host: &mut Host) -> Value {
    host.send("04000000 69000000 2a000000");
    let (command, data) = host.message();
    assert_eq!((command, &data[..5]), (105, &bytes("2a000000 00")[..]));
    // Some hundreds of bytes: a length prefix of two.
    assert!(data[5] & 0x80 != 0 && data[6] & 0x80 == 0, "{:02x?}", &data[..8]);
    serde_json::from_slice(&data[7..]).expect("JSON")
}

#[test]
fn a_report_tells_of_process_session_and_surroundings() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("b.dll"), "123456789").expect("written");
    fs::write(folder.path().join("a.dll"), "").expect("written");
    fs::create_dir(folder.path().join("below")).expect("made");
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let mut host = Host::start_as(&plan(4096), |command| {
        command.current_dir(folder.path()).env_clear().env("ONE", "1").env("TWO", "2");
    });
    let told = report(&mut host);
    let pid = host.process.0.id();
    assert_eq!(told["pid"], pid);
    assert_eq!(told["ppid"], std::process::id());
    assert_eq!((&told["session"], &told["agent_type"]), (&json!(7), &json!(1)));
    assert_eq!((&told["layout"], &told["ring_capacity"]), (&json!(1), &json!(4096)));
    assert_eq!(told["nonce"], NONCE_HEX);
    assert_eq!(told["threads"], 1);
    let started = u128::from(told["started_ns"].as_u64().expect("a number"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    assert!((before..now).contains(&started), "{started}");
    assert_eq!(told["env_names"], json!(["ONE", "TWO"]));
    let argv: Vec<&str> = told["argv"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(argv[1..3], ["host", "--shared-memory"]);
    assert_eq!(argv[4..], ["--nonce", NONCE_HEX, "--session", "7", "--agent-type", "1"]);
    // CRC-32 of "123456789".
    let files = json!([{"name": "a.dll", "crc32": 0}, {"name": "b.dll", "crc32": 0xcbf4_3926_u32}]);
    assert_eq!(told["cwd_files"], files);
    let open = told["open_files"].as_array().expect("a list");
    assert_eq!(
        (open.len(), &open[0]),
        (4, &json!("/dev/null")),
        "standard ones and the watch over its agent: {open:?}"
    );
}

#[test]
fn a_file_is_opened_and_stays_open() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, "x").expect("written");
    let text = path.to_str().expect("UTF-8");
    let mut host = Host::start(4096);
    let request = |path: &str| {
        let length = u8::try_from(path.len()).expect("short");
        let mut request = vec![length + 5, 0, 0, 0, 0x6f, 0, 0, 0, 1, 0, 0, 0, length];
        request.extend(path.as_bytes());
        request.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    host.send(&request(text));
    host.expect("05000000 6f000000 01000000 00");
    assert!(report(&mut host)["open_files"].as_array().expect("a list").contains(&json!(text)));
    for none in [&format!("{text}-missing"), folder.path().to_str().expect("UTF-8"), "/dev/null", ""] {
        host.send(&request(none));
        let (command, data) = host.message();
        assert_eq!(command, 111);
        assert_eq!(data[..17], bytes("01000000 01 0b 494f457863657074696f6e")[..], "IOException");
    }
    host.serves();
}

#[test]
fn a_launched_child_sleeps_in_the_hosts_process_group() {
    let mut host = Host::start(4096);
    let child = host.launches();
    let group = getpgid(rustix::process::Pid::from_raw(i32::try_from(child).expect("a PID"))).expect("alive");
    assert_eq!(group.as_raw_nonzero().get().unsigned_abs(), host.process.0.id());
    let parent = fs::read_to_string(format!("/proc/{child}/stat")).expect("alive");
    let parent =
        parent.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).expect("a field").to_owned();
    assert_eq!(parent, host.process.0.id().to_string());
    host.segment.link().request_close();
    assert_eq!(host.ended(), (Some(0), String::new()));
    assert!(!lives(child), "ended before its host");
}

#[test]
fn a_child_that_has_slept_enough_is_waited_for() {
    let mut host = Host::start(4096);
    host.send("08000000 70000000 01000000 00000000");
    host.expect("09000000 70000000 01000000 00");
    let child = u32::from_le_bytes(host.read(4).try_into().expect("four"));
    until(|| (!fs::exists(format!("/proc/{child}")).expect("readable")).then_some(()));
    host.serves();
}

#[test]
fn exit_ends_it_at_once_with_the_code() {
    for (code, expected) in [("00000000", 0), ("2a000000", 42), ("03000000", 3), ("ffffffff", 255)] {
        let mut host = Host::start(64);
        host.serves();
        host.send(&format!("08000000 6a000000 01000000 {code}"));
        assert_eq!(host.ended(), (Some(expected), String::new()));
    }
}

#[test]
fn what_was_asked_before_an_exit_is_answered() {
    let mut host = Host::start(64);
    host.send("05000000 65000000 01000000 61 08000000 6a000000 01000000 00000000");
    host.expect("06000000 65000000 01000000 00 61");
    assert!(matches!(
        host.from_host.read(&mut [0], &crate::agent::wait()),
        Err(iaspec_shm::Error::PeerDied { .. })
    ));
}

#[test]
fn an_abort_is_a_signal_without_a_core_file() {
    use std::os::unix::process::ExitStatusExt;
    let folder = TempDir::new().expect("a folder");
    let mut host = Host::start_as(&plan(64), |command| {
        command.current_dir(folder.path());
    });
    host.serves();
    host.send("04000000 6b000000 01000000");
    let status = until(|| host.process.0.try_wait().expect("a child"));
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_stalled_host_reads_nothing_and_then_goes_on() {
    let mut host = Host::start(64);
    host.send("08000000 6c000000 01000000 2c010000");
    let raw = Raw::of(&host.segment);
    until(|| (raw.counter(Direction::AgentToHost, Side::Consumer) == 16).then_some(()));
    host.send("04000000 65000000 02000000");
    let mut first = [0];
    while host.from_host.try_read(&mut first).expect("a live host").is_none() {
        // The answer is there only after the next request was read, or is about to be.
        assert!(
            raw.counter(Direction::AgentToHost, Side::Consumer) == 16
                || raw.counter(Direction::HostToAgent, Side::Producer) > 0
        );
    }
    assert_eq!(first, [9]);
    host.expect("000000 6c000000 01000000 00 2c010000");
    host.expect("05000000 65000000 02000000 00");
}

#[test]
fn delayed_answers_come_behind_others_and_unsolicited_ones_alone() {
    let mut host = Host::start(64);
    host.send("09000000 66000000 01000000 96000000 0a  09000000 71000000 02000000 2c010000 0b");
    host.expect("05000000 71000000 02000000 00");
    host.send("04000000 65000000 03000000");
    host.expect("05000000 65000000 03000000 00");
    host.expect("06000000 66000000 01000000 00 0a");
    host.expect("01000000 c8000000 0b");
}
