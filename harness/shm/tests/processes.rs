//! Two real processes: streams under load, either one killed at any moment, nothing left behind.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use iaspec_shm::raw::Raw;
use iaspec_shm::{Direction, Error, Place, Plan, Role, Segment, Side, Wait};

mod support;

use support::{Exchange, Random, plan};

/// The contract says a second; machines are busy.
const NOTICED: Duration = Duration::from_secs(20);
const ENDLESS: u64 = u64::MAX;

/// What differs between the runs of a test.
#[derive(Clone, Debug)]
struct Setting {
    plan: Plan,
    host_rings: bool,
    spin: Duration,
    limit: u64,
    longest: usize,
    seed: u64,
}

impl Setting {
    fn new(capacity: u32, seed: u64) -> Self {
        let longest = (capacity as usize * 3).min(100_000);
        let limit = ENDLESS;
        Self { plan: plan(capacity), host_rings: true, spin: Wait::DEFAULT_SPIN, limit, longest, seed }
    }

    fn exchange(&self) -> Exchange {
        let wait = Wait::forever().spin(self.spin);
        Exchange { seed: self.seed, limit: self.limit, longest: self.longest, wait }
    }

    /// The words that tell a peer of this exchange.
    fn words(&self) -> [String; 4] {
        let spin = self.spin.as_micros().to_string();
        [spin, self.limit.to_string(), self.longest.to_string(), self.seed.to_string()]
    }

    /// A host for the segment, which it has not attached to yet.
    fn start_host(&self, segment: &Segment) -> Child {
        let mut command = peer("host");
        command.arg(segment.path()).arg(flag(self.host_rings)).args(self.words());
        command.spawn().unwrap()
    }

    /// An agent with a host of its own, and the host's process ID, when the two are attached.
    fn start_agent(&self) -> (Child, u32, impl BufRead) {
        let mut command = peer("agent");
        match &self.plan.place {
            Place::Memory => command.arg("-"),
            Place::Directory(folder) => command.arg(folder),
        };
        command.arg(self.plan.capacity.to_string()).args([flag(self.host_rings), flag(self.plan.rings)]);
        let mut agent = command.args(self.words()).spawn().unwrap();
        let mut output = BufReader::new(agent.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        (agent, line.trim().parse().unwrap(), output)
    }
}

fn peer(role: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ring-peer"));
    command.arg(role).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn flag(set: bool) -> &'static str {
    if set { "1" } else { "0" }
}

fn output(mut child: Child) -> String {
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    child.wait().unwrap();
    output
}

fn streams_both_ways(setting: &Setting) {
    let mut segment = Segment::create(&setting.plan).unwrap();
    let host = setting.start_host(&segment);
    segment.watch_host(host.id()).unwrap();
    segment.wait_attached(&Wait::at_most(NOTICED)).unwrap();
    assert_eq!(segment.link().host_pid(), host.id());
    segment.unlink();
    let (sender, receiver) = segment.take_ends().unwrap();
    let exchanged = setting.exchange().run(sender, receiver);
    exchanged.sending.unwrap();
    exchanged.receiving.unwrap();
    assert_eq!(exchanged.received, setting.limit, "{setting:?}");
    assert_eq!(output(host), format!("received {}; the end\n", setting.limit), "{setting:?}");
}

#[test]
fn streams_pass_rings_of_any_size_whole() {
    for (capacity, limit) in [(64, 50_000), (4096, 3_000_000), (65_536, 20_000_000), (4 << 20, 40_000_000)] {
        for spin in [Duration::ZERO, Wait::DEFAULT_SPIN] {
            streams_both_ways(&Setting { limit, spin, ..Setting::new(capacity, 1) });
        }
    }
}

#[test]
fn streams_pass_between_peers_of_which_one_or_both_never_ring() {
    for (agent_rings, host_rings) in [(true, false), (false, true), (false, false)] {
        for (capacity, limit) in [(64, 5000), (4096, 400_000)] {
            let mut setting = Setting { host_rings, limit, ..Setting::new(capacity, 2) };
            setting.plan.rings = agent_rings;
            streams_both_ways(&setting);
        }
    }
}

#[test]
fn streams_pass_while_the_processors_are_busy() {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for (capacity, limit) in [(64, 10_000), (65_536, 5_000_000)] {
            streams_both_ways(&Setting { limit, ..Setting::new(capacity, 3) });
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// Settings in turn, and a moment within the first hundredths of a second.
fn moments(count: u64) -> impl Iterator<Item = (Setting, Duration)> {
    (0..count).map(|seed| {
        let mut random = Random::new(seed);
        let mut setting = Setting::new([64, 4096, 1 << 20][usize::try_from(seed % 3).unwrap()], seed);
        setting.spin = Duration::from_micros(20 * (seed % 2));
        setting.host_rings = seed % 5 != 0;
        setting.plan.rings = seed % 7 != 0;
        (setting, Duration::from_micros(random.up_to(40_000) as u64))
    })
}

#[test]
fn an_agent_outlives_a_killed_host_and_reads_all_that_it_had_published() {
    for (setting, moment) in moments(24) {
        let segment = Segment::create(&setting.plan).unwrap();
        let mut host = setting.start_host(&segment);
        segment.watch_host(host.id()).unwrap();
        segment.wait_attached(&Wait::at_most(NOTICED)).unwrap();
        let (sender, receiver) = segment.take_ends().unwrap();
        let killed = std::thread::spawn(move || {
            std::thread::sleep(moment);
            host.kill().unwrap();
            let killed = Instant::now();
            host.wait().unwrap();
            killed
        });
        let exchanged = setting.exchange().run(sender, receiver);
        assert!(killed.join().unwrap().elapsed() < NOTICED, "{setting:?}");
        for ending in [&exchanged.receiving, &exchanged.sending] {
            assert!(matches!(ending, Err(Error::PeerDied { peer: Role::Host })), "{exchanged:?} {setting:?}");
        }
        assert!(segment.link().peer_has_ended());
        let published = Raw::of(&segment).counter(Direction::HostToAgent, Side::Producer);
        assert_eq!(exchanged.received, published, "{setting:?}");
    }
}

#[test]
fn a_host_outlives_its_killed_agent_only_to_read_what_it_had_published() {
    let folder = tempfile::tempdir().unwrap();
    for (mut setting, moment) in moments(24) {
        if setting.seed % 2 == 0 {
            setting.plan.place = Place::Directory(folder.path().to_owned());
        }
        let (mut agent, host, mut output) = setting.start_agent();
        std::thread::sleep(moment);
        agent.kill().unwrap();
        let killed = Instant::now();
        agent.wait().unwrap();
        // Only the host still has it open.
        let mut last = String::new();
        output.read_to_string(&mut last).unwrap();
        assert!(killed.elapsed() < NOTICED, "{setting:?}");
        assert!(last.ends_with("; the agent process has ended without closing its ring\n"), "{last:?}");
        assert!(last.starts_with("received "), "{last:?}");
        assert!(ends(host), "the host lives on");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "a segment is left");
    }
    assert!(segments_in(Path::new("/dev/shm")).is_empty());
}

/// Whether the process is gone, or waits only for whoever has to take notice, before long.
fn ends(pid: u32) -> bool {
    let began = Instant::now();
    while began.elapsed() < NOTICED {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !stat.contains(") Z ") => std::thread::sleep(Duration::from_millis(5)),
            _ => return true,
        }
    }
    false
}

fn segments_in(folder: &Path) -> Vec<std::ffi::OsString> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    // Folders there are those of harnesses.
    let files = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let names = files.map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with("iaspec-")).collect()
}

