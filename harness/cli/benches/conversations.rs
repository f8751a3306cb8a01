//! How fast conversations with an agent run: `cargo bench -p iaspec --bench conversations`.
//!
//! The reference agent is started once. Of the transcripts for agents those take part that wait for nothing: no
//! pause, no silence, no timeout, no subject of their own.
//!
//! - **run**: `iaspec run` of them, repeated to 10,000 executions or more, as a user starts it: loading, judging and
//!   looking after the subject included;
//! - **floor**: a bare loop that opens the same connections to the same agent and exchanges the same bytes, as many
//!   conversations at once, and looks at nothing. What it plays is recorded beforehand by a proxy between a run and
//!   the agent.
//!
//! Both are measured in turn, five times; the medians count. Goals on two cores: 2,000 executions a second or more,
//! and at most twice the time of the bare loop.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark, which prints and may die"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use iaspec_harness::vectors::transcript::step::{Kind, walk};
use iaspec_harness::vectors::transcript::{Party, TranscriptCase};
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

const ROUNDS: usize = 5;
const EXECUTIONS: usize = 10_000;

/// How many conversations are under way at once: as many as `iaspec run` has.
const AT_ONCE: usize = 64;

/// A conversation that takes longer than this goes another way than the recorded one.
const PLAYED_WITHIN: Duration = Duration::from_secs(20);

const ROOT: &str = "/var/tmp/inedo/otter/root";

/// What happened on one connection, in order.
#[derive(Clone, Debug)]
enum Act {
    /// The client sent.
    Send(Vec<u8>),
    /// The agent sent so many bytes.
    Receive(usize),
    /// The agent ended the connection.
    End,
}

type Recording = Arc<Mutex<Vec<Arc<Mutex<Vec<Act>>>>>>;

fn main() {
    let names = names();
    let repeat = EXECUTIONS.div_ceil(names.len());
    let (agent, address) = start_agent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connections = record(&runtime, address, &names, repeat);
    let (mut runs, mut floors) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let run = time_run(address, &names, repeat);
        let floor = runtime.block_on(time_floor(address, &connections));
        // The first round warms caches up.
        if round > 0 {
            runs.push(run);
            floors.push(floor);
        }
    }
    drop(agent);
    let (run, floor) = (median(runs), median(floors));
    let executions = names.len() * repeat;
    let rate = executions as f64 / run.as_secs_f64();
    let ratio = run.as_secs_f64() / floor.as_secs_f64();
    println!(
        "{executions} executions of {} cases, {} connections, medians of {ROUNDS} rounds",
        names.len(),
        connections.len()
    );
    println!(
        "run    {:>8.0} ms  {rate:>8.0} executions/s  goal >= 2000: {}",
        millis(run),
        verdict(rate >= 2000.0)
    );
    println!(
        "floor  {:>8.0} ms  run takes {ratio:.2} times the floor  goal <= 2: {}",
        millis(floor),
        verdict(ratio <= 2.0)
    );
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The cases that take part.
fn names() -> Vec<String> {
    let (corpus, findings) = Corpus::load(&CorpusFiles::embedded());
    assert!(findings.is_empty(), "the vectors have mistakes");
    let cases = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
    cases.filter(|case| waits_for_nothing(case)).map(|case| case.name.clone()).collect()
}

fn waits_for_nothing(case: &TranscriptCase) -> bool {
    let needs = &case.entry.needs;
    let mut free = case.roles.contains(&Party::Agent)
        && needs.settings.is_none()
        && needs.features.is_none()
        && needs.encryption.is_none()
        && case.entry.isolation.is_none()
        && case.entry.slow.is_none();
    walk(case.steps(), &mut |step| {
        let pauses = step.pace.as_ref().is_some_and(|pace| pace.pause.is_some());
        let world = matches!(
            step.kind(),
            Some(Kind::Subject(_) | Kind::Files(_) | Kind::Memory(_) | Kind::Process(_) | Kind::Segments(_))
        );
        free &= !pauses && !world && step.quiet.is_none() && step.not_before.is_none() && step.from.is_none();
    });
    free
}

fn iaspec() -> Command {
    Command::new(env!("CARGO_BIN_EXE_iaspec"))
}

