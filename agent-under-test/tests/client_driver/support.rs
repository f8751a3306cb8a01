//! A driver that runs in threads of the test, and an agent's end of a connection.

use std::io::{self, BufRead, BufReader, ErrorKind, PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use iaspec_reference::client::driver;
use serde_json::{Value, json};

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// No encryption, 2000, server version 51.
pub(crate) const PICKED_2000: &str = "00 d0070000 33000000";
/// No encryption, session 7, server version 51.
pub(crate) const SESSION_7: &str = "00 07000000 33000000";
/// Get Agent Root Path of Otter, v2, and answers to it.
pub(crate) const OTTER: &str = "01000000 03000000 01";
pub(crate) const OTTER_ROOT: &str = "03000000 03000000 02 2f6f";
pub(crate) const BUILDMASTER_ROOT: &str = "03000000 03000000 02 2f62";
/// A message that answers nothing.
pub(crate) const UNSOLICITED: &str = "02000000 c8000000 aabb";

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(char::is_whitespace, "")).unwrap()
}

/// A driver between pipes.
pub(crate) struct Driver {
    pub(crate) input: PipeWriter,
    answers: Receiver<Value>,
    /// Answers that came while another was waited for.
    early: Vec<Value>,
    running: JoinHandle<io::Result<()>>,
}

impl Driver {
    pub(crate) fn start() -> Self {
        let (requests, input) = io::pipe().unwrap();
        let (output, writer) = io::pipe().unwrap();
        let running = thread::spawn(move || driver::run(BufReader::new(requests), writer));
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).expect("an answer is JSON")).is_err() {
                    return;
                }
            }
        });
        Self { input, answers, early: Vec::new(), running }
    }

    pub(crate) fn says(&mut self, line: &[u8]) {
        self.input.write_all(line).unwrap();
        self.input.write_all(b"\n").unwrap();
    }

    /// Gives a request without waiting for its answer.
    pub(crate) fn gives(&mut self, request: &Value) {
        self.says(request.to_string().as_bytes());
    }

    /// The answer to a request, whatever comes before it.
    pub(crate) fn answer(&mut self, id: &Value) -> Value {
        if let Some(place) = self.early.iter().position(|answer| answer["id"] == *id) {
            return self.early.remove(place);
        }
        loop {
            let answer = self.answers.recv_timeout(PATIENCE).expect("an answer");
            if answer["id"] == *id {
                return answer;
            }
            self.early.push(answer);
        }
    }

    pub(crate) fn asks(&mut self, request: &Value) -> Value {
        self.gives(request);
        self.answer(&request["id"])
    }

    /// What a request succeeded with.
    pub(crate) fn succeeds(&mut self, request: &Value) -> Value {
        let answer = self.asks(request);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["ok"].clone()
    }

    /// The kind of error that a request failed with.
    pub(crate) fn fails(&mut self, request: &Value) -> String {
        self.gives(request);
        self.failed(&request["id"])
    }

    /// The kind of error that a request given before failed with.
    pub(crate) fn failed(&mut self, id: &Value) -> String {
        let answer = self.answer(id);
        assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
        assert_eq!(answer.get("ok"), None, "{answer}");
        answer["error"]["kind"].as_str().expect("a kind").to_owned()
    }

    /// Connects, by version 2 unless the acknowledgement tells a session; the request's id is 0.
    pub(crate) fn connected(&mut self, acknowledgement: &str) -> Peer {
        let listener = Listener::new();
        self.gives(&listener.connect());
        let mut peer = listener.accept();
        peer.says(acknowledgement);
        let answer = self.answer(&json!(0));
        assert_eq!(answer["ok"]["conn"], 1, "{answer}");
        peer
    }

    /// Ends the input, and waits for the driver to end.
    pub(crate) fn ends(self) -> (io::Result<()>, Vec<Value>) {
        drop(self.input);
        let result = self.running.join().unwrap();
        let mut rest = self.early;
        rest.extend(self.answers);
        (result, rest)
    }
}

/// Where a driver connects to.
pub(crate) struct Listener(pub(crate) TcpListener);

impl Listener {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// A request for a connection, by version 2; its id is 0.
    pub(crate) fn connect(&self) -> Value {
        json!({"id": 0, "op": "connect", "host": "127.0.0.1", "port": self.0.local_addr().unwrap().port(),
            "protocol": {"version": 2, "min": 1000, "max": 2000}})
    }

    /// Accepts a client and reads its handshake.
    pub(crate) fn accept(&self) -> Peer {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Peer(stream);
        peer.hears("4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000");
        peer
    }
}

/// An agent's end of a connection.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) fn says(&mut self, hex: &str) {
        self.0.write_all(&bytes(hex)).unwrap();
    }

    #[track_caller]
    pub(crate) fn hears(&mut self, hex: &str) {
        let mut heard = vec![0; bytes(hex).len()];
        self.0.read_exact(&mut heard).unwrap();
        assert_eq!(hex::encode(heard), hex::encode(bytes(hex)));
    }

    /// What comes until the client ends its output.
    pub(crate) fn hears_the_rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("FIN, and no RST");
        rest
    }

    /// The client has closed, one way or the other, and has said nothing more.
    pub(crate) fn is_left(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert_eq!(rest, Vec::<u8>::new());
    }
}
