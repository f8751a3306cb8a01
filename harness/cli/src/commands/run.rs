//! `iaspec run`: cases against subjects, from the command line to the exit code.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use futures_util::{FutureExt, StreamExt, stream};
use iaspec_harness::engine::{self, Conversations, Interrupt, Plan, RunOptions, Selection, SubjectRun};
use iaspec_harness::event::{
    Event, RunFinished, RunStarted, SCHEMA_VERSION, SubjectFinished, SubjectStarted, Tally, TooFew,
};
use iaspec_harness::floor::FloorReport;
use iaspec_harness::subject::{Manifest, become_subreaper, reap_orphans};
use iaspec_harness::terms::Day;
use iaspec_harness::vectors::Corpus;
use iaspec_harness::yaml::Source;

use super::floor::FloorGate;
use super::in_turn::InTurn;
use super::new_file::NewFile;
use super::reporters::Reporters;
use super::{corpus, selection};
use crate::arguments::{ConversationsOf, Run};
use crate::exit::{self, Failure};
use crate::signals;

/// A file of the reference implementation, by its path in the repository.
type Embedded = (&'static str, &'static str);

/// The manifests of the reference implementation, one for each role.
const REFERENCE: [Embedded; 4] = [
    ("agent-under-test/subject-codec.yaml", include_str!("../../../../agent-under-test/subject-codec.yaml")),
    ("agent-under-test/subject-agent.yaml", include_str!("../../../../agent-under-test/subject-agent.yaml")),
    (
        "agent-under-test/subject-client.yaml",
        include_str!("../../../../agent-under-test/subject-client.yaml"),
    ),
    ("agent-under-test/subject-host.yaml", include_str!("../../../../agent-under-test/subject-host.yaml")),
];

/// The files that those manifests name, by their names in them.
const REFERENCE_FILES: [Embedded; 1] =
    [("InedoAgent.config.tmpl", include_str!("../../../../agent-under-test/InedoAgent.config.tmpl"))];

pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let corpus = corpus(&arguments.vectors)?;
    let modes = arguments.encryption.clone();
    let today = Some(Day::of(SystemTime::now()));
    let selection = Selection { slow: arguments.slow, modes, today, ..selection(&arguments.which)? };
    let mut manifests = manifests(arguments.subject.as_deref())?;
    let known: Vec<String> = manifests.iter().map(|manifest| manifest.role.to_string()).collect();
    manifests.retain(|manifest| arguments.role.is_empty() || arguments.role.contains(&manifest.role));
    if manifests.is_empty() {
        let known = known.join(" and ");
        return Err(Failure::usage(format!("--role leaves no subject: there is one of role {known}")));
    }
    let plans = Plan::for_all(&corpus, &manifests, &selection).map_err(|error| Failure::usage(error.0))?;
    if arguments.list {
        list(&plans)?;
        return Ok(ExitCode::SUCCESS);
    }
    let floor = FloorGate::open(arguments, &manifests)?;
    let mut reporters = reporters(arguments, floor.as_ref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::environment(format!("the asynchronous runtime cannot be started: {error}"))
    })?;
    become_subreaper();
    let outcome = runtime.block_on(run_all(&corpus, &manifests, &plans, arguments, &mut reporters, floor));
    reap_orphans();
    let closed = reporters.close();
    let code = outcome?;
    closed?;
    if let Some(path) = arguments.write_expect.as_deref().filter(|path| !path.exists()) {
        anstream::eprintln!("iaspec: no failure needs an entry, so there is no {}", path.display());
    }
    Ok(ExitCode::from(code))
}

/// All reports of the run, opened.
fn reporters(arguments: &Run, floor: Option<&FloorGate>) -> Result<Reporters, Failure> {
    let mut reporters = Reporters::new(arguments.width);
    reporters.show_run();
    if let Some(path) = &arguments.write_expect {
        let shown = path.display();
        let fail = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::usage(format!(
                "{shown} is there already; --write-expect overwrites nothing: move it away, or name another file"
            )),
            _ => Failure::usage(format!("--write-expect {shown} cannot be written: {error}")),
        };
        let file = NewFile::create(path).map_err(fail)?;
        reporters.protect(&file.metadata().map_err(fail)?, "the entries for `expect`");
        reporters.add_waivers(file);
    }
    if let Some(file) = floor.and_then(FloorGate::metadata) {
        reporters.protect(&file, "the floor");
    }
    reporters.add(&arguments.report)?;
    Ok(reporters)
}

