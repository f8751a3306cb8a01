//! A client that runs, and what it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::process::PATIENCE;
use crate::support::iaspec;

pub(crate) struct Client {
    process: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<Value>,
    early: Vec<Value>,
}

impl Client {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further variables in its environment.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Self {
        let mut command = iaspec();
        command.arg("client").env_remove("SSL_CERT_FILE").envs(environment.iter().copied());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the client starts");
        let (sender, answers) = channel();
        let stdout = process.stdout.take().expect("a pipe");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).expect("JSON")).is_err() {
                    return;
                }
            }
        });
        Self { stdin: process.stdin.take(), process, answers, early: Vec::new() }
    }

    pub(crate) fn says(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().expect("not ended yet");
        stdin.write_all(line).expect("written");
        stdin.write_all(b"\n").expect("written");
    }

    /// Gives a request without waiting for its answer.
    pub(crate) fn gives(&mut self, request: &Value) {
        self.says(request.to_string().as_bytes());
    }

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

    #[track_caller]
    pub(crate) fn succeeds(&mut self, request: &Value) -> Value {
        let answer = self.asks(request);
        assert!(answer.get("error").is_none(), "{request} gave {answer}");
        answer["ok"].clone()
    }

    #[track_caller]
    pub(crate) fn fails(&mut self, request: &Value) -> String {
        let answer = self.asks(request);
        answer["error"]["kind"].as_str().unwrap_or_else(|| panic!("{request} gave {answer}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn root_path(&mut self, conn: u64, agent_type: &str) -> String {
        let asked = json!({"id": 50, "op": "get_root_path", "conn": conn, "agent_type": agent_type});
        self.succeeds(&asked)["path"].as_str().expect("a path").to_owned()
    }

    /// Ends its input, and waits for its end.
    pub(crate) fn ends(mut self) -> (ExitStatus, Vec<Value>) {
        drop(self.stdin.take());
        let status = self.process.wait().expect("an end");
        let mut rest = std::mem::take(&mut self.early);
        rest.extend(self.answers.iter());
        (status, rest)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request for a connection, with more or other members.
pub(crate) fn connect(address: SocketAddr, more: &Value) -> Value {
    let mut connect = json!({"id": 0, "op": "connect", "host": address.ip().to_string(),
        "port": address.port(), "protocol": {"version": 2, "min": 1000, "max": 2000}});
    let more = more.as_object().expect("members").clone();
    connect.as_object_mut().expect("members").extend(more);
    connect
}

/// An update of a product with one assembly, modified at 2018-06-04T00:00:00Z.
pub(crate) fn update(conn: u64, agent_type: &str, contents: &str) -> Value {
    json!({"id": 51, "op": "update_agent", "conn": conn, "agent_type": agent_type, "extensions": [],
        "assemblies": [{"name": "a.dll", "modified_ticks": "636636672000000000", "contents": contents}]})
}
