//! Updates, and what is left of one when the agent is killed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Agent, OFFER, OTTER, files};

/// Otter, one assembly `a.dll` of 2018-06-04T00:00:00Z with 00 ff, no extensions.
const UPDATE: &str = "1d000000 02000000 01 01000000 05612e646c6c 00008c1daec9d508 02000000 00ff 00000000";

#[test]
fn an_update_is_in_place_before_the_next_answer() {
    let agent = Agent::start(&[]);
    let mut client = agent.client(&format!("{OFFER} {UPDATE} {OTTER}"));
    client.read(9);
    client.root_path();
    assert_eq!(files(&agent.updates()), [("otter/assemblies/a.dll".to_owned(), vec![0x00, 0xff])]);
    let metadata = std::fs::metadata(agent.updates().join("otter/assemblies/a.dll")).unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_528_070_400, 0));
    agent.logged("updated otter: 1 files");
}

#[test]
fn a_refused_update_leaves_nothing_and_the_connection_usable() {
    let agent = Agent::start(&[]);
    let traversal = "2f000000 02000000 01 02000000 05612e646c6c 0000000000000000 00000000 \
                     07 2e2e2f622e6464 0000000000000000 00000000 00000000";
    let mut client = agent.client(&format!("{OFFER} {traversal} {OTTER}"));
    client.read(9);
    client.root_path();
    assert_eq!(files(agent.folder.path()), []);
    agent.logged("refused an update: assemblies[1].name: `../b.dd` holds '/'");
}

#[test]
fn the_start_removes_what_a_killed_agent_left() {
    let folder = tempfile::TempDir::new().unwrap();
    let staged = folder.path().join("updates/.staging/otter/assemblies");
    std::fs::create_dir_all(&staged).unwrap();
    std::fs::write(staged.join("half.dll"), "half").unwrap();
    let agent = Agent::start_in(folder, &[]);
    assert_eq!(files(agent.folder.path()), []);
    assert!(!agent.updates().join(".staging").exists());
}

/// An update of many assemblies `000.dll`, `001.dll`, …, each with the same byte.
fn many(byte: u8) -> String {
    const COUNT: u32 = 400;
    const SIZE: u32 = 1000;
    let mut data = format!("01 {}", hex32(COUNT));
    for number in 0..COUNT {
        let name: String = format!("{number:03}.dll").bytes().map(|byte| format!("{byte:02x}")).collect();
        let contents = format!("{byte:02x}").repeat(1000);
        write!(data, "07 {name} 00008c1daec9d508 {} {contents}", hex32(SIZE)).unwrap();
    }
    data += &hex32(0);
    let length = u32::try_from(data.bytes().filter(u8::is_ascii_hexdigit).count() / 2).unwrap();
    format!("{} 02000000 {data}", hex32(length))
}

fn hex32(number: u32) -> String {
    number.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The byte that all files are of: one update, whole.
fn whole(found: &[(String, Vec<u8>)]) -> Option<u8> {
    let (_, first) = found.first()?;
    assert_eq!(found.len(), 400, "some files are missing");
    for (name, contents) in found {
        assert_eq!(contents, first, "{name}");
    }
    assert!(first.len() == 1000 && first.iter().all(|byte| *byte == first[0]));
    Some(first[0])
}

#[test]
fn an_agent_killed_within_an_update_leaves_all_of_it_or_nothing() {
    let updates: Vec<Vec<u8>> = (1..=12).map(|byte| crate::process::bytes(&many(byte))).collect();
    let mut folder = tempfile::TempDir::new().unwrap();
    let mut before = None;
    for (round, update) in (0_u64..).zip(&updates) {
        let agent = Agent::start_in(folder, &[]);
        assert_eq!(whole(&files(&agent.updates())), before, "a start changes nothing");
        let mut client = agent.client(OFFER);
        client.read(9);
        client.0.write_all(update).unwrap();
        // The first rounds end before it begins or early in it, the last ones late in it or after it.
        std::thread::sleep(Duration::from_millis(8 * round));
        agent.signal(Signal::KILL);
        folder = agent.ended().1;
        let updates = folder.path().join("updates");
        let mut found = files(&updates);
        found.retain(|(name, _)| !name.starts_with(".staging/"));
        let after = whole(&found);
        let this = u8::try_from(round + 1).unwrap();
        assert!(after == before || after == Some(this), "{before:?} became {after:?} in round {round}");
        before = after;
    }
    let agent = Agent::start_in(folder, &[]);
    assert!(!agent.updates().join(".staging").exists());
    agent.serves();
}

#[test]
fn two_clients_that_update_at_once_both_do_so_whole() {
    let agent = Agent::start(&[]);
    let clients: Vec<_> = [1, 2, 3, 4]
        .into_iter()
        .map(|byte| {
            let mut client = agent.client(OFFER);
            let update = many(byte);
            std::thread::spawn(move || {
                client.send(&format!("{update} {OTTER}"));
                client.read(9);
                client.root_path();
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    assert!(matches!(whole(&files(&agent.updates())), Some(1..=4)));
    assert!(!agent.updates().join(".staging").exists());
}
