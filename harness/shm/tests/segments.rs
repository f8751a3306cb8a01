//! The segment's bytes and its file: layout by literal bytes, what may be created, who can open it and until when.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use iaspec_shm::layout::{Header, is_capacity};
use iaspec_shm::raw::{Flag, Forgery, Raw};
use iaspec_shm::{Attached, CreateError, Direction, Place, Plan, Segment, Side, Wait, inherit_nothing};

mod support;

use support::{expected, pair, plan};

fn bytes_of(segment: &Segment, offset: usize, length: usize) -> Vec<u8> {
    Raw::of(segment).bytes(offset, length).unwrap()
}

#[test]
fn a_new_segment_is_these_bytes() {
    let plan =
        Plan { capacity: 128, session: -2, agent_type: 3, nonce: *b"\x01nonce of 16 by\xff", ..plan(64) };
    let segment = Segment::create(&plan).unwrap();
    let mut page = vec![0; 4096];
    page[..0x14].copy_from_slice(b"IASHMEM1\x01\x00\x00\x00\x00\x10\x00\x00\x80\x00\x00\x00");
    page[0x14..0x18].copy_from_slice(&std::process::id().to_le_bytes());
    page[0x20..0x25].copy_from_slice(b"\xfe\xff\xff\xff\x03");
    page[0x28..0x38].copy_from_slice(b"\x01nonce of 16 by\xff");
    // The agent rings: as producer to the host, and as consumer of what comes from it.
    page[0x110] = 1;
    page[0x250] = 1;
    assert_eq!(bytes_of(&segment, 0, 4096), page);
    assert_eq!(bytes_of(&segment, 4096, 256), [0; 256]);
    assert_eq!(Raw::of(&segment).bytes(4096 + 255, 2), None);
    assert_eq!(std::fs::metadata(segment.path()).unwrap().len(), 4096 + 256);
}

