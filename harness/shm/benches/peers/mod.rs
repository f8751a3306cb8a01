//! The other processes of the benchmark: this program again, told on its command line what to be.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use iaspec_shm::layout::DEFAULT_CAPACITY;
use iaspec_shm::{Attached, Error, Expected, Place, Plan, Receiver, Segment, Sender, Wait, parent_pid};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::{SPAN, gigabytes};

const NONCE: [u8; 16] = *b"benchmark's ring";
const TRIP: usize = 64;
// The first byte of each message says whether it is to be confirmed.
const MORE: u8 = 0x5a;
const CONFIRM: u8 = 0xa5;

/// Processor time that this process has used.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("time goes forward");
    Duration::from_secs(seconds)
        + Duration::from_nanos(u64::try_from(time.tv_nsec).expect("part of a second"))
}

/// Keeps a process, this one if none is named, to one of the processors that the benchmark may use, if there are so many:
/// where the system puts two processes that wake each other is a matter of chance otherwise.
pub(crate) fn keep_to_a_processor(process: Option<Pid>, number: usize) {
    // As they are before the benchmark keeps itself to one.
    static ALLOWED: LazyLock<CpuSet> = LazyLock::new(|| sched_getaffinity(None).expect("the processors"));
    let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| ALLOWED.is_set(*processor));
    if let Some(processor) = processors.nth(number) {
        let mut chosen = CpuSet::new();
        chosen.set(processor);
        sched_setaffinity(process, &chosen).expect("one of the processors");
    }
}

/// A stream of bytes in each direction.
pub(crate) trait Channel {
    fn write(&mut self, bytes: &[u8]);

    /// Fills the buffer, unless the stream ends at its beginning.
    fn read(&mut self, buffer: &mut [u8]) -> bool;

    /// Sends messages of that size for a while, until the last has arrived; GB/s.
    fn stream(&mut self, size: usize) -> f64 {
        let mut message = vec![MORE; size];
        let batch = ((1 << 20) / size).max(1);
        let (began, mut sent) = (Instant::now(), size);
        while began.elapsed() < SPAN {
            for _ in 0..batch {
                self.write(&message);
            }
            sent += batch * size;
        }
        message[0] = CONFIRM;
        self.write(&message);
        assert!(self.read(&mut [0]), "it is confirmed");
        gigabytes(sent, began.elapsed())
    }

    /// One message there and back.
    fn trip(&mut self) {
        let mut message = [MORE; TRIP];
        self.write(&message);
        assert!(self.read(&mut message), "it comes back");
    }

    /// Takes messages of that size.
    fn sink(&mut self, size: usize) {
        let mut message = vec![0; size];
        while self.read(&mut message) {
            if message[0] == CONFIRM {
                self.write(&[CONFIRM]);
            }
        }
    }

    /// Sends back what comes.
    fn echo(&mut self) {
        let mut message = [0; TRIP];
        while self.read(&mut message) {
            self.write(&message);
        }
    }
}

/// A ring out and a ring in.
pub(crate) struct Rings {
    sender: Sender,
    receiver: Receiver,
    wait: Wait,
}

impl Rings {
    fn attach(path: &str, spin: Duration) -> Self {
        let expected = Expected { nonce: NONCE, agent_pid: parent_pid(), session: 1, agent_type: 1 };
        let host = Attached::open(path.as_ref(), &expected, true).expect("a good segment");
        let (sender, receiver) = host.take_ends().expect("untouched rings");
        Self { sender, receiver, wait: Wait::forever().spin(spin) }
    }

    /// Waits that long for bytes that do not come.
    pub(crate) fn listen(&mut self, wait: &Wait) {
        let outcome = self.receiver.read(&mut [0], wait);
        assert!(matches!(outcome, Err(Error::Deadline)), "nothing comes: {outcome:?}");
    }

    /// Waits for the order to tell the processor time, and tells how much was used meanwhile.
    fn idle(&mut self) {
        let before = cpu_time();
        assert!(self.read(&mut [0]), "the order");
        let used = cpu_time() - before;
        self.write(&u64::try_from(used.as_nanos()).expect("not centuries").to_le_bytes());
    }

    /// What the peer has used.
    pub(crate) fn idle_time(&mut self) -> Duration {
        self.write(&[CONFIRM]);
        let mut nanoseconds = [0; 8];
        assert!(self.read(&mut nanoseconds), "it tells");
        Duration::from_nanos(u64::from_le_bytes(nanoseconds))
    }
}

