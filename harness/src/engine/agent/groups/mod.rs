//! Who shares a subject with whom, and who is to blame when it breaks down.

mod doubt;
mod held;
mod looks;
mod own;
mod sharing;
mod telling;
mod waits;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::doubt::{Cause, Doubtful, Pauses};
use self::held::Held;
use self::sharing::{Turn, Work, share_out, weight};
use super::conversation::{self, Background, Counterpart, Course, Hosts};
use super::detected;
use super::dialect::Dialect;
use super::health::{Ailment, Health};
use super::running::NotRunning;
use super::settings::Asked;
use super::subject::Subject;
use super::support::has_lines_without_id;
use crate::engine::lateness::Lateness;
use crate::engine::plan::{Case, Plan, PlannedCase};
use crate::engine::{Interrupt, Results, RunOptions};
use crate::subject::{Manifest, Role};
use crate::terms::Encryption;
use crate::timing::HandshakeTimes;
use crate::vectors::{Corpus, TranscriptCase};

/// The most subjects that run at once which cases share, and beside them the most that cases have for themselves: the first
/// mostly wait for the clocks of the protocol, the second are started and stopped.
const MOST_SUBJECTS: usize = 8;

/// The most connections that cases hold open at once, over all subjects.
const MOST_CONNECTIONS: u32 = 600;

/// After so many cases that each hung a subject alone, the rest of their group is not tried.
const MOST_HANGS: u32 = 3;

/// After so many breakdowns that no case can be blamed for, the rest of a group is not tried.
const MOST_UNEXPLAINED: u32 = 3;

/// By how much fewer cases run at once after a breakdown, so that the next one has fewer suspects.
const FEWER: usize = 4;

/// How often a case is tried whose failure may not be its subject's fault.
const MOST_ATTEMPTS: usize = 3;

/// Runs a plan.
pub(in crate::engine) async fn run(
    corpus: &Corpus,
    manifest: &Manifest,
    plan: &Plan<'_>,
    interrupt: &mut Interrupt,
    results: &mut Results<'_>,
) {
    let cases = transcripts(plan);
    let asked: Vec<Asked> = cases
        .iter()
        .zip(&plan.cases)
        .map(|(case, planned)| Asked::by(case.entry.needs.settings.as_deref(), planned.mode))
        .collect();
    let dialects = match manifest.role {
        Role::Client => Dialect::of_client(manifest),
        Role::Host => vec![Dialect::of_agent(manifest)],
        _ => tokio::select! {
            dialect = detected::dialect(corpus, manifest, plan, results) => vec![dialect],
            () = interrupt.wait() => return,
        },
    };
    let background = background(corpus, manifest, dialects, results.options);
    let work = share_out(plan, &cases, &asked, &background, results);
    let jobs = results.options.jobs;
    let run = Run {
        plan,
        weights: cases
            .iter()
            .zip(&plan.cases)
            .map(|(case, planned)| weight(case, planned, &background))
            .collect(),
        background,
        cases,
        asked,
        jobs,
        began: Instant::now(),
        doubtful: RefCell::default(),
        doubts: Cell::new(0),
        pauses: RefCell::default(),
        lateness: Lateness::measured(),
        in_flight: Semaphore::new(jobs),
        connections: Semaphore::new(MOST_CONNECTIONS as usize),
        notices: RefCell::default(),
        idle: RefCell::default(),
        handshakes: RefCell::default(),
        timeouts: RefCell::default(),
        results: RefCell::new(results),
    };
    let all = async {
        run.all(work).await;
        run.settle_doubts().await;
        run.measure_handshakes().await;
    };
    tokio::select! {
        () = all => {}
        // What is dropped here is killed.
        () = interrupt.wait() => return,
    }
    run.tell_pauses();
    run.tell_notices();
    run.tell_timing();
}