#[test]
fn attaching_and_writing_changes_these_bytes() {
    let mut pair = pair(64);
    let bytes = |offset, length| bytes_of(&pair.segment, offset, length);
    assert_eq!(bytes(0x18, 4), std::process::id().to_le_bytes());
    assert_eq!(bytes(0x1c, 4), [1, 0, 0, 0]);
    // The host rings too; becoming attached has rung each of its two bells.
    assert_eq!(bytes(0x210, 1), [1]);
    assert_eq!(bytes(0x150, 1), [1]);
    assert_eq!(bytes(0x208, 4), [1, 0, 0, 0]);
    assert_eq!(bytes(0x148, 4), [1, 0, 0, 0]);

    pair.to_host.write_all(b"to host", &Wait::forever()).unwrap();
    pair.to_agent.write_all(b"to agent", &Wait::forever()).unwrap();
    assert_eq!(bytes(0x100, 12), [7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(bytes(0x200, 12), [8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(bytes(0x1000, 8), *b"to host\0");
    assert_eq!(bytes(0x1040, 8), *b"to agent");

    assert_eq!(pair.from_agent.try_read(&mut [0; 64]).unwrap(), Some(7));
    assert_eq!(pair.from_agent.try_read(&mut [0; 64]).unwrap(), None);
    assert_eq!(bytes(0x140, 12), [7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);

    // Closing and states ring the two bells that a side writes.
    pair.to_host.close();
    assert_eq!(bytes(0x108, 8), [2, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(bytes(0x248, 8), [1, 0, 0, 0, 0, 0, 0, 0]);
    pair.from_host.close();
    assert_eq!(bytes(0x108, 8), [3, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(bytes(0x248, 8), [2, 0, 0, 0, 1, 0, 0, 0]);
    pair.segment.link().request_close();
    assert_eq!(bytes(0x1c, 4), [2, 0, 0, 0]);
    assert_eq!((bytes(0x108, 1), bytes(0x248, 1)), (vec![4], vec![3]));
    pair.host.link().set_closed();
    assert_eq!(bytes(0x1c, 4), [3, 0, 0, 0]);
    pair.segment.link().request_close();
    assert_eq!(bytes(0x1c, 4), [3, 0, 0, 0], "the state never goes back");
}

#[test]
fn a_side_that_does_not_ring_says_so_and_advances_its_bell_all_the_same() {
    let quiet = Plan { rings: false, ..plan(64) };
    let mut pair = support::pair_with(&quiet, false, |_| {});
    let raw = Raw::of(&pair.segment);
    for direction in [Direction::AgentToHost, Direction::HostToAgent] {
        for side in [Side::Producer, Side::Consumer] {
            assert_eq!(raw.flag(direction, side, Flag::Rings), 0);
        }
    }
    pair.to_host.write_all(b"x", &Wait::forever()).unwrap();
    assert_eq!(raw.bell(Direction::AgentToHost, Side::Producer), 1);
}

#[test]
fn capacities_are_powers_of_two_from_64_to_2_to_the_30th() {
    for capacity in [0, 1, 32, 63, 65, 96, (1 << 30) + 1, 1 << 31, u32::MAX] {
        let error = Segment::create(&plan(capacity)).unwrap_err();
        assert!(matches!(error, CreateError::Capacity { found } if found == capacity), "{error}");
        assert!(!is_capacity(capacity));
    }
    assert!(is_capacity(64) && is_capacity(1 << 30));
    Segment::create(&plan(64)).unwrap();
}

#[test]
fn a_segment_in_memory_cannot_be_shrunk_or_grown() {
    let segment = Segment::create(&plan(64)).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(segment.path()).unwrap();
    for size in [0, 4095, 1 << 20] {
        assert_eq!(file.set_len(size).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn a_segment_in_a_file_is_its_owners_alone_and_goes_when_it_is_unlinked() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { place: Place::Directory(folder.path().to_owned()), ..plan(64) };
    let names = || folder.path().read_dir().unwrap().count();
    let mut segment = Segment::create(&plan).unwrap();
    let other = Segment::create(&plan).unwrap();
    assert_ne!(segment.path(), other.path());
    assert_eq!(std::fs::metadata(segment.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(), 2);
    drop(other);
    assert_eq!(names(), 1);

    let host = Attached::open(segment.path(), &expected(), true).unwrap();
    segment.unlink();
    assert_eq!(names(), 0);
    let (mut to_host, _from_host) = segment.take_ends().unwrap();
    let (_to_agent, mut from_agent) = host.take_ends().unwrap();
    to_host.write_all(b"still here", &Wait::forever()).unwrap();
    assert_eq!(from_agent.read(&mut [0; 64], &Wait::forever()).unwrap(), 10);
}

#[test]
fn an_unlinked_segment_in_memory_cannot_be_opened_any_more() {
    let mut segment = Segment::create(&plan(64)).unwrap();
    let path = segment.path().to_owned();
    segment.unlink();
    segment.unlink();
    assert!(!path.exists() || Attached::open(&path, &expected(), true).is_err());
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap().path().join("missing");
    let error = Segment::create(&Plan { place: Place::Directory(folder.clone()), ..plan(64) }).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot create the segment {}", folder.display())),
        "{error}"
    );
}

#[test]
fn a_header_reads_as_it_was_written() {
    let raw = Raw::of(&Segment::create(&plan(64)).unwrap());
    let header = raw.header();
    let page: [u8; 4096] = header.encode().try_into().unwrap();
    assert_eq!(Header::decode(&page), header);
    let forgery = Forgery::create(&Place::Memory, &page[..100]).unwrap();
    assert_eq!(std::fs::read(forgery.path()).unwrap(), page[..100]);
}

/// What another process finds open beyond its standard descriptors; `ls` itself opens the folder.
fn inherited() -> usize {
    let listing = Command::new("ls").arg("/proc/self/fd").output().unwrap();
    String::from_utf8(listing.stdout).unwrap().lines().filter(|name| name.parse::<u32>().unwrap() > 2).count()
        - 1
}

#[test]
fn segments_are_not_inherited_nor_anything_else_once_all_is_marked() {
    let _segment = Segment::create(&plan(64)).unwrap();
    let leaky = std::fs::File::open("/dev/null").unwrap();
    inherit_nothing().unwrap();
    let before = inherited();
    assert_eq!(before, 0);
    rustix::io::fcntl_setfd(&leaky, rustix::io::FdFlags::empty()).unwrap();
    assert_eq!(inherited(), 1);
    inherit_nothing().unwrap();
    assert_eq!(inherited(), 0);
}
