//! How fast codec cases run and vectors load: `cargo bench -p iaspec`.
//!
//! Three things are measured, interleaved five times; the medians count.
//!
//! - **run**: `iaspec run` of every codec case against the reference codec, repeated to 10,000 executions or
//!   more, as a user starts it: loading, checking, judging and ending the subject included;
//! - **floor**: the same requests written to the same codec by a bare loop, whose answers are read by lines
//!   and not looked at: what no harness can beat;
//! - **load**: reading and checking all vectors, within this process.
//!
//! Goals: 5,000 executions a second or more on two cores (the protobuf conformance runner, the nearest
//! relative, reaches 3,000 to 4,000); loading and checking 1,000 cases in under 100 ms.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark, which prints and may die")]

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use iaspec_harness::vectors::check::check;
use iaspec_harness::vectors::codec::CodecCheck;
use iaspec_harness::vectors::{Corpus, CorpusFiles};

const ROUNDS: usize = 5;
const EXECUTIONS: usize = 10_000;

fn main() {
    let (corpus, findings) = Corpus::load(&CorpusFiles::embedded());
    assert!(findings.is_empty(), "the vectors have mistakes");
    let cases = corpus.codec.len();
    let repeat = EXECUTIONS.div_ceil(cases);
    let requests = requests(&corpus);
    let (mut runs, mut floors, mut loads) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (run, floor, load) = (time_run(repeat), time_floor(&requests, repeat), time_load());
        // The first round warms caches up.
        if round > 0 {
            runs.push(run);
            floors.push(floor);
            loads.push(load);
        }
    }
    let (run, floor, load) = (median(runs), median(floors), median(loads));
    let executions = cases * repeat;
    let rate = executions as f64 / run.as_secs_f64();
    let per_thousand = load.as_secs_f64() * 1e6 / cases as f64;
    println!(
        "{executions} executions of {cases} cases, {} requests, medians of {ROUNDS} rounds",
        requests.len() * repeat
    );
    println!(
        "run    {:>8.0} ms  {rate:>8.0} executions/s  goal >= 5000: {}",
        millis(run),
        verdict(rate >= 5000.0)
    );
    println!(
        "floor  {:>8.0} ms  run takes {:.2} times the floor",
        millis(floor),
        run.as_secs_f64() / floor.as_secs_f64()
    );
    println!(
        "load   {:>8.0} ms  {per_thousand:>8.0} ms per 1000 cases  goal < 100: {}",
        millis(load),
        verdict(per_thousand < 100.0)
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

fn iaspec() -> Command {
    Command::new(env!("CARGO_BIN_EXE_iaspec"))
}

fn time_run(repeat: usize) -> Duration {
    let began = Instant::now();
    let output = iaspec()
        .args(["run", "--filter", "codec/**", "--repeat", &repeat.to_string()])
        .output()
        .expect("iaspec");
    let time = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    time
}

fn time_load() -> Duration {
    let began = Instant::now();
    let (_, findings) = check(&CorpusFiles::embedded());
    assert!(findings.is_empty());
    began.elapsed()
}

/// The requests of all cases, a line each.
fn requests(corpus: &Corpus) -> Vec<String> {
    let mut requests = Vec::new();
    for case in &corpus.codec {
        for check in &case.checks {
            let mut request = match check {
                CodecCheck::Encode { value, .. } => {
                    serde_json::json!({"id": 1, "op": "encode", "value": value})
                }
                CodecCheck::Decode { bytes, .. } => {
                    serde_json::json!({"id": 1, "op": "decode", "hex": iaspec_harness::hex_text::encode(bytes)})
                }
            };
            request["type"] = case.type_name.clone().into();
            let settings =
                [("key", &case.settings.key), ("iv", &case.settings.iv), ("padding", &case.settings.padding)];
            for (name, setting) in settings {
                if let Some(setting) = setting {
                    request[name] = setting.clone().into();
                }
            }
            requests.push(format!("{request}\n"));
        }
    }
    requests
}

fn time_floor(requests: &[String], repeat: usize) -> Duration {
    let began = Instant::now();
    let mut child = iaspec()
        .arg("codec")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the reference codec");
    let mut stdin = BufWriter::with_capacity(256 << 10, child.stdin.take().expect("a pipe"));
    let mut stdout = BufReader::with_capacity(256 << 10, child.stdout.take().expect("a pipe"));
    let expected = requests.len() * repeat;
    let lines = std::thread::scope(|scope| {
        scope.spawn(move || {
            for request in (0..repeat).flat_map(|_| requests) {
                stdin.write_all(request.as_bytes()).expect("written");
            }
        });
        let mut line = Vec::new();
        let mut lines = 0;
        while stdout.read_until(b'\n', &mut line).expect("read") > 0 {
            line.clear();
            lines += 1;
        }
        lines
    });
    child.wait().expect("an end");
    assert_eq!(lines, expected, "answers");
    began.elapsed()
}