/// The cases of a plan. One for an agent or a client has no others, so these stand in the same places.
fn transcripts<'a>(plan: &'a Plan<'_>) -> Vec<&'a TranscriptCase> {
    let transcript = |planned: &'a PlannedCase<'_>| match planned.case {
        Case::Transcript(case) => Some(case),
        Case::Codec(_) => None,
    };
    plan.cases.iter().filter_map(transcript).collect()
}

fn background<'a>(
    corpus: &'a Corpus,
    manifest: &'a Manifest,
    dialects: Vec<Dialect>,
    options: &RunOptions,
) -> Background<'a> {
    let modes = &manifest.supports.encryption;
    let plain = modes.is_empty() || modes.contains(&Encryption::None);
    Background {
        corpus,
        manifest,
        patience: options.answer_within,
        longest_wait: options.longest_wait,
        dialects,
        asked: Asked::by(None, if plain { Encryption::None } else { modes[0] }),
        conversations: options.conversations,
    }
}

/// What came of a case.
struct Report {
    course: Course,
    /// What the subject was found to suffer from, where no case can be blamed for it.
    ailment: Option<Ailment>,
    log: Option<String>,
    micros: u64,
    /// When this try began.
    began: Instant,
    /// What came of earlier tries, and what may have been the reason.
    earlier: Vec<String>,
    cause: Option<Cause>,
}

impl Report {
    /// What came of a case that began at a time, and has just ended.
    fn new(course: Course, began: Instant) -> Self {
        let micros = micros(began);
        Self { course, ailment: None, log: None, micros, began, earlier: Vec::new(), cause: None }
    }
}

/// What came of a case and of its subject.
enum Done {
    /// The subject still serves.
    Concluded(Report),
    /// The subject broke down; what the case saw of it may be no more than that.
    Ill(Ailment, Report),
}

/// What came of a case on a subject of its own.
enum Alone {
    Concluded(Report),
    Ill(Ailment, Report),
    NotRunning(NotRunning),
}

/// How the work on one subject came to an end.
enum Leg {
    /// All that was to do is done.
    Done,
    /// The subject broke down during these.
    Broken(Ailment, Vec<Turn>),
}

struct Run<'a, 'r, 'b> {
    background: Background<'a>,
    plan: &'a Plan<'a>,
    cases: Vec<&'a TranscriptCase>,
    /// The settings that each case asks for.
    asked: Vec<Asked>,
    /// How many connections each case has open at most.
    weights: Vec<u32>,
    jobs: usize,
    began: Instant,
    /// Cases that failed, maybe not by their subject's fault, and run again in the end.
    doubtful: RefCell<VecDeque<Doubtful>>,
    /// How many there were so far.
    doubts: Cell<usize>,
    /// When subjects stood still.
    pauses: RefCell<Pauses>,
    lateness: Lateness,
    in_flight: Semaphore,
    connections: Semaphore,
    /// What is to be told of the subject, and how often it happened.
    notices: RefCell<Vec<(String, u32)>>,
    /// Subjects in good health that are kept to be measured when the cases are over.
    idle: RefCell<Vec<(Asked, Subject<'a>)>>,
    /// What was measured of handshakes.
    handshakes: RefCell<Vec<HandshakeTimes>>,
    /// The timeouts that fired, by kind and setting.
    timeouts: RefCell<BTreeMap<(String, Duration), Vec<Duration>>>,
    results: RefCell<&'r mut Results<'b>>,
}

