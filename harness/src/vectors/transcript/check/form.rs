//! Members of a step that do not go together.

use super::super::Mistake;
use super::super::entry::Party;
use super::super::op::Op;
use super::super::step::{Each, Kind, Step, walk};
use super::form_parts;
use crate::terms::TimeSpan;
use crate::yaml::{Span, Spot};

/// The most times that `each` repeats its steps.
const MOST_TIMES: u32 = 10_000;

/// The members that say which kind of step a step is.
const KINDS: &str = "client, agent, host, result, parallel, either, each, distinct, unpredictable, subject, process, files, segments, memory";

/// What is wrong with the form of the steps.
pub(super) fn mistakes(steps: &[Spot<Step>]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    walk(steps, &mut |step| of_step(step, &mut mistakes));
    mistakes
}

fn of_step(step: &Spot<Step>, mistakes: &mut Vec<Mistake>) {
    let kinds = step.kinds().collect::<Vec<_>>();
    match kinds.as_slice() {
        [] => {
            return mistakes
                .push((step.span, format!("the step does not say what it is; expected one of {KINDS}")));
        }
        [_] => {}
        [(one, _), (two, span), ..] => {
            return mistakes.push((*span, format!("a step is one thing; this one is `{one}` and `{two}`")));
        }
    }
    let Some(kind) = step.kind() else { return };
    misplaced(step, kind, mistakes);
    times(step, kind, mistakes);
    match kind {
        Kind::Actor(party, name) => actor(step, party, name.span, mistakes),
        Kind::Result(name) => match (&step.is, &step.fails) {
            (None, None) => {
                mistakes.push((name.span, "a result says what it `is` or how it `fails`".to_owned()))
            }
            (Some(_), Some(fails)) => {
                mistakes.push((fails.span, "a result has `is` or `fails`, not both".to_owned()));
            }
            _ => {}
        },
        Kind::Parallel(branches) | Kind::Either(branches) => {
            if branches.len() < 2 {
                mistakes
                    .push((step.span, format!("`{kind}` has at least two branches, each a list of steps")));
            }
            for branch in branches.iter().filter(|branch| branch.0.is_empty()) {
                mistakes.push((branch.span, "a branch has at least one step".to_owned()));
            }
        }
        Kind::Each(each) => of_each(each, mistakes),
        Kind::Unpredictable([]) => {
            mistakes.push((step.span, "`unpredictable` names the vectors that it is about".to_owned()));
        }
        Kind::Distinct([]) => mistakes.push((step.span, "`distinct` names what must differ".to_owned())),
        Kind::Distinct(_) | Kind::Unpredictable(_) | Kind::Segments(_) | Kind::Memory(_) => {}
        Kind::Process(process) => form_parts::process(process, mistakes),
        Kind::Subject(subject) => form_parts::subject(subject, step.span, mistakes),
        Kind::Files(files) => form_parts::files(files, mistakes),
    }
}

fn of_each(each: &Each, mistakes: &mut Vec<Mistake>) {
    if each.count.value == 0 || each.count.value > MOST_TIMES {
        mistakes.push((each.count.span, format!("`count` is 1 to {MOST_TIMES}, not {}", each.count.value)));
    }
    if each.steps.is_empty() {
        mistakes.push((each.name.span, "`each` has at least one step".to_owned()));
    }
}

/// Where a member may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Actor,
    Result,
    Timed,
    Actors,
    Named,
}