/// The reference agent on a port of its own.
fn start_agent() -> (Running, SocketAddr) {
    let mut child = iaspec()
        .args(["agent", "--host", "127.0.0.1", "--port", "0"])
        .args(["--otter-root", ROOT, "--buildmaster-root", ROOT, "--hedgehog-root", ROOT])
        .args(["--update-dir", &std::env::temp_dir().join("iaspec-bench-update").display().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the reference agent");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.rsplit_once("listening on ")?.1.trim().parse().ok())
        .expect("the agent says where it listens");
    // Whatever else it says is of no interest, but must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), address)
}

/// The agent, which ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(std::env::temp_dir().join("iaspec-bench-update"));
    }
}

fn time_run(address: SocketAddr, names: &[String], repeat: usize) -> Duration {
    let mut manifest = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a manifest");
    write!(
        manifest,
        "name: reference\nrole: agent\naddress: \"{address}\"\nassume: {{otter_root: {ROOT}, \
         buildmaster_root: {ROOT}, hedgehog_root: {ROOT}}}\nsupports: {{versions: [1000, 2000], encryption: [none], targets: [meta]}}\n"
    )
    .expect("written");
    let mut command = iaspec();
    command.arg("run").arg(manifest.path()).args(["--repeat", &repeat.to_string()]);
    command.args(["--jobs", &AT_ONCE.to_string()]);
    for name in names {
        command.args(["--filter", name]);
    }
    let began = Instant::now();
    let output = command.output().expect("iaspec");
    let time = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    time
}

/// Runs the cases once through a proxy that writes down what happens on each connection.
fn record(
    runtime: &tokio::runtime::Runtime,
    agent: SocketAddr,
    names: &[String],
    repeat: usize,
) -> Vec<Vec<Act>> {
    let recording = Recording::default();
    let proxy = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
    let address = proxy.local_addr().expect("its address");
    let own = Arc::clone(&recording);
    let names = names.to_vec();
    let run = std::thread::spawn(move || time_run(address, &names, repeat));
    runtime.block_on(async {
        tokio::spawn(async move {
            while let Ok((client, _)) = proxy.accept().await {
                let acts = Arc::default();
                own.lock().expect("the recording").push(Arc::clone(&acts));
                tokio::spawn(forward(client, agent, acts));
            }
        });
        while !run.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    run.join().expect("the recorded run");
    let recorded = recording.lock().expect("the recording");
    recorded.iter().map(|acts| acts.lock().expect("a connection").clone()).collect()
}

async fn forward(mut client: TcpStream, agent: SocketAddr, acts: Arc<Mutex<Vec<Act>>>) {
    let Ok(mut server) = TcpStream::connect(agent).await else { return };
    let note = |act| acts.lock().expect("a connection").push(act);
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(count @ 1..) => {
                    note(Act::Send(up[..count].to_vec()));
                    if server.write_all(&up[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(count @ 1..) => {
                    note(Act::Receive(count));
                    if client.write_all(&down[..count]).await.is_err() {
                        return;
                    }
                }
                _ => {
                    note(Act::End);
                    return;
                }
            },
        }
    }
}

async fn time_floor(agent: SocketAddr, connections: &[Vec<Act>]) -> Duration {
    let began = Instant::now();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = tokio::task::JoinSet::new();
    for acts in connections {
        let place = Arc::clone(&places).acquire_owned().await.expect("open");
        let acts = acts.clone();
        tasks.spawn(async move {
            let _place = place;
            let played = tokio::time::timeout(PLAYED_WITHIN, play(agent, &acts)).await;
            assert!(played.is_ok(), "the agent did not do again what was recorded: {acts:02x?}");
        });
        while tasks.try_join_next().is_some() {}
    }
    while let Some(played) = tasks.join_next().await {
        played.expect("the recorded conversation");
    }
    began.elapsed()
}

async fn play(agent: SocketAddr, acts: &[Act]) {
    let socket = TcpSocket::new_v4().expect("a socket");
    let mut stream = socket.connect(agent).await.expect("the agent accepts");
    stream.set_nodelay(true).expect("a socket");
    let mut buffer = vec![0; 4096];
    for act in acts {
        match act {
            Act::Send(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Act::Receive(count) => {
                let mut left = *count;
                while left > 0 {
                    let most = left.min(buffer.len());
                    match stream.read(&mut buffer[..most]).await {
                        Ok(count @ 1..) => left -= count,
                        _ => return,
                    }
                }
            }
            Act::End => while matches!(stream.read(&mut buffer).await, Ok(1..)) {},
        }
    }
}
