//! How fast messages pass through the whole agent to a product host and back, and what memory that takes:
//! `cargo bench -p iaspec --bench forwarding`. It needs the machine for itself.
//!
//! A client sends echo requests as fast as it can and reads the answers at the same time, so that many are under way:
//!
//! - **agent**: the reference agent with the probe as its host: TCP, ring, host, ring, TCP;
//! - **bare**: a process that does nothing but send back what it reads, on the same runtime and with buffers as large.
//!
//! Both get the same bytes from the same client, in turn, nine rounds for each size of message; the median of the rounds'
//! ratios counts, since what else the machine does changes from one round to the next. Goal: 0.6 of bare TCP or more.
//!
//! Memory is the peak of the agent's resident memory, its rings included, which have 4 MiB each: while one message of
//! 64 MiB is echoed, at most 3.5 times that; and while a host sends 256 MiB to a client that never reads, at most 32 MiB
//! more than before.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark, which prints and may die"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROUNDS: usize = 9;

/// Bytes of data that are sent in a round.
const VOLUME: usize = 256 << 20;

const SIZES: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];

const GOAL: f64 = 0.6;

const MIB: usize = 1 << 20;

/// The largest message that an agent has to take.
const LARGEST: usize = 64 * MIB;

/// The argument that makes this program the bare server.
const BARE: &str = "bare-echo";

/// Bytes that the bare server reads at once, like the agent.
const READ_SIZE: usize = 64 << 10;

/// What the probe's echo is asked with and answered.
const ECHO: i32 = 101;
const BURST: i32 = 103;
const TOKEN: i32 = 7;

/// A client that waits longer than this will wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(BARE) {
        bare_server();
    }
    let mut met = throughput();
    met &= memory_of_a_large_message();
    met &= memory_for_a_client_that_never_reads();
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn throughput() -> bool {
    let (agent, bare) = (Server::agent(), Server::bare());
    println!("echo of messages, MB of data a second in each direction, medians of {ROUNDS} rounds");
    let mut met = true;
    for size in SIZES {
        let mut through_agent = Talk { stream: agent.session(), messages: messages(size, 1) };
        let mut through_bare = Talk { stream: connect(bare.address), messages: messages(size, 0) };
        let mut rounds = Vec::new();
        for round in 0..=ROUNDS {
            let rates = Rates { agent: through_agent.time(), bare: through_bare.time() };
            // The first round warms up.
            if round > 0 {
                rounds.push(rates);
            }
        }
        met &= report(size, &rounds);
    }
    met
}

/// What a round gave, in MB of data a second.
struct Rates {
    agent: f64,
    bare: f64,
}

