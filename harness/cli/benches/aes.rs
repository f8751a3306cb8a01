//! How fast the reference encrypts and decrypts messages: `cargo bench -p iaspec --bench aes`.
//!
//! An agent's messages with 1 MiB of data, AES with a key of 256 bits, PKCS7, in memory and by one thread. Four
//! things are measured in turn, a second each, for seven rounds; the median of the rounds' ratios counts, since
//! what else the machine does changes from one round to the next.
//!
//! - **seal**: from a message to the bytes on the wire: a fresh vector by the operating system, a buffer, the
//!   copy of the data into it, length, padding, encryption;
//! - **open**: from the bytes on the wire to a message that borrows its data from there: length, decryption,
//!   padding, next vector, header. The copy that brings the bytes where they are decrypted is the socket's work
//!   and not counted;
//! - **openssl speed** in each direction: blocks of 1 MiB with nothing around them, in a process of its own.
//!
//! Goal: 0.8 of OpenSSL or more in each direction.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark, which prints and may die")]

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use iaspec_reference::SystemVectors;
use iaspec_reference::agent::core::VectorSource;
use iaspec_reference::protocol::{
    Cipher, Command as MessageCommand, CommandHeader, Frame, InitializationVector, Key, Padding, SealedFrame,
};

const ROUNDS: usize = 7;
const SPAN: Duration = Duration::from_secs(1);
const DATA: usize = 1 << 20;
const GOAL: f64 = 0.8;
const HEADER: CommandHeader = CommandHeader { command: MessageCommand(3) };

fn main() {
    let cipher = Cipher::new(Key::Aes256([7; 32]), Padding::Pkcs7).expect("AES works");
    let (mut seal, mut open) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let sealed = Rates { reference: time_seal(&cipher), openssl: openssl_speed(&[]) };
        let opened = Rates { reference: time_open(&cipher), openssl: openssl_speed(&["-decrypt"]) };
        // The first round warms caches up.
        if round > 0 {
            seal.push(sealed);
            open.push(opened);
        }
    }
    println!("messages of 1 MiB, AES-256, MB of data a second, medians of {ROUNDS} rounds");
    report("seal", &seal);
    report("open", &open);
}

/// What a round gave in one direction, in MB of data a second.
struct Rates {
    reference: f64,
    openssl: f64,
}

fn report(name: &str, rounds: &[Rates]) {
    let reference = median(rounds, |rates| rates.reference);
    let openssl = median(rounds, |rates| rates.openssl);
    let ratio = median(rounds, |rates| rates.reference / rates.openssl);
    let verdict = if ratio >= GOAL { "met" } else { "MISSED" };
    println!(
        "{name:<8}{reference:>8.0}  openssl {openssl:>8.0}  ratio {ratio:.2}  goal >= {GOAL}: {verdict}"
    );
}

fn median(rounds: &[Rates], figure: fn(&Rates) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// MB of data a second.
fn rate(messages: u32, time: Duration) -> f64 {
    f64::from(messages) * DATA as f64 / 1e6 / time.as_secs_f64()
}

fn time_seal(cipher: &Cipher) -> f64 {
    let data = vec![0x5a; DATA];
    let mut iv = InitializationVector([1; 16]);
    let (began, mut messages) = (Instant::now(), 0);
    while began.elapsed() < SPAN {
        let next_iv = SystemVectors.vector().expect("randomness");
        let message = SealedFrame { next_iv, frame: Frame { header: HEADER, data: black_box(&data).into() } };
        black_box(message.seal(cipher, &iv).expect("a short message"));
        iv = next_iv;
        messages += 1;
    }
    rate(messages, began.elapsed())
}

fn time_open(cipher: &Cipher) -> f64 {
    let mut iv = InitializationVector([1; 16]);
    let data = vec![0x5a; DATA];
    let message = SealedFrame { next_iv: iv, frame: Frame { header: HEADER, data: (&data).into() } };
    let wire = message.seal(cipher, &iv).expect("a short message");
    let mut buffer = wire.clone();
    let (mut time, mut messages) = (Duration::ZERO, 0);
    while time < SPAN {
        buffer.copy_from_slice(&wire);
        let began = Instant::now();
        let opened = SealedFrame::<CommandHeader>::open(black_box(&mut buffer), cipher, &iv);
        let (opened, _) = black_box(opened).expect("a good message");
        iv = opened.next_iv;
        time += began.elapsed();
        messages += 1;
        assert_eq!((opened.frame.header, opened.frame.data.len()), (HEADER, DATA));
    }
    rate(messages, time)
}

/// What `openssl speed` reaches, in the same unit; by the clock, as here.
fn openssl_speed(more: &[&str]) -> f64 {
    let output = Command::new("openssl")
        .args(["speed", "-mr", "-elapsed", "-seconds", "1", "-bytes", "1048576"])
        .args(more)
        .args(["-evp", "aes-256-cbc"])
        .output()
        .expect("openssl");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // +F:number:name:bytes a second
    let line = text.lines().find(|line| line.starts_with("+F:")).expect("a result of openssl speed");
    let figure = line.rsplit(':').next().expect("a figure").parse::<f64>().expect("bytes a second");
    figure / 1e6
}