fn manifests(subject: Option<&Path>) -> Result<Vec<Manifest>, Failure> {
    match subject {
        Some(path) => {
            let read = Manifest::read(path).map_err(Failure::usages)?;
            Ok(vec![read.with_program("iaspec", &program()?)])
        }
        None => reference(),
    }
}

fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::environment(format!("the path of this program cannot be had: {error}")))
}

/// The reference implementation in all roles.
pub(super) fn reference() -> Result<Vec<Manifest>, Failure> {
    let program = program()?;
    let read = |(path, text): Embedded| {
        Manifest::parse_with(&Source::new(path, text), Path::new("."), &embedded)
            .map(|manifest| manifest.with_program("iaspec", &program))
            .map_err(|findings| Failure::usages(findings.iter().map(|f| f.render(true)).collect()))
    };
    REFERENCE.into_iter().map(read).collect()
}

/// A file that an embedded manifest names.
fn embedded(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let found = REFERENCE_FILES.iter().find(|(known, _)| Some(*known) == name);
    found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

type Plans<'a> = Vec<(&'a Manifest, Plan<'a>)>;

fn list(plans: &Plans<'_>) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let mut count = 0;
    for (manifest, plan) in plans {
        for planned in &plan.cases {
            match &planned.skip {
                Some(reason) => writeln!(out, "{}  skipped: {reason}", planned.name)?,
                None => writeln!(out, "{}", planned.name)?,
            }
        }
        count += plan.cases.len();
        writeln!(out, "{} cases for {} (role {})", plan.cases.len(), manifest.name, manifest.role)?;
    }
    if plans.len() > 1 {
        writeln!(out, "{count} cases")?;
    }
    Ok(())
}

async fn run_all(
    corpus: &Corpus,
    manifests: &[Manifest],
    plans: &Plans<'_>,
    arguments: &Run,
    reporters: &mut Reporters,
    floor: Option<FloorGate>,
) -> Result<u8, Failure> {
    let (interrupter, interrupt) = engine::interruption();
    let caught = signals::listen(interrupter)
        .map_err(|error| Failure::environment(format!("signals cannot be listened for: {error}")))?;
    let options = options(arguments);
    let began = Instant::now();
    reporters.event(&Event::RunStarted(run_started(corpus, plans, arguments.slow, &options)));
    let listeners = RefCell::new(Listeners { in_turn: InTurn::new(reporters, plans.len()), floor });
    let SubjectRun { tally, ran, not_run } =
        run_side_by_side(corpus, plans, &options, &interrupt, &listeners).await;
    let floor = listeners.into_inner().floor;
    let signal = caught.get().copied();
    let ended_early = signal.is_some() || options.fail_fast && not_run > 0;
    let floor = floor.map(|floor| floor.conclude(manifests, plans, ended_early)).transpose();
    let least = arguments.min_cases.map(|least| usize::try_from(least).unwrap_or(usize::MAX));
    let too_few = least.filter(|least| ran < *least).map(|least| TooFew { ran, least });
    let exit_code = match (signal, &floor) {
        (Some((_, number)), _) => 128 + number,
        (None, Err(_)) => exit::NOT_RUN,
        (None, Ok(floor)) => exit_code(&tally, options.strict, floor.as_ref(), too_few.is_some()),
    };
    let (floor, unwritten) = floor.map_or_else(|message| (None, Some(message)), |floor| (floor, None));
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let interrupted = signal.map(|(name, _)| name.to_owned());
    let finished = RunFinished { tally, interrupted, not_run, too_few, floor, exit_code, millis };
    reporters.event(&Event::RunFinished(finished));
    unwritten.map_or(Ok(exit_code), |message| Err(Failure::environment(message)))
}

/// Who hears what happens to subjects.
struct Listeners<'a> {
    in_turn: InTurn<'a>,
    floor: Option<FloorGate>,
}

impl Listeners<'_> {
    fn event(&mut self, subject: usize, event: Event) {
        if let Some(floor) = &mut self.floor {
            floor.event(subject, &event);
        }
        self.in_turn.event(subject, event);
    }
}

