//! The agent's product hosts: what clients get from them, and that nothing of them is left.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use iaspec_shm::raw::{HeaderField, Raw};
use iaspec_shm::{Direction, Role, Side};
use rstest::rstest;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Agent, Client, Ended, OFFER, OTTER, PATIENCE, V1_NEW_SESSION, bytes};
use crate::support::{iaspec, root};

/// Open Session: Otter, a new one.
const OPEN: &str = "05000000 01000000 01 00000000";
/// Echo with token deadbeef and two bytes, and its answer.
const ECHO: &str = "06000000 65000000 efbeadde cafe";
const ECHOED: &str = "07000000 65000000 efbeadde 00 cafe";
/// Report with token 9, to v2 and to v1's Otter and BuildMaster.
const REPORT: &str = "04000000 69000000 09000000";
const REPORT_OF_OTTER: &str = "04000000 01 69000000 09000000";
const REPORT_OF_BUILDMASTER: &str = "04000000 02 69000000 09000000";
/// A minute of stall with token 1.
const STALL: &str = "08000000 6c000000 01000000 60ea0000";
/// A child that sleeps for a minute, with token 1.
const LAUNCH: &str = "08000000 70000000 01000000 3c000000";

/// What a host says of itself.
struct Report(serde_json::Value);

impl Report {
    fn number(&self, name: &str) -> i64 {
        self.0[name].as_i64().unwrap()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.0[name].as_array().unwrap().iter();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    fn pid(&self) -> u32 {
        u32::try_from(self.number("pid")).unwrap()
    }
}

impl Client {
    /// The next message: its command and data.
    fn message(&mut self) -> (i32, Vec<u8>) {
        let head = self.read(8);
        let int32 = |at: usize| i32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        (int32(4), self.read(usize::try_from(int32(0)).unwrap()))
    }

