//! The codec role: requests over a line protocol to one lasting process, many at a time.
//!
//! When the process dies, hangs or says what is no answer, the cases then under way run again, each alone
//! on a fresh process, so that the culprit is found by name; the rest go on with a new lasting process.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::control::Control;
use super::lateness::{Lateness, Strain};
use super::lines::{Lines, NoLine};
use super::plan::{Case, Plan};
use super::reply::{self, Reply};
use super::{Breakdown, Interrupt, Results};
use crate::event::{CaseResult, Gravity};
use crate::format::Formats;
use crate::hex_text;
use crate::subject::Manifest;
use crate::vectors::Corpus;
use crate::vectors::codec::{CodecCase, CodecCheck};
use crate::verdict::{Answer, Outcome, Problem, judge_decode, judge_encode};

/// How much may wait to be sent before further requests are added, in bytes.
const BACKLOG: usize = 256 << 10;

/// After so many cases that hung alone, the rest is not tried.
const MOST_HANGS: u32 = 3;

/// How often a case is tried that was silent while the machine held somebody up.
const MOST_ATTEMPTS: u32 = 3;

/// After so many breakdowns that no case can be blamed for, the rest is not tried.
const MOST_OUT_OF_TURN: u32 = 3;

/// How long a process may take to start and to answer its first question, at least.
const START_WITHIN: Duration = Duration::from_secs(4);

/// The question that shows whether a subject answers at all.
const SANITY: &str = r#"{"id":0,"op":"encode","type":"int32","value":1}"#;

/// Runs a plan.
pub(super) async fn run(
    corpus: &Corpus,
    manifest: &Manifest,
    plan: &Plan<'_>,
    interrupt: &mut Interrupt,
    results: &mut Results<'_>,
) {
    let repeat = results.options.repeat;
    let mut queue = Vec::new();
    for repetition in 1..=repeat {
        for (at, planned) in plan.cases.iter().enumerate() {
            match &planned.skip {
                Some(reason) => {
                    results.add(planned.result(manifest, repetition, Outcome::Skip, Some(reason.clone())));
                }
                None => queue.push(Turn { at, repetition }),
            }
        }
    }
    if queue.is_empty() {
        return;
    }
    results.options.arrange(&mut queue);
    // Taken from its end.
    queue.reverse();
    // A plan for a codec has no other cases, so these stand in the same places.
    let cases: Vec<&CodecCase> = plan
        .cases
        .iter()
        .filter_map(|planned| match planned.case {
            Case::Codec(case) => Some(case),
            Case::Transcript(_) => None,
        })
        .collect();
    let controls = cases.iter().map(|case| controls(case, corpus)).collect::<Vec<_>>();
    let requests = cases.iter().zip(&controls).map(|(case, controls)| requests(case, controls)).collect();
    let mut run = Run {
        corpus,
        manifest,
        plan,
        cases,
        controls,
        requests,
        queue,
        hangs: 0,
        out_of_turn: 0,
        held: None,
        began: Instant::now(),
        paused: false,
        lateness: Lateness::measured(),
        results,
    };
    run.all(interrupt).await;
    run.tell_held();
}

/// One execution of a case.
#[derive(Clone, Copy, Debug)]
struct Turn {
    at: usize,
    repetition: u32,
}

/// An execution under way: what is still to be answered, and what went wrong so far.
struct Open {
    turn: Turn,
    waiting: usize,
    problems: Vec<Option<Problem>>,
    since: Instant,
    /// How much the subject had logged before.
    logged_before: u64,
}

impl Open {
    fn failed(&self) -> bool {
        self.problems.iter().any(Option::is_some)
    }
}

/// The positive controls of what has to be refused in a case.
fn controls<'a>(case: &CodecCase, corpus: &'a Corpus) -> Vec<Control<'a>> {
    case.checks.iter().filter_map(|check| Control::of(case, check, corpus)).collect()
}

