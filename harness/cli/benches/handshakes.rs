//! How many handshakes the reference agent answers: `cargo bench -p iaspec --bench handshakes`.
//!
//! A client in this process makes connections, 100 at a time: connect, send 24 bytes, read 9, close. It does
//! so against three servers in turn, each a process of its own, for five rounds; the medians count.
//!
//! - **agent**: `iaspec agent`;
//! - **bare, 1 thread** and **bare, 2 threads**: a loop of tokio that accepts, reads 24 bytes, writes 9 and
//!   closes, without a look at the bytes, without limits and without time-outs, on a runtime of one or of two
//!   threads. The faster of them is the floor.
//!
//! Goal: 0.7 of the floor or more.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark, which prints and may die"
)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 5;
const HANDSHAKES: usize = 20_000;
const AT_A_TIME: usize = 100;

/// The word that makes this program a bare server.
const BARE: &str = "bare-server";

/// Offers 1000 to 2000.
const OFFER: [u8; 24] = [
    0x4e, 0xd2, 0xeb, 0x6c, 0xf7, 0x4a, 0x13, 0x4a, 0xb9, 0xaf, 0x81, 0xd3, 0xdf, 0xc6, 0x44, 0xbe, 0xe8, 3,
    0, 0, 0xd0, 7, 0, 0,
];

/// Encryption none, version 2000, server version 51.
const ACKNOWLEDGEMENT: [u8; 9] = [0, 0xd0, 7, 0, 0, 51, 0, 0, 0];

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(threads) = words.iter().skip_while(|word| *word != BARE).nth(1) {
        return bare_server(threads.parse().expect("a number of threads"));
    }
    let servers = [
        (
            "agent",
            Server::start(env!("CARGO_BIN_EXE_iaspec"), &["agent", "--host", "127.0.0.1", "--port", "0"]),
        ),
        ("bare, 1 thread", Server::start_bare("1")),
        ("bare, 2 threads", Server::start_bare("2")),
    ];
    let client = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); servers.len()];
    for round in 0..=ROUNDS {
        for ((_, server), times) in servers.iter().zip(&mut times) {
            let time = time_handshakes(&client, server.address);
            // The first round warms caches up.
            if round > 0 {
                times.push(time);
            }
        }
    }
    report(&servers.each_ref().map(|(name, _)| *name), times);
}

fn report(names: &[&str], times: Vec<Vec<Duration>>) {
    println!("{HANDSHAKES} handshakes, {AT_A_TIME} at a time, medians of {ROUNDS} rounds");
    let rates: Vec<f64> =
        times.into_iter().map(|times| HANDSHAKES as f64 / median(times).as_secs_f64()).collect();
    for (name, rate) in names.iter().zip(&rates) {
        println!("{name:<16}{rate:>8.0} handshakes/s");
    }
    let ratio = rates[0] / rates[1].max(rates[2]);
    let verdict = if ratio >= 0.7 { "met" } else { "MISSED" };
    println!("agent / floor {ratio:.2}  goal >= 0.7: {verdict}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A server in a process of its own, which ends with this value.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start_bare(threads: &str) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        Self::start(program.to_str().expect("a UTF-8 path"), &[BARE, threads])
    }

    fn start(program: &str, words: &[&str]) -> Self {
        let mut process =
            Command::new(program).args(words).stderr(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let mut stderr = BufReader::new(process.stderr.take().expect("a pipe"));
        stderr.read_line(&mut line).expect("a line");
        let address = line.trim().rsplit(' ').next().expect("a word").parse();
        Self { process, address: address.expect("an address") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("the server can be ended");
        self.process.wait().expect("the server ends");
    }
}

fn bare_server(threads: usize) {
    let runtime: Runtime = match threads {
        1 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    }
    .expect("a runtime");
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let listener: TcpListener = socket.listen(4096).expect("a listener");
        eprintln!("listening on {}", listener.local_addr().expect("an address"));
        loop {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut bytes = [0; 24];
                // A client that breaks off is not worth a word.
                if socket.read_exact(&mut bytes).await.is_ok() {
                    let _ = socket.write_all(&ACKNOWLEDGEMENT).await;
                }
            });
        }
    });
}

fn time_handshakes(client: &Runtime, address: SocketAddr) -> Duration {
    client.block_on(async {
        let began = Instant::now();
        let tasks: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                tokio::spawn(async move {
                    for _ in 0..HANDSHAKES / AT_A_TIME {
                        handshake(address).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no defect");
        }
        began.elapsed()
    })
}

async fn handshake(address: SocketAddr) {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    // Ports are not to run out while closed connections linger.
    socket.set_zero_linger().expect("an option");
    socket.write_all(&OFFER).await.expect("written");
    let mut acknowledgement = [0; 9];
    socket.read_exact(&mut acknowledgement).await.expect("an acknowledgement");
    assert_eq!(acknowledgement[..5], ACKNOWLEDGEMENT[..5]);
}
