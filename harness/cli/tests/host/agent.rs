//! An agent that starts the probe and talks to it in hexadecimal.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use iaspec_shm::{Place, Plan, Receiver, Segment, Sender, Wait};

use crate::support::iaspec;

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const NONCE: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
pub(crate) const NONCE_HEX: &str = "00112233445566778899aabbccddeeff";
pub(crate) const SESSION: i32 = 7;
pub(crate) const OTTER: u8 = 1;

pub(crate) fn plan(capacity: u32) -> Plan {
    Plan { place: Place::Memory, capacity, session: SESSION, agent_type: OTTER, nonce: NONCE, rings: true }
}

pub(crate) fn wait() -> Wait {
    Wait::at_most(PATIENCE)
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit =
        |digit: u8| u8::try_from(char::from(digit).to_digit(16).expect("hexadecimal")).expect("small");
    digits.chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

/// The program with the options that fit a segment.
pub(crate) fn command(segment: &Segment) -> Command {
    let mut command = iaspec();
    command.arg("host").args(options(segment));
    command
}

pub(crate) fn options(segment: &Segment) -> [String; 8] {
    let path = segment.path().to_str().expect("UTF-8").to_owned();
    let (session, otter) = (SESSION.to_string(), OTTER.to_string());
    let words =
        ["--shared-memory", &path, "--nonce", NONCE_HEX, "--session", &session, "--agent-type", &otter];
    words.map(str::to_owned)
}

/// An attached host, in a process group of its own.
pub(crate) struct Host {
    pub(crate) process: Process,
    pub(crate) segment: Segment,
    pub(crate) to_host: Sender,
    pub(crate) from_host: Receiver,
}

impl Host {
    pub(crate) fn start(capacity: u32) -> Self {
        Self::start_as(&plan(capacity), |_| {})
    }

    pub(crate) fn start_as(plan: &Plan, change: impl FnOnce(&mut Command)) -> Self {
        let mut segment = Segment::create(plan).expect("a segment");
        let mut command = command(&segment);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        // Whoever runs the tests may have left something open.
        iaspec_shm::inherit_nothing().expect("marked");
        let process = Process(command.spawn().expect("the host starts"));
        segment.watch_host(process.0.id()).expect("watched");
        segment.wait_attached(&wait()).expect("it attaches");
        segment.unlink();
        let (to_host, from_host) = segment.take_ends().expect("both ends");
        Self { process, segment, to_host, from_host }
    }

    pub(crate) fn send(&mut self, hex: &str) {
        self.to_host.write_all(&bytes(hex), &wait()).expect("room");
    }

    /// The next bytes from the host.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut all = vec![0; count];
        let mut there = 0;
        while there < count {
            match self.from_host.read(&mut all[there..], &wait()).expect("bytes from the host") {
                0 => panic!("it ended after {there} of {count} bytes: {:02x?}", &all[..there]),
                read => there += read,
            }
        }
        all
    }

    /// The next message: its command and data.
    pub(crate) fn message(&mut self) -> (i32, Vec<u8>) {
        let head = self.read(8);
        let int32 = |at: usize| i32::from_le_bytes(head[at..at + 4].try_into().expect("four"));
        let length = usize::try_from(int32(0)).expect("a length");
        (int32(4), self.read(length))
    }

    pub(crate) fn expect(&mut self, hex: &str) {
        let expected = bytes(hex);
        assert_eq!(self.read(expected.len()), expected);
    }

    /// It answers an echo next.
    pub(crate) fn serves(&mut self) {
        self.send("06000000 65000000 efbeadde cafe");
        self.expect("07000000 65000000 efbeadde 00 cafe");
    }

    /// Its child of a launch of a minute.
    pub(crate) fn launches(&mut self) -> u32 {
        self.send("08000000 70000000 01000000 3c000000");
        self.expect("09000000 70000000 01000000 00");
        u32::from_le_bytes(self.read(4).try_into().expect("four"))
    }

    /// Waits for its end: the code, and what it said on standard error.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let status = ended(&mut self.process.0);
        let mut said = String::new();
        if let Some(mut stderr) = self.process.0.stderr.take() {
            std::io::Read::read_to_string(&mut stderr, &mut said).expect("UTF-8");
        }
        (status, said)
    }
}

/// A process that does not outlive its test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The code of a process that ends in time.
pub(crate) fn ended(process: &mut Child) -> Option<i32> {
    until(|| process.try_wait().expect("a child").map(|status| status.code()))
}

/// What this gives once it gives something.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there that has not ended.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// The output of a command that has to end by itself.
pub(crate) fn output(command: &mut Command) -> Output {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    ended(&mut process);
    process.wait_with_output().expect("its output")
}