    fn report(&mut self, request: &str) -> Report {
        self.send(request);
        let (command, data) = self.message();
        assert_eq!((command, &data[..5]), (105, &bytes("09000000 00")[..]));
        // The string's length takes two bytes or more, each but the last with its high bit set.
        let digits = data[5..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
        Report(serde_json::from_slice(&data[5 + digits..]).unwrap())
    }

    /// Opens a session by an Open Session, and gives its ID.
    fn open(&mut self, request: &str) -> i32 {
        self.send(request);
        let (command, data) = self.message();
        assert_eq!(command, 1);
        i32::from_le_bytes(data.try_into().unwrap())
    }

    fn echoes(&mut self) {
        self.send(ECHO);
        assert_eq!(self.read(15), bytes(ECHOED));
    }
}

/// An agent whose hosts are the probe, with segments in a folder that can be looked into.
fn agent_with(options: &[&str]) -> Agent {
    agent_in(TempDir::new().unwrap(), options)
}

fn agent_in(folder: TempDir, options: &[&str]) -> Agent {
    let probe = probe_in(folder.path());
    agent_with_program(folder, &probe, options)
}

/// The probe as a program, in a folder.
fn probe_in(folder: &Path) -> PathBuf {
    let probe = folder.join("iaspec-probe-host");
    if !probe.exists() {
        symlink(env!("CARGO_BIN_EXE_iaspec"), &probe).unwrap();
    }
    probe
}

/// A host that does not attach before [`go`] is there, and is the probe then.
fn late_host() -> PathBuf {
    root().join("harness/cli/tests/agent/attaches-late")
}

/// What lets late hosts go on.
fn go(folder: &Path) {
    fs::write(folder.join("go"), "").unwrap();
}

fn agent_with_program(folder: TempDir, program: &Path, options: &[&str]) -> Agent {
    let segments = segments(folder.path());
    fs::create_dir_all(&segments).unwrap();
    let mut command = iaspec();
    command.arg("agent").arg("--product-host").arg(program).arg("--shm-dir").arg(segments).args(options);
    Agent::from_command(folder, command)
}

fn segments(folder: &Path) -> PathBuf {
    folder.join("segments")
}

/// The working folders of hosts.
fn running(folder: &Path) -> PathBuf {
    folder.join("updates/.running")
}

/// A v2 client behind its handshake.
fn v2(agent: &Agent) -> Client {
    let mut client = agent.client(OFFER);
    assert_eq!(client.read(5), bytes("00 d0070000"));
    client.read(4);
    client
}

/// A v1 client behind its handshake, in a new session.
fn v1(agent: &Agent) -> Client {
    let mut client = agent.client(V1_NEW_SESSION);
    assert_eq!(client.read(1), [0]);
    client.read(8);
    client
}

/// A v2 client in a new session, and what its host says of itself.
fn hosted(agent: &Agent) -> (Client, Report) {
    let mut client = v2(agent);
    assert_ne!(client.open(OPEN), 0);
    let report = client.report(REPORT);
    (client, report)
}

/// Whether a process is there that has not ended.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Nothing of any host is left, sooner or later.
fn nothing_is_left(folder: &Path) {
    until("no segment", || entries(&segments(folder)).is_empty());
    until("no working folder", || entries(&running(folder)).is_empty());
}

#[test]
fn a_v2_client_talks_with_the_host_of_its_session() {
    let agent = agent_with(&[]);
    let (mut client, report) = hosted(&agent);
    client.echoes();
    assert_eq!((report.number("agent_type"), report.number("ppid")), (1, i64::from(agent.pid())));
    // The segment was unlinked once the host was there.
    assert_eq!(entries(&segments(agent.folder.path())), Vec::<PathBuf>::new());
    assert_eq!(entries(&running(agent.folder.path())).len(), 1);
}

#[test]
fn a_v1_client_talks_with_a_host_for_each_product() {
    let agent = agent_with(&[]);
    let mut client = v1(&agent);
    let otter = client.report(REPORT_OF_OTTER);
    let buildmaster = client.report(REPORT_OF_BUILDMASTER);
    assert_eq!((otter.number("agent_type"), buildmaster.number("agent_type")), (1, 2));
    assert_eq!(otter.number("session"), buildmaster.number("session"));
    assert_ne!(otter.pid(), buildmaster.pid());
    assert_eq!(client.report(REPORT_OF_OTTER).pid(), otter.pid());
}

/// The message, its data, and what the probe answers, larger than the ring of 64 bytes.
#[test]
fn messages_larger_than_the_ring_pass_through_it() {
    let agent = agent_with(&["--ring-capacity", "64"]);
    let (mut client, report) = hosted(&agent);
    assert_eq!(report.number("ring_capacity"), 64);
    let value = "5a".repeat(1000);
    client.send(&format!("ec030000 65000000 01000000 {value}"));
    assert_eq!(client.read(1013), bytes(&format!("ed030000 65000000 01000000 00 {value}")));
}

#[test]
fn a_host_inherits_nothing_and_is_told_no_secret() {
    let key = "00112233445566778899aabbccddeeff";
    let folder = TempDir::new().unwrap();
    let probe = probe_in(folder.path());
    let mut command = iaspec();
    command.env("IASPEC_AGENT_AES_KEY", key).env("A_SECRET", key);
    command.args(["agent", "--encryption", "none", "--product-host"]).arg(&probe);
    let agent = Agent::from_command(folder, command);
    let (_client, report) = hosted(&agent);
    let harmless = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
    let names = report.texts("env_names");
    assert!(names.iter().all(|name| harmless.contains(&name.as_str())), "{names:?}");
    let environment = fs::read(format!("/proc/{}/environ", report.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains(key));
    let words = report.texts("argv");
    let options: Vec<&str> = words[1..].iter().step_by(2).map(String::as_str).collect();
    assert_eq!(options, ["--shared-memory", "--nonce", "--session", "--agent-type"]);
    assert_eq!(words.len(), 9, "{words:?}");
}

/// A program that is no host.
#[derive(Clone, Copy)]
enum NoHost {
    Missing,
    /// It ends at once, since it does not know the options.
    Ends,
    NeverAttaches,
}

impl NoHost {
    fn program(self) -> PathBuf {
        match self {
            Self::Missing => "/nowhere/host".into(),
            Self::Ends => env!("CARGO_BIN_EXE_iaspec").into(),
            Self::NeverAttaches => late_host(),
        }
    }
}

#[rstest]
#[case::missing(NoHost::Missing, "`/nowhere/host` cannot be started: No such file or directory")]
#[case::ends(NoHost::Ends, "it did not attach: ")]
#[case::never_attaches(NoHost::NeverAttaches, "it did not attach: ")]
fn where_no_host_can_be_had_clients_are_told_and_nothing_is_left(
    #[case] program: NoHost,
    #[case] logged: &str,
) {
    let agent = agent_with_program(TempDir::new().unwrap(), &program.program(), &[]);
    let (mut second, mut first) = (v2(&agent), v1(&agent));
    // In v1 there is nothing but the end to tell it by.
    first.send("06000000 01 65000000 efbeadde cafe");
    assert_eq!(second.open(OPEN), 0);
    assert!(first.end().without_a_byte());
    agent.logged(&format!("no host for otter: {logged}"));
    // The connection stays at meta.
    second.send(OTTER);
    assert_eq!(second.root_path(), agent.otter());
    nothing_is_left(agent.folder.path());
    until("no child", || children(agent.pid()).is_empty());
    agent.serves();
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let is_child = |pid_and_stat: &(u32, String)| {
        let fields = pid_and_stat.1.rsplit(") ").next().unwrap_or_default();
        fields.split(' ').nth(1) == Some(pid.to_string().as_str())
    };
    let stats = entries(Path::new("/proc")).into_iter().filter_map(|path| {
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        Some((pid, fs::read_to_string(path.join("stat")).ok()?))
    });
    stats.filter(is_child).map(|(pid, _)| pid).collect()
}

#[test]
fn a_session_without_a_client_for_too_long_is_ended_with_all_that_its_host_launched() {
    let agent = agent_with(&["--session-timeout-ms", "300"]);
    let mut client = v2(&agent);
    let session = client.open(OPEN);
    let report = client.report(REPORT);
    client.send(LAUNCH);
    let (_, data) = client.message();
    let launched = u32::from_le_bytes(data[5..].try_into().unwrap());
    assert!(lives(launched));
    drop(client);
    agent.logged("no client for too long, its host for otter is ended");
    until("no host", || !lives(report.pid()) && !lives(launched));
    nothing_is_left(agent.folder.path());
    let mut client = v2(&agent);
    let id = format!("{:08x}", session.swap_bytes());
    assert_ne!(client.open(&format!("05000000 01000000 01 {id}")), session);
    assert_ne!(client.report(REPORT).pid(), report.pid());
}

#[test]
fn a_client_that_comes_back_in_time_finds_its_host() {
    let agent = agent_with(&[]);
    let mut client = v2(&agent);
    let session = client.open(OPEN);
    let report = client.report(REPORT);
    drop(client);
    let mut client = v2(&agent);
    let id = format!("{:08x}", session.swap_bytes());
    assert_eq!(client.open(&format!("05000000 01000000 01 {id}")), session);
    assert_eq!(client.report(REPORT).pid(), report.pid());
}

#[test]
fn an_agent_that_is_asked_to_end_ends_its_hosts_stalled_or_not() {
    let agent = agent_with(&[]);
    let (mut stalled, one) = hosted(&agent);
    let (_client, other) = hosted(&agent);
    stalled.send(STALL);
    agent.signal(Signal::TERM);
    let (status, folder) = agent.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!lives(one.pid()) && !lives(other.pid()));
    assert_eq!(entries(&segments(folder.path())), Vec::<PathBuf>::new());
    assert_eq!(entries(&running(folder.path())), Vec::<PathBuf>::new());
}

#[test]
fn an_agent_that_is_asked_to_end_does_not_wait_for_a_host_to_attach() {
    let agent = agent_with_program(TempDir::new().unwrap(), &late_host(), &[]);
    let mut client = v2(&agent);
    client.send(OPEN);
    until("a process", || !children(agent.pid()).is_empty());
    let started = children(agent.pid());
    agent.signal(Signal::TERM);
    let (status, folder) = agent.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!started.iter().any(|pid| lives(*pid)));
    // Had it been killed with the agent, these would be left.
    assert_eq!(entries(&segments(folder.path())), Vec::<PathBuf>::new());
    assert_eq!(entries(&running(folder.path())), Vec::<PathBuf>::new());
}

#[test]
fn a_killed_agent_takes_a_stalled_host_along_and_the_next_one_clears_up() {
    let agent = agent_with(&[]);
    let (mut client, report) = hosted(&agent);
    client.send(STALL);
    agent.signal(Signal::KILL);
    let (_, folder) = agent.ended();
    until("no host", || !lives(report.pid()));
    assert_eq!(entries(&segments(folder.path())), Vec::<PathBuf>::new());
    assert_eq!(entries(&running(folder.path())).len(), 1);
    let agent = agent_in(folder, &[]);
    assert_eq!(entries(&running(agent.folder.path())), Vec::<PathBuf>::new());
    hosted(&agent).0.echoes();
}

/// What a host does to its ring or segment in defiance of the contract.
type Break = fn(&Raw, u64);

const OUT: Direction = Direction::HostToAgent;

fn publish(raw: &Raw, written: u64, hex: &str) {
    let bytes = bytes(hex);
    raw.store(OUT, written, &bytes);
    raw.publish(OUT, written + bytes.len() as u64);
}

fn negative_length(raw: &Raw, written: u64) {
    publish(raw, written, "ffffffff c8000000");
}

fn huge_length(raw: &Raw, written: u64) {
    publish(raw, written, "01000004 c8000000");
}

fn backwards(raw: &Raw, written: u64) {
    raw.publish(OUT, written - 1);
}

fn more_than_the_ring(raw: &Raw, written: u64) {
    raw.publish(OUT, written + 4097);
}

fn no_state(raw: &Raw, _: u64) {
    raw.set_header(HeaderField::State, 9);
    raw.ring_both(Role::Host);
}

#[rstest]
#[case::negative_length(negative_length, &["it sent a bad frame: length"])]
#[case::huge_length(huge_length, &["it sent a bad frame: length"])]
#[case::counter_runs_backwards(backwards, &["ran backwards"])]
#[case::more_than_the_ring(more_than_the_ring, &["do not fit a ring of 4096"])]
// The host looks at the state, too; where it is the first, it closes its rings.
#[case::no_state(no_state, &["the state is 9", "it has closed its rings"])]
fn a_host_that_breaks_its_promises_ends_its_own_session_alone(
    #[case] break_it: Break,
    #[case] logged: &[&str],
) {
    let folder = TempDir::new().unwrap();
    probe_in(folder.path());
    let agent = agent_with_program(folder, &late_host(), &["--ring-capacity", "4096"]);
    let mut client = v2(&agent);
    client.send(OPEN);
    let segments = segments(agent.folder.path());
    let open = || entries(&segments).first().and_then(|path| Raw::open(path).ok());
    until("a segment", || open().is_some());
    let raw = open().unwrap();
    go(agent.folder.path());
    assert_eq!(client.message().0, 1);
    let report = client.report(REPORT);
    let (mut bystander, _) = hosted(&agent);
    // While the host stands still, the test writes in its place.
    client.send(STALL);
    break_it(&raw, raw.counter(OUT, Side::Producer));
    assert_eq!(client.end(), Ended::Closed(Vec::new()));
    let line = agent.logged("is gone: ");
    assert!(logged.iter().any(|words| line.contains(words)), "{line}");
    until("no host", || !lives(report.pid()));
    bystander.echoes();
    agent.serves();
    until("no working folder", || entries(&running(agent.folder.path())).len() == 1);
}

#[test]
fn what_a_host_sent_comes_before_its_end() {
    let agent = agent_with(&[]);
    let (mut client, report) = hosted(&agent);
    // Echo, then exit with 7.
    client.send(&format!("{ECHO} 08000000 6a000000 01000000 07000000"));
    assert_eq!(client.end(), Ended::Closed(bytes(ECHOED)));
    agent.logged("the host for otter is gone: ");
    until("no host", || !lives(report.pid()));
    nothing_is_left(agent.folder.path());
}
