//! How fast the rings are, and what they cost while nothing happens: `cargo bench -p iaspec-shm`.
//!
//! Two processes, on a processor each, rings of 4 MiB, both sides ring. Everything is measured in turn within each round; the medians of the
//! rounds' ratios count, since what else the machine does changes from one round to the next.
//!
//! - **one way**: messages of one size, a call each, into one process's buffer and out of it into another's of the same
//!   size; beside it a `memcpy` of that size from buffer to buffer by one processor, the rate at which two processors
//!   hand memory of the ring's size over to each other, and the same messages through a pipe;
//! - **round trip**: 64 bytes there and back, one at a time, where both sides spin, beside the same through two pipes, and
//!   beside a single cache line that goes there and back;
//! - **loaded**: the same with the default spin while two other processes keep the processors busy; the 99th percentile;
//! - **idle**: processor time of both processes while both wait for bytes that do not come.
//!
//! The goals come from a machine whose processors share a cache. Where they do not, memory goes from one to the other more
//! slowly than half a `memcpy` that stays within the nearest cache: a goal is met too by what comes close to such a limit,
//! measured in the same rounds. Two processes at work at once are slowed down more than one by whatever else runs: the
//! machine has to be left alone meanwhile.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark, which prints and may die"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use iaspec_shm::Wait;

mod limits;
mod peers;

use peers::{Busy, Channel, cpu_time};