/// Members of other kinds of steps.
fn misplaced(step: &Step, kind: Kind<'_>, mistakes: &mut Vec<Mistake>) {
    fn at<T>(name: &'static str, home: Home, member: &Option<Spot<T>>) -> Option<(&'static str, Home, Span)> {
        member.as_ref().map(|member| (name, home, member.span))
    }
    let members = [
        at("does", Home::Actor, &step.does),
        at("bytes", Home::Actor, &step.bytes),
        at("frames", Home::Actor, &step.frames),
        at("wire", Home::Actor, &step.wire),
        at("fields", Home::Actor, &step.fields),
        at("pace", Home::Actor, &step.pace),
        at("shutdown", Home::Actor, &step.shutdown),
        at("reset", Home::Actor, &step.reset),
        at("from", Home::Actor, &step.from),
        at("quiet", Home::Actor, &step.quiet),
        at("closes", Home::Actor, &step.closes),
        at("breaks", Home::Actor, &step.breaks),
        at("exits", Home::Actor, &step.exits),
        at("reported", Home::Actor, &step.reported),
        at("is", Home::Result, &step.is),
        at("fails", Home::Result, &step.fails),
        at("within", Home::Timed, &step.within),
        at("not_before", Home::Actors, &step.not_before),
        at("since", Home::Timed, &step.since),
        at("as", Home::Named, &step.label),
    ];
    let is_actor = matches!(kind, Kind::Actor(..));
    let is_result = matches!(kind, Kind::Result(_));
    let is_flow = matches!(kind, Kind::Parallel(_) | Kind::Either(_) | Kind::Each(_))
        || matches!(kind, Kind::Distinct(_) | Kind::Unpredictable(_));
    let has_times = !is_flow && !matches!(kind, Kind::Subject(_) | Kind::Memory(_) | Kind::Process(_));
    for (name, home, span) in members.into_iter().flatten() {
        let at_home = match home {
            Home::Actor => is_actor,
            Home::Actors => is_actor || is_result,
            Home::Result => is_result,
            Home::Timed => has_times,
            Home::Named => !is_flow,
        };
        if !at_home {
            mistakes.push((span, format!("`{name}` cannot stand beside `{kind}`")));
        }
    }
}

/// Times that contradict each other, or time nothing.
fn times(step: &Step, kind: Kind<'_>, mistakes: &mut Vec<Mistake>) {
    order(&step.not_before, &step.within, mistakes);
    if let Some(closes) = &step.closes {
        order(&closes.not_before, &closes.within, mistakes);
    }
    let inside =
        step.closes.as_ref().is_some_and(|closes| closes.within.is_some() || closes.not_before.is_some())
            || step.exits.as_ref().is_some_and(|exits| exits.within.is_some());
    let own = step.within.as_ref().or(step.not_before.as_ref());
    if let (Some(since), None, false, None) = (&step.since, own, inside, &step.quiet) {
        mistakes
            .push((since.span, "`since` without `within`, `not_before` or `quiet` times nothing".to_owned()));
    }
    if !matches!(kind, Kind::Actor(..)) {
        return;
    }
    if let (Some(time), Some(_)) = (own, &step.quiet) {
        mistakes.push((time.span, "`quiet` says by itself how long it lasts".to_owned()));
    } else if let (Some(time), false, Some(closes)) = (own, step.has_bytes(), &step.closes) {
        if closes.within.is_some() || closes.not_before.is_some() {
            mistakes.push((time.span, "the end has its times twice: here and inside `closes`".to_owned()));
        }
    } else if let (Some(time), false, None) = (own, step.has_bytes(), &step.closes) {
        mistakes.push((time.span, "nothing comes in this step that could be timed".to_owned()));
    }
}

fn order(not_before: &Option<Spot<TimeSpan>>, within: &Option<Spot<TimeSpan>>, mistakes: &mut Vec<Mistake>) {
    if let (Some(low), Some(high)) = (not_before, within)
        && high.value < low.value
    {
        let message = format!("`within: {}` ends before `not_before: {}`", high.value, low.value);
        mistakes.push((high.span, message));
    }
}