impl Channel for Rings {
    fn write(&mut self, bytes: &[u8]) {
        self.sender.write_all(bytes, &self.wait).expect("a reader");
    }

    fn read(&mut self, buffer: &mut [u8]) -> bool {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.receiver.read(&mut buffer[filled..], &self.wait).expect("a writer") {
                0 => return false,
                read => filled += read,
            }
        }
        true
    }
}

/// A pipe out and a pipe in.
pub(crate) struct Pipes<Out, In> {
    out: Out,
    back: In,
}

impl<Out: Write, In: Read> Channel for Pipes<Out, In> {
    fn write(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).expect("a reader");
    }

    fn read(&mut self, buffer: &mut [u8]) -> bool {
        self.back.read_exact(buffer).is_ok()
    }
}

/// A started process and the channel to it. Dropped, the channel is closed and the process waited for.
pub(crate) struct Peer<C> {
    channel: Option<C>,
    child: Child,
}

impl<C> Peer<C> {
    pub(crate) fn channel(&mut self) -> &mut C {
        self.channel.as_mut().expect("not dropped")
    }
}

impl<C> Drop for Peer<C> {
    fn drop(&mut self) {
        self.channel = None;
        self.child.wait().expect("it was started here");
    }
}

/// A process that does a task for messages of that size, behind rings.
pub(crate) fn ring(task: &str, size: usize, spin: Duration) -> Peer<Rings> {
    let plan = Plan {
        place: Place::Memory,
        capacity: DEFAULT_CAPACITY,
        session: 1,
        agent_type: 1,
        nonce: NONCE,
        rings: true,
    };
    let segment = Segment::create(&plan).expect("a segment");
    let path = segment.path().to_str().expect("digits");
    let arguments = ["ring", path, &spin.as_micros().to_string(), task, &size.to_string()];
    let child = start(&arguments, Stdio::null(), Stdio::null());
    segment.watch_host(child.id()).expect("a child");
    segment.wait_attached(&Wait::forever()).expect("it attaches");
    let (sender, receiver) = segment.take_ends().expect("untouched rings");
    Peer { channel: Some(Rings { sender, receiver, wait: Wait::forever().spin(spin) }), child }
}

/// The same behind pipes.
pub(crate) fn pipes(task: &str, size: usize) -> Peer<impl Channel> {
    let (stdin, out) = pipe().expect("a pipe");
    let (back, stdout) = pipe().expect("a pipe");
    let child = start(&["pipe", task, &size.to_string()], stdin.into(), stdout.into());
    Peer { channel: Some(Pipes { out, back }), child }
}

/// A process that does nothing but keep a processor busy.
pub(crate) struct Busy(Child);

impl Busy {
    /// On that one of the processors.
    pub(crate) fn start(processor: usize) -> Self {
        let child = start(&["busy"], Stdio::null(), Stdio::null());
        keep_to_a_processor(child_id(&child), processor);
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it was started here");
    }
}

fn start(arguments: &[&str], stdin: Stdio, stdout: Stdio) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    let child = command.arg("--peer").args(arguments).stdin(stdin).stdout(stdout).spawn().expect("a peer");
    keep_to_a_processor(child_id(&child), 1);
    child
}

fn child_id(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// What the started process does.
pub(crate) fn serve(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["busy"] => loop {
            std::hint::spin_loop();
        },
        ["pipe", task, size] => {
            // Without the buffers that the library puts before them.
            let out = File::from(std::io::stdout().as_fd().try_clone_to_owned().expect("a descriptor"));
            let back = File::from(std::io::stdin().as_fd().try_clone_to_owned().expect("a descriptor"));
            serve_task(&mut Pipes { out, back }, task, size);
        }
        ["ring", path, spin, "idle", _] => Rings::attach(path, micros(spin)).idle(),
        ["ring", path, spin, task, size] => serve_task(&mut Rings::attach(path, micros(spin)), task, size),
        _ => panic!("unknown peer {arguments:?}"),
    }
}

fn micros(word: &str) -> Duration {
    Duration::from_micros(word.parse().expect("microseconds"))
}

fn serve_task(channel: &mut impl Channel, task: &str, size: &str) {
    match task {
        "sink" => channel.sink(size.parse().expect("a size")),
        _ => channel.echo(),
    }
}