const ROUNDS: usize = 7;
/// How long each figure is measured in each round, about.
const SPAN: Duration = Duration::from_millis(150);
const SPINNING: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if let Some("--peer") = arguments.next().as_deref() {
        peers::serve(&arguments.collect::<Vec<_>>());
        return ExitCode::SUCCESS;
    }
    peers::keep_to_a_processor(None, 0);
    println!("medians of {ROUNDS} rounds");
    let goals: Vec<Goal> = [one_way, round_trip, loaded, idle].into_iter().flat_map(|part| part()).collect();
    println!();
    for goal in &goals {
        println!("{goal}");
    }
    if goals.iter().all(Goal::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Something that must keep one of its bounds.
struct Goal {
    name: String,
    alternatives: Vec<Ratio>,
}

/// A ratio and the bound it must keep.
struct Ratio {
    of: &'static str,
    figure: f64,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_met(&self) -> bool {
        self.alternatives.iter().any(Ratio::is_kept)
    }
}

impl Ratio {
    fn is_kept(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.figure >= bound,
            Bound::AtMost(bound) => self.figure <= bound,
        }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { of, figure, bound } = self;
        match bound {
            Bound::AtLeast(bound) => write!(formatter, "{figure:.4} of {of} (goal >= {bound})"),
            Bound::AtMost(bound) => write!(formatter, "{figure:.4} of {of} (goal <= {bound})"),
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        let ratios: Vec<String> = self.alternatives.iter().map(Ratio::to_string).collect();
        write!(formatter, "{:<34}{verdict}: {}", self.name, ratios.join(" or "))
    }
}

fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Medians of what `measure` gives in each round, but for the first, which warms caches up.
fn rounds<const FIGURES: usize>(mut measure: impl FnMut() -> [f64; FIGURES]) -> Vec<[f64; FIGURES]> {
    (0..=ROUNDS).map(|_| measure()).skip(1).collect()
}

fn ratio<const FIGURES: usize>(rounds: &[[f64; FIGURES]], above: usize, below: usize) -> f64 {
    median(rounds.iter().map(|figures| figures[above] / figures[below]))
}

fn column<const FIGURES: usize>(rounds: &[[f64; FIGURES]], figure: usize) -> f64 {
    median(rounds.iter().map(|figures| figures[figure]))
}

fn one_way() -> Vec<Goal> {
    println!("\none way, GB/s      memcpy  hand-over      pipe  ring, spin  ring, sleep");
    [64, 4 << 10, 64 << 10, 1 << 20].into_iter().flat_map(one_way_of).collect()
}

fn one_way_of(size: usize) -> Vec<Goal> {
    let mut pipe = peers::pipes("sink", size);
    let mut spin = peers::ring("sink", size, Wait::DEFAULT_SPIN);
    let mut sleep = peers::ring("sink", size, Duration::ZERO);
    let (pipe, spin, sleep) = (pipe.channel(), spin.channel(), sleep.channel());
    let figures = rounds(|| {
        let limits = [limits::memcpy(size), limits::hand_over(size)];
        [limits[0], limits[1], pipe.stream(size), spin.stream(size), sleep.stream(size)]
    });
    let [memcpy, hand_over, pipe, spin, sleep] = [0, 1, 2, 3, 4].map(|figure| column(&figures, figure));
    println!("{size:>9} bytes {memcpy:>10.3}{hand_over:>11.3}{pipe:>10.3}{spin:>12.3}{sleep:>13.3}");
    let share = |way: &str, column, bound| Goal {
        name: format!("one way, {size} bytes, {way}"),
        alternatives: vec![
            Ratio { of: "memcpy", figure: ratio(&figures, column, 0), bound: Bound::AtLeast(bound) },
            Ratio { of: "the hand-over", figure: ratio(&figures, column, 1), bound: Bound::AtLeast(0.7) },
        ],
    };
    match size {
        64 => vec![Goal {
            name: format!("one way, {size} bytes, spin"),
            alternatives: vec![Ratio {
                of: "a pipe",
                figure: ratio(&figures, 3, 2),
                bound: Bound::AtLeast(5.0),
            }],
        }],
        65536 => vec![share("spin", 3, 0.35), share("sleep", 4, 0.5)],
        _ => vec![share("spin", 3, 0.5)],
    }
}

fn gigabytes(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e9 / time.as_secs_f64()
}

/// Microseconds of each of the round trips that fit into the span.
fn trips(mut trip: impl FnMut()) -> Vec<f64> {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < SPAN {
        let start = Instant::now();
        trip();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    times
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[sorted.len() * percent / 100]
}

fn round_trip() -> Vec<Goal> {
    let (mut pipe, mut ring) = (peers::pipes("echo", 0), peers::ring("echo", 0, SPINNING));
    let (pipe, ring) = (pipe.channel(), ring.channel());
    let median_trip = |times: Vec<f64>| percentile(&times, 50);
    let figures = rounds(|| {
        [median_trip(trips(|| pipe.trip())), median_trip(trips(|| ring.trip())), limits::cache_line()]
    });
    let [through_pipe, through_ring, line] = [0, 1, 2].map(|figure| column(&figures, figure));
    println!(
        "\nround trip of 64 bytes, us: pipe {through_pipe:.2}, ring {through_ring:.2}, cache line {line:.2}"
    );
    vec![Goal {
        name: "round trip, both spin".to_owned(),
        alternatives: vec![
            Ratio { of: "a pipe's", figure: ratio(&figures, 1, 0), bound: Bound::AtMost(0.02) },
            Ratio { of: "a cache line's", figure: ratio(&figures, 1, 2), bound: Bound::AtMost(4.0) },
        ],
    }]
}

fn loaded() -> Vec<Goal> {
    let (mut pipe, mut ring) = (peers::pipes("echo", 0), peers::ring("echo", 0, Wait::DEFAULT_SPIN));
    let (pipe, ring) = (pipe.channel(), ring.channel());
    let _busy = [Busy::start(0), Busy::start(1)];
    let figures = rounds(|| {
        let (pipe, ring) = (trips(|| pipe.trip()), trips(|| ring.trip()));
        [percentile(&pipe, 50), percentile(&ring, 50), percentile(&pipe, 99), percentile(&ring, 99)]
    });
    let [pipe, ring, slow_pipe, slow_ring] = [0, 1, 2, 3].map(|figure| column(&figures, figure));
    println!("loaded, us: pipe {pipe:.2}, p99 {slow_pipe:.2}; ring {ring:.2}, p99 {slow_ring:.2}");
    vec![Goal {
        name: "loaded, 99th percentile".to_owned(),
        alternatives: vec![Ratio {
            of: "a pipe's",
            figure: ratio(&figures, 3, 2),
            bound: Bound::AtMost(8.0),
        }],
    }]
}

fn idle() -> Vec<Goal> {
    const WATCHED: Duration = Duration::from_secs(4);
    let mut peer = peers::ring("idle", 0, Wait::DEFAULT_SPIN);
    let peer = peer.channel();
    let before = cpu_time();
    peer.listen(&Wait::at_most(WATCHED));
    let ours = cpu_time() - before;
    let theirs = peer.idle_time();
    let share = |time: Duration| time.as_secs_f64() / WATCHED.as_secs_f64();
    println!("idle for {WATCHED:?}: agent's side {ours:?}, host's side {theirs:?}");
    ["agent", "host"]
        .into_iter()
        .zip([ours, theirs])
        .map(|(side, time)| Goal {
            name: format!("idle, {side}'s side"),
            alternatives: vec![Ratio { of: "a core", figure: share(time), bound: Bound::AtMost(0.005) }],
        })
        .collect()
}