/// Everything after the id of a request, for each check of a case and then for each control.
fn requests(case: &CodecCase, controls: &[Control<'_>]) -> Vec<String> {
    let own = case.checks.iter().map(|check| request(case, check));
    own.chain(controls.iter().map(|control| request(control.case, control.check))).collect()
}

fn request(case: &CodecCase, check: &CodecCheck) -> String {
    let setting = |name: &str, value: &Option<String>| {
        value.as_ref().map_or(String::new(), |value| {
            format!(r#","{name}":{}"#, serde_json::Value::from(value.as_str()))
        })
    };
    let settings = setting("key", &case.settings.key)
        + &setting("iv", &case.settings.iv)
        + &setting("padding", &case.settings.padding);
    let type_name = serde_json::Value::from(case.type_name.as_str());
    match check {
        CodecCheck::Encode { value, .. } => {
            format!(r#","op":"encode","type":{type_name},"value":{value}{settings}}}"#)
        }
        CodecCheck::Decode { bytes, .. } => {
            let bytes = hex_text::encode(bytes);
            format!(r#","op":"decode","type":{type_name},"hex":"{bytes}"{settings}}}"#)
        }
    }
}

/// What an answer belongs to: an execution under way and one of its checks, or a control behind them.
type Asked = HashMap<u64, (usize, usize)>;

/// The executions under way on one process.
#[derive(Default)]
struct Flight {
    asked: Asked,
    open: HashMap<usize, Open>,
    next_id: u64,
    next_slot: usize,
}

/// How the work on one process came to an end.
enum Leg {
    /// All that was to do is done.
    Done,
    /// The subject broke down.
    Broken(Breakdown),
    /// The run shall end.
    Interrupted,
}

struct Run<'a, 'b> {
    corpus: &'a Corpus,
    manifest: &'a Manifest,
    plan: &'a Plan<'a>,
    cases: Vec<&'a CodecCase>,
    controls: Vec<Vec<Control<'a>>>,
    requests: Vec<Vec<String>>,
    /// What is still to run, the next one last.
    queue: Vec<Turn>,
    hangs: u32,
    out_of_turn: u32,
    /// The last case that passed, which is told when the next one has passed, or when there is none any more: until then it
    /// has to answer for what the subject does with no case under way.
    held: Option<CaseResult>,
    began: Instant,
    /// Whether it was silent once, and is not excused again.
    paused: bool,
    lateness: Lateness,
    results: &'a mut Results<'b>,
}

impl Run<'_, '_> {
    async fn all(&mut self, interrupt: &mut Interrupt) {
        let (mut first, mut slow_starts) = (true, 0);
        while !self.queue.is_empty() && !self.results.stop && !interrupt.is_set() {
            // What passed on another process has nothing to do with this one.
            self.tell_held();
            let mut lines = match Lines::start(self.manifest) {
                Ok(lines) => lines,
                Err(message) => return self.give_up(&message, None),
            };
            let asked = Instant::now();
            if first && let Leg::Broken(breakdown) = self.sanity(&mut lines, interrupt).await {
                let log = lines.process.log();
                lines.process.kill().await;
                slow_starts += 1;
                if breakdown.is_silence() && slow_starts < MOST_ATTEMPTS && self.strained(asked).is_some() {
                    continue;
                }
                return self.give_up(&format!("asked a first question, {breakdown}"), log);
            }
            first = false;
            let mut flight = Flight::default();
            let leg = self.fly(&mut lines, &mut flight, interrupt).await;
            match leg {
                Leg::Done if !self.results.stop => self.finish(lines, interrupt).await,
                Leg::Done | Leg::Interrupted => {
                    lines.process.kill().await;
                }
                Leg::Broken(breakdown) => {
                    let log = settled_log(&lines).await;
                    lines.process.kill().await;
                    if flight.open.is_empty() {
                        self.out_of_turn += 1;
                        self.blame_held(&breakdown, log);
                    } else {
                        self.find_culprit(flight, &breakdown, log, interrupt).await;
                    }
                }
            }
            if self.out_of_turn >= MOST_OUT_OF_TURN && !self.queue.is_empty() {
                let message =
                    format!("not tried: the subject broke down {} times between cases", self.out_of_turn);
                return self.give_up(&message, None);
            }
            if self.hangs >= MOST_HANGS {
                let message =
                    format!("not tried: the subject hung in {} cases before, each run alone", self.hangs);
                return self.give_up(&message, None);
            }
        }
    }

    /// Ends every execution that is left as an error.
    fn give_up(&mut self, message: &str, log: Option<String>) {
        while let Some(turn) = self.queue.pop() {
            let planned = &self.plan.cases[turn.at];
            let result =
                planned.result(self.manifest, turn.repetition, Outcome::Error, Some(message.to_owned()));
            self.results.add(CaseResult { log: log.clone(), ..result });
        }
    }

    /// Asks one question whose answer is not judged: a subject that cannot answer it cannot be run.
    async fn sanity(&self, lines: &mut Lines, interrupt: &mut Interrupt) -> Leg {
        lines.queue(&[SANITY.as_bytes()]);
        // The process may still be starting.
        let patience = self.results.options.answer_within.max(START_WITHIN);
        match lines.exchange(patience, interrupt).await {
            Err(NoLine::Interrupted) => return Leg::Interrupted,
            Err(NoLine::Broken(breakdown)) => return Leg::Broken(breakdown),
            Ok(()) => {}
        }
        let Some(line) = lines.next_line() else { return Leg::Done };
        match reply(lines.text(line)) {
            Ok((0, _)) => Leg::Done,
            Ok((id, _)) => Leg::Broken(Breakdown::UnknownId(id.to_string())),
            Err(breakdown) => Leg::Broken(breakdown),
        }
    }

    /// Works through the queue on one process, until it is empty or the process fails.
    async fn fly(&mut self, lines: &mut Lines, flight: &mut Flight, interrupt: &mut Interrupt) -> Leg {
        loop {
            while !self.results.stop
                && flight.open.len() < self.results.options.jobs
                && lines.backlog() < BACKLOG
                && let Some(turn) = self.queue.pop()
            {
                self.ask(turn, lines, flight);
            }
            if flight.open.is_empty() {
                return Leg::Done;
            }
            match lines.exchange(self.results.options.answer_within, interrupt).await {
                Ok(()) => {}
                Err(NoLine::Interrupted) => return Leg::Interrupted,
                Err(NoLine::Broken(breakdown)) => return Leg::Broken(breakdown),
            }
            while let Some(line) = lines.next_line() {
                match self.take(lines, line, flight) {
                    Ok(None) => {}
                    Ok(Some(open)) => {
                        // The log is made up only for who will see it.
                        let log =
                            open.failed().then(|| lines.process.log_since(open.logged_before)).flatten();
                        self.conclude(open, log);
                    }
                    Err(breakdown) => return Leg::Broken(breakdown),
                }
            }
        }
    }

    fn ask(&self, turn: Turn, lines: &mut Lines, flight: &mut Flight) {
        let requests = &self.requests[turn.at];
        let slot = flight.next_slot;
        flight.next_slot += 1;
        for (check, request) in requests.iter().enumerate() {
            flight.next_id += 1;
            flight.asked.insert(flight.next_id, (slot, check));
            let head = format!(r#"{{"id":{}"#, flight.next_id);
            lines.queue(&[head.as_bytes(), request.as_bytes()]);
        }
        let problems = vec![None; requests.len()];
        let (waiting, since, logged_before) = (requests.len(), Instant::now(), lines.process.log_length());
        flight.open.insert(slot, Open { turn, waiting, problems, since, logged_before });
    }

    /// Takes one line and judges the answer. Gives the execution whose last answer it was.
    fn take(
        &self,
        lines: &Lines,
        line: Range<usize>,
        flight: &mut Flight,
    ) -> Result<Option<Open>, Breakdown> {
        let (id, answer) = reply(lines.text(line))?;
        let unknown = || Breakdown::UnknownId(id.to_string());
        let (slot, check) = flight.asked.remove(&id).ok_or_else(unknown)?;
        let open = flight.open.get_mut(&slot).ok_or_else(unknown)?;
        let case = self.cases[open.turn.at];
        open.problems[check] = match case.checks.get(check) {
            Some(own) => answer.judge(case, own, &self.corpus.formats),
            None => self.controls[open.turn.at][check - case.checks.len()].judge(&answer),
        };
        open.waiting -= 1;
        Ok(if open.waiting == 0 { flight.open.remove(&slot) } else { None })
    }

    /// Why a silence of the subject may be none of its own making, or is excused once.
    fn excuse(&self, breakdown: &Breakdown, since: Instant) -> Option<Excuse> {
        if !breakdown.is_silence() {
            return None;
        }
        if let Some(strain) = self.strained(since) {
            return Some(Excuse::Strained(strain));
        }
        let seconds = |when: Instant| when.saturating_duration_since(self.began).as_secs_f64();
        let (from, to) = (seconds(since), seconds(Instant::now()));
        let pause = format!("the subject was silent from {from:.1} s to {to:.1} s of the run");
        (!self.paused).then_some(Excuse::Paused(pause))
    }

    /// How much the machine held up harness or subject since a time, if that was too much of it.
    fn strained(&self, since: Instant) -> Option<Strain> {
        self.lateness.since(since).filter(|strain| strain.is_too_much_of(since.elapsed()))
    }

    fn conclude(&mut self, open: Open, log: Option<String>) {
        self.conclude_because(open, log, None);
    }

    fn conclude_because(&mut self, open: Open, log: Option<String>, reason: Option<String>) {
        let planned = &self.plan.cases[open.turn.at];
        let problems: Vec<Problem> = open.problems.into_iter().flatten().collect();
        let passed = problems.is_empty();
        let result = planned.result(self.manifest, open.turn.repetition, Outcome::Pass, reason);
        let result = result.with_problems(problems, &self.corpus.clauses);
        let micros = u64::try_from(open.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let result = CaseResult { micros, log: log.filter(|_| !passed), ..result };
        if passed {
            self.tell_held();
            self.held = Some(result);
        } else {
            self.results.add(result);
        }
    }

    /// Tells the last case that passed.
    fn tell_held(&mut self) {
        if let Some(result) = self.held.take() {
            self.results.add(result);
        }
    }

    /// The subject broke down with no case under way: the last one that passed on it answers for that.
    fn blame_held(&mut self, breakdown: &Breakdown, log: Option<String>) {
        match self.held.take() {
            Some(result) => {
                let reason = format!(
                    "the answers were right, but when the case was over and no other was under way, {breakdown}"
                );
                self.results.add(CaseResult { outcome: Outcome::Fail, reason: Some(reason), log, ..result });
            }
            None => {
                self.results.notice(
                    self.manifest,
                    Gravity::Warning,
                    format!("with no case under way, {breakdown}"),
                );
            }
        }
    }

    /// Runs each case that was under way alone on a fresh process. One that breaks it again is the culprit;
    /// if none does, all of them fail.
    async fn find_culprit(
        &mut self,
        flight: Flight,
        breakdown: &Breakdown,
        log: Option<String>,
        interrupt: &mut Interrupt,
    ) {
        let mut suspects: Vec<Turn> = flight.open.into_values().map(|open| open.turn).collect();
        suspects.sort_by_key(|turn| (turn.repetition, turn.at));
        let among = match suspects.len() {
            1 => String::new(),
            many => format!(" (one of {many} cases under way)"),
        };
        // The silence began about when nothing had come for as long as an answer may take.
        let silent_since = Instant::now() - self.results.options.answer_within;
        let cause = self.excuse(breakdown, silent_since);
        let mut innocent = Vec::new();
        let mut found = false;
        for turn in suspects {
            if interrupt.is_set() || self.results.stop || self.hangs >= MOST_HANGS {
                // Goes back to be run, or to be counted as not run.
                self.queue.push(turn);
                continue;
            }
            match self.alone_in_time(turn, interrupt).await {
                Alone::Concluded(open, log) => innocent.push((*open, log)),
                Alone::TooBusy(strain) => {
                    found = true;
                    let reason = format!(
                        "tried {MOST_ATTEMPTS} times, in vain, because {strain}: this machine is too busy; lastly, {breakdown}"
                    );
                    let planned = &self.plan.cases[turn.at];
                    let result = planned.result(self.manifest, turn.repetition, Outcome::Error, Some(reason));
                    self.results.add(result);
                }
                Alone::Broken(again, log) => {
                    found = true;
                    self.hangs += u32::from(again.is_silence());
                    self.broke(turn, &format!("{again}, with only this case under way"), log);
                }
                Alone::NotRun => self.queue.push(turn),
            }
        }
        let excused = cause.filter(|_| !found);
        if let Some(Excuse::Paused(pause)) = &excused {
            self.paused = true;
            let many = innocent.len();
            let message =
                format!("{pause}, and not again; the {many} cases under way ran a second time, alone");
            self.results.notice(self.manifest, Gravity::Error, message);
        }
        for (open, own_log) in innocent {
            if let Some(excuse) = &excused {
                let reason =
                    format!("tried again once, alone, because {excuse}; at first, {breakdown}{among}");
                self.conclude_because(open, own_log, Some(reason));
            } else if found {
                self.conclude(open, own_log);
            } else {
                let reason = format!("{breakdown}{among}, and did not do so again when each ran alone");
                self.broke(open.turn, &reason, log.clone());
            }
        }
    }

    /// A case that broke the subject fails, whatever it tests.
    fn broke(&mut self, turn: Turn, reason: &str, log: Option<String>) {
        let planned = &self.plan.cases[turn.at];
        let result = planned.result(self.manifest, turn.repetition, Outcome::Fail, Some(reason.to_owned()));
        self.results.add(CaseResult { log, ..result });
    }

    /// Runs a case alone: again, if it was silent while the machine held somebody up.
    async fn alone_in_time(&mut self, turn: Turn, interrupt: &mut Interrupt) -> Alone {
        let mut attempts = 0;
        loop {
            let began = Instant::now();
            let alone = self.alone(turn, interrupt).await;
            attempts += 1;
            match (&alone, self.strained(began)) {
                (Alone::Broken(again, _), Some(strain)) if again.is_silence() => {
                    if attempts == MOST_ATTEMPTS {
                        return Alone::TooBusy(strain);
                    }
                }
                _ => return alone,
            }
        }
    }

    async fn alone(&mut self, turn: Turn, interrupt: &mut Interrupt) -> Alone {
        let Ok(mut lines) = Lines::start(self.manifest) else { return Alone::NotRun };
        let mut flight = Flight::default();
        self.ask(turn, &mut lines, &mut flight);
        let outcome = self.answers(&mut lines, &mut flight, interrupt).await;
        let log = settled_log(&lines).await;
        lines.process.kill().await;
        match outcome {
            Ok(open) => Alone::Concluded(Box::new(open), log),
            Err(NoLine::Broken(breakdown)) => Alone::Broken(breakdown, log),
            Err(NoLine::Interrupted) => Alone::NotRun,
        }
    }

    /// Collects all answers of the one case under way, without concluding it.
    async fn answers(
        &self,
        lines: &mut Lines,
        flight: &mut Flight,
        interrupt: &mut Interrupt,
    ) -> Result<Open, NoLine> {
        let mut done = None;
        loop {
            lines.exchange(self.results.options.answer_within, interrupt).await?;
            // What came behind the last answer in the same breath is looked at, too.
            while let Some(line) = lines.next_line() {
                done = self.take(lines, line, flight).map_err(NoLine::Broken)?.or(done);
            }
            if let Some(open) = done {
                return Ok(open);
            }
        }
    }

    /// Ends a process that has answered everything, and tells what it did wrong in the end.
    async fn finish(&mut self, mut lines: Lines, interrupt: &mut Interrupt) {
        if let Leg::Broken(breakdown) = self.sanity(&mut lines, interrupt).await {
            let log = settled_log(&lines).await;
            lines.process.kill().await;
            return self.blame_held(&breakdown, log);
        }
        let stopped = tokio::select! {
            stopped = lines.process.stop() => stopped,
            // Dropped in the middle of it, the process is killed.
            () = interrupt.wait() => return,
        };
        for complaint in stopped.complaints(true, self.manifest.stop_within) {
            self.results.notice(self.manifest, Gravity::Warning, complaint);
        }
    }
}

/// What came of a case that ran alone.
enum Alone {
    Concluded(Box<Open>, Option<String>),
    Broken(Breakdown, Option<String>),
    /// It was silent whenever it was tried, and the machine may be the reason.
    TooBusy(Strain),
    NotRun,
}

/// Why a silence of the subject is not held against the cases that were under way.
enum Excuse {
    /// The machine held up harness or subject.
    Strained(Strain),
    /// It was the first one, and no case brought it about again: in one sentence.
    Paused(String),
}

impl fmt::Display for Excuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excuse::Strained(strain) => strain.fmt(f),
            Excuse::Paused(pause) => f.write_str(pause),
        }
    }
}

/// The log of a subject that just failed: what it wrote last may still be on its way.
async fn settled_log(lines: &Lines) -> Option<String> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    lines.process.log()
}

impl Reply<'_> {
    /// Judges the answer to one check.
    fn judge(&self, case: &CodecCase, check: &CodecCheck, formats: &Formats) -> Option<Problem> {
        let answer = match (&self.ok, &self.error) {
            (Some(ok), _) => Answer::Ok(ok.get()),
            (None, Some(error)) => {
                Answer::Error { kind: &error.kind, message: &error.message, offset: error.offset }
            }
            (None, None) => return None,
        };
        match check {
            CodecCheck::Encode { expected, .. } => judge_encode(case, formats, expected, answer),
            CodecCheck::Decode { bytes, expected } => judge_decode(case, formats, bytes, expected, answer),
        }
    }
}

/// Reads a line as an answer to a request that has an id.
fn reply(line: &[u8]) -> Result<(u64, Reply<'_>), Breakdown> {
    let (id, reply) = reply::reply(line)?;
    Ok((id.ok_or_else(|| Breakdown::UnknownId("null".to_owned()))?, reply))
}
