//! A client that speaks v2 without encryption and misbehaves as its first argument says: what the harness is tested
//! against. `hostile-client BEHAVIOUR`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::zombie_processes,
    reason = "a test program, which may die"
)]

use std::collections::HashMap;
use std::io::{BufRead, ErrorKind, Read, Write, stdin, stdout};
use std::net::TcpStream;
use std::process::{Command, exit};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

const PROTOCOL_ID: [u8; 16] =
    [0x4e, 0xd2, 0xeb, 0x6c, 0xf7, 0x4a, 0x13, 0x4a, 0xb9, 0xaf, 0x81, 0xd3, 0xdf, 0xc6, 0x44, 0xbe];

/// The command at which the behaviours named `…-on-poison` strike.
const POISON: i64 = 666;

const FOREVER: Duration = Duration::from_secs(3600);

/// Set when the whole client is to hang.
static HANGS: AtomicBool = AtomicBool::new(false);

/// Held by whoever speaks, and while the whole client stands still.
static SPEAKS: Mutex<()> = Mutex::new(());

/// How long a client stands still that does so once: longer than an op may take.
const PAUSE: Duration = Duration::from_secs(9);

fn main() {
    let behaviour = std::env::args().nth(1).unwrap();
    let mut connections: HashMap<u64, Sender<Value>> = HashMap::new();
    let mut next = 0;
    if behaviour == "leaves-a-process" {
        Command::new("sleep").arg("3600").spawn().unwrap();
    }
    for line in stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = request["id"].clone();
        match behaviour.as_str() {
            "mute" => continue,
            "answers-ok" => {
                say(&json!({"id": id, "ok": {"conn": 1, "speaks": 2000, "path": "/the/end"}}));
                continue;
            }
            "fails-everything" => {
                say(&json!({"id": id, "error": {"kind": "closed", "message": "no"}}));
                continue;
            }
            "banner" if next == 0 => println!("Hello, I am a client."),
            "chatters" => loop {
                println!("hello");
            },
            "never-ends-a-line" => loop {
                stdout().write_all(&[b' '; 64 << 10]).unwrap();
            },
            _ => {}
        }
        // The first two connections are the harness's own.
        if behaviour == "pauses-once" && next == 6 && is_first_time() {
            let _silent = SPEAKS.lock().unwrap();
            thread::sleep(PAUSE);
        }
        if request["op"] == "connect" {
            next += 1;
            let (sender, receiver) = channel();
            connections.insert(next, sender);
            let (behaviour, number) = (behaviour.clone(), next);
            thread::spawn(move || connection(&behaviour, number, &request, &receiver));
        } else {
            let connection = &connections[&request["conn"].as_u64().unwrap()];
            // A connection that is closed takes nothing more.
            if connection.send(request).is_err() {
                say(&json!({"id": id, "error": {"kind": "usage", "message": "it is closed"}}));
            }
        }
    }
    match behaviour.as_str() {
        "ignores-the-end" => thread::sleep(FOREVER),
        "ends-badly" => exit(7),
        _ => exit(0),
    }
}

fn say(answer: &Value) {
    if HANGS.load(Ordering::SeqCst) {
        thread::sleep(FOREVER);
    }
    let _speaks = SPEAKS.lock().unwrap();
    println!("{answer}");
}

/// Whether no other process of the run has been here before.
fn is_first_time() -> bool {
    let mark = std::env::var("HOSTILE_MARK").unwrap();
    std::fs::File::create_new(std::env::temp_dir().join(mark)).is_ok()
}

fn failed(id: &Value, kind: &str) {
    say(&json!({"id": id, "error": {"kind": kind, "message": format!("it is {kind}")}}));
}