/// Runs the plans of all subjects, as many at once as the options allow.
async fn run_side_by_side(
    corpus: &Corpus,
    plans: &Plans<'_>,
    options: &RunOptions,
    interrupt: &Interrupt,
    listeners: &RefCell<Listeners<'_>>,
) -> SubjectRun {
    let (mut tally, mut ran) = (Tally::default(), 0);
    let mut not_run = plans.iter().map(|(_, plan)| expected(plan, options)).sum::<usize>();
    let subjects = plans.iter().enumerate().map(|(at, (manifest, plan))| {
        let emit = move |event| listeners.borrow_mut().event(at, event);
        let run = run_one(corpus, manifest, plan, options, interrupt.clone(), emit);
        run.map(move |run| (at, run))
    });
    // One case at once means one subject at once, and the first failure that ends a run keeps the next from starting.
    let at_once = if options.fail_fast { 1 } else { options.jobs };
    let mut runs = stream::iter(subjects).buffer_unordered(at_once);
    while let Some((at, run)) = runs.next().await {
        listeners.borrow_mut().in_turn.finish(at);
        tally += run.tally;
        ran += run.ran;
        not_run = not_run - expected(&plans[at].1, options) + run.not_run;
        if options.fail_fast && (tally.errors > 0 || tally.failures(options.strict) > 0) {
            break;
        }
    }
    SubjectRun { tally, ran, not_run }
}

/// The exit code of a run that was not cut short: a floor that it fell below, or too few cases, weigh least.
fn exit_code(tally: &Tally, strict: bool, floor: Option<&FloorReport>, too_few: bool) -> u8 {
    match tally.exit_code(strict) {
        0 if too_few || floor.is_some_and(FloorReport::is_broken) => exit::STALE,
        code => code,
    }
}

/// How many results a plan has when all has run.
fn expected(plan: &Plan<'_>, options: &RunOptions) -> usize {
    plan.cases.len() * options.repeat as usize
}

/// Runs one subject's plan, telling its beginning and its end.
async fn run_one(
    corpus: &Corpus,
    manifest: &Manifest,
    plan: &Plan<'_>,
    options: &RunOptions,
    mut interrupt: Interrupt,
    mut emit: impl FnMut(Event),
) -> SubjectRun {
    let subject = manifest.name.clone();
    emit(Event::SubjectStarted(SubjectStarted {
        subject: subject.clone(),
        role: manifest.role,
        manifest: manifest.source.name.clone(),
        launch: manifest.launch.to_string(),
        supports: manifest.supports.claims(),
        dialect: manifest.dialect.readings(),
        cases: expected(plan, options),
    }));
    let run = engine::run_subject(corpus, manifest, plan, options, &mut interrupt, &mut emit).await;
    emit(Event::SubjectFinished(SubjectFinished { subject }));
    run
}

fn run_started(corpus: &Corpus, plans: &Plans<'_>, slow: bool, options: &RunOptions) -> RunStarted {
    let mut clauses = Vec::new();
    for clause in plans.iter().flat_map(|(manifest, plan)| plan.clauses(manifest.role, corpus)) {
        if !clauses.contains(&clause) {
            clauses.push(clause);
        }
    }
    RunStarted {
        schema: SCHEMA_VERSION,
        iaspec: env!("CARGO_PKG_VERSION").to_owned(),
        vectors: corpus.origin.clone(),
        digest: corpus.digest.clone(),
        strict: options.strict,
        repeat: options.repeat,
        slow,
        seed: options.seed,
        clauses,
    }
}

fn options(arguments: &Run) -> RunOptions {
    RunOptions {
        jobs: usize::from(arguments.jobs),
        repeat: arguments.repeat,
        seed: arguments.seed,
        fail_fast: arguments.fail_fast,
        strict: arguments.strict,
        answer_within: arguments.answer_within,
        longest_wait: None,
        conversations: match arguments.conversations {
            ConversationsOf::Failed => Conversations::Failed,
            ConversationsOf::All => Conversations::All,
        },
        rerun: rerun(arguments),
    }
}

/// The words that run one of these cases again, but for its name.
fn rerun(arguments: &Run) -> String {
    let mut words = vec![std::env::args().next().unwrap_or_else(|| "iaspec".to_owned()), "run".to_owned()];
    words.extend(arguments.subject.iter().map(|path| path.display().to_string()));
    if let Some(vectors) = &arguments.vectors.vectors {
        words.extend(["--vectors".to_owned(), vectors.display().to_string()]);
    }
    words.extend(arguments.slow.then(|| "--slow".to_owned()));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