#[test]
fn a_host_that_ends_before_it_attaches_is_noticed() {
    let mut setting = Setting::new(4096, 4);
    setting.plan.session = 8;
    let segment = Segment::create(&setting.plan).unwrap();
    let host = setting.start_host(&segment);
    segment.watch_host(host.id()).unwrap();
    let error = segment.wait_attached(&Wait::at_most(NOTICED)).unwrap_err();
    assert!(matches!(error, Error::PeerDied { peer: Role::Host }), "{error}");
    assert_eq!(output(host), "session: expected 7, found 8\n");
}

#[test]
fn a_host_whose_agent_is_not_its_parent_refuses_to_attach() {
    let setting = Setting::new(4096, 5);
    let segment = Segment::create(&setting.plan).unwrap();
    let agent = std::process::id();
    Raw::of(&segment).set_bytes(iaspec_shm::layout::offset::AGENT_PID, &1_u32.to_le_bytes());
    let before = Raw::of(&segment).bytes(0, 4096 + 2 * 4096).unwrap();
    let mut host = setting.start_host(&segment);
    assert_eq!(host.wait().unwrap().code(), Some(3));
    assert_eq!(output(host), format!("agent pid: expected {agent}, found 1\n"));
    assert!(Raw::of(&segment).bytes(0, before.len()).unwrap() == before, "the segment was changed");
}

#[test]
fn a_process_that_is_no_child_is_not_taken_for_the_host() {
    let segment = Segment::create(&plan(64)).unwrap();
    for pid in [1, 0, u32::MAX, std::process::id()] {
        let error = segment.watch_host(pid).unwrap_err();
        assert!(matches!(error, Error::PeerDied { peer: Role::Host }), "{pid}: {error}");
    }
}

#[test]
fn a_host_pid_that_is_not_the_childs_is_not_believed() {
    let setting = Setting::new(4096, 6);
    let segment = Segment::create(&setting.plan).unwrap();
    let mut host = setting.start_host(&segment);
    segment.watch_host(host.id()).unwrap();
    segment.wait_attached(&Wait::at_most(NOTICED)).unwrap();
    Raw::of(&segment).set_header(iaspec_shm::raw::HeaderField::HostPid, 1);
    let error = segment.is_attached().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the segment is broken: the host pid is 1, expected {}", host.id())
    );
    host.kill().unwrap();
    host.wait().unwrap();
}