/// One connection: from its handshake to its end.
fn connection(behaviour: &str, number: u64, request: &Value, ops: &Receiver<Value>) {
    let id = &request["id"];
    let patience = Duration::from_millis(request["timeout_ms"].as_u64().unwrap());
    let port = u16::try_from(request["port"].as_u64().unwrap()).unwrap();
    if behaviour == "only-says-it-connects" {
        say(&json!({"id": id, "ok": {"conn": number, "encryption": 0, "speaks": 2000}}));
        thread::sleep(FOREVER);
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    let offer = |name: &str| i32::try_from(request["protocol"][name].as_i64().unwrap()).unwrap();
    let (mut min, mut max) = (offer("min"), offer("max"));
    if behaviour == "swaps-min-and-max" {
        (min, max) = (max, min);
    }
    let mut hello = [&PROTOCOL_ID[..], &min.to_le_bytes(), &max.to_le_bytes()].concat();
    if behaviour == "says-too-much" {
        hello.push(0);
    }
    stream.write_all(&hello).unwrap();
    if behaviour == "sends-early" {
        stream.write_all(&frame(3, &[1])).unwrap();
    }
    let mut acknowledgement = [0; 9];
    if let Err(error) = stream.read_exact(&mut acknowledgement) {
        return failed(id, kind(&error));
    }
    match behaviour {
        "never-says-it-connected" => thread::sleep(FOREVER),
        "tells-no-number" => return say(&json!({"id": id, "ok": {"speaks": 2000}})),
        _ => {}
    }
    say(&json!({"id": id, "ok": {"conn": number, "encryption": 0, "speaks": 2000, "session": null}}));
    for op in ops {
        if !do_op(behaviour, &op, &mut stream) {
            return;
        }
    }
}

/// Does an op; gives whether the connection goes on.
fn do_op(behaviour: &str, op: &Value, stream: &mut TcpStream) -> bool {
    let id = &op["id"];
    match op["op"].as_str().unwrap() {
        "get_root_path" => {
            stream.write_all(&frame(3, &[1])).unwrap();
            match receive(stream) {
                Ok((_, data)) => {
                    let path = String::from_utf8_lossy(&data[1..]).into_owned();
                    let path = if behaviour == "makes-up-paths" { "/elsewhere".to_owned() } else { path };
                    say(&json!({"id": id, "ok": {"path": path}}));
                }
                Err(error) => failed(id, kind(&error)),
            }
        }
        "send" => {
            if op["command"] == POISON {
                poisoned(behaviour, id);
            }
            let command = i32::try_from(op["command"].as_i64().unwrap()).unwrap();
            stream.write_all(&frame(command, &[])).unwrap();
            say(&json!({"id": id, "ok": {}}));
        }
        "receive" => {
            let asked = Duration::from_millis(op["timeout_ms"].as_u64().unwrap());
            let patience = if behaviour == "times-out-early" { asked / 10 } else { asked };
            stream.set_read_timeout(Some(patience)).unwrap();
            match receive(stream) {
                Ok((command, data)) => {
                    let data: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
                    say(&json!({"id": id, "ok": {"command": command, "data": data}}));
                }
                Err(error) => failed(id, kind(&error)),
            }
        }
        "close" => {
            if behaviour == "never-closes" {
                say(&json!({"id": id, "ok": {}}));
                thread::sleep(FOREVER);
            }
            // The socket closes when its thread ends.
            stream.shutdown(std::net::Shutdown::Both).ok();
            say(&json!({"id": id, "ok": {}}));
            return false;
        }
        other => panic!("{other}"),
    }
    true
}

fn poisoned(behaviour: &str, id: &Value) {
    match behaviour {
        "crashes-on-poison" => {
            eprintln!("poisoned");
            exit(3);
        }
        "hangs-on-poison" => {
            HANGS.store(true, Ordering::SeqCst);
            thread::sleep(FOREVER);
        }
        "stops-making-sense-on-poison" => say(&json!({"id": id, "ok": {}, "error": {"kind": "usage"}})),
        "answers-what-was-not-asked-on-poison" => say(&json!({"id": 1_000_000, "ok": {}})),
        "answers-twice-on-poison" => {
            say(&json!({"id": id, "ok": {}}));
            say(&json!({"id": id, "ok": {}}));
        }
        _ => {}
    }
}

fn frame(command: i32, data: &[u8]) -> Vec<u8> {
    let length = i32::try_from(data.len()).unwrap();
    [&length.to_le_bytes()[..], &command.to_le_bytes(), data].concat()
}

fn receive(stream: &mut TcpStream) -> std::io::Result<(i32, Vec<u8>)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header)?;
    let number = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let mut data = vec![0; usize::try_from(number(0)).unwrap()];
    stream.read_exact(&mut data)?;
    Ok((number(4), data))
}

fn kind(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "timeout",
        _ => "closed",
    }
}
