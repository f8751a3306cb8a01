//! An agent that answers Get Agent Root Path in v1 and v2 and misbehaves as its first argument says: what the
//! harness is tested against. `hostile-agent BEHAVIOUR PORT OTTER_ROOT [NUMBER]`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::zombie_processes,
    reason = "a test program, which may die"
)]

use std::io::{Read, Write, stderr};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const PROTOCOL_ID: [u8; 16] =
    [0x4e, 0xd2, 0xeb, 0x6c, 0xf7, 0x4a, 0x13, 0x4a, 0xb9, 0xaf, 0x81, 0xd3, 0xdf, 0xc6, 0x44, 0xbe];

/// The command at which the behaviours named `…-on-poison` strike.
const POISON: i32 = 666;

/// The last three numbers of the server version 7.1.3.0, which look like the header of a response.
const FOUR_NUMBERS: [u8; 12] = [1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];

const FOREVER: Duration = Duration::from_secs(3600);

/// Set when the whole agent is to hang.
static HANGS: AtomicBool = AtomicBool::new(false);

/// Held while the whole agent stands still.
static STANDS_STILL: Mutex<()> = Mutex::new(());

static CONNECTIONS: AtomicU32 = AtomicU32::new(0);

#[derive(Clone)]
struct Options {
    behaviour: String,
    root: String,
    number: u32,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let options = Options {
        behaviour: words[1].clone(),
        root: words[3].clone(),
        number: words.get(4).map_or(0, |word| word.parse().unwrap()),
    };
    let port: u16 = words[2].parse().unwrap();
    let port = before(&options, port, &words);
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        let number = CONNECTIONS.fetch_add(1, Ordering::SeqCst) + 1;
        accepted(&options, number, &words);
        let options = options.clone();
        thread::spawn(move || serve(&options, stream, number));
    }
}

/// What happens before the port is opened; gives the port that is.
fn before(options: &Options, port: u16, words: &[String]) -> u16 {
    match options.behaviour.as_str() {
        "exits-at-once" => exit(i32::try_from(options.number).unwrap()),
        "exits-with-words" => {
            eprintln!("this agent does not feel like it");
            exit(2);
        }
        "late" => thread::sleep(Duration::from_millis(u64::from(options.number))),
        "never" => thread::sleep(FOREVER),
        "elsewhere" => {
            let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            eprintln!("listening elsewhere");
            for _ in other.incoming() {}
        }
        "child-keeps-port" | "leaves-daemon" => {
            let mut words = words.to_vec();
            words[1] = "good".to_owned();
            Command::new(&words[0]).args(&words[1..]).process_group(0).spawn().unwrap();
            if options.behaviour == "leaves-daemon" {
                exit(0);
            }
            thread::sleep(FOREVER);
        }
        "leaves-a-child-for-a-moment" => {
            let script =
                format!("while kill -0 {} 2>/dev/null; do sleep 0.1; done; sleep 2", std::process::id());
            Command::new("sh").args(["-c", &script]).process_group(0).spawn().unwrap();
        }
        "leaves-children" => {
            for _ in 0..3 {
                Command::new("sleep").arg("3600").process_group(0).spawn().unwrap();
            }
        }
        "logs" => {
            thread::spawn(|| {
                let line = [b"\x1b[31mnoise ".repeat(6000), b"\n".to_vec()].concat();
                while stderr().write_all(&line).is_ok() {}
            });
        }
        _ => {}
    }
    port
}

/// What happens at the n-th connection, before it is served.
fn accepted(options: &Options, number: u32, words: &[String]) {
    if number != options.number {
        return;
    }
    match options.behaviour.as_str() {
        "crashes-on-connection" => {
            eprintln!("connection {number} was too much");
            std::process::abort();
        }
        // Stopped from outside, as by a debugger or the suspension of a container.
        "is-stopped-for-8s" if is_first_time() => {
            let script = format!("kill -STOP {0}; sleep 8; kill -CONT {0}", std::process::id());
            Command::new("sh").args(["-c", &script]).process_group(0).spawn().unwrap();
        }
        // Longer than a case waits, and longer than the harness waits for any answer.
        "pauses-for-6s" | "pauses-for-9s" if is_first_time() => {
            let seconds = if options.behaviour == "pauses-for-6s" { 6 } else { 9 };
            let _still = STANDS_STILL.lock().unwrap();
            thread::sleep(Duration::from_secs(seconds));
        }
        "restarts-itself" => {
            let mut words = words.to_vec();
            // It goes on as a good one, so that the restart is all that shows.
            words[1] = "good".to_owned();
            let error = Command::new(&words[0]).args(&words[1..]).exec();
            panic!("{error}");
        }
        _ => {}
    }
}

/// Whether no other process of the run has been here before.
fn is_first_time() -> bool {
    let mark = std::env::var("HOSTILE_MARK").unwrap();
    std::fs::File::create_new(std::env::temp_dir().join(mark)).is_ok()
}

