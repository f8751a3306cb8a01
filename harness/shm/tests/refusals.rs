//! What a host refuses to attach to, one test a field: it says what is wrong, and changes nothing.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use iaspec_shm::layout::offset;
use iaspec_shm::raw::{Forgery, HeaderField, Raw};
use iaspec_shm::{AttachError, Attached, Expected, Field, Place, Segment};

mod support;

use support::{expected, plan};

fn refusal(path: &Path, expected: &Expected) -> (Field, String) {
    match Attached::open(path, expected, true).unwrap_err() {
        AttachError::Refused { field, expected, found } => (field, format!("{expected}/{found}")),
        error @ AttachError::System { .. } => panic!("{error}"),
    }
}

/// That a host refuses a segment for what was done to it, and leaves it as it was.
#[track_caller]
fn refuses(spoil: impl FnOnce(&Raw), field: Field, why: &str) {
    let segment = Segment::create(&plan(64)).unwrap();
    let raw = Raw::of(&segment);
    spoil(&raw);
    let before = raw.bytes(0, 4096 + 128).unwrap();
    assert_eq!(refusal(segment.path(), &expected()), (field, why.to_owned()));
    assert_eq!(raw.bytes(0, 4096 + 128).unwrap(), before, "the segment was changed");
    assert!(raw.bytes(4096 + 128, 1).is_none());
}

/// That a host refuses a good segment because it was told something else.
#[track_caller]
fn refuses_told(told: &Expected, field: Field, why: &str) {
    let segment = Segment::create(&plan(64)).unwrap();
    let before = Raw::of(&segment).bytes(0, 4096 + 128).unwrap();
    assert_eq!(refusal(segment.path(), told), (field, why.to_owned()));
    assert_eq!(Raw::of(&segment).bytes(0, 4096 + 128).unwrap(), before, "the segment was changed");
}

#[test]
fn the_magic() {
    refuses(|raw| raw.set_bytes(offset::MAGIC, b"IASHMEM2"), Field::Magic, "\"IASHMEM1\"/\"IASHMEM2\"");
}

#[test]
fn the_layout() {
    refuses(|raw| raw.set_bytes(offset::LAYOUT, &[2]), Field::Layout, "1/2");
}

#[test]
fn the_nonce() {
    let why = "30313233343536373839616263646566/40313233343536373839616263646566";
    refuses(|raw| raw.set_bytes(offset::NONCE, &[0x40]), Field::Nonce, why);
}

#[test]
fn the_agents_process() {
    let why = format!("{}/1", std::process::id());
    refuses(|raw| raw.set_bytes(offset::AGENT_PID, &[1, 0, 0, 0]), Field::AgentPid, &why);
    // One that has ended: no process has this ID.
    let told = Expected { agent_pid: i32::MAX.unsigned_abs(), ..expected() };
    let segment = Segment::create(&plan(64)).unwrap();
    Raw::of(&segment).set_bytes(offset::AGENT_PID, &i32::MAX.to_le_bytes());
    let why = "process 2147483647, running/that it has ended";
    assert_eq!(refusal(segment.path(), &told), (Field::AgentPid, why.to_owned()));
}

#[test]
fn the_header_size() {
    refuses(|raw| raw.set_bytes(offset::HEADER_SIZE, &[0, 0x20]), Field::HeaderSize, "4096/8192");
}

#[test]
fn the_capacity() {
    for capacity in [0, 32, 63, 65, 1 << 31, u32::MAX] {
        let why = format!("a power of two from 64 to 1073741824/{capacity}");
        refuses(|raw| raw.set_bytes(offset::CAPACITY, &capacity.to_le_bytes()), Field::Capacity, &why);
    }
}

#[test]
fn the_size_of_the_segment() {
    refuses(|raw| raw.set_bytes(offset::CAPACITY, &[128]), Field::SegmentSize, "4352/4224");
    refuses(
        |raw| raw.set_bytes(offset::CAPACITY, &(1_u32 << 30).to_le_bytes()),
        Field::SegmentSize,
        "2147487744/4224",
    );
    let segment = Segment::create(&plan(64)).unwrap();
    let page = Raw::of(&segment).header().encode();
    for place in [Place::Memory, Place::Directory(tempfile::tempdir().unwrap().keep())] {
        let cut_short = Forgery::create(&place, &page).unwrap();
        assert_eq!(refusal(cut_short.path(), &expected()), (Field::SegmentSize, "4224/4096".to_owned()));
        if let Place::Directory(folder) = place {
            drop(cut_short);
            std::fs::remove_dir(folder).unwrap();
        }
    }
}

#[test]
fn the_state() {
    for state in [1, 2, 3, 4, u32::MAX] {
        let why = format!("0/{state}");
        refuses(|raw| raw.set_header(HeaderField::State, state), Field::State, &why);
    }
}

#[test]
fn a_host_that_was_faster() {
    refuses(|raw| raw.set_header(HeaderField::HostPid, 9), Field::HostPid, "0/9");
    let segment = Segment::create(&plan(64)).unwrap();
    let _first = Attached::open(segment.path(), &expected(), true).unwrap();
    assert_eq!(refusal(segment.path(), &expected()), (Field::State, "0/1".to_owned()));
}

#[test]
fn the_session() {
    refuses_told(&Expected { session: -7, ..expected() }, Field::Session, "-7/7");
}

#[test]
fn the_agent_type() {
    refuses_told(&Expected { agent_type: 1, ..expected() }, Field::AgentType, "1/2");
}

#[test]
fn the_first_wrong_field_is_told() {
    let all_wrong = |raw: &Raw| raw.set_bytes(0, &[0xff; 0x38]);
    refuses(all_wrong, Field::Magic, r#""IASHMEM1"/"\xff\xff\xff\xff\xff\xff\xff\xff""#);
}

#[test]
fn what_is_no_file_or_too_short() {
    let why = |found: &str| (Field::File, format!("a file of 4096 bytes or more/{found}"));
    for length in [0, 1, 4095] {
        let forgery = Forgery::create(&Place::Memory, &vec![0x49; length]).unwrap();
        assert_eq!(refusal(forgery.path(), &expected()), why(&format!("{length} bytes")));
    }
    assert_eq!(refusal(Path::new("/dev/null"), &expected()), why("something else"));
}

#[test]
fn what_is_not_there() {
    let error = Attached::open(Path::new("/nowhere/segment"), &expected(), true).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot open the segment /nowhere/segment: No such file"),
        "{error}"
    );
}
