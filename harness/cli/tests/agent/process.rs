//! A running agent, and clients without manners.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::iaspec;

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The protocol ID, 1000, 2000.
pub(crate) const OFFER: &str = "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000";
/// The protocol ID, 1000, session 0.
pub(crate) const V1_NEW_SESSION: &str = "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 00000000";
/// Get Agent Root Path of Otter.
pub(crate) const OTTER: &str = "01000000 03000000 01";

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit =
        |digit: u8| u8::try_from(char::from(digit).to_digit(16).expect("hexadecimal")).expect("small");
    digits.chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

/// An agent that runs, with a folder of its own for all it keeps.
pub(crate) struct Agent {
    process: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
}

impl Agent {
    /// Starts one on a port that it chooses, with further options.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_in(TempDir::new().expect("a folder"), options)
    }

    /// The same with a folder that another had before.
    pub(crate) fn start_in(folder: TempDir, options: &[&str]) -> Self {
        let mut command = iaspec();
        command.arg("agent").args(options);
        Self::from_command(folder, command)
    }

    /// Starts one by a command to which the options for port and folder are added.
    pub(crate) fn from_command(folder: TempDir, mut command: Command) -> Self {
        command.args(["--host", "127.0.0.1", "--port", "0", "--state-dir"]).arg(folder.path());
        Self::spawn(folder, command)
    }

    /// Starts one by a command as it stands.
    pub(crate) fn spawn(folder: TempDir, mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("the agent starts");
        let lines = lines(process.stderr.take().expect("a pipe"));
        let first = lines.recv_timeout(PATIENCE).expect("a line on standard error");
        let (_, address) = first.split_once("] listening on ").unwrap_or_else(|| panic!("it said: {first}"));
        Self { address: address.parse().expect("an address"), process, lines, folder }
    }

    pub(crate) fn updates(&self) -> std::path::PathBuf {
        self.folder.path().join("updates")
    }

    /// The next line of its log with this in it.
    pub(crate) fn logged(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("never logged: {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a process ID")).expect("not 0");
        kill_process(pid, signal).expect("a signal");
    }

    /// Waits for its end, and leaves its folder.
    pub(crate) fn ended(mut self) -> (ExitStatus, TempDir) {
        let status = self.process.wait().expect("an end");
        (status, std::mem::replace(&mut self.folder, TempDir::new().expect("a folder")))
    }

    /// A figure from `/proc/PID/status`, in KiB.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let text = std::fs::read_to_string(path).expect("a running process");
        let line = text.lines().find(|line| line.starts_with(field)).expect("the field");
        line.split_whitespace().nth(1).expect("a figure").parse().expect("a number")
    }

    /// A client that has sent these bytes.
    pub(crate) fn client(&self, hex: &str) -> Client {
        let mut client = Client::connect(self.address);
        client.send(hex);
        client
    }

    /// The root path of Otter unless an option gives another.
    pub(crate) fn otter(&self) -> String {
        self.folder.path().join("otter").to_str().expect("UTF-8").to_owned()
    }

    /// It serves a good client, by both versions.
    pub(crate) fn serves(&self) {
        let mut client = self.client(&format!("{OFFER} {OTTER}"));
        assert_eq!(client.read(5), bytes("00 d0070000"));
        client.read(4);
        let path = self.folder.path().join("otter");
        assert_eq!(client.root_path(), path.to_str().expect("UTF-8"));
        let mut client = self.client(&format!("{V1_NEW_SESSION} 01000000 00 03000000 01"));
        assert_eq!(client.read(1), [0]);
        client.read(8);
        assert_eq!(client.root_path(), path.to_str().expect("UTF-8"));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A TCP connection to an agent.
pub(crate) struct Client(pub(crate) TcpStream);

/// How a connection ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    /// With FIN, after these bytes.
    Closed(Vec<u8>),
    /// With RST.
    Reset,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Self(stream)
    }

    pub(crate) fn send(&mut self, hex: &str) {
        self.0.write_all(&bytes(hex)).expect("sent");
    }

    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("bytes from the agent");
        bytes
    }

    /// The string of an answer to Get Agent Root Path.
    pub(crate) fn root_path(&mut self) -> String {
        root_path(&mut self.0)
    }

    /// Reads until the connection ends.
    pub(crate) fn end(mut self) -> Ended {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => Ended::Closed(rest),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ended::Reset,
            Err(error) => panic!("the connection did not end: {error}"),
        }
    }

    pub(crate) fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).expect("half closed");
    }

    /// Whether nothing has come after a while.
    pub(crate) fn is_quiet(&mut self, time: Duration) -> bool {
        self.0.set_read_timeout(Some(time)).expect("a timeout");
        let result = self.0.read(&mut [0]);
        self.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        matches!(result, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// The string of an answer to Get Agent Root Path that comes from somewhere.
pub(crate) fn root_path(stream: &mut impl Read) -> String {
    let mut header = [0; 8];
    stream.read_exact(&mut header).expect("bytes from the agent");
    assert_eq!(header[1..], bytes("000000 03000000"), "a short answer of command 3");
    let mut data = vec![0; header[0].into()];
    stream.read_exact(&mut data).expect("bytes from the agent");
    assert_eq!(usize::from(data[0]), data.len() - 1, "one length prefix");
    String::from_utf8(data[1..].to_vec()).expect("UTF-8")
}

impl Ended {
    /// Whether nothing had come before the end, whichever it was.
    pub(crate) fn without_a_byte(&self) -> bool {
        match self {
            Self::Closed(rest) => rest.is_empty(),
            Self::Reset => true,
        }
    }
}

/// The relative paths of the regular files below a folder, with their contents.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                let name = path.strip_prefix(folder).expect("below").to_str().expect("UTF-8").to_owned();
                found.push((name, std::fs::read(path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}