fn serve(options: &Options, mut stream: TcpStream, number: u32) {
    while HANGS.load(Ordering::SeqCst) {
        thread::sleep(FOREVER);
    }
    drop(STANDS_STILL.lock().unwrap());
    match options.behaviour.as_str() {
        "says-nothing" => thread::sleep(FOREVER),
        "closes" => {}
        "echoes" => {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let _ = stream.write_all(&buffer[..count]);
            }
        }
        "floods" => {
            let buffer = [0; 65536];
            while stream.write_all(&buffer).is_ok() {}
        }
        "random" => {
            let mut state = 0x9e37_79b9_u32 ^ number;
            let mut buffer = [0; 4096];
            while let Ok(1..) = stream.read(&mut buffer) {
                let bytes: Vec<u8> = (0..64)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        state.to_be_bytes()[0]
                    })
                    .collect();
                let _ = stream.write_all(&bytes);
            }
        }
        "constant-ack" => {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(&acknowledgement(2000));
            while let Ok(1..) = stream.read(&mut buffer) {}
        }
        _ => {
            let _ = good(options, &mut stream);
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn acknowledgement(value: i32) -> Vec<u8> {
    [&[0][..], &value.to_le_bytes(), &7_i32.to_le_bytes()].concat()
}

fn good(options: &Options, stream: &mut TcpStream) -> std::io::Result<()> {
    let mut handshake = [0; 24];
    stream.read_exact(&mut handshake)?;
    let number = |at: usize| i32::from_le_bytes(handshake[at..at + 4].try_into().unwrap());
    let (first, second) = (number(16), number(20));
    if handshake[..16] != PROTOCOL_ID {
        if options.behaviour == "crashes-on-refusal" {
            exit(9);
        }
        return Ok(());
    }
    let v1 = first == 1000 && second < 1000;
    if !v1 && !(first..=second).contains(&2000) {
        return Ok(());
    }
    if options.behaviour == "drops-idle" {
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    }
    let mut bytes = acknowledgement(if v1 { second } else { 2000 });
    flip(options, &mut bytes, 0);
    match options.behaviour.as_str() {
        "four-numbers" => {
            // Byte by byte, so that any number of them looks like all of them for a while.
            bytes.extend(FOUR_NUMBERS);
            for byte in &bytes {
                stream.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(10));
            }
        }
        _ => stream.write_all(&bytes)?,
    }
    let mut sent = bytes.len();
    loop {
        drop(STANDS_STILL.lock().unwrap());
        let mut header = vec![0; if v1 { 9 } else { 8 }];
        stream.read_exact(&mut header)?;
        let length = usize::try_from(i32::from_le_bytes(header[..4].try_into().unwrap())).unwrap();
        let command = i32::from_le_bytes(header[header.len() - 4..].try_into().unwrap());
        let mut data = vec![0; length];
        stream.read_exact(&mut data)?;
        match options.behaviour.as_str() {
            "ends-on-message" => return Ok(()),
            "nonsense-on-message" => stream.write_all(&[0xee; 40])?,
            "mute" => continue,
            "drives" | "one-drive" if command == 3 => {
                let drive = if options.behaviour == "drives" { data[0] } else { 0 };
                stream.write_all(&answer(&format!("{}:\\", char::from(b'C' + drive))))?;
                continue;
            }
            _ => strike(options, command),
        }
        while HANGS.load(Ordering::SeqCst) {
            thread::sleep(FOREVER);
        }
        if command == 3 && data == [1] {
            let mut answer = answer(&options.root);
            flip(options, &mut answer, sent);
            stream.write_all(&answer)?;
            sent += answer.len();
        }
    }
}

/// One bit of the byte of a place, counted over the whole connection, is wrong.
fn flip(options: &Options, bytes: &mut [u8], before: usize) {
    let place = usize::try_from(options.number).unwrap();
    if options.behaviour == "flips"
        && let Some(byte) = place.checked_sub(before).and_then(|place| bytes.get_mut(place))
    {
        *byte ^= 1;
    }
}

/// A response to Get Agent Root Path; the path must be shorter than 128 bytes.
fn answer(root: &str) -> Vec<u8> {
    let length = u8::try_from(root.len()).unwrap();
    assert!(length < 128);
    let data = [&[length][..], root.as_bytes()].concat();
    [&i32::from(length + 1).to_le_bytes()[..], &3_i32.to_le_bytes(), &data].concat()
}

fn strike(options: &Options, command: i32) {
    if command != POISON {
        return;
    }
    match options.behaviour.as_str() {
        "crashes-on-poison" => {
            eprintln!("poisoned");
            exit(3);
        }
        "hangs-on-poison" => {
            HANGS.store(true, Ordering::SeqCst);
            thread::sleep(FOREVER);
        }
        "slow-on-poison" => thread::sleep(FOREVER),
        _ => {}
    }
}