/// A step of a party.
fn actor(step: &Step, party: Party, name: Span, mistakes: &mut Vec<Mistake>) {
    let says_something = step.does.is_some()
        || step.has_bytes()
        || step.shutdown.is_some()
        || step.reset.is_some()
        || step.quiet.is_some()
        || step.closes.is_some()
        || step.breaks.is_some()
        || step.reported.is_some()
        || step.exits.is_some();
    if !says_something {
        let message = format!("the {party} does nothing here: no bytes, frames, wire, closes or quiet");
        mistakes.push((name, message));
    }
    ops(step, party, mistakes);
    together(step, mistakes);
    let mut report = |span: Span, message: &str| mistakes.push((span, message.to_owned()));
    if let (Some(exits), false) = (&step.exits, party == Party::Host) {
        report(exits.span, "`exits` is about the process of a host");
    }
    if let (Some(reported), false) = (&step.reported, party == Party::Host) {
        report(reported.span, "`reported` is about the process of a host");
    }
    if let (Some(breaks), false) = (&step.breaks, party == Party::Agent) {
        report(breaks.span, "`breaks` is about an agent's segment");
    }
    if let Some(signal) =
        step.exits.as_ref().filter(|exits| exits.code.is_some()).and_then(|exits| exits.signal.as_ref())
    {
        report(signal.span, "a process ends with a code or by a signal");
    }
    if let (Some(from), false) = (&step.from, party == Party::Client) {
        report(from.span, "only a client connects `from` somewhere");
    }
    if let Some(from) = &step.from
        && !from.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    {
        report(from.span, "`from` is an address of this machine, 127.0.0.1 to 127.255.255.254");
    }
    if let Some(pace) = &step.pace {
        if pace.bytes.value == 0 {
            report(pace.bytes.span, "a write has at least one byte");
        }
        if !step.has_bytes() {
            report(pace.span, "`pace` is about the bytes of its step, and there are none");
        }
    }
    form_parts::bytes(step, mistakes);
}

fn ops(step: &Step, party: Party, mistakes: &mut Vec<Mistake>) {
    let Some(op) = &step.does else { return };
    match (&op.value, party) {
        (_, Party::Agent) => {
            mistakes.push((
                op.span,
                "an agent is told nothing; `does` is for clients, and starts hosts".to_owned(),
            ));
        }
        (Op::Start(start), Party::Host) => form_parts::start(start, mistakes),
        (Op::Start(_), _) => {
            mistakes.push((op.span, "a client cannot be started; `start` is for hosts".to_owned()))
        }
        (other, Party::Host) => {
            mistakes.push((
                op.span,
                format!("a host is told nothing but `start`; `{}` is for clients", other.name()),
            ));
        }
        (Op::Connect(connect), _) => form_parts::connect(connect, op.span, mistakes),
        (Op::UpdateAgent(update), _) => form_parts::update(update, mistakes),
        _ => {}
    }
}

/// Members of a party's step that exclude each other.
fn together(step: &Step, mistakes: &mut Vec<Mistake>) {
    let mut report = |span: Span, message: &str| mistakes.push((span, message.to_owned()));
    if let Some(wire) = &step.wire
        && (step.bytes.is_some() || step.frames.is_some())
    {
        report(wire.span, "`wire` stands alone: a step of its own tells what comes first");
    }
    if let Some(quiet) = &step.quiet
        && (step.has_bytes() || step.closes.is_some() || step.does.is_some() || step.exits.is_some())
    {
        report(quiet.span, "`quiet` stands alone: nothing comes from this party");
    }
    if let (Some(reset), true) = (&step.reset, step.shutdown.is_some() || step.closes.is_some()) {
        report(reset.span, "a connection ends once: `reset`, `shutdown` or `closes`");
    } else if let (Some(shutdown), Some(_)) = (&step.shutdown, &step.closes) {
        report(shutdown.span, "a connection ends once: `reset`, `shutdown` or `closes`");
    }
    if let Some(fields) = &step.fields {
        match (&step.bytes, &step.frames) {
            (None, None) => {
                report(fields.span, "`fields` explains hexadecimal `bytes` or `frames`, and there are none")
            }
            (Some(_), Some(_)) => {
                report(fields.span, "`fields` explains `bytes` or `frames`; this step has both, so split it");
            }
            _ => {}
        }
    }
}
