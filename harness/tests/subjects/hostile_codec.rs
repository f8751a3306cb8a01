//! A codec that knows the type `int32` and misbehaves as its argument says: what the harness is tested
//! against. Asked to encode the value 666, the behaviours named `…-on-poison` strike.

#![allow(
    clippy::expect_used,
    clippy::explicit_counter_loop,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test program, which may die"
)]

use std::io::{BufRead, Write, stderr, stdin, stdout};
use std::process::{Command, exit};
use std::time::Duration;

use serde_json::{Value, json};

const POISON: i64 = 666;
const MEBIBYTE: usize = 1 << 20;

fn main() {
    let behaviour = std::env::args().nth(1).unwrap_or_default();
    before(&behaviour);
    let mut held = Vec::new();
    let (mut answered, mut questions) = (0, 0);
    for line in stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let sanity = request["id"] == 0;
        questions += u32::from(sanity);
        if behaviour == "ends-at-the-second-question" && questions == 2 {
            exit(5);
        }
        if !sanity {
            strike(&behaviour, &request, answered);
        }
        match behaviour.as_str() {
            "silent" => {}
            "wrong-id" if !sanity => say(&with_id(&answer(&request), 4_000_000)),
            "twice" if !sanity => {
                say(&answer(&request));
                say(&answer(&request));
            }
            "speaks-out-of-turn" if !sanity && request["op"] == "decode" => {
                say(&format!("{}\nand that was that", answer(&request)));
            }
            "backwards" if !sanity => held.push(answer(&request)),
            "blanks" => say(&format!("{}{}", " ".repeat(2 * MEBIBYTE), answer(&request))),
            "no-answer-object" if !sanity => say(&json!({"id": request["id"]})),
            "always-one" => {
                say(&json!({"id": request["id"], "ok": {"hex": "01000000", "value": 1, "rest": 0}}))
            }
            _ => say(&answer(&request)),
        }
        answered += 1;
        // Both requests of a case are sent before the first must be answered.
        if held.len() == 2 {
            held.drain(..).rev().for_each(|answer| say(&answer));
        }
    }
    held.drain(..).rev().for_each(|answer| say(&answer));
    after(&behaviour);
}

/// What happens before the first request is read.
fn before(behaviour: &str) {
    match behaviour {
        "never-reads" => std::thread::sleep(Duration::from_secs(3600)),
        "banner" => say(&"Hello, I am a codec."),
        "dies-at-once" => {
            eprintln!("no such option: --stdin");
            exit(9)
        }
        "floods-without-line-end" => flood(b"x"),
        "floods-garbage" => flood(b"garbage\n"),
        "floods-answers" => flood(b"{\"id\":7,\"ok\":{\"hex\":\"00000000\"}}\n"),
        "leaves-children" => {
            for command in ["sleep 3600 &", "setsid sleep 3600 &", "env -u IASPEC_SUBJECT_MARK sleep 3600 &"]
            {
                let redirected = format!("{command} :");
                Command::new("sh").args(["-c", &redirected]).spawn().unwrap().wait().unwrap();
            }
        }
        "logs-gigabytes" => {
            std::thread::spawn(|| {
                let line = vec![b'l'; MEBIBYTE];
                (0..1024).for_each(|_| drop(stderr().write_all(&line)));
            });
        }
        "logs-escapes" => eprintln!("\u{1b}[31mred\u{1b}[0m\u{7}"),
        _ => {}
    }
}

/// What happens instead of, or before, an answer.
fn strike(behaviour: &str, request: &Value, answered: u32) {
    let poisoned = request["value"] == POISON;
    match behaviour {
        "exits-on-poison" if poisoned => {
            eprintln!("fatal: cannot encode");
            exit(7)
        }
        "aborts-on-poison" if poisoned => std::process::abort(),
        "hangs-on-poison" if poisoned => std::thread::sleep(Duration::from_secs(3600)),
        "garbage-on-poison" if poisoned => say(&"not JSON at all"),
        "half-a-line-on-poison" if poisoned => {
            stdout().write_all(b"{\"id\":").unwrap();
            stdout().flush().unwrap();
            exit(0)
        }
        "exits-after-20" if answered == 20 => exit(0),
        "pauses-once" if answered == 20 && is_first_time() => std::thread::sleep(Duration::from_secs(6)),
        "hangs-always" => std::thread::sleep(Duration::from_secs(3600)),
        "slow" => std::thread::sleep(Duration::from_millis(20)),
        _ => {}
    }
}

/// Whether no other process of the run has been here before.
fn is_first_time() -> bool {
    let mark = std::env::var("HOSTILE_MARK").unwrap();
    std::fs::File::create_new(std::env::temp_dir().join(mark)).is_ok()
}

/// What happens at end of input.
fn after(behaviour: &str) {
    match behaviour {
        "status-3-at-the-end" => exit(3),
        "stays-after-the-end" => std::thread::sleep(Duration::from_secs(3600)),
        _ => {}
    }
}

fn say(line: &dyn std::fmt::Display) {
    let mut out = stdout().lock();
    // A harness that has heard enough closes the pipe.
    // One write, so that what belongs together arrives together.
    let text = format!("{line}\n");
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        exit(1);
    }
}

fn flood(part: &[u8]) -> ! {
    let block = part.repeat(MEBIBYTE / part.len());
    loop {
        if stdout().write_all(&block).is_err() {
            exit(1);
        }
    }
}

fn with_id(answer: &Value, id: u64) -> Value {
    let mut answer = answer.clone();
    answer["id"] = json!(id);
    answer
}

/// The right answer, for the one type that this codec knows.
fn answer(request: &Value) -> Value {
    let id = &request["id"];
    if request["type"] != "int32" {
        return json!({"id": id, "error": {"kind": "unsupported", "message": "only int32"}});
    }
    if request["op"] == "encode" {
        let number = i32::try_from(request["value"].as_i64().unwrap()).unwrap();
        let hex: String = number.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        return json!({"id": id, "ok": {"hex": hex}});
    }
    let hex = request["hex"].as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    let number = i32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
    json!({"id": id, "ok": {"value": number, "rest": 0}})
}