fn report(size: usize, rounds: &[Rates]) -> bool {
    let agent = median(rounds, |rates| rates.agent);
    let bare = median(rounds, |rates| rates.bare);
    let ratio = median(rounds, |rates| rates.agent / rates.bare);
    let met = ratio >= GOAL;
    println!(
        "{:>5} KiB  agent {agent:>6.0}  bare {bare:>6.0}  ratio {ratio:.2}  goal >= {GOAL}: {}",
        size >> 10,
        verdict(met)
    );
    met
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn median(rounds: &[Rates], figure: fn(&Rates) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A request with so many bytes of data, and the answer to it.
struct Messages {
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// An echo; its answer has `status` bytes between the token and what is echoed.
fn messages(size: usize, status: usize) -> Messages {
    let token = TOKEN.to_le_bytes();
    let echoed: Vec<u8> = (0..size - token.len()).map(|index| index.to_le_bytes()[0]).collect();
    let request = frame(ECHO, &[&token, &echoed]);
    let answer = frame(ECHO, &[&token, &vec![0; status], &echoed]);
    Messages { request, answer }
}

/// int32 data length, int32 command, data.
fn frame(command: i32, data: &[&[u8]]) -> Vec<u8> {
    let data = data.concat();
    let length = i32::try_from(data.len()).expect("a short message");
    [&length.to_le_bytes()[..], &command.to_le_bytes(), &data].concat()
}

/// A connection on which one message is echoed over and over.
struct Talk {
    stream: TcpStream,
    messages: Messages,
}

impl Talk {
    /// MB of data a second in each direction.
    fn time(&mut self) -> f64 {
        let Self { stream, messages } = self;
        let (request, answer) = (&messages.request, &messages.answer);
        let count = VOLUME / request.len();
        let began = Instant::now();
        thread::scope(|scope| {
            let mut writing = stream.try_clone().expect("a socket");
            scope.spawn(move || {
                for _ in 0..count {
                    writing.write_all(request).expect("sent");
                }
            });
            let mut found = vec![0; answer.len()];
            for number in 0..count {
                stream.read_exact(&mut found).expect("an answer");
                // A comparison of all would be a good part of what is measured.
                let is_right = if number == 0 { found == *answer } else { found[..64] == answer[..64] };
                assert!(is_right, "answer {number} of {count} is wrong");
            }
        });
        (count * request.len()) as f64 / 1e6 / began.elapsed().as_secs_f64()
    }
}

fn memory_of_a_large_message() -> bool {
    let agent = Server::agent();
    let messages = messages(LARGEST - 1, 1);
    let mut stream = agent.session();
    let mut writing = stream.try_clone().expect("a socket");
    thread::scope(|scope| {
        let request = &messages.request;
        scope.spawn(move || writing.write_all(request).expect("sent"));
        let mut found = vec![0; messages.answer.len()];
        stream.read_exact(&mut found).expect("an answer");
        assert!(found == messages.answer, "the answer is wrong");
    });
    let peak = agent.memory("VmHWM:");
    let bound = LARGEST * 7 / 2;
    println!(
        "peak memory of the agent, one message of 64 MiB echoed: {:.1} MiB  goal <= {} MiB: {}",
        mib(peak),
        bound / MIB,
        verdict(peak <= bound)
    );
    peak <= bound
}

fn memory_for_a_client_that_never_reads() -> bool {
    const SENT: i32 = 256;
    let agent = Server::agent();
    let mut stream = agent.session();
    let idle = agent.memory("VmRSS:");
    let size = 1_i32 << 20;
    let request = frame(BURST, &[&TOKEN.to_le_bytes(), &SENT.to_le_bytes(), &size.to_le_bytes()]);
    stream.write_all(&request).expect("sent");
    let mut peak = 0;
    // As long as the agent takes more of it, its memory may grow.
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < Duration::from_secs(2) {
        let now = agent.memory("VmHWM:");
        if now != peak {
            (peak, quiet_since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(20));
    }
    let more = peak.saturating_sub(idle);
    let bound = 32 * MIB;
    println!(
        "peak memory of the agent beyond {:.1} MiB when idle, 256 MiB for a client that never reads: {:.1} MiB  \
         goal <= {} MiB: {}",
        mib(idle),
        mib(more),
        bound / MIB,
        verdict(more <= bound)
    );
    more <= bound
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / MIB as f64
}

/// A server in a process of its own, which ends with this.
struct Server {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Server {
    /// The reference agent with the probe as its host.
    fn agent() -> Self {
        let folder = TempDir::new().expect("a folder");
        let probe = folder.path().join("iaspec-probe-host");
        symlink(env!("CARGO_BIN_EXE_iaspec"), &probe).expect("a link");
        let mut command = Command::new(env!("CARGO_BIN_EXE_iaspec"));
        command.args(["agent", "--host", "127.0.0.1", "--port", "0", "--product-host"]).arg(probe);
        command.arg("--state-dir").arg(folder.path());
        Self::start(command, folder)
    }

    /// This program, as a server that sends back what it reads.
    fn bare() -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(BARE);
        Self::start(command, TempDir::new().expect("a folder"))
    }

    fn start(mut command: Command, folder: TempDir) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("a server");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.rsplit_once("listening on ")?.1.trim().parse().ok())
            .expect("the server says where it listens");
        // Whatever else it says is of no interest, but must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { process, address, _folder: folder }
    }

    /// A connection in a session of its own with a host.
    fn session(&self) -> TcpStream {
        let mut stream = connect(self.address);
        let id =
            [0x4e, 0xd2, 0xeb, 0x6c, 0xf7, 0x4a, 0x13, 0x4a, 0xb9, 0xaf, 0x81, 0xd3, 0xdf, 0xc6, 0x44, 0xbe];
        let offer = [&id[..], &1000_i32.to_le_bytes(), &2000_i32.to_le_bytes()].concat();
        stream.write_all(&offer).expect("sent");
        stream.read_exact(&mut [0; 9]).expect("an acknowledgement");
        // Open Session: Otter, a new one.
        stream.write_all(&frame(1, &[&[1, 0, 0, 0, 0]])).expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("a session");
        assert_ne!(answer[8..], [0; 4], "a host can be had");
        stream
    }

    /// A figure from `/proc/PID/status`, in bytes.
    fn memory(&self, field: &str) -> usize {
        let path = format!("/proc/{}/status", self.process.id());
        let text = std::fs::read_to_string(path).expect("a running process");
        let line = text.lines().find(|line| line.starts_with(field)).expect("the field");
        let figure = line.split_whitespace().nth(1).expect("a figure");
        figure.parse::<usize>().expect("a number") << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends back what comes on any connection, until it is killed.
fn bare_server() -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        writeln!(std::io::stderr(), "listening on {address}").expect("told");
        loop {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.set_nodelay(true).expect("an option");
            tokio::spawn(async move {
                let mut buffer = vec![0; READ_SIZE];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    })
}