impl Run<'_, '_, '_> {
    async fn all(&self, work: VecDeque<Work>) {
        let (shared, own) = work.into_iter().partition(|work| matches!(work, Work::Shared(..)));
        tokio::join!(self.lane(shared), self.lane(own));
    }

    async fn lane(&self, mut work: VecDeque<Work>) {
        let mut running = FuturesUnordered::new();
        let most = MOST_SUBJECTS.min(self.jobs);
        loop {
            while running.len() < most
                && !self.is_stopped()
                && let Some(next) = work.pop_front()
            {
                running.push(self.work(next));
            }
            if running.next().await.is_none() {
                return;
            }
        }
    }

    async fn work(&self, work: Work) {
        match work {
            Work::Shared(asked, turns) => self.shared(&asked, turns).await,
            Work::Own(asked, turn) => {
                let alone = self.once(turn, &asked).await;
                self.settle_alone(turn, &asked, alone);
            }
        }
    }

    /// Runs a case once on a subject of its own.
    async fn once(&self, turn: Turn, asked: &Asked) -> Alone {
        match self.background.manifest.role {
            Role::Host => self.hosts(asked, turn).await,
            _ => self.alone(turn, asked).await,
        }
    }

    /// Runs a case of hosts, which it starts itself.
    async fn hosts(&self, asked: &Asked, turn: Turn) -> Alone {
        let _permits = self.permits(self.weights[turn.at]).await;
        let began = Instant::now();
        let (case, manifest) = (self.cases[turn.at], self.background.manifest);
        let hosts = match Hosts::new(manifest, |ground| asked.values(manifest, ground)) {
            Ok(hosts) => hosts,
            Err(reason) => return Alone::NotRunning(NotRunning { reason, log: None }),
        };
        let (counterpart, dialect) = (Counterpart::Hosts(&hosts), self.background.dialect());
        let (course, _) = conversation::run(&self.background, case, asked, dialect, counterpart).await;
        let log = course.trouble.is_some().then(|| hosts.log()).flatten();
        hosts.kill().await;
        Alone::Concluded(Report { log, ..Report::new(course, began) })
    }

    fn is_stopped(&self) -> bool {
        self.results.borrow().stop
    }

    /// Runs cases that share a subject, on as many subjects as they break.
    async fn shared(&self, asked: &Asked, mut queue: VecDeque<Turn>) {
        let mut at_once = self.jobs;
        let (mut hangs, mut unexplained) = (0, 0);
        while !queue.is_empty() && !self.is_stopped() {
            let subject = match self.start(asked).await {
                Ok(subject) => subject,
                Err(error) => return self.give_up(queue, &error.reason, error.log),
            };
            let (health, first) = self.first_look(&subject, asked).await;
            if let Err(Ailment::Broke(breakdown)) = &first
                && breakdown.is_nonsense()
            {
                let log = subject.log().await;
                drop(health);
                subject.kill().await;
                return self.give_up(queue, &format!("asked a first question, {breakdown}"), log);
            }
            if let Err(ailment) = &first {
                self.notice(format!("before any case, {ailment}"));
            }
            let mut held = Held::new(self);
            let began = Instant::now();
            let leg = tokio::select! {
                leg = self.fly(&subject, &health, asked, at_once, &mut queue, &mut held) => leg,
                () = self.beats(&health), if first.is_ok() => continue,
            };
            if let Leg::Done = leg {
                if first.is_ok()
                    && let Err(ailment) = self.last_look(&health).await
                {
                    held.blame(&ailment);
                }
                drop((health, held));
                if first.is_ok() && asked.is_usual() {
                    self.idle.borrow_mut().push((asked.clone(), subject));
                } else {
                    self.stop(subject).await;
                }
                continue;
            }
            let Leg::Broken(ailment, suspects) = leg else { continue };
            drop(health);
            let log = subject.log().await;
            subject.kill().await;
            at_once = (at_once / FEWER).max(1);
            if suspects.is_empty() {
                held.blame(&ailment);
            }
            drop(held);
            let cause = || self.excuse(&ailment, began.max(Instant::now() - 2 * self.background.patience));
            let blame = self.find_culprit(suspects, &ailment, cause, log, asked).await;
            hangs += blame.hangs;
            unexplained += u32::from(!blame.found);
            if hangs >= MOST_HANGS {
                let reason = format!("not tried: the subject hung in {hangs} cases before, each run alone");
                return self.give_up(queue, &reason, None);
            }
            if unexplained >= MOST_UNEXPLAINED {
                let reason = format!(
                    "not tried: the subject broke down {unexplained} times without a case to blame; lastly, {ailment}"
                );
                return self.give_up(queue, &reason, None);
            }
        }
    }

    /// Works through the queue on one subject, until it is empty or the subject breaks down.
    async fn fly(
        &self,
        subject: &Subject<'_>,
        health: &Health<'_>,
        asked: &Asked,
        at_once: usize,
        queue: &mut VecDeque<Turn>,
        held: &mut Held<'_, '_, '_, '_>,
    ) -> Leg {
        // A case whose handshakes stall must not keep others from theirs.
        let slots = usize::try_from(asked.max_concurrent_handshakes())
            .unwrap_or(usize::MAX)
            .saturating_sub(10)
            .max(1);
        let slots = Semaphore::new(slots);
        let waiting: RefCell<Vec<Turn>> = RefCell::default();
        let under_way: RefCell<Vec<Turn>> = RefCell::default();
        let mut flying = FuturesUnordered::new();
        let leg = loop {
            while flying.len() < at_once
                && !self.is_stopped()
                && let Some(turn) = queue.pop_front()
            {
                waiting.borrow_mut().push(turn);
                let (waiting, under_way, slots) = (&waiting, &under_way, &slots);
                flying.push(async move {
                    let weight = self.weights[turn.at];
                    let _slots = slots.acquire_many(weight.min(50)).await;
                    let _permits = self.permits(weight).await;
                    waiting.borrow_mut().retain(|other| *other != turn);
                    under_way.borrow_mut().push(turn);
                    (turn, self.one(turn, subject, health).await)
                });
            }
            tokio::select! {
                biased;
                done = flying.next() => match done {
                    None => break Leg::Done,
                    Some((turn, Done::Concluded(report))) => {
                        under_way.borrow_mut().retain(|other| *other != turn);
                        match self.doubt(turn, &report) {
                            Some(cause) => self.postpone(turn, asked, &report, cause),
                            None => held.conclude(turn, report),
                        }
                    }
                    Some((_, Done::Ill(ailment, _))) => break Leg::Broken(ailment, under_way.take()),
                },
                ailment = subject.broken() => break Leg::Broken(ailment, under_way.take()),
            }
        };
        drop(flying);
        waiting.take().into_iter().rev().for_each(|turn| queue.push_front(turn));
        leg
    }

    /// Leave to run a case: a place among those under way, and connections.
    async fn permits(&self, weight: u32) -> impl Sized {
        let place = self.in_flight.acquire().await;
        let connections = self.connections.acquire_many(weight.min(MOST_CONNECTIONS)).await;
        (place, connections)
    }

    /// Runs a case on a subject, and looks at the subject's health where the case does not speak for it.
    async fn one(&self, turn: Turn, subject: &Subject<'_>, health: &Health<'_>) -> Done {
        let began = Instant::now();
        let logged_before = subject.log_length();
        let course = self.in_all_dialects(turn, subject).await;
        let mut report = Report::new(course, began);
        let failed = report.course.trouble.is_some();
        let must_look =
            if health.was_ill() { report.course.saw_end && !failed } else { report.course.saw_end || failed };
        let ailment = if must_look { health.look().await.err() } else { None };
        if failed || ailment.is_some() {
            report.log = subject.log_since(logged_before).await;
        }
        match ailment {
            Some(ailment) if !health.was_ill() => return Done::Ill(ailment, report),
            ailment => report.ailment = ailment,
        }
        Done::Concluded(report)
    }

    /// Runs a case in each dialect in which it is worth running: in all at once, or, where a client is given lines from
    /// which it can read no id, one after the other. Gives what came of the first in which it fails.
    async fn in_all_dialects(&self, turn: Turn, subject: &Subject<'_>) -> Course {
        let case = self.cases[turn.at];
        let dialects = self.background.dialects_for(case, self.plan.cases[turn.at].mode);
        if let [only] = dialects.as_slice() {
            return self.in_dialect(turn, subject, *only).await;
        }
        let mut courses = Vec::new();
        if has_lines_without_id(case) {
            for dialect in &dialects {
                courses.push(self.in_dialect(turn, subject, *dialect).await);
            }
        } else {
            let all = dialects.iter().map(|dialect| self.in_dialect(turn, subject, *dialect));
            courses = join_all(all).await;
        }
        let told = courses.into_iter().zip(&dialects);
        let told = told.map(|(course, dialect)| Course { dialect: Some(*dialect), ..course });
        let (mut failed, mut passed): (Vec<_>, Vec<_>) = told.partition(|course| course.trouble.is_some());
        if failed.is_empty() { passed.swap_remove(0) } else { failed.swap_remove(0) }
    }

    /// Runs a case in a dialect.
    async fn in_dialect(&self, turn: Turn, subject: &Subject<'_>, dialect: Dialect) -> Course {
        let (case, asked) = (self.cases[turn.at], &self.asked[turn.at]);
        let (background, counterpart) = (&self.background, subject.counterpart());
        conversation::run(background, case, asked, dialect, counterpart).await.0
    }

    /// Runs each suspect alone on a fresh subject. Those that break it again are the culprits; if none does, all
    /// of them fail.
    async fn find_culprit(
        &self,
        suspects: Vec<Turn>,
        ailment: &Ailment,
        cause: impl FnOnce() -> Option<Cause>,
        log: Option<String>,
        asked: &Asked,
    ) -> Blame {
        let among = match suspects.len() {
            1 => String::new(),
            many => format!(" (one of {many} cases under way)"),
        };
        let mut blame = Blame::default();
        let mut innocent = Vec::new();
        let mut waiting: VecDeque<Turn> = suspects.into();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < MOST_SUBJECTS
                && let Some(turn) = waiting.pop_front()
            {
                running.push(async move { (turn, self.alone(turn, asked).await) });
            }
            match running.next().await {
                None => break,
                Some((turn, Alone::Ill(again, report)))
                    if let Some(strain) = self.hindered(&again, report.began) =>
                {
                    let report = Report { ailment: Some(again), ..report };
                    self.postpone(turn, asked, &report, Cause::Strain(strain));
                }
                Some((turn, Alone::Ill(again, report))) => {
                    blame.found = true;
                    blame.hangs += u32::from(again.is_silence());
                    self.broke(turn, &format!("{again}, with only this case under way"), report);
                }
                Some((turn, alone)) => innocent.push((turn, alone)),
            }
        }
        let cause = if blame.found { None } else { cause() };
        if cause.is_some() {
            blame.found = true;
            self.excused(innocent.len());
        }
        for (turn, alone) in innocent {
            match alone {
                Alone::Concluded(report) if cause.is_some() => {
                    let earlier = vec![format!("{ailment}{among}")];
                    self.settle(turn, asked, Report { earlier, cause, ..report });
                }
                Alone::Concluded(report) if blame.found || report.course.trouble.is_some() => {
                    self.settle(turn, asked, report);
                }
                Alone::NotRunning(_) if blame.found => self.conclude_alone(turn, alone),
                _ => {
                    let reason = format!("{ailment}{among}, and did not do so again when each ran alone");
                    self.failed(turn, &reason, log.clone());
                }
            }
        }
        blame
    }

    /// Measures how long handshakes take, of subjects that have nothing else to do any more, and stops them.
    async fn measure_handshakes(&self) {
        let idle = self.idle.take();
        for (asked, subject) in idle {
            if !self.is_stopped() {
                let (health, first) = Health::first(&self.background, &subject, &asked).await;
                if first.is_ok() {
                    let times = health.handshakes(&asked).await;
                    self.handshakes.borrow_mut().extend(times);
                }
            }
            self.stop(subject).await;
        }
    }

    async fn stop(&self, subject: Subject<'_>) {
        let by_lines = matches!(subject, Subject::Client(_));
        if let Some(stopped) = subject.stop().await {
            let complaints = stopped.complaints(by_lines, self.background.manifest.stop_within);
            complaints.into_iter().for_each(|complaint| self.notice(complaint));
        }
    }
}

/// Whether somebody could be blamed for a breakdown.
#[derive(Default)]
struct Blame {
    found: bool,
    hangs: u32,
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
